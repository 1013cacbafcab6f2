"""The loss Hessian in the weights, matrix-free for many points at once, and its largest eigenvalue."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from ..problem import Problem
from .dynamics import Dynamics
from .numpy_law import array_law

LANCZOS_STEPS = 12
ROUNDS = 16  # of restarts for points that have not converged
RESIDUAL = 1e-7  # relative; the eigenvalue's own error is of its square
CHUNK = 1 << 22  # numbers of one Krylov basis


class Sharpness(NamedTuple):
    """Largest algebraic Hessian eigenvalues with the residual norms ``|H v - S v|``, shape (B,) each.

    ``vector`` holds unit eigenvectors, shape (weight, feature, B).
    """

    value: np.ndarray
    residual: np.ndarray
    vector: np.ndarray


class Operator(Protocol):
    """A symmetric operator at each of B points, on vectors of shape (weight, feature, B)."""

    def __matmul__(self, v: np.ndarray) -> np.ndarray: ...


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


def largest_eigenvalues(
    operator: Callable[[np.ndarray], Operator], wanted: np.ndarray, shape: tuple[int, int], start: np.ndarray | None
) -> Sharpness:
    """Largest eigenvalues of many symmetric operators at once, as :func:`sharpness` finds them.

    ``operator(part)`` multiplies arrays (*shape, len(part)) by the operators of these indices, one a column;
    only those marked in ``wanted``, shape (B,), are looked at.
    """
    (m, d), count = shape, len(wanted)
    values, residuals = np.full(count, np.nan), np.full(count, np.nan)
    vectors = first_vectors(m, d, count, start)
    todo = np.flatnonzero(wanted)
    steps = min(m * d, LANCZOS_STEPS)
    width = max(1, CHUNK // (steps * m * d))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(ROUNDS):
            open_points = []
            for at in range(0, len(todo), width):
                part = todo[at : at + width]
                hessian = operator(part)
                values[part], residuals[part], vectors[:, :, part] = _lanczos(hessian, vectors[:, :, part], steps)
                open_points.append(part[residuals[part] > RESIDUAL * np.abs(values[part])])
            todo = np.concatenate(open_points) if open_points else todo[:0]
            if not len(todo) or steps == m * d:
                break
    return Sharpness(values, residuals, vectors)


def first_vectors(m: int, d: int, count: int, start: np.ndarray | None) -> np.ndarray:
    """What Lanczos iteration begins with, shape (m, d, count): fixed noise, of which ``start`` gets a little."""
    noise = np.random.default_rng(0).standard_normal((m, d, 1)) * np.ones(count)
    return noise if start is None else start + 1e-3 * noise / np.sqrt(m * d)


def _lanczos(hessian: Operator, start: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, d, count = start.shape
    flat = start.reshape(m * d, count)
    basis = np.zeros((steps, m * d, count))
    basis[0] = flat / np.linalg.norm(flat, axis=0)
    diagonal, beside = np.zeros((count, steps)), np.zeros((count, steps))
    alive = np.ones(count, bool)
    length = np.full(count, steps)  # of the Krylov space, shorter where it closed on itself
    for k in range(steps):
        w = (hessian @ basis[k].reshape(m, d, count)).reshape(m * d, count)
        scale = np.linalg.norm(w, axis=0)
        diagonal[:, k] = (basis[k] * w).sum(axis=0)
        for _ in range(2):  # twice is enough
            w -= np.einsum("kdb,kb->db", basis[: k + 1], np.einsum("kdb,db->kb", basis[: k + 1], w))
        norm = np.linalg.norm(w, axis=0)
        length[alive & ~(norm > 1e-13 * scale)] = k + 1
        alive &= norm > 1e-13 * scale
        beside[:, k] = np.where(alive, norm, 0.0)
        if k + 1 == steps or not alive.any():
            break
        basis[k + 1] = np.where(alive, w / np.where(alive, norm, 1.0), 0.0)
    # Rows past the end get a diagonal below the spectrum, so that they are never the largest.
    below = -1.0 - 2 * (np.abs(diagonal).max(axis=1) + beside.max(axis=1))
    diagonal = np.where(np.arange(steps) < length[:, None], diagonal, below[:, None])
    matrix = np.zeros((count, steps, steps))
    index = np.arange(steps)
    matrix[:, index, index] = diagonal
    matrix[:, index[1:], index[:-1]] = beside[:, :-1]
    finite = np.isfinite(matrix).all(axis=(1, 2))
    matrix[~finite] = 0.0
    ritz, coordinates = np.linalg.eigh(matrix)
    top = coordinates[:, :, -1]
    value = np.where(finite, ritz[:, -1], np.nan)
    residual = np.where(finite, np.abs(beside[:, -1] * top[:, -1]), np.nan)
    return value, residual, np.einsum("kdb,bk->db", basis, top).reshape(m, d, count)
