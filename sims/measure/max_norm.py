"""The sharpness in the max norm: the largest ``v' H v`` over corners of the cube ``|v|_inf <= 1``."""

import itertools

import numpy as np

from ...theory.derivation.hessian import Hessian, columns, pairs
from ...theory.derivation.landscape import Landscape

EXACT = 10  # weights up to which all corners are tried
STARTS = 8  # fixed random corners that a search begins at, beside that of the gradient


def max_norm_sharpness(landscape: Landscape, weights: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """``max v' H v`` over signs v, at points (point, weight, feature), the maximum over the cube where H is convex.

    Exact up to 10 weights. Beyond, where the maximum is hard to find (it is the cut problem), a lower bound: the best
    corner that no flip of one sign improves, of those reached from the signs of the gradient and 8 others by the
    flip that gains most. NaN where the weights are not finite.
    """
    finite = np.flatnonzero(np.isfinite(weights).all(axis=(1, 2)))
    found = np.full(len(weights), np.nan)
    if not len(finite):
        return found
    hessian, shape = landscape.hessian(weights[finite]), (*weights.shape[1:], len(finite))
    size = shape[0] * shape[1]
    if size <= EXACT:
        corners = (np.reshape((1.0, *signs), (*shape[:2], 1)) for signs in itertools.product((1, -1), repeat=size - 1))
        tried = [_form(hessian, v + np.zeros(shape)) for v in corners]
    else:
        others = np.random.default_rng(0).standard_normal((STARTS, *shape[:2], 1))
        starts = [columns(gradient[finite]), *(v + np.zeros(shape) for v in others)]
        tried = [_climbed(hessian, np.where(v < 0, -1.0, 1.0)) for v in starts]
    found[finite] = np.max(tried, axis=0)
    return found


def _form(hessian: Hessian, v: np.ndarray) -> np.ndarray:
    return (v * (hessian @ v)).sum(axis=(0, 1))


def _climbed(hessian: Hessian, v: np.ndarray) -> np.ndarray:
    """``v' H v`` of corners (weight, feature, point) once no flip of one sign raises it."""
    m, d, count = v.shape
    p, q = pairs(m)
    own = (hessian.X**2).T @ hessian.curvature * hessian.jacobian**2 + hessian.diagonal[p == q]
    at = np.arange(count)
    for _ in range(4 * m * d):
        gain = (own - v * (hessian @ v)).reshape(m * d, count)  # a quarter of what a flip adds
        best = gain.argmax(axis=0)
        flips = gain[best, at] > 1e-12 * np.abs(own).sum(axis=(0, 1))
        if not flips.any():
            break
        v.reshape(m * d, count)[best[flips], at[flips]] *= -1
    return _form(hessian, v)
