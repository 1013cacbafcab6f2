"""The sharpness that mini-batches see: the mean curvature of a batch's loss along its own gradient."""

from collections.abc import Iterable
from itertools import combinations
from math import comb

import numpy as np

from ...theory.derivation.hessian import Hessian, columns, stacked
from ...theory.derivation.landscape import Landscape
from .pieces import over_pieces

DRAWN = 64  # batches over which the mean is; all of them where there are no more


def batch_sharpness(landscape: Landscape, theta: np.ndarray) -> np.ndarray:
    """``E_B [g_B' H_B g_B / |g_B|^2]`` at points theta (point, weight, feature), B the rule's batches (2412.20553).

    g_B and H_B are gradient and Hessian of the mean loss of a batch's samples. The mean is over all batches where they
    are ``DRAWN`` at most, else over so many drawn by ``noise_seed``, the same at every point; batches whose gradient is
    0 do not count. NaN where all are, and at points that are not finite.
    """
    rule, n = landscape.dynamics.rule, landscape.problem.n
    samples = landscape.stepped  # as they are, not rotated: a batch is of them
    batches = _batches(n, rule.batch or n, rule.noise_seed)

    def piece(part: slice) -> dict[str, np.ndarray]:
        return dict(found=_mean_quotient(samples, columns(theta[part]), batches))

    return over_pieces(piece, theta)["found"]


def _batches(n: int, size: int, seed: int) -> list[np.ndarray]:
    chosen: Iterable = combinations(range(n), size)
    if comb(n, size) > DRAWN:
        rng = np.random.default_rng([seed, n, size])
        chosen = (rng.choice(n, size, replace=False) for _ in range(DRAWN))
    return [np.asarray(batch) for batch in chosen]


def _mean_quotient(landscape: Landscape, points: np.ndarray, batches: list[np.ndarray]) -> np.ndarray:
    """At points (weight, feature, point)."""
    law, X, shape = landscape.law, landscape.samples[0], points.shape[1:]
    f = landscape.predictions(*points)
    slope, bend = (part(f, landscape.targets(f)) + 0 * f for part in (law.loss_slope, law.loss_curvature))
    jacobian, seconds = stacked(law.jacobian(*points), shape), stacked(law.curvature(*points), shape)
    total, counted = np.zeros(shape[1:]), np.zeros(shape[1:])
    for batch in batches:
        share = np.zeros((len(X), 1))
        share[batch] = 1 / len(batch)
        pull = X.T @ (share * slope)
        v = jacobian * pull
        v /= np.abs(v).max(axis=(0, 1))
        bent = Hessian(X, jacobian, pull * seconds, share * bend) @ v
        quotient = (v * bent).sum(axis=(0, 1)) / (v * v).sum(axis=(0, 1))
        told = np.isfinite(quotient)
        total[told] += quotient[told]
        counted += told
    return total / counted
