"""The largest algebraic eigenvalue of a symmetric operator, by Lanczos with full reorthogonalisation."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

BASIS = 60  # vectors held; then a restart from the best one
STIR = 0.05  # random part of a start
KEPT, SHARE = 4, 0.3  # Ritz vectors in a warm start, and the weight of those below the top one


class Eigenpair(NamedTuple):
    """An eigenvalue, the residual norm ``|H v - value v|`` of its unit vector, the vector, and a warm start.

    The warm start mixes in the next Ritz vectors: started from the top one alone, a search hardly sees an
    eigenvalue that has overtaken it since, and would stop at the old one.
    """

    value: float
    residual: float
    vector: np.ndarray
    start: np.ndarray


def largest(
    product: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    rtol: float = 1e-4,
    max_products: int = 300,
    seed: int = 0,
) -> Eigenpair:
    """The top of the spectrum of ``v -> product(v)``, to ``residual <= rtol |value|`` if products suffice.

    Some eigenvalue lies within the residual of the value, about its square over the gap away. ``start`` is an
    earlier result's (warm) or any vector, which makes it surer that it is the top one. Never raises: NaN in, NaN out.
    """
    rng, length = np.random.default_rng(seed), float(np.linalg.norm(start))
    noise = rng.standard_normal(start.size)
    v = noise if not (np.isfinite(length) and length > 0) else start / length
    v = v / np.linalg.norm(v) + STIR * noise / np.linalg.norm(noise)
    rows = min(BASIS, start.size)
    nothing = np.full(start.size, np.nan)
    best, used = Eigenpair(np.nan, np.nan, nothing, nothing), 0
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
            values, s = _top(diagonal[: j + 1], beside[:j])
            residual = float(beside[j] * abs(s[-1, -1]))
            full = j + 1 == rows or used >= max_products
            if residual <= rtol * abs(values[-1]) or full:
                ritz = s.T @ Q[: j + 1]  # (kept, size), the top one last
                v = ritz[-1] + SHARE * ritz[:-1].sum(axis=0)
                best = Eigenpair(float(values[-1]), residual, ritz[-1] / np.linalg.norm(ritz[-1]), v)
                if not full or residual <= rtol * abs(values[-1]) or rows == start.size:
                    return best
                v = ritz[-1]
                break
            Q[j + 1] = w / beside[j]
    return best


def _top(diagonal: np.ndarray, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    last = len(diagonal) - 1
    return eigh_tridiagonal(diagonal, beside, select="i", select_range=(max(0, last - KEPT + 1), last))
