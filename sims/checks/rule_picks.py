"""Checks of section RULE: what is picked."""

from typing import Any

import numpy as np
from scipy.optimize import nnls

from ...theory import Problem, UpdateRule, difference, power
from ...theory.rules.steps import STEPS
from .. import Status, descend, flow
from .cases import beginning, sparse_problem, unequal_weights
from .registry import Case, Comparison, Formulas, NotApplicable, check
from .stability import gradients_at

MODEL = difference(2)
START = 1e-100
MOST_SADDLES = 40
APART = 0.02  # of the time of a plateau: arrivals that are nearer are one
HIDDEN = 0.02  # exponent of alpha, of a weight that may not have appeared yet
EARLY_AND_LATE = 0.95, 1.1  # of the steps that are told: a coordinate takes some to rise and to be fitted


def _run(problem: Problem, theta0: np.ndarray, lr: float, steps: int, **rule: Any):
    """Weights (step, weight, d), their gradients, and the residuals of a run of so many steps."""
    settings: dict[str, Any] = dict(theta0=theta0, max_steps=steps, tol=0, record_every=1, track_every=0)
    run = descend(MODEL, problem, lr, rule=UpdateRule(**rule), backend="numpy", **settings)
    theta = run.path_theta.transpose("step", "weight", "feature").values
    if not np.isfinite(theta).all():
        raise NotApplicable("the run diverged")
    return theta, gradients_at(MODEL, problem, theta), (theta[:, 0] ** 2 - theta[:, 1] ** 2) @ problem.X.T - problem.y


@check("RULE-11", cases=9, quick_cases=3)
def one_length(f: Formulas, case: Case) -> Comparison:
    """The product u v along forty steps."""
    problem, theta0 = beginning(case, MODEL, 3, 6)
    name = case.choose(("normalized_descent", "clipped_descent", "polyak"))
    lr = case.rng.uniform(0.05, 0.2)
    parameters = {"clipped_descent": dict(max_norm=1.0), "normalized_descent": dict(eps=0.0)}.get(name, {})
    theta, gradients, residual = _run(problem, theta0, lr, 40, step=name, step_parameters=parameters)
    given = dict(
        lr=lr, norm=np.linalg.norm(gradients, axis=(1, 2)), max_norm=1.0,
        loss=(residual**2).sum(axis=1) / (2 * problem.n),
    )  # fmt: skip
    length = getattr(f, name)
    steps = length(**{symbol: given[symbol] for symbol in length.symbols})[:-1, None]
    factors = f.factor(lr=steps, g=(residual @ problem.X / problem.n)[:-1])
    products = theta.prod(axis=1)
    return Comparison(products[-1] / products[0], factors.prod(axis=0), label=name)


@check("RULE-12", cases=9, quick_cases=3)
def ahead(f: Formulas, case: Case) -> Comparison:
    """One step of every kind of coordinate."""
    problem, theta0 = beginning(case, MODEL, 3, 6)
    lr, rho = case.rng.uniform(0.05, 0.2), case.rng.uniform(0.05, 0.3)
    theta, gradients, residual = _run(problem, theta0, lr, 1, step="sam", step_parameters=dict(rho=rho))
    norm = np.linalg.norm(gradients[0])
    uphill = theta0 + rho * gradients[0] / norm
    slope = (problem.X @ (uphill[0] ** 2 - uphill[1] ** 2) - problem.y) @ problem.X / problem.n
    factor = f.factor(lr=lr, rho=rho, g=residual[0] @ problem.X / problem.n, g_ahead=slope, norm=norm)
    return Comparison(theta[1].prod(axis=0) / theta0.prod(axis=0), factor)


@check("RULE-14", cases=9, quick_cases=3)
def lag(f: Formulas, case: Case) -> list[Comparison]:
    """The rate at which a weight of small curvature falls, late in runs."""
    s, b, found = 2e-4, case.rng.uniform(0.3, 0.7), []
    for name in ("gradient_descent", "heavy_ball", "nesterov"):
        momentum = 0.0 if name == "gradient_descent" else b
        law = getattr(f, name)
        settings: dict[str, Any] = dict(theta0=np.ones((1, 1)), tol=0, track_every=0, record_every=100, backend="numpy")
        rule = UpdateRule(momentum=momentum, step=STEPS[name])
        problem = Problem(np.array([[np.sqrt(s)]]), np.zeros(1))
        w = descend(power(1), problem, 1.0, max_steps=300, rule=rule, **settings).path_theta.values.ravel()
        speed = 1 / (1 - momentum)
        behind = (np.log(w[-2] / w[-1]) / (100 * speed * s) - 1) / s
        found.append(Comparison(behind, law(**{"lr": 1.0, "b": b} if momentum else {"lr": 1.0}), label=name))
    return found


@check("RULE-15", cases=6, quick_cases=3)
def drift(f: Formulas, case: Case) -> list[Comparison]:
    """How far the sharpness falls between two late states, each brought to rest by gradient flow."""
    problem, theta0 = sparse_problem(case, 4, 10), unequal_weights(case, MODEL, 10, 0.2)
    found, rho = [], case.rng.uniform(0.01, 0.02)
    lr = 0.2 * 2 / float(flow(MODEL, problem, theta0=theta0).sharpness)
    for name, rate, steps in (("normalized_descent", 5e-3, 4000), ("sam", lr, 4000)):
        rule = UpdateRule(step=STEPS[name], step_parameters=dict(rho=rho) if name == "sam" else {})
        settings: dict[str, Any] = dict(theta0=theta0, tol=0, track_every=0, record_every=steps // 4)
        run = descend(MODEL, problem, rate, max_steps=steps, rule=rule, **settings)
        ends = [
            flow(MODEL, problem, theta0=theta).theta.transpose("weight", "feature").values
            for theta in run.path_theta.transpose("step", "weight", "feature").values[2:]
        ]
        tops, slopes = zip(*(_slope_along(problem, theta) for theta in ends), strict=True)
        law, tops = getattr(f, name), np.array(tops)
        values = {"lr": rate, "rho": rho, "sharpness": tops}
        paces = law(**{symbol: values[symbol] for symbol in law.symbols}) * np.array(slopes)
        told = (paces[1:] + paces[:-1]).sum() / 2 * (steps // 4)
        found.append(Comparison(np.log(tops[0] / tops[-1]), told, label=name))
    return found


def _slope_along(problem: Problem, theta: np.ndarray) -> tuple[float, float]:
    """The sharpness of an interpolator, and the squared slope of its logarithm along the interpolators."""
    jacobian = np.concatenate([2 * theta[0] * problem.X, -2 * theta[1] * problem.X], axis=1)
    values, vectors = np.linalg.eigh(jacobian @ jacobian.T / problem.n)
    slope = (8 * theta * (vectors[:, -1] @ problem.X) ** 2 / problem.n).ravel() / values[-1]
    along = slope - np.linalg.pinv(jacobian) @ (jacobian @ slope)
    return float(values[-1]), float(along @ along)


@check("RULE-16", cases=9, quick_cases=3)
def one_sum(f: Formulas, case: Case) -> Comparison:
    """Twenty steps from weights that these leave positive."""
    problem, theta0 = beginning(case, MODEL, 3, 6)
    theta, *_ = _run(problem, theta0, case.rng.uniform(1e-3, 1e-2), 20, step="sign_descent")
    return Comparison(theta[-1].sum(axis=0), f.sum(u=theta0[0], v=theta0[1]))


@check("RULE-17", cases=9, quick_cases=3)
def turning(f: Formulas, case: Case) -> list[Comparison]:
    """The last two residuals of a run of one sample, and those ahead of them, where its gradients are taken."""
    x, target = case.rng.uniform(0.5, 1.5, 4) * case.rng.choice([-1, 1], 4), case.rng.uniform(0.5, 1.5)
    problem, rho, theta0 = Problem(x[None], np.array([target])), case.rng.uniform(1e-4, 3e-4), MODEL.theta0(0.3, 4)
    lr = case.rng.uniform(0.2, 1.4) / float(flow(MODEL, problem, theta0=theta0).sharpness)
    theta, _, residual = _run(problem, theta0, lr, 4000, step="sam_max", step_parameters=dict(rho=rho))
    found = []
    for weights, r in zip(theta[-2:], residual[-2:, 0], strict=True):
        slope = np.array([2 * weights[0], -2 * weights[1]]) * x
        values = {"lr": lr, "rho": rho, "norm": np.abs(slope).sum(), "sharpness": (slope**2).sum()}
        u, v = weights + rho * np.sign(r * slope)
        ahead = (u**2 - v**2) @ x - target
        found += [Comparison(abs(r), f.residual(**values)), Comparison(ahead**2, f.curvature(**values))]
    return found


@check("RULE-13", cases=30, quick_cases=6)
def saddles(f: Formulas, case: Case) -> list[Comparison]:
    """A run from a start of 1e-100: where it ends, and when its last coordinate appears."""
    n = int(case.rng.integers(2, 5))
    X, y = case.rng.standard_normal((n, 2 * n)), case.rng.standard_normal(n)
    problem, lr = Problem(X, y), case.rng.uniform(0.1, 0.2) * n / np.abs(X.T @ y).max()
    beta, steps, last = _greedy(f, X, y, lr)

    def run_of(most: float):
        return descend(MODEL, problem, lr, START, max_steps=int(most), tol=1e-24, track_every=0)

    run = run_of(1.5 * steps + 20_000)
    if run.status != Status.CONVERGED:
        raise NotApplicable("the run did not converge")
    size = abs(beta[last])
    before, after = (abs(run_of(share * steps).beta.values[last]) for share in EARLY_AND_LATE)
    return [
        Comparison(run.beta.values, beta, scale=1e-5 * np.abs(beta).max(), label=f"n = {n}, {steps:.0f} steps"),
        Comparison(before, 0.0, scale=size, label="the last coordinate just before it is told to appear"),
        Comparison(after, size / 2, "at_least", scale=size, label="and after it"),
    ]


def _greedy(f: Formulas, X: np.ndarray, y: np.ndarray, lr: float) -> tuple[np.ndarray, float, int]:
    """The last saddle, the steps to where its last coordinate appears, and that coordinate."""
    n, d = X.shape
    behind, steps, last, signs = np.ones((2, d)), 0.0, -1, np.array([[1.0], [-1.0]])  # exponents of alpha, of u and v
    for _ in range(MOST_SADDLES):
        beta, (sides, places) = np.zeros(d), np.nonzero(behind <= 0)
        if len(places):
            beta[places] = signs[sides, 0] * nnls(X[:, places] * signs[sides, 0], y)[0]
        residual = X @ beta - y
        if np.abs(residual).max() < 1e-10:
            if (behind[behind > 0] < HIDDEN).any():
                raise NotApplicable("a coordinate is about to appear at the end")
            return beta, steps, int(last)
        g = signs * (X.T @ residual / n)
        g[np.abs(g) < 1e-12] = 0
        with np.errstate(divide="ignore"):
            pace = 1 / f.steps(alpha=START, behind=1.0, lr=lr, g=g)
        waits = np.where((pace > 0) & (behind > 0), behind / np.where(pace > 0, pace, 1), np.inf)
        first, second = np.partition(waits.ravel(), 1)[:2]
        if second - first < APART * first:
            raise NotApplicable("two coordinates appear at a time")
        steps, behind = steps + first, np.maximum(behind - first * pace, 0)
        side, last = np.unravel_index(np.argmin(waits), waits.shape)
        behind[side, last] = 0.0
    raise NotApplicable("more saddles than were looked for")
