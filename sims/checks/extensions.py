"""Checks of section EXT."""

from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import linprog

from ...theory import Parameterization, Problem, UpdateRule, derive, difference, logistic, power, product
from ...theory.derivation.landscape import Landscape
from .. import Status, descend
from .cases import beta_of, dense_problem, only_positive, sparse_problem, unequal_weights
from .registry import Case, Comparison, Formulas, NotApplicable, check
from .stability import beside_the_edge, fitted, flip, heavy_ball_map, hessian_at


@check("EXT-1", cases=12, quick_cases=4)
def heavy_ball(f: Formulas, case: Case) -> list[Comparison]:
    """Where the linear map of two states loses stability, and runs from beside a minimum below and above that."""
    b = case.rng.uniform(0.0, 0.9)
    model, problem, minimum = fitted(case)
    H = hessian_at(model, problem, minimum)
    top = np.linalg.eigvalsh(H)[-1]
    edge, lr_max = flip(lambda lr: heavy_ball_map(H, lr, b), 1 / top, 8 / top), f.lr_max(b=b, sharpness=top)
    linear = Comparison(edge, lr_max, label=f"{model.name}, linear")
    return [linear, *beside_the_edge(model, problem, minimum, lr_max, UpdateRule(momentum=b))]


DECAYING = (difference(2), power(2), product(2), difference(3), power(3), product(3))


@check("EXT-2", cases=12, quick_cases=6)
def weight_decay(f: Formulas, case: Case) -> Comparison:
    """The end of descent against the LASSO by coordinate descent, or standing still in beta at depth 3."""
    model, n, decay = case.choose(DECAYING), 1 + 2 * (case.index // 2 % 2), case.rng.uniform(0.05, 0.15)
    problem, L = dense_problem(case, n, n + 2, only_positive(model)), derive(model).model.degree
    count = np.count_nonzero(sp.Poly(model.effective, *model.weights).monoms()[0])  # weights that share a monomial
    beta = beta_of(model, settled(model, problem, unequal_weights(case, model, problem.d), decay))
    if L == 2:
        penalty = f.penalty(beta=1.0, decay=decay, L=L, m=count)
        sparse = _lasso(problem, penalty, only_positive(model))  # all of it may be 0; the teacher's size is up to 1
        return Comparison(beta, sparse, scale=1.0, label=f"{model.name}, LASSO")
    alive = np.abs(beta) > 1e-3
    if not alive.any():
        raise NotApplicable("no coefficient survives")
    slope = np.sign(beta[alive]) * f.slope(beta=np.abs(beta[alive]), decay=decay, L=L, m=count)
    g = problem.X.T @ (problem.X @ beta - problem.y) / problem.n
    return Comparison(-g[alive], slope, label=f"{model.name}, at rest")


def settled(model: Parameterization, problem: Problem, theta: np.ndarray, decay: float) -> np.ndarray:
    """Where the heavy ball on ``L + decay |theta|^2 / 2`` comes to rest."""
    lr = 0.5 / np.linalg.eigvalsh(problem.X @ problem.X.T / problem.n)[-1]
    settings: dict[str, Any] = dict(theta0=theta, max_steps=5_000, tol=1e-22, track_every=0, backend="numpy")
    run = descend(model, problem, lr, rule=UpdateRule(momentum=0.9, weight_decay=decay), **settings)
    if run.status != Status.CONVERGED:
        raise NotApplicable("not at rest after 5000 steps")
    return run.theta.values


def _lasso(problem: Problem, penalty: float, positive: bool) -> np.ndarray:
    """``argmin |X b - y|^2 / (2 n) + penalty |b|_1``, b >= 0 where asked, one coordinate at a time."""
    X, beta, sizes = problem.X, np.zeros(problem.d), (problem.X**2).mean(axis=0)
    for _ in range(20_000):
        before = beta.copy()
        for i in range(problem.d):
            pull = X[:, i] @ (problem.y - X @ beta) / problem.n + sizes[i] * beta[i]
            beta[i] = np.sign(pull) * max(abs(pull) - penalty, 0) / sizes[i] * (not positive or pull > 0)
        if np.abs(beta - before).max() < 1e-15:
            return beta
    raise NotApplicable("the LASSO needs more sweeps")


@check("EXT-3", cases=30, quick_cases=5)
def sgd_shrinkage(f: Formulas, case: Case) -> Comparison:
    """Descent with one random sample a step: the mean over the coefficients of ln(u v / alpha^2)."""
    problem, alpha = sparse_problem(case, 6, 12), case.rng.uniform(0.1, 0.3)
    lr = case.rng.uniform(0.2, 0.5) / (4 * (problem.X**2).sum(axis=1).max())
    rule = UpdateRule(batch=1, noise_seed=int(case.rng.integers(2**31)))
    settings: dict[str, Any] = dict(max_steps=5_000, tol=1e-4, track_every=0, record_every=4, backend="numpy")
    run = descend(difference(2), problem, lr, alpha, rule=rule, **settings)
    if run.status != Status.CONVERGED:
        raise NotApplicable("the loss is above 1e-4 after 5000 steps")
    losses = 4 * float(run.path_loss.sum())  # each recorded one stands for four
    predicted = f.shrinkage(lr=lr, a=(problem.X**2).mean(axis=0), loss_sum=losses)
    measured = np.log(np.abs(run.theta.values.prod(axis=0)) / alpha**2)
    return Comparison(measured.mean(), predicted.mean(), label=f"lr = {lr:.3g}")


@check("EXT-4", cases=30, quick_cases=5)
def largest_margin(f: Formulas, case: Case) -> list[Comparison]:
    """The share of the best margin along a run, with steps that keep lr S = 0.6 as the loss fades."""
    n, d = int(case.rng.integers(1, 6)), int(case.rng.integers(3, 8))
    X = case.rng.standard_normal((n, d))
    problem = Problem(X, case.rng.choice([-1.0, 1.0], n), loss=logistic)
    Z = problem.y[:, None] * X
    separator, best = _best_margin(Z)
    theta, shares, margin = np.full((2, d), 0.1), [], 0.0
    landscape = Landscape(derive(difference(2), logistic), problem)
    law = landscape.law
    while margin < 100:
        lr = 0.6 / float(landscape.sharpness(theta[None]).value[0])
        for _ in range(100):
            theta = theta - lr * np.stack(law.jacobian(*theta)) * landscape.slope(landscape.predictions(*theta))
        beta = law.effective(*theta)
        margin, norm = (Z @ beta).min(), np.abs(beta).sum()
        shares.append(float(f.share(margin=margin, l1=norm, best=best)))
        if len(shares) > 300:
            raise NotApplicable("the margin is below 100 after 30000 steps")
    quarters = np.array(shares)[np.linspace(len(shares) // 4, len(shares) - 1, 4).astype(int)]
    return [
        Comparison(shares[-1], 1.0, label=f"n = {n}, d = {d}, margin {margin:.0f}"),
        Comparison(quarters[1:], quarters[:-1], "at_least", label="later against earlier"),
        Comparison(
            f.share(margin=(Z @ separator).min(), l1=np.abs(separator).sum(), best=best), 1.0, label="separator"
        ),
    ]


def _best_margin(Z: np.ndarray) -> tuple[np.ndarray, float]:
    """A separator of largest l1 margin, by linear programming, and that margin, by the dual program."""
    n, d = Z.shape
    primal = linprog(np.ones(2 * d), A_ub=-np.hstack([Z, -Z]), b_ub=-np.ones(n))
    if primal.status != 0:
        raise NotApplicable("not separable")
    # The margin is the least |sum_j p_j z_j|_inf over probabilities p.
    sides = np.vstack([Z.T, -Z.T])
    dual = linprog(
        np.eye(n + 1)[n], A_ub=np.hstack([sides, -np.ones((2 * d, 1))]), b_ub=np.zeros(2 * d),
        A_eq=np.append(np.ones(n), 0.0)[None], b_eq=[1.0],
    )  # fmt: skip
    return primal.x[:d] - primal.x[d:], float(dual.fun)
