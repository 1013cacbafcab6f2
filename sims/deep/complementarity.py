"""The multiplier of a matrix constraint: the least push that holds eigenvalues at a bound."""

import numpy as np

ACCURACY = 1e-5  # of the bound, by which the constraint may be missed
ITERATIONS = 2000


def packed(X: np.ndarray) -> np.ndarray:
    """A symmetric matrix (k, k) as its k (k + 1) / 2 coordinates in an orthonormal basis: ``<X, Y> = x . y``."""
    rows, columns = np.triu_indices(len(X))
    return X[rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2))


def unpacked(x: np.ndarray, k: int) -> np.ndarray:
    """The matrix of these coordinates."""
    rows, columns = np.triu_indices(k)
    X = np.zeros((k, k))
    X[rows, columns] = X[columns, rows] = x / np.where(rows == columns, 1.0, np.sqrt(2))
    return X


def multiplier(A: np.ndarray, B: np.ndarray, start: np.ndarray, bound: float) -> np.ndarray:
    """``X >= 0`` with ``A + B[X] >= 0`` and ``<X, A + B[X]> = 0``, matrices (k, k).

    It minimises ``<A, X> + <X, B[X]> / 2`` over X >= 0. ``B >= 0`` acts on packed coordinates; ``start`` is an earlier
    X. In closed form for k = 1, else by accelerated projected gradients with restarts, until the constraint holds to
    ``ACCURACY bound``.
    """
    k, L = len(A), float(np.linalg.eigvalsh(B)[-1])
    if not L > 0:
        return np.zeros((k, k))
    if k == 1:
        return np.maximum(0.0, -A / B)
    X = ahead = _positive(start)
    momentum = 1.0
    for _ in range(ITERATIONS):
        slope = A + unpacked(B @ packed(ahead), k)
        new = _positive(ahead - slope / L)
        turned = float(np.sum((ahead - new) * (new - X))) > 0
        momentum, last = (1.0, 1.0) if turned else ((1 + np.sqrt(1 + 4 * momentum**2)) / 2, momentum)
        ahead = new + (last - 1) / momentum * (new - X)
        X = new
        rest = A + unpacked(B @ packed(X), k)
        missed, gap = -float(np.linalg.eigvalsh(rest)[0]), abs(float(np.sum(X * rest)))
        if missed <= ACCURACY * bound and gap <= ACCURACY * bound * max(float(np.trace(X)), 1e-300):
            break
    return X


def _positive(X: np.ndarray) -> np.ndarray:
    """The nearest positive semidefinite matrix."""
    values, vectors = np.linalg.eigh((X + X.T) / 2)
    return (vectors * np.maximum(values, 0)) @ vectors.T
