"""The sharpness that counts under an update rule: in units of its edge, at the run's own state."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from ...theory.derivation.hessian import columns, rows
from ...theory.derivation.landscape import Landscape
from ...theory.elementwise import function_of
from ...theory.rules.stability import edge_of, held_next, held_total, own_symbols, reach
from ...theory.rules.step import GRADIENT, LEARNING_RATE, LOSS, WEIGHT, Total
from .max_norm import max_norm_sharpness
from .pieces import over_pieces
from .sharpness import sharpness_at


def sharpness_effective(
    landscape: Landscape, theta: np.ndarray, lr: np.ndarray, loss_min: np.ndarray | float, sharpness: np.ndarray
) -> np.ndarray:
    """``lambda_max(diag(q) H)`` at points theta (point, weight and state, feature): 1 at the edge of a step.

    q is the :attr:`gdbias.theory.rules.stability.Edge.factor` of the step, ``lr / 2`` for descent and
    ``lr / (2 + 2 b)`` with momentum b, at the state that the next step reads: a preconditioner stands in it. It is
    larger where a step leaves stability before signs flip. For sign descent the whole is
    ``lr max_(|v|_inf <= 1) v' H v / (2 |g|_1)`` (2603.05002), by a search (:mod:`gdbias.sims.measure.max_norm`).
    Where the gradient is taken elsewhere, H is that at the point, and what the gradient has grown there along itself
    counts: ``q S(there) g . g(there) / |g|^2``, for SAM ``lr S (1 + rho S / |g|) / 2`` along an eigenvector
    (2309.12488). NaN for a step without such an edge, where these would differ from weight to weight, and under
    sign descent where there is no gradient.

    Args:
        lr: of the step, one a point.
        loss_min: the smallest attainable loss.
        sharpness: the largest Hessian eigenvalue S at the weights.
    """
    limit = np.asarray(landscape.dynamics.rule.once_settled.sharpness_limit(lr))
    if np.isfinite(limit).all():
        return sharpness / limit
    floor = np.broadcast_to(loss_min, len(theta))

    def piece(part: slice) -> dict[str, np.ndarray]:
        return dict(found=_at_state(landscape, theta[part], lr[part], floor[part], sharpness[part]))

    return over_pieces(piece, theta)["found"]


def _at_state(
    landscape: Landscape, theta: np.ndarray, lr: np.ndarray, loss_min: np.ndarray, sharpness: np.ndarray
) -> np.ndarray:
    rule, m = landscape.dynamics.rule, len(landscape.dynamics.model.weights)
    step = rule.step
    edge, nothing = edge_of(step), np.full(len(theta), np.nan)
    own = {WEIGHT, GRADIENT, *own_symbols(step)}  # what differs from weight to weight
    value, weights = _values(landscape, theta, lr, loss_min), theta[:, :m]
    with np.errstate(all="ignore"):
        if edge.signed is not None:
            if edge.signed.free_symbols & own:
                return nothing
            length, pull = value(edge.signed) + np.zeros((len(theta), 1, 1)), value(GRADIENT)
            slope = np.abs(pull).sum(axis=(1, 2))
            top = length[:, 0, 0] * max_norm_sharpness(landscape, weights, pull)
            return np.where(slope > 0, top / slope, np.nan)
        if edge.factor is None:
            return nothing
        own_edge = reach(step, lr, rule.parameters)[:, None, None]
        factor = np.broadcast_to(value(edge.factor) / own_edge, weights.shape)
        factor = np.where((factor > 0).all(axis=(1, 2), keepdims=True), factor, np.nan)  # else all are stable
        if step.ascent is not None:
            if not edge.factor.free_symbols <= {LEARNING_RATE, *step.parameters}:
                return nothing  # what is held would have to be that of the gradient there
            there = np.broadcast_to(value(step.ascent), weights.shape)
            near, far = value(GRADIENT), gradient(landscape, there)
            grown = (near * far).sum(axis=(1, 2)) / (near * near).sum(axis=(1, 2))
            return factor[:, 0, 0] * sharpness_at(landscape, there).value * grown
        if not edge.factor.free_symbols & own:
            return factor[:, 0, 0] * sharpness  # the same for all weights
        held = np.isfinite(factor).all(axis=(1, 2), keepdims=True)
        return sharpness_at(landscape, np.where(held, weights, np.nan), scale=np.sqrt(factor)).value


def gradient(landscape: Landscape, weights: np.ndarray) -> np.ndarray:
    """The gradient of the loss in the weights, at points (point, weight, feature)."""
    points = columns(weights)
    g = landscape.slope(landscape.predictions(*points))
    return rows(np.stack([slope * g for slope in landscape.law.jacobian(*points)]))


def _values(
    landscape: Landscape, theta: np.ndarray, lr: np.ndarray, loss_min: np.ndarray
) -> Callable[[sp.Basic], np.ndarray]:
    """The value of what an equation of the step says of the next step, (point, weight, feature) or shaped alike."""
    rule, m = landscape.dynamics.rule, len(landscape.dynamics.model.weights)
    step, weights = rule.step, theta[:, :m]
    kept = len(step.memory)
    known: dict[sp.Basic, Any] = {s.symbol: theta[:, m + k : m + m * kept : kept] for k, s in enumerate(step.memory)}
    known |= dict(zip(step.parameters, rule.parameters, strict=True))
    known |= {WEIGHT: weights, GRADIENT: gradient(landscape, weights)}
    known |= {LEARNING_RATE: lr[:, None, None]}
    excess = landscape.problem.loss_at(landscape.beta(weights)) - loss_min
    known[LOSS] = excess[:, None, None]

    def value(equation: sp.Expr) -> np.ndarray:
        equation = equation.xreplace({total: held_total(total) for total in equation.atoms(Total)})
        symbols, function = function_of(equation)
        return np.asarray(function(*(known[symbol] for symbol in symbols)))

    for total in {*step.totals, *step.ascent_totals}:
        term = np.broadcast_to(value(total.args[0]), weights.shape)
        known[held_total(total)] = term.sum(axis=(1, 2), keepdims=True)
    known |= {held_next(s): value(s.update) for s in edge_of(step).held}
    return value
