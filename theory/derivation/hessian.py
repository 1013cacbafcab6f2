"""The loss Hessian in the weights, matrix-free for many points at once, and its largest eigenvalue."""

import numpy as np

from ..lanczos import Sharpness, largest_eigenvalues
from ..problem import Problem
from .dynamics import Dynamics
from .numpy_law import array_law


class Hessian:
    """``H = J^T A J + D`` at points theta of shape (weight, feature, B).

    ``J = X d beta``, ``A = diag(l'') / n`` and D with the blocks ``diag(g d2 beta)``, ``g = X^T l' / n``: a product
    with a vector costs O(n d) a point. With ``adaptive`` it is ``diag|theta| H diag|theta|``, the curvature under
    relative changes of the weights.

    Attributes: ``X``; ``jacobian``, the slopes of beta, shape (weight, feature, B); ``diagonal``, the upper triangle of
    blocks row by row, shape (pair, feature, B); ``curvature``, the diagonal of A, shape (n, B).
    """

    def __init__(self, dynamics: Dynamics, problem: Problem, theta: np.ndarray, adaptive: bool = False):
        law = array_law(dynamics)
        self.X, y, _ = problem.projected
        shape = theta.shape[1:]
        f = self.X @ law.effective(*theta)
        g = self.X.T @ law.loss_slope(f, y[:, None]) / problem.n
        self.jacobian = np.stack([np.broadcast_to(slope, shape) for slope in law.jacobian(*theta)])
        self.diagonal = np.stack([np.broadcast_to(g * second, shape) for second in law.curvature(*theta)])
        self.curvature = np.broadcast_to(law.loss_curvature(f, y[:, None]) / problem.n, (len(self.X), shape[1]))
        if adaptive:
            scale, (p, q) = np.abs(theta), np.triu_indices(len(theta))
            self.jacobian = self.jacobian * scale
            self.diagonal = self.diagonal * scale[p] * scale[q]

    def __matmul__(self, v: np.ndarray) -> np.ndarray:
        pulled = self.X.T @ (self.curvature * (self.X @ (self.jacobian * v).sum(axis=0)))
        result = self.jacobian * pulled
        for block, p, q in zip(self.diagonal, *np.triu_indices(len(v)), strict=True):
            result[p] += block * v[q]
            if q > p:
                result[q] += block * v[p]
        return result


def trace(dynamics: Dynamics, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """``tr H = sum_p sum_i (A_ii (d beta_i / d theta_p)^2 + g_i d2 beta_i / d theta_p^2)``, shape (B,), exact.

    At points theta of shape (weight, feature, B), with ``A = X^T diag(l'') X / n`` and g of :class:`Hessian`.
    """
    hessian = Hessian(dynamics, problem, theta)
    p, q = np.triu_indices(len(theta))
    A = (hessian.X**2).T @ hessian.curvature
    return (A * hessian.jacobian**2 + hessian.diagonal[p == q]).sum(axis=(0, 1))


def dense_hessian(dynamics: Dynamics, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The Hessian at one point theta (weight, feature), shape (m d, m d), weights outermost."""
    size = theta.size
    basis = np.eye(size).reshape(*theta.shape, size)
    points = np.broadcast_to(theta[..., None], basis.shape)
    return (Hessian(dynamics, problem, points) @ basis).reshape(size, size)


def sharpness(
    dynamics: Dynamics, problem: Problem, theta: np.ndarray, start: np.ndarray | None = None,
    adaptive: bool = False,
) -> Sharpness:  # fmt: skip
    """Largest algebraic Hessian eigenvalue at each point theta of shape (weight, feature, B).

    At a minimum this equals the operator norm. By Lanczos iteration with full reorthogonalisation, from
    ``start`` where given, restarted until the residual is below 1e-7 relative or sixteen rounds are over:
    read ``residual``. Points that are not finite give NaN. With ``adaptive``, of ``diag|theta| H diag|theta|``,
    the adaptive sharpness (2102.11600).
    """
    finite = np.asarray(np.isfinite(theta).all(axis=(0, 1)))

    def hessian(part: np.ndarray) -> Hessian:
        return Hessian(dynamics, problem, theta[:, :, part], adaptive)

    return largest_eigenvalues(hessian, finite, theta.shape[:2], start)
