"""Which coefficients a start can reach, and so which loss can be reached (existence of an interpolator)."""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import scipy  # its parts on first use: they take half a second to import
import sympy as sp

from ..derivation.dynamics import derive
from ..derivation.separable import separate
from ..errors import NoInterpolator
from ..loss import array_loss, squared
from ..parameterization import Parameterization
from ..problem import Problem

EXACT = 1e-12  # misfit of least squares, in units of the targets, that is rounding
LEAST_MARGIN = 1e-8  # of an interpolator inside the range, in units of a typical coefficient
FAR = 1e3  # size of the weights, in units of the start, beyond which a coefficient counts as unbounded


class AtBoundary(NoInterpolator):
    """What fits lies on the boundary of what is attained: gradient flow tends to it and never reaches it."""


class Range(NamedTuple):
    """Open interval of the coefficients gradient flow can reach, (d,) each; infinite where unbounded."""

    lower: np.ndarray
    upper: np.ndarray

    @property
    def unbounded(self) -> bool:
        return not (np.isfinite(self.lower).any() or np.isfinite(self.upper).any())


def attainable_range(model: Parameterization, theta0: np.ndarray) -> Range:
    """The interval that beta_i sweeps on the characteristic flow through theta0 (weight, feature).

    Followed downhill and uphill: the coefficient is bounded where the path ends in a
    critical point of ``effective``, as ``w^L`` ends at 0.
    """
    if model.degree:  # the paths are alike at every scale
        length = np.abs(theta0).max(axis=0)
        theta0 = theta0 / np.where(length > 0, length, 1.0)
    if (theta0 == theta0[:, :1]).all():  # as standard starts are
        columns, index = theta0[:, :1], np.zeros(theta0.shape[1], dtype=int)
    else:
        columns, index = np.unique(theta0, axis=1, return_inverse=True)
    starts = columns.T.tolist()
    if model.degree:
        starts = [[float(f"{w:.11e}") for w in column] for column in starts]  # those alike to rounding are one
    ends = np.array([[_follow(model, tuple(column), sign) for column in starts] for sign in (-1.0, 1.0)])
    lower, upper = ends[:, index.ravel()]
    return Range(lower, upper)


@lru_cache(maxsize=4096)
def _follow(model: Parameterization, start: tuple[float, ...], sign: float) -> float:
    law = derive(model).law.arrays
    slope = lambda theta: np.array(law.jacobian(*theta), dtype=float)  # noqa: E731
    steepness = float(np.linalg.norm(slope(start)))
    if steepness == 0:
        return float(law.effective(*start))

    total = sp.Poly(model.effective, *model.weights).total_degree()
    if total < 2:
        return sign * np.inf

    alone = separate(model.effective, model.weights)
    if model.degree and alone:  # every term c w^L grows, or falls to 0, by itself
        terms = [float(alone[w][0]) * at**model.degree for w, at in zip(model.weights, start, strict=True)]
        return sign * np.inf if any(sign * term > 0 for term in terms) else 0.0

    def velocity(_, theta):
        # Slowed so that a zero of the slope, of whatever order, is approached exponentially and never stepped over.
        direction = slope(theta)
        size = max(np.linalg.norm(direction) / steepness, 1e-300)
        return sign * length * direction / steepness * size ** (1 / (total - 1) - 1)

    # A path from a small but nonzero weight passes a critical point at a distance of about that weight.
    sizes = np.abs([w for w in start if w])
    near = max(1e-6 * (sizes.min() / sizes.max()) ** (total - 1), 1e-200) if len(sizes) else 1e-6

    def critical(_, theta):
        return float(np.linalg.norm(slope(theta))) / steepness - near

    def far(_, theta):
        return FAR * length - float(np.linalg.norm(theta))

    length = float(np.linalg.norm(start)) or 1.0
    critical.terminal = far.terminal = True  # type: ignore[attr-defined]
    path = scipy.integrate.solve_ivp(
        velocity, (0, 1e4), start, events=[critical, far], rtol=1e-8, atol=1e-6 * near * length
    )
    if not len(path.t_events[0]):
        return sign * np.inf
    bound = float(law.effective(*path.y[:, -1]))
    return 0.0 if model.degree else bound  # the only critical value of a homogeneous polynomial is 0


def require_interpolator(model: Parameterization, problem: Problem, bounds: Range) -> None:
    """Raise NoInterpolator unless coefficients strictly inside the bounds fit the (projected) targets.

    AtBoundary where only ones on the boundary do, which gradient flow approaches too slowly for a loss threshold
    (existence by a linear program).
    """
    if bounds.unbounded:
        return
    X, y = problem.interpolation if problem.loss == squared else (problem.X, problem.y)
    d, unit, length = problem.d, np.abs(y).max() or 1.0, np.linalg.norm(X, axis=0)
    size = unit / np.where(length > 0, length, 1.0)  # of each coefficient, were it alone to fit
    low, high = bounds.lower / size, bounds.upper / size
    fixed = low == high  # by a start on a critical point
    if problem.loss == squared and not (np.isfinite(low) & np.isfinite(high)).any():  # which settles most
        misfit, exact = partial(_misfit, X * size, y, low, high), EXACT * np.linalg.norm(y)
        if misfit(100 * LEAST_MARGIN)[0] <= exact:
            return
        at_bounds, beta = misfit(0.0)
        if at_bounds <= exact and misfit(LEAST_MARGIN)[0] > 100 * exact:
            raise _at_boundary(model, problem, bounds, beta * size)
    lower, upper = np.isfinite(low) & ~fixed, np.isfinite(high) & ~fixed
    slack = np.vstack([np.c_[-np.eye(d), np.ones(d)][lower], np.c_[np.eye(d), np.ones(d)][upper]])
    limits = np.concatenate([-low[lower], high[upper]])
    cost = np.append(np.zeros(d), -1.0)
    box = [(at, at) if stays else (None, None) for at, stays in zip(low, fixed, strict=True)] + [(None, 1.0)]
    equal = np.c_[X * size, np.zeros(len(y))] / unit
    answer = scipy.optimize.linprog(cost, slack, limits, equal, y / unit, bounds=box)
    margin = -answer.fun if answer.status == 0 else -np.inf
    if margin > LEAST_MARGIN:
        return
    if margin > -LEAST_MARGIN:
        raise _at_boundary(model, problem, bounds, np.clip(answer.x[:-1], low, high) * size)
    more = "more features, or a positive teacher" if problem.n < d else f"or more than {problem.n} features"
    raise NoInterpolator(
        f"{model.name} from this start reaches coefficients in "
        f"({bounds.lower.min():g}, {bounds.upper.max():g}) only, and none of them fits the {problem.n} samples as well "
        f"as unbounded ones do (or only at the boundary): use a signed family such as difference(2), {more}"
    )


def _at_boundary(model: Parameterization, problem: Problem, bounds: Range, beta: np.ndarray) -> AtBoundary:
    return AtBoundary(
        f"{model.name} from this start fits the {problem.n} samples only at the boundary of "
        f"({bounds.lower.min():g}, {bounds.upper.max():g}), by coefficients of l1 norm {np.abs(beta).sum():.6g}, "
        "which gradient flow tends to and never reaches: use sims.flow, which stops at tol, or a signed "
        "family, such as difference(2)"
    )


def _misfit(X: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    """How far coefficients that far inside their one bound, or none, are from fitting, by least squares; and they."""
    up, down = ~np.isfinite(high), ~np.isfinite(low)
    beta = np.where(up & ~down, low + margin, np.where(down & ~up, high - margin, 0.0))
    beyond, misfit = scipy.optimize.nnls(np.hstack([X[:, up], -X[:, down]]), y - X @ beta)
    rises = np.count_nonzero(up)
    beta[up] += beyond[:rises]
    beta[down] -= beyond[rises:]
    return misfit, beta


def loss_min(problem: Problem, bounds: Range) -> float:
    """The infimum of the training loss over coefficients within the bounds.

    Least squares, non-negative least squares where a bound binds, or a convex program for other losses.
    """
    if problem.loss != squared:
        return _general_loss_min(problem, bounds)
    X, y, floor = problem.projected
    if bounds.unbounded:
        return floor
    if (np.isfinite(bounds.lower) & np.isfinite(bounds.upper) & (bounds.lower < bounds.upper)).any():
        return _general_loss_min(problem, bounds)  # beyond non-negative least squares
    free = ~np.isfinite(bounds.lower) & ~np.isfinite(bounds.upper)
    up = np.isfinite(bounds.lower) & (bounds.upper > bounds.lower)
    down = np.isfinite(bounds.upper) & ~np.isfinite(bounds.lower)
    base = np.where(np.isfinite(bounds.lower), bounds.lower, np.where(np.isfinite(bounds.upper), bounds.upper, 0.0))
    columns = np.hstack([X[:, up | free], -X[:, down | free]])
    target = y - X @ base
    residual = scipy.optimize.nnls(columns, target)[1] if columns.shape[1] else float(np.linalg.norm(target))
    rounding = EXACT * np.linalg.norm(y)
    return floor + (residual**2 / (2 * problem.n) if residual > rounding else 0.0)


def _general_loss_min(problem: Problem, bounds: Range) -> float:
    X, y, d = problem.X, problem.y, problem.d
    box = [(None if np.isinf(a) else a, None if np.isinf(b) else b) for a, b in zip(*bounds, strict=True)]
    cone = [(None if a is None else 0, None if b is None else 0) for a, b in box]
    if (
        problem.loss.targets == "sign"
        and scipy.optimize.linprog(np.zeros(d), -y[:, None] * X, -np.ones(len(y)), bounds=cone).status == 0
    ):
        return 0.0  # separable: the infimum is not attained
    functions = array_loss(problem.loss)

    def objective(beta):
        f = X @ beta
        return functions.loss_value(f, y).mean(), X.T @ functions.loss_slope(f, y) / len(y)

    start = np.clip(np.zeros(d), *[np.nan_to_num(b, posinf=1e30, neginf=-1e30) for b in bounds])
    best = scipy.optimize.minimize(
        objective, start, jac=True, bounds=box, method="L-BFGS-B", options=dict(ftol=1e-16, gtol=1e-12)
    )
    return float(best.fun)
