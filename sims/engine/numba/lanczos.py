"""Largest eigenvalues of many Hessians at once, a block of lanes at a time.

The kernel behind :mod:`gdbias.sims.measure.sharpness`, compiled from this file's text by
:mod:`gdbias.sims.engine.numba.cache`, as generated kernels are.
"""

import numpy as np
from numba import njit

from gdbias.sims.engine.numba.lanes import LANES, less, sqrt
from gdbias.sims.engine.numba.microkernel import matmul
from gdbias.sims.engine.numba.processor import flush_denormals, restore_denormals
from gdbias.sims.engine.numba.rows import load, store

HALVINGS = 64  # of an interval around a Ritz value: to the last bit
EPSILON, TINY = 2.3e-16, 1e-300


@njit(nogil=True, cache=True, error_model="numpy")
def top_eigenvalues(
    X, X_first, X_last, XT, XT_first, XT_last,  # data, each matrix with the spans of its rows
    jacobian, diagonal, curvature,  # of Hessian: (weight, feature, point), (pair, feature, point), (sample, point)
    start, steps, rounds, tolerance,
    value, residual, vector,  # results; start and vector (weight, feature, point)
):  # fmt: skip
    # By Lanczos steps with full reorthogonalisation, restarted from the Ritz vector until the residual is below
    # tolerance |value|. Below, J v is the change of beta, J^T X^T A X J + D the Hessian.
    m, d, points = start.shape
    n, N, D, pairs = curvature.shape[0], X.shape[0], XT.shape[0], diagonal.shape[0]
    control = flush_denormals()
    J, G, A = np.zeros((m * D, LANES)), np.zeros((pairs * D, LANES)), np.zeros((N, LANES))
    M, F = np.zeros((D, LANES)), np.zeros((N, LANES))  # J v, then X^T A X J v; X J v
    W, Q = np.zeros((m * D, LANES)), np.zeros((steps * m * D, LANES))  # H v; the Krylov basis
    alpha, beta, ritz = np.zeros((steps, LANES)), np.zeros((steps, LANES)), np.zeros((steps, LANES))
    found, error, undone = np.zeros((1, LANES)), np.zeros(LANES), np.zeros(LANES)
    for at in range(0, points, LANES):
        count = min(LANES, points - at)
        for q in range(count):
            undone[q] = 1.0
            for j in range(d):
                for p in range(m):
                    J[p * D + j, q], Q[p * D + j, q] = jacobian[p, j, at + q], start[p, j, at + q]
                for p in range(pairs):
                    G[p * D + j, q] = diagonal[p, j, at + q]
            for i in range(n):
                A[i, q] = curvature[i, at + q]
        undone[count:] = 0.0
        for _ in range(rounds):
            tridiagonalise(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, W, Q, alpha, beta, m)
            top_of_tridiagonal(alpha, beta, found, ritz, error)
            for row in range(m * D):  # the Ritz vector
                total = load(ritz, 0) * load(Q, row)
                for k in range(1, steps):
                    total = total + load(ritz, k) * load(Q, k * m * D + row)
                store(Q, row, total)
            left = 0.0
            for q in range(LANES):
                if undone[q] > 0.0:
                    value[at + q], residual[at + q] = found[0, q], error[q]
                    for j in range(d):
                        for p in range(m):
                            vector[p, j, at + q] = Q[p * D + j, q]
                    undone[q] = 1.0 if error[q] > tolerance * abs(found[0, q]) else 0.0
                    left += undone[q]
            if left == 0.0 or steps == m * d:
                break
    restore_denormals(control)


@njit(nogil=True)
def tridiagonalise(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, W, Q, alpha, beta, m):
    """Lanczos steps from the vector in the first rows of Q, which become the basis; a row of alpha and beta a step.

    Where the Krylov space closes on itself, later vectors and rows of beta are 0 and those of alpha no top eigenvalue.
    """
    D, size = M.shape[0], W.shape[0]
    steps = Q.shape[0] // size
    alive = below = 1.0 - less(load(Q, 0), -np.inf)
    scale = 1.0 / sqrt(dot(Q, 0, Q, 0, size))
    for row in range(size):
        store(Q, row, load(Q, row) * scale)
    for k in range(steps):
        at = k * size
        for j in range(D):
            moved = load(J, j) * load(Q, at + j)
            for p in range(1, m):
                moved = moved + load(J, p * D + j) * load(Q, at + p * D + j)
            store(M, j, moved)
        matmul(X, M, F, X_first, X_last)
        for i in range(F.shape[0]):
            store(F, i, load(F, i) * load(A, i))
        matmul(XT, F, M, XT_first, XT_last)
        for p in range(m):
            for j in range(D):
                result = load(J, p * D + j) * load(M, j)
                for e in range(m):
                    a, b = min(p, e), max(p, e)
                    pair = a * m - a * (a - 1) // 2 + b - a
                    result = result + load(G, pair * D + j) * load(Q, at + e * D + j)
                store(W, p * D + j, result)
        before = dot(W, 0, W, 0, size)
        own = dot(Q, at, W, 0, size)
        for _ in range(2):  # twice is enough
            for i in range(k + 1):
                along = dot(Q, i * size, W, 0, size)
                for row in range(size):
                    store(W, row, load(W, row) - along * load(Q, i * size + row))
        norm = dot(W, 0, W, 0, size)
        if k == 0:
            below = own - sqrt(own * own) - 1.0
        store(alpha, k, alive * own + (1.0 - alive) * below)
        alive = alive * less(1e-26 * before, norm)
        norm = sqrt(norm) * alive
        store(beta, k, norm)
        if k + 1 < steps:
            scale = alive / (norm + (1.0 - alive))
            for row in range(size):
                store(Q, at + size + row, load(W, row) * scale)


@njit(nogil=True)
def dot(A, a, B, b, size):
    """Dot products of ``size`` rows of A from row a on and of B from row b on, a lane each."""
    total = load(A, a) * load(B, b)
    for row in range(1, size):
        total = total + load(A, a + row) * load(B, b + row)
    return total


@njit(nogil=True)
def top_of_tridiagonal(alpha, beta, value, ritz, error):
    """Largest eigenvalue of each lane's tridiagonal matrix, its unit vector, and what beta leaves as residual.

    By bisection on the pivots of ``T - x``, all negative where x lies above the spectrum, and by the twisted
    factorisation, which starts where the vector is largest. NaN where an entry is not finite.
    """
    steps = alpha.shape[0]
    low, high = np.full((1, LANES), -np.inf), np.full((1, LANES), -np.inf)
    for k in range(steps):
        for q in range(LANES):
            around = beta[k, q] if k + 1 < steps else 0.0
            if k > 0:
                around += beta[k - 1, q]
            low[0, q], high[0, q] = max(low[0, q], alpha[k, q]), max(high[0, q], alpha[k, q] + around)
    bottom, top = load(low, 0), load(high, 0)
    for _ in range(HALVINGS):
        x = 0.5 * (bottom + top)
        pivot = load(alpha, 0) - x
        above = less(pivot, 0.0)
        for k in range(1, steps):
            pivot = load(alpha, k) - x - load(beta, k - 1) * load(beta, k - 1) / pivot
            above = above * less(pivot, 0.0)
        top = top + (x - top) * above
        bottom = bottom + (x - bottom) * (1.0 - above)
    store(value, 0, top)
    forward, backward = np.empty(steps), np.empty(steps)
    for q in range(LANES):
        x, finite = value[0, q], True
        for k in range(steps):
            finite = finite and np.isfinite(alpha[k, q]) and np.isfinite(beta[k, q])
        if not finite:
            value[0, q] = x = np.nan
        least = EPSILON * abs(x) + TINY  # pivot
        for k in range(steps):
            forward[k] = x - alpha[k, q] - (beta[k - 1, q] ** 2 / forward[k - 1] if k > 0 else 0.0)
            forward[k] = max(forward[k], least)
        for k in range(steps - 1, -1, -1):
            backward[k] = x - alpha[k, q] - (beta[k, q] ** 2 / backward[k + 1] if k + 1 < steps else 0.0)
            backward[k] = max(backward[k], least)
        twist, nearest = 0, np.inf
        for k in range(steps):
            gap = abs(forward[k] + backward[k] - (x - alpha[k, q]))
            if gap < nearest:
                twist, nearest = k, gap
        ritz[twist, q], square = 1.0, 1.0
        for k in range(twist - 1, -1, -1):
            ritz[k, q] = ritz[k + 1, q] * beta[k, q] / forward[k]
            square += ritz[k, q] ** 2
        for k in range(twist + 1, steps):
            ritz[k, q] = ritz[k - 1, q] * beta[k - 1, q] / backward[k]
            square += ritz[k, q] ** 2
        for k in range(steps):
            ritz[k, q] /= np.sqrt(square)
        error[q] = abs(beta[steps - 1, q] * ritz[steps - 1, q])
