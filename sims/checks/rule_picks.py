"""Checks of section RULE: what is picked."""

from typing import Any

import numpy as np
from scipy.optimize import nnls

from ...theory import Problem, UpdateRule, difference
from .. import Status, descend
from .cases import beginning
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
