"""Numba as a contestant: prange over runs, each a scalar loop with its own early stop."""

import numba
import numpy as np
from lanczos import final_sharpness
from threadpoolctl import threadpool_limits
from workloads import BLOW_UP, CONVERGED, DIVERGED, STEP_LIMIT, Outcome

prange = numba.prange


def numba_contestant(work, reorder=False):
    """Hand loops, faster than np.dot where tried; with ``reorder`` the compiler may reorder their sums."""
    weights, tol = len(work.signs), work.tol

    def runs(X, y, lr, scale, cap):
        datasets, n, d = X.shape
        count = lr.size
        status = np.empty(datasets * count, np.int8)
        steps = np.empty(datasets * count, np.int64)
        losses = np.empty(datasets * count)
        thetas = np.empty((datasets * count, weights, d))
        for k in prange(datasets * count):
            s, own = k // count, k % count
            w = np.full((weights, d), scale[own])
            b, g, r = np.empty(d), np.empty(d), np.empty(n)
            rate = 2 * lr[own] / n
            limit = np.inf
            t = 0
            while True:
                for j in range(d):
                    b[j] = w[0, j] * w[0, j]
                if weights == 2:
                    for j in range(d):
                        b[j] -= w[1, j] * w[1, j]
                loss = 0.0
                for i in range(n):
                    total = -y[s, i]
                    for j in range(d):
                        total += X[s, i, j] * b[j]
                    r[i] = total
                    loss += total * total
                loss /= 2 * n
                if t == 0:
                    limit = BLOW_UP * max(1.0, loss)
                if loss < tol:
                    status[k] = CONVERGED
                    break
                if not (loss < limit):
                    status[k] = DIVERGED
                    break
                if t == cap:
                    status[k] = STEP_LIMIT
                    break
                for j in range(d):
                    g[j] = 0.0
                for i in range(n):
                    for j in range(d):
                        g[j] += X[s, i, j] * r[i]
                for j in range(d):
                    w[0, j] -= rate * w[0, j] * g[j]
                if weights == 2:
                    for j in range(d):
                        w[1, j] += rate * w[1, j] * g[j]
                t += 1
            steps[k] = t
            losses[k] = loss
            thetas[k] = w
        return status, steps, losses, thetas

    program = numba.njit(parallel=True, fastmath={"contract", "reassoc"} if reorder else False)(runs)
    lr, scale = work.grid

    def start(cap):
        def call():
            with numba.parallel_chunksize(16):  # small, so that no core waits for another's long runs
                status, steps, losses, thetas = program(work.X, work.y, lr, scale, cap)
            thetas = np.moveaxis(thetas.reshape(len(work.X), len(lr), weights, -1), 1, 3)
            with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
                return Outcome(status, steps, losses, final_sharpness(np, work, thetas, status))

        return call

    return start
