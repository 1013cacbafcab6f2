"""NumPy and eager PyTorch as contestants: all runs in one batch, finished ones masked, then dropped."""

import numpy as np
from lanczos import final_sharpness
from workloads import CONVERGED, DIVERGED, STEP_LIMIT, Outcome

DROP = 0.75  # the batch is packed when at most this share of it is under way


def numpy_contestant(work):
    """Two matrix products and in-place updates a step, with whatever threads NumPy's BLAS takes."""

    def start(cap):
        def call():
            with np.errstate(all="ignore"):
                return _descend(np, work, cap)

        return call

    return start


def torch_contestant(work):
    """The same program on PyTorch, eager, on the CPU with its own threads."""
    import torch

    def start(cap):
        def call():
            with torch.inference_mode():
                return _descend(torch, work, cap)

        return call

    return start


def _descend(xp, work, cap):
    """The batch has shape (dataset, weight, d, run); entries are dropped along the longer of its two outer axes."""
    lr, scale = work.grid
    datasets, n, d = work.X.shape
    shape, weights = (datasets, len(lr)), len(work.signs)
    axis = 0 if datasets > 1 else 1
    status, steps = np.empty(shape, np.int8), np.empty(shape, np.int64)
    losses, thetas = np.empty(shape), np.empty((datasets, weights, d, len(lr)))
    kept = np.arange(shape[axis])  # place of each entry of the batch in the result
    X, y, limit = xp.asarray(work.X), xp.asarray(work.y[:, :, None]), xp.asarray(work.limits)
    XT = xp.swapaxes(X, 1, 2)
    theta = xp.asarray(np.broadcast_to(scale, thetas.shape).copy())
    rate = xp.asarray(np.broadcast_to(-2 * lr / n, (datasets, 1, len(lr))).copy())
    live = xp.ones_like(limit) > 0
    beta, move, residual = xp.empty_like(theta[:, 0]), xp.empty_like(theta[:, 0]), xp.matmul(X, theta[:, 0])
    square = xp.empty_like(residual)
    for t in range(cap + 1):
        xp.multiply(theta[:, 0], theta[:, 0], out=beta)
        if weights == 2:
            xp.multiply(theta[:, 1], theta[:, 1], out=move)
            beta -= move
        xp.matmul(X, beta, out=residual)
        residual -= y
        xp.multiply(residual, residual, out=square)
        loss = square.sum(1) * (0.5 / n)
        going = (loss >= work.tol) & (loss < limit)  # NaN ends a run
        ended = live if t == cap else live & ~going
        if bool(ended.any()):
            row, column = np.nonzero(np.asarray(ended))
            at = (kept[row], column) if axis == 0 else (row, kept[column])
            last = np.asarray(loss)[row, column]
            below = last < np.asarray(limit)[row, column]
            status[at] = np.where(last < work.tol, CONVERGED, np.where(below, STEP_LIMIT, DIVERGED))
            steps[at], losses[at] = t, last
            thetas[at[0], :, :, at[1]] = np.asarray(theta)[row, :, :, column]
            live = live & ~ended
            if not bool(live.any()):
                break
            idle = ~live[:, None]
            theta[xp.broadcast_to(idle[:, None], theta.shape)] = 0.0
            residual[xp.broadcast_to(idle, residual.shape)] = 0.0
            entries = np.asarray(live).any(1 - axis)
            if entries.mean() <= DROP:
                kept, keep = kept[entries], xp.asarray(np.flatnonzero(entries))
                if axis == 0:
                    X, y, limit, theta, rate, live, residual = (
                        a[keep] for a in (X, y, limit, theta, rate, live, residual)
                    )
                    XT = xp.swapaxes(X, 1, 2)
                else:
                    limit, theta, rate, live, residual = (a[..., keep] for a in (limit, theta, rate, live, residual))
                    theta, residual = (xp.asarray(np.ascontiguousarray(np.asarray(a))) for a in (theta, residual))
                beta, move = xp.empty_like(theta[:, 0]), xp.empty_like(theta[:, 0])
                square = xp.empty_like(residual)
        xp.matmul(XT, residual, out=move)
        move *= rate
        if weights == 2:
            xp.multiply(move, -1.0, out=beta)
            beta += 1.0
            theta[:, 1] *= beta
        move += 1.0
        theta[:, 0] *= move
    flat = status.ravel()
    return Outcome(flat, steps.ravel(), losses.ravel(), final_sharpness(xp, work, thetas, flat))
