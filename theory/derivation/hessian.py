"""The loss Hessian in the weights at many points at once, as an operator that holds no matrix."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np


def columns(values: np.ndarray) -> np.ndarray:
    """Values (point, weight, feature) with the points last, a view: as the law and linear algebra take them."""
    return values.transpose(*range(1, values.ndim), 0)


def rows(values: np.ndarray) -> np.ndarray:
    """Columns (weight, feature, point) with the points first again, a view."""
    return values.transpose(-1, *range(values.ndim - 1))


def stacked(values: tuple, shape: tuple[int, ...]) -> np.ndarray:
    """Values of the law as one array (value, ...) of their own: some may be one number."""
    together = np.empty((len(values), *shape))
    for place, value in zip(together, values, strict=True):
        place[...] = value
    return together


@lru_cache(maxsize=16)
def pairs(m: int) -> tuple[np.ndarray, np.ndarray]:
    """The two weights of each block of the upper triangle, row by row."""
    return np.triu_indices(m)


@dataclass(frozen=True)
class Hessian:
    """``H = J^T A J + D`` at B points, times vectors that stand in columns, shape (weight, feature, B).

    ``J = X d beta``, ``A = diag(l'') / n`` and D with the blocks ``diag(g d2 beta)``, ``g = X^T l' / n``: a product
    with a vector costs O(n d) a point.

    Attributes:
        X: samples, shape (n, feature).
        jacobian: the slopes of beta, shape (weight, feature, B).
        diagonal: the upper triangle of blocks row by row, shape (pair, feature, B).
        curvature: the diagonal of A, shape (n, B).
    """

    X: np.ndarray
    jacobian: np.ndarray
    diagonal: np.ndarray
    curvature: np.ndarray

    def scaled(self, scale: np.ndarray) -> "Hessian":
        """``diag(scale) H diag(scale)`` for a scale (weight, feature, B)."""
        diagonal = np.empty_like(self.diagonal)
        for pair, (p, q) in enumerate(zip(*pairs(len(scale)), strict=True)):
            diagonal[pair] = self.diagonal[pair] * scale[p] * scale[q]
        return Hessian(self.X, self.jacobian * scale, diagonal, self.curvature)

    def near_one(self) -> tuple["Hessian", np.ndarray]:
        """The Hessian over ``2^e``, with entries of size 1, and e (B,): what Lanczos squares must not leave floats."""
        pull = np.abs(self.X).max(axis=0) @ np.abs(self.jacobian).max(axis=0)
        sizes = pull, np.abs(self.curvature).max(axis=0), np.abs(self.diagonal).max(axis=(0, 1))
        moved, bent, beside = (np.frexp(np.maximum(size, 1e-300))[1] for size in sizes)
        exponent = np.clip(np.maximum(2 * moved + bent, beside), -900, 900)
        return replace(
            self, diagonal=np.ldexp(self.diagonal, -exponent), curvature=np.ldexp(self.curvature, -exponent)
        ), exponent

    def __matmul__(self, v: np.ndarray) -> np.ndarray:
        pulled = self.X.T @ (self.curvature * (self.X @ (self.jacobian * v).sum(axis=0)))
        result = self.jacobian * pulled
        for block, p, q in zip(self.diagonal, *pairs(len(v)), strict=True):
            result[p] += block * v[q]
            if q > p:
                result[q] += block * v[p]
        return result

    def trace(self) -> np.ndarray:
        """``sum_p sum_i (A_ii (d beta_i / d theta_p)^2 + g_i d2 beta_i / d theta_p^2)``, shape (B,), exact.

        Here ``A = X^T diag(l'') X / n``.
        """
        p, q = pairs(len(self.jacobian))
        steepness = self.X**2 @ (self.jacobian**2).sum(axis=0)
        return (self.curvature * steepness).sum(axis=0) + self.diagonal[p == q].sum(axis=(0, 1))
