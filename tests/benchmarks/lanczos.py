"""The final sharpness that the peers compute: batched Lanczos for any array library that speaks NumPy's names."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from workloads import DIVERGED

STEPS = 20
PIECE = 1 << 14  # numbers in a vector of one piece, so that the basis stays near the processor


def sharpness(xp, X, y, theta, signs):
    """Largest Hessian eigenvalue (dataset, run) at theta (dataset, weight, d, run); signs (weight, 1, 1).

    20 steps, each vector orthogonalised twice against all before it.
    """
    n = X.shape[1]
    J = 2 * signs * theta
    slope = xp.swapaxes(X, 1, 2) @ (X @ (signs * theta * theta).sum(1) - y[:, :, None]) / n
    curvature = 2 * signs * slope[:, None]
    v = xp.abs(J) + 1e-3 * xp.amax(xp.abs(J), (1, 2))[:, None, None]
    v = v / xp.sqrt((v * v).sum((1, 2)))[:, None, None]
    basis, diagonal, off = [v], [], []
    for _ in range(STEPS):
        q = basis[-1]
        v = J * (xp.swapaxes(X, 1, 2) @ (X @ (J * q).sum(1)) / n)[:, None] + curvature * q
        diagonal.append((v * q).sum((1, 2)))
        known = xp.stack(basis)
        for _ in range(2):
            v = v - xp.einsum("msk,mspdk->spdk", xp.einsum("mspdk,spdk->msk", known, v), known)
        size = xp.sqrt((v * v).sum((1, 2)))
        off.append(size)
        basis.append(v / xp.where(size > 0, size, xp.ones_like(size))[:, None, None])
    zero = xp.zeros_like(diagonal[0])
    band = {0: diagonal, 1: off, -1: off}
    rows = []
    for i in range(STEPS):
        row = [band[j - i][min(i, j)] if abs(j - i) <= 1 else zero for j in range(STEPS)]
        rows.append(xp.stack(row, -1))
    return xp.linalg.eigvalsh(xp.stack(rows, -2))[..., -1]


def final_sharpness(xp, work, theta, status, function=None):
    """:func:`sharpness` of all runs in pieces, NaN where diverged; theta (dataset, weight, d, run), status flat.

    `function` is a compiled form of it, of X, y, theta and signs.
    """
    function = function or partial(sharpness, xp)
    datasets, weights, d, runs = theta.shape
    lost = (status == DIVERGED).reshape(datasets, 1, 1, runs)
    theta, signs = np.where(lost, 1.0, theta), work.signs[:, None, None]
    by_dataset = datasets > 1
    width = max(1, PIECE // (weights * d * (runs if by_dataset else 1)))

    def piece(at):
        part = slice(at, at + width)
        here, which = (part, slice(None)) if by_dataset else (slice(None), part)
        arrays = work.X[here], work.y[here], np.ascontiguousarray(theta[here][..., which]), signs
        return np.asarray(function(*(xp.asarray(a) for a in arrays)))

    with ThreadPoolExecutor(None if xp is np else 1) as pool:  # other libraries bring their own threads
        found = list(pool.map(piece, range(0, datasets if by_dataset else runs, width)))
    return np.where(lost[:, 0, 0], np.nan, np.concatenate(found, axis=0 if by_dataset else 1)).ravel()
