"""Checks of section GFS."""

import numpy as np
from scipy.optimize import brentq

from ...theory import Problem, derive, difference, power, predict, product, single_point
from ...theory.prediction.dual import dual_root
from ...theory.prediction.transport import Transport
from .. import descend, flow
from .cases import beginning, dense_problem, only_positive, plain_run
from .points import Point
from .registry import Case, Comparison, Formulas, NotApplicable, check

SAMPLES = 1000  # random steps at each depth
EDGE_STEPS = 150


@check("GFS-1", cases=10, quick_cases=5)
def end_of_flow(f: Formulas, case: Case) -> Comparison:
    """The largest Hessian eigenvalue where an integrated flow ends: from a chain, and with several samples."""
    chain, several = product(case.choose((2, 3, 2, 4))), case.choose((None, None, power(2), None, difference(2)))
    if (model := several or chain) is chain:
        y, theta = case.rng.uniform(0.5, 2.0), case.rng.uniform(0.3, 1.5, (len(model.weights), 1))
        problem, squares = single_point([1.0], y), theta[:, 0] ** 2
        predicted = float(_phi(f, squares[:, None], y)[0])
        if model.degree == 2:
            predicted = np.array([predicted, f.phi_pair(u=theta[0, 0], v=theta[1, 0], y=y)])
    else:
        (problem, theta), dynamics = beginning(case, model, case.choose((3, 2)), 5), derive(model)
        transport = Transport(dynamics, theta)
        end = dual_root(dynamics, problem, transport).theta
        K = f.of("ALG-4").kernel(
            x_a=problem.X[:, None], x_b=problem.X[None], tangent=Point(model, problem, end).tangents, n=problem.n
        )
        predicted = np.linalg.eigvalsh(K.sum(axis=-1))[-1]
    ended = flow(model, problem, theta0=theta, rtol=1e-13, tol=1e-25)
    return Comparison(ended.sharpness.item(), predicted, label=model.name)


@check("GFS-2")
def threshold_of_a_pair(f: Formulas, case: Case) -> list[Comparison]:
    """Where phi returns to its value, by bisection on the step; the side of 400 steps; and two runs beside it."""
    model, y = product(2), case.rng.uniform(0.5, 2.0)
    theta = np.array([[case.rng.uniform(1.0, 2.0)], [case.rng.uniform(0.2, 0.8)]])
    if abs(theta.prod() - y) < 0.2:
        raise NotApplicable("the residual is too small for its steps to be resolved")
    (u,), (v,) = theta
    g = u * v - y

    def phi(u, v):
        return f.of("GFS-1").phi_pair(u=u, v=v, y=y)

    def rise(size):
        move = size / abs(g) * g
        return phi(u - move * v, v - move * u) - phi(u, v)

    threshold, sizes = f.threshold(), np.linspace(0.01, 2.5, 400)
    comparisons = [
        Comparison(brentq(rise, 1.1, 2.0, xtol=1e-15, rtol=1e-14), threshold),
        Comparison(rise(sizes) <= 0, sizes <= threshold, label="falls"),
        Comparison(f.of("INV-3").factor(lr=threshold / abs(g), g=g), -1.0, label="the gap's factor"),
    ]
    for beside in (0.999, 1.001):
        run = plain_run(model, single_point([1.0], y), beside * threshold / abs(g), theta, 1)
        comparisons.append(Comparison(phi(*run.theta.values).item() <= phi(u, v), beside < 1, label="a run falls"))
    return comparisons


@check("GFS-3", cases=30, quick_cases=6)
def sufficient_conditions(f: Formulas, case: Case) -> list[Comparison]:
    """Random steps within both conditions, at depths 2, 3, 4: the largest relative rise of phi."""
    chain, threshold, comparisons = f.of("GFS-1"), f.threshold(), []
    for depth in (2, 3, 4):
        u = case.rng.uniform(0.05, 2.0, (depth, SAMPLES))
        others = np.sort(u, axis=0)[2:].prod(axis=0)
        lr = case.rng.uniform(0, 1, SAMPLES) ** 0.1 * threshold / f.size(lr=1.0, g=u.prod(axis=0) - 1, others=others)
        comparisons.append(Comparison(_growth(chain, u, lr), 1.0, "at_most", label="below the threshold"))

        small = u * case.rng.uniform(0.02, 1, SAMPLES) / np.maximum(1.0, u.prod(axis=0) ** (1 / depth))
        lr = case.rng.uniform(0, 1, SAMPLES) ** 0.1 * f.largest_rate(phi=_phi(chain, small**2, 1.0))
        comparisons.append(Comparison(_growth(chain, small, lr), 1.0, "at_most", label="below the largest rate"))
    # Both are sharp for a pair: the first everywhere, the second where its weights vanish.
    pair = case.rng.uniform(0.2, 2.0, (2, SAMPLES))
    lr = threshold / f.size(lr=1.0, g=pair.prod(axis=0) - 1, others=1.0)
    comparisons.append(Comparison(_growth(chain, pair, lr), np.ones(SAMPLES), label="at the threshold"))
    vanishing = _phi(chain, np.full((2, 1), 1e-16), 1.0)
    comparisons.append(Comparison(f.size(lr=f.largest_rate(phi=vanishing), g=-1.0, others=1.0), threshold))
    return comparisons


@check("GFS-4", cases=30, quick_cases=6)
def several_samples(f: Formulas, case: Case) -> list[Comparison]:
    """The share of falling steps along runs at the edge of stability, and phi after them."""
    model, (n, d) = case.choose((power(2), difference(2))), case.choose(((3, 12), (4, 12), (5, 15)))
    problem = dense_problem(case, n, d, only_positive(model))
    lr = case.rng.uniform(1.05, 1.2) * float(predict(model, problem, init_scale=0.1).lr_critical_final)
    run = descend(
        model, problem, lr, init_scale=0.1, max_steps=EDGE_STEPS, track_every=0, backend="numpy", record_every=1
    )
    states = run.path_theta.values[run.path_loss.values > 1e-10]
    if len(states) < EDGE_STEPS // 2:
        raise NotApplicable("the run converged or diverged within 75 steps")
    phi = _sharpness_of_ends(problem, states)
    rises = np.diff(phi) / phi[:-1]
    return [
        Comparison((rises <= 1e-9).mean(), f.falls(), scale=1.0, label=model.name),
        Comparison(phi[-1], f.settles(lr=lr), label=f"{model.name}, at the end"),
    ]


def _phi(f: Formulas, squares: np.ndarray, y: float) -> np.ndarray:
    """The sharpness where flow from a chain ends, by Newton from the right on a convex function; squares (L, T)."""
    depth = len(squares)
    c = {f"c{p}": row for p, row in enumerate(squares, 1)}
    tau = y ** (2 / depth) - squares.min(axis=0)
    for _ in range(60):
        tau = tau - (f[f"whole_{depth}"](tau=tau, **c) - y**2) / f[f"phi_{depth}"](tau=tau, **c)
    return f[f"phi_{depth}"](tau=tau, **c)


def _growth(f: Formulas, u: np.ndarray, lr: np.ndarray) -> np.ndarray:
    """What a step of each chain, columns of u, multiplies phi by, for y = 1."""
    whole = u.prod(axis=0)
    return _phi(f, (u - lr * (whole - 1) * whole / u) ** 2, 1.0) / _phi(f, u**2, 1.0)


def _sharpness_of_ends(problem: Problem, states: np.ndarray) -> np.ndarray:
    """phi of states (T, weight, d) of w^2 or u^2 - v^2: damped Newton on the dual of every state at once."""
    X, nu = problem.X, np.zeros((len(states), problem.n))
    residual, K = np.empty(0), np.empty(0)
    sign = np.array([1.0, -1.0])[: states.shape[1], None]
    for _ in range(100):
        squares = states**2 * np.exp(4 * sign * (nu @ X)[:, None])
        k = 4 * squares.sum(axis=1)
        residual = (sign * squares).sum(axis=1) @ X.T - problem.y
        K = np.einsum("ai,ti,bi->tab", X, k, X)
        step = np.linalg.solve(K, residual[..., None])[..., 0]
        nu -= step * np.minimum(1.0, 0.3 / np.abs(step @ X).max(axis=1, keepdims=True))
    if not np.abs(residual).max() < 1e-9 * np.abs(problem.y).max():
        raise NotApplicable("an end of flow was not found to 1e-9")
    return np.linalg.eigvalsh(K)[:, -1] / problem.n
