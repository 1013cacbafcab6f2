"""Largest eigenvalues of many symmetric operators at once, by Lanczos iteration."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

LANCZOS_STEPS = 12
ROUNDS = 16  # of restarts for points that have not converged
RESIDUAL = 1e-7  # relative; the eigenvalue's own error is of its square
CHUNK = 1 << 22  # numbers of one Krylov basis


class Sharpness(NamedTuple):
    """Largest algebraic Hessian eigenvalues with the residual norms ``|H v - S v|``, shape (B,) each.

    ``vector`` holds unit eigenvectors, of the shape that its maker tells.
    """

    value: np.ndarray
    residual: np.ndarray
    vector: np.ndarray


class Operator(Protocol):
    """A symmetric operator at each of B points, on vectors of shape (weight, feature, B)."""

    def __matmul__(self, v: np.ndarray) -> np.ndarray: ...


def largest_eigenvalues(
    operator: Callable[[np.ndarray], Operator], wanted: np.ndarray, shape: tuple[int, int], start: np.ndarray | None
) -> Sharpness:
    """Largest eigenvalues by Lanczos iteration with full reorthogonalisation, from ``start`` where given.

    Restarted until the residual is below 1e-7 relative or sixteen rounds are over: read ``residual``.
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
