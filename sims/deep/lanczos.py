"""The largest algebraic eigenvalue of a symmetric operator, by Lanczos with full reorthogonalisation."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

BASIS = 60  # vectors held; then a restart from the best one
STIR = 0.05  # random part of a warm start, so that an eigenvector that has been overtaken is left


class Eigenpair(NamedTuple):
    """An eigenvalue, the residual norm ``|H v - value v|`` of its unit vector, and the vector."""

    value: float
    residual: float
    vector: np.ndarray


def largest(
    product: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    rtol: float = 1e-4,
    max_products: int = 300,
    seed: int = 0,
) -> Eigenpair:
    """The top of the spectrum of ``v -> product(v)``, to ``residual <= rtol |value|`` if products suffice.

    The error of the value is at most the residual, and about its square over the gap to the next one. ``start``
    is an earlier eigenvector (warm start) or any vector. Never raises: NaN in, NaN out.
    """
    rng, length = np.random.default_rng(seed), float(np.linalg.norm(start))
    noise = rng.standard_normal(start.size)
    v = noise if not (np.isfinite(length) and length > 0) else start / length
    v = v / np.linalg.norm(v) + STIR * noise / np.linalg.norm(noise)
    rows = min(BASIS, start.size)
    best, used = Eigenpair(np.nan, np.nan, np.full(start.size, np.nan)), 0
    while used < max_products:
        Q = np.empty((rows, start.size))
        diagonal, beside = np.zeros(rows), np.zeros(rows)
        Q[0] = v / np.linalg.norm(v)
        for j in range(rows):
            w = np.asarray(product(Q[j]), dtype=float)
            used += 1
            diagonal[j] = Q[j] @ w
            for _ in range(2):  # once leaves rounding errors that grow
                w = w - Q[: j + 1].T @ (Q[: j + 1] @ w)
            beside[j] = np.linalg.norm(w)
            if not np.isfinite(diagonal[j] + beside[j]):
                return best
            value, s = _top(diagonal[: j + 1], beside[:j])
            residual = float(beside[j] * abs(s[-1]))
            full = j + 1 == rows or used >= max_products
            if residual <= rtol * abs(value) or full:
                v = s @ Q[: j + 1]
                best = Eigenpair(value, residual, v / np.linalg.norm(v))
                if not full or residual <= rtol * abs(value) or rows == start.size:
                    return best
                break
            Q[j + 1] = w / beside[j]
    return best


def _top(diagonal: np.ndarray, beside: np.ndarray) -> tuple[float, np.ndarray]:
    last = len(diagonal) - 1
    values, vectors = eigh_tridiagonal(diagonal, beside, select="i", select_range=(last, last))
    return float(values[0]), vectors[:, 0]
