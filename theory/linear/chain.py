"""The loss of a chain of matrices, its gradient and its Hessian, for many points at once."""

from collections.abc import Sequence

import numpy as np

from ..lanczos import Sharpness, largest_eigenvalues

Layers = Sequence[np.ndarray]


def product(layers: Layers) -> np.ndarray:
    """``W_L ... W_1``, shape (..., d_L, d_0), of layers of shapes (..., d_l, d_(l-1))."""
    return below(layers)[-1]


def below(layers: Layers) -> list[np.ndarray]:
    """``W_l ... W_1`` for l = 0 to L, the first the identity."""
    parts = [np.eye(layers[0].shape[-1])]
    for layer in layers:
        parts.append(layer @ parts[-1])
    return parts


def above(layers: Layers) -> list[np.ndarray]:
    """``W_L ... W_(l+1)`` for l = 0 to L, the last the identity."""
    parts = [np.eye(layers[-1].shape[-2])]
    for layer in reversed(layers):
        parts.append(parts[-1] @ layer)
    return parts[::-1]


def gradient(layers: Layers, target: np.ndarray) -> list[np.ndarray]:
    """``grad_l = (W_L ... W_(l+1))^T (W_L ... W_1 - T) (W_(l-1) ... W_1)^T`` for l = 1 to L."""
    lower, upper = below(layers), above(layers)
    error = lower[-1] - target
    return [_t(upper[i + 1]) @ error @ _t(lower[i]) for i in range(len(layers))]


class ChainHessian:
    """The Hessian of ``|W_L ... W_1 - T|^2 / 2`` at points given by their layers, of shapes (B, d_l, d_(l-1)).

    A product with a vector is the derivative of the gradient along it, about three times the gradient's cost.
    """

    def __init__(self, layers: Layers, target: np.ndarray):
        self.layers = layers
        self.lower, self.upper = below(layers), above(layers)
        self.error = self.lower[-1] - target

    def tangents(self, moved: Layers) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The derivatives of ``lower`` and ``upper`` along v given by layers; the last of lower is the product's."""
        depth = len(self.layers)
        lower = [np.zeros_like(self.lower[0])]
        upper = [np.zeros_like(self.upper[-1])]
        for i in range(depth):
            lower.append(moved[i] @ self.lower[i] + self.layers[i] @ lower[-1])
        for i in reversed(range(depth)):
            upper.insert(0, upper[0] @ self.layers[i] + self.upper[i + 1] @ moved[i])
        return lower, upper

    def pulled(self, change: np.ndarray) -> list[np.ndarray]:
        """``J^T V`` in layers for V (B, d_L, d_0), with J the derivative of the product."""
        return [_t(self.upper[i + 1]) @ change @ _t(self.lower[i]) for i in range(len(self.layers))]

    def bent(self, lower: Layers, upper: Layers, change: np.ndarray) -> list[np.ndarray]:
        """``D^2 P[v, .]^T V`` in layers, P the product, for the tangents along v and V (B, d_L, d_0)."""
        return [
            _t(upper[i + 1]) @ change @ _t(self.lower[i]) + _t(self.upper[i + 1]) @ change @ _t(lower[i])
            for i in range(len(self.layers))
        ]

    def along(self, moved: Layers) -> list[np.ndarray]:
        """``H v`` for v given by layers, in layers."""
        lower, upper = self.tangents(moved)
        return [
            _t(upper[i + 1]) @ self.error @ _t(self.lower[i])
            + _t(self.upper[i + 1]) @ lower[-1] @ _t(self.lower[i])
            + _t(self.upper[i + 1]) @ self.error @ _t(lower[i])
            for i in range(len(self.layers))
        ]  # fmt: skip

    def __matmul__(self, v: np.ndarray) -> np.ndarray:
        """``H v`` for v of shape (1, parameter, B), one vector a point."""
        result = self.along(unpack(v[0].T, [layer.shape[-2:] for layer in self.layers]))
        return pack(result).T[None]


def pack(layers: Layers) -> np.ndarray:
    """Layers as vectors of shape (..., parameter), the first layer first, each row by row."""
    return np.concatenate([layer.reshape(*layer.shape[:-2], -1) for layer in layers], axis=-1)


def unpack(theta: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The layers of these shapes that vectors of shape (..., parameter) hold."""
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    parts = np.split(theta, ends, axis=-1)
    return [part.reshape(*theta.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True)]


def chain_sharpness(layers: Layers, target: np.ndarray, start: np.ndarray | None = None) -> Sharpness:
    """Largest algebraic Hessian eigenvalue at each point, with residuals; layers have shapes (B, d_l, d_(l-1)).

    ``start`` and the eigenvectors have shape (1, parameter, B). Points that are not finite give NaN.
    """
    theta = pack(layers)
    wanted = np.asarray(np.isfinite(theta).all(axis=-1))
    return largest_eigenvalues(
        lambda part: ChainHessian([layer[part] for layer in layers], target), wanted, (1, theta.shape[-1]), start
    )


def _t(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)
