"""The largest eigenvalues of a symmetric operator with their vectors, warm from those at a point nearby."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

STIR = 0.05  # random part of the last vector of a start, by which an eigenvalue that overtakes is seen


class Eigenspace(NamedTuple):
    """The largest eigenvalues, their unit vectors as rows, and the residual norms ``|H v - value v|``."""

    values: np.ndarray  # (count,), largest first
    vectors: np.ndarray  # (count, p)
    residuals: np.ndarray  # (count,)


def leading(
    products: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    rtol: np.ndarray,
    guards: int = 1,
    max_products: int = 80,
    seed: int = 0,
) -> Eigenspace:
    """The largest eigenpairs of an operator, each to ``residual <= rtol |largest|``, and ``guards`` below them.

    ``products`` applies it to every row of an array. Rayleigh-Ritz on a block Krylov space: the basis grows by the
    residuals of those that are not there yet. The rows of ``start`` are earlier vectors, or none. Never raises: NaN in,
    NaN out.
    """
    rng, size = np.random.default_rng(seed), start.shape[1]
    count = min(len(rtol) + guards, size)
    rtol = rtol[:count]
    rows = np.vstack([start[:count], rng.standard_normal((max(count - len(start), 0), size)) / np.sqrt(size)])
    rows[-1] += STIR * rng.standard_normal(size) / np.sqrt(size)
    basis, images = np.empty((0, size)), np.empty((0, size))
    while True:
        new = _orthonormal(rows, basis)
        basis = np.vstack([basis, new])
        images = np.vstack([images, np.asarray(products(new), dtype=float)])
        if not np.isfinite(images).all():
            return Eigenspace(np.full(count, np.nan), np.full((count, size), np.nan), np.full(count, np.nan))
        projected = basis @ images.T
        values, s = np.linalg.eigh((projected + projected.T) / 2)
        values, s = values[::-1][:count], s[:, ::-1][:, :count]
        vectors = s.T @ basis
        rest = s.T @ images - values[:, None] * vectors
        residuals = np.linalg.norm(rest, axis=1)
        late = np.flatnonzero(residuals[: len(rtol)] > rtol * abs(values[0]))
        if not late.size or len(basis) + late.size > min(max_products, size) or not len(new):
            return Eigenspace(values, vectors, residuals)
        rows = rest[late]


def _orthonormal(rows: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The rows orthonormal to the basis and to each other, without those that lie in it."""
    kept: list[np.ndarray] = []
    for row in rows:
        length = np.linalg.norm(row)
        for _ in range(2):  # once leaves rounding errors that grow
            row = row - basis.T @ (basis @ row)
            for other in kept:
                row = row - other * (other @ row)
        if (rest := np.linalg.norm(row)) > 1e-10 * length:
            kept.append(row / rest)
    return np.array(kept).reshape(len(kept), basis.shape[1])
