"""The tangent kernel of a chain of matrices: how its product answers to the gradient, and how that bends."""

from collections.abc import Sequence

import numpy as np

from .chain import ChainHessian

TINY = 1e-300


class TangentKernel:
    """``K = J J^T``, J the derivative of the product in the weights, at points given by layers (B, d_l, d_(l-1)).

    ``K = sum_l (A_l A_l^T) x (B_l^T B_l)``, ``A_l = W_L ... W_(l+1)``, ``B_l = W_(l-1) ... W_1``. Where the product
    is the target its eigenvalues are those of the Hessian that are not 0.

    Attributes:
        values: the eigenvalues, falling, shape (B, m) with m = d_L d_0.
        vectors: unit eigenvectors as columns, shape (B, m, m), of matrices row by row.
        error: the coefficients of ``W_L ... W_1 - T`` in them, shape (B, m).
    """

    def __init__(self, layers: Sequence[np.ndarray], target: np.ndarray):
        self.hessian = ChainHessian(layers, target)
        self.shape = self.hessian.error.shape
        kernel = np.zeros((self.shape[0], *target.shape, *target.shape))
        for lower, upper in zip(self.hessian.lower, self.hessian.upper[1:], strict=False):
            left, right = upper @ _t(upper), _t(lower) @ lower
            kernel += left[..., :, None, :, None] * right[..., None, :, None, :]
        values, vectors = np.linalg.eigh(kernel.reshape(-1, target.size, target.size))
        self.values, self.vectors = np.maximum(values[:, ::-1], 0.0), vectors[:, :, ::-1]
        self.error = self.coefficients(self.hessian.error)

    def coefficients(self, matrices: np.ndarray) -> np.ndarray:
        """The coefficients (B, m) of matrices (B, d_L, d_0) in the eigenvectors."""
        return np.einsum("bij,bi->bj", self.vectors, matrices.reshape(len(matrices), -1))

    def matrices(self, coefficients: np.ndarray) -> np.ndarray:
        """The matrices (B, d_L, d_0) of these coefficients (B, m)."""
        return np.einsum("bij,bj->bi", self.vectors, coefficients).reshape(self.shape)

    def pulled(self, coefficients: np.ndarray) -> list[np.ndarray]:
        """``J^T V`` in layers, for the matrices V of these coefficients (B, m)."""
        return self.hessian.pulled(self.matrices(coefficients))

    def slope(self) -> list[np.ndarray]:
        """The gradient of the largest eigenvalue in the weights, in layers: ``2 D^2 P[J^T q, .]^T q``."""
        top, hessian = self.vectors[:, :, 0].reshape(self.shape), self.hessian
        return [2 * bend for bend in hessian.bent(*hessian.tangents(hessian.pulled(top)), top)]

    def yielding(self, push: Sequence[np.ndarray], time: np.ndarray) -> list[np.ndarray]:
        """What is left of a steady push v (in layers) over a ``time`` (B,) in which the loss pulls the product back.

        ``v - J^T K^-1 (1 - phi(K t)) J v``, ``phi(z) = (1 - e^-z) / z``: where the loss is steep, what leaves the
        product as it is.
        """
        z = self.values * time[:, None]
        held = np.where(z > 1e-4, 1 + np.expm1(-z) / np.maximum(z, 1e-4), z / 2)
        change = self.coefficients(self.hessian.tangents(push)[0][-1])
        back = self.pulled(change * held / np.maximum(self.values, TINY))
        return [v - w for v, w in zip(push, back, strict=True)]


def _t(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)
