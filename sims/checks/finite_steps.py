"""Checks of section EXA."""

import numpy as np

from ...theory import Parameterization, Problem, difference, power
from .. import Status, descend
from .cases import beginning, beta_of, dense_problem
from .mirror import endpoint_of, starts, value
from .registry import Case, Comparison, Formulas, NotApplicable, check

SIZES = ((3, 8), (1, 4), (2, 6), (4, 12))
MOST_STEPS = 20_000
SMALLEST = 1e-24  # loss at which a run has arrived
AT_THE_EDGE = 0.9  # least lr S / 2 of a run that counts as at the edge of stability
FRACTIONS = (1.6, 1.3, 1.0, 0.75, 0.5, 0.3)  # of 2 / S at the teacher: the largest that converges is taken


def _slopes(problem: Problem, beta: np.ndarray) -> np.ndarray:
    """dL/dbeta at coefficients (T, d)."""
    return (beta @ problem.X.T - problem.y) @ problem.X / problem.n


def _recorded(model: Parameterization, problem: Problem, theta0: np.ndarray, lr: float, steps: int, tol: float):
    """A run with its weights and dL/dbeta before every step, (T, d)."""
    run = descend(model, problem, lr, theta0=theta0, tol=tol, max_steps=steps, track_every=0, record_every=1)
    beta = beta_of(model, run.path_theta.transpose("weight", "step", "feature").values)
    return run, _slopes(problem, beta[:-1])


def _kernel(problem: Problem) -> np.ndarray:
    """``X diag(4 |b|) X^T`` at the teacher b, whose top over n is the sharpness there."""
    assert problem.beta_star is not None
    return (problem.X * 4 * np.abs(problem.beta_star)) @ problem.X.T


def _at_the_edge(model: Parameterization, problem: Problem, theta0: np.ndarray):
    """The run at the largest learning rate of a grid that converges, with its lr."""
    top = np.linalg.eigvalsh(_kernel(problem))[-1] / problem.n
    for fraction in FRACTIONS:
        lr = float(fraction * 2 / top)
        run = descend(model, problem, lr, theta0=theta0, tol=SMALLEST, max_steps=MOST_STEPS, track_every=0)
        if int(run.status) == Status.CONVERGED:
            return lr, *_recorded(model, problem, theta0, lr, MOST_STEPS, SMALLEST)
    raise NotApplicable("no learning rate of the grid converged")


def _edge(run, lr: float) -> str:
    return f"lr S / 2 = {float(run.sharpness) * lr / 2:.4f}"


@check("EXA-1", cases=8, quick_cases=4)
def factors(f: Formulas, case: Case) -> list[Comparison]:
    """The squares of the weights after up to 40 large steps against the sums of logarithms along the run."""
    model, (n, d) = case.choose((power(2), difference(2))), case.choose(SIZES)
    problem, theta0 = beginning(case, model, n, d)
    lr = case.rng.uniform(0.3, 0.7) / np.linalg.eigvalsh(problem.X @ problem.X.T / n)[-1]
    run, g = _recorded(model, problem, theta0, lr, 40, 1e-12)
    if int(run.status) == Status.DIVERGED:
        raise NotApplicable("the run diverged")
    found = []
    for row, end, log in zip(theta0, run.theta.values, (f.log_plus, f.log_minus), strict=False):
        found.append(Comparison(end**2, value(f.square, w_0=row, log_factor=log(lr=lr, g=g).sum(axis=0))))
    return found


@check("EXA-2", cases=8, quick_cases=3)
def divergence_minimiser(f: Formulas, case: Case) -> Comparison:
    """A run at the largest learning rate that converges against the projection of its effective start."""
    model, (n, d) = power(2), case.choose(SIZES)
    problem, theta0 = beginning(case, model, n, d, 0.5)
    lr, run, g = _at_the_edge(model, problem, theta0)
    start = f.start(beta_0=theta0[0] ** 2, delta=f.shift_step(lr=lr, g=g).sum(axis=0))
    predicted = endpoint_of(f.of("GF-2").conjugate_power_2, problem, w_0=np.sqrt(start))
    return Comparison(run.beta.values, predicted, label=_edge(run, lr))


@check("EXA-3", cases=8, quick_cases=3)
def effective_start(f: Formulas, case: Case) -> list[Comparison]:
    """A run at the largest learning rate that converges: its endpoint, and |u v| there."""
    model, (n, d) = difference(2), case.choose(SIZES)
    problem = dense_problem(case, n, d)
    theta0 = np.tile(case.rng.uniform(0.1, 0.3, d), (2, 1))
    lr, run, g = _at_the_edge(model, problem, theta0)
    end = f.alpha_end(alpha=theta0[0], gain=f.gain_step(lr=lr, g=g).sum(axis=0))
    delta = f.tilt_step(lr=lr, g=g).sum(axis=0)
    u, v = run.theta.values
    return [
        Comparison(run.beta.values, endpoint_of(f.conjugate, problem, alpha=end, delta=delta), label=_edge(run, lr)),
        Comparison(np.sqrt(np.abs(u * v)), end),
    ]


@check("EXA-4", cases=6, quick_cases=3)
def stochastic(f: Formulas, case: Case) -> Comparison:
    """Single-sample steps, with label noise at first, against the projection of their effective start."""
    model = case.choose((power(2), difference(2)))
    n, d = case.choose(((3, 8), (4, 8), (1, 4)))
    problem, theta0 = beginning(case, model, n, d, 0.5)
    X, y, theta, taken = problem.X, problem.y, theta0.copy(), []
    lr = 0.25 / max(np.linalg.eigvalsh(_kernel(problem))[-1], (X**2).sum(axis=1).max())
    signs = np.array([[1.0], [-1.0]])[: len(theta)]
    for step in range(60_000):
        residual = X @ beta_of(model, theta) - y
        if not np.linalg.norm(residual) > 1e-13 * np.linalg.norm(y):
            break
        j = case.rng.integers(n)
        g = X[j] * (residual[j] + (0.3 * case.rng.standard_normal() if step < 300 else 0.0))
        theta = theta - lr * 2 * signs * theta * g
        taken.append(g)
    else:
        raise NotApplicable("the run did not converge")
    g = np.array(taken)
    logs = [step(lr=lr, g=g).sum(axis=0) for step in (f.plus_step, f.minus_step)]
    known = starts(model, theta0 * np.exp(np.array(logs[: len(theta)]) / 2))
    name = "conjugate_difference_2" if len(theta) == 2 else "conjugate_power_2"
    predicted = endpoint_of(f.of("GF-2")[name], problem, **known)
    return Comparison(beta_of(model, theta), predicted, label=f"{model.name}, {len(g)} steps")


@check("EXA-5", cases=32, quick_cases=6)
def truncation(f: Formulas, case: Case) -> list[Comparison]:
    """What remains of ln w^2 after 40 small steps, and the truncated prediction of a run at a large learning rate."""
    model, (n, d) = power(2), case.choose(SIZES)
    problem, theta0 = beginning(case, model, n, d, 0.5)
    small = 5e-4 / np.abs(_slopes(problem, theta0[:1] ** 2)).max()
    run, g = _recorded(model, problem, theta0, small, 40, SMALLEST)
    predicted = f.shift_step(lr=small, g=g).sum(axis=0)
    left = 2 * np.log(run.theta.values[0] / theta0[0]) + 4 * small * g.sum(axis=0)
    lr, run, g = _at_the_edge(model, problem, theta0)
    if not lr * float(run.sharpness) / 2 >= AT_THE_EDGE:
        raise NotApplicable("the largest lr of the grid that converges is not at the edge of stability")
    delta = f.shift_step(lr=lr, g=g).sum(axis=0)
    start = f.of("EXA-2").start(beta_0=theta0[0] ** 2, delta=delta)
    truncated = endpoint_of(f.of("GF-2").conjugate_power_2, problem, w_0=np.sqrt(start))
    off = float(np.linalg.norm(truncated - run.beta.values) / np.linalg.norm(run.beta.values))
    return [
        Comparison(left, predicted, label=f"off by {off:.1%} at {_edge(run, lr)}"),
        Comparison(off, f.least_error(), "at_least"),
    ]
