"""Largest eigenvalues of many Hessians at once, a block of points at a time.

The kernel behind :mod:`gdbias.sims.measure.sharpness`, compiled from this file's text by
:mod:`gdbias.theory.compiled.cache`, as the drivers are.
"""

import numpy as np

from gdbias.sims.engine.numba.lanes import choose, larger, less, sqrt, total
from gdbias.sims.engine.numba.microkernel import matmul
from gdbias.sims.engine.numba.processor import flush_denormals, restore_denormals
from gdbias.sims.engine.numba.rows import blocks, load, pointer, release, store
from gdbias.theory.compiled.decorators import inner, kernel

HALVINGS = 64  # of an interval around a Ritz value: to the last bit
EPSILON, TINY = 2.3e-16, 1e-300


@kernel
def top_eigenvalues(
    X, X_first, X_last, XT, XT_first, XT_last,  # data, each matrix with the spans of its rows
    jacobian, diagonal, curvature,  # of each block's Hessians: (weight, feature), (pair, feature), (sample)
    start, m, steps, rounds, tolerance,
    value, residual, vector,  # results; start and vector (weight, feature) of each block
):  # fmt: skip
    # By Lanczos steps with full reorthogonalisation, restarted from the Ritz vector until the residual is below
    # tolerance |value|. Below, J v is the change of beta, J^T X^T A X J + D the Hessian. Features and samples are those
    # of the data with rows of zeros, and so are the rows of the other arrays, blocks one behind the other.
    N, D = X.shape[0], XT.shape[0]
    size, pairs = m * D, m * (m + 1) // 2 * D
    control = flush_denormals()
    # J v, then X^T A X J v; X J v; H v; the Krylov basis; the tridiagonal matrix, its top vector, what its
    # factorisation takes from both ends; its top eigenvalue and the residual.
    counts = D, N, size, steps * size, steps, steps, steps, steps, steps, 1, 1
    M, F, W, Q, alpha, beta, ritz, forward, backward, found, error, memory = blocks(np.float64, counts)
    for block in range(value.shape[0]):
        J, G, A = pointer(jacobian, block * size), pointer(diagonal, block * pairs), pointer(curvature, block * N)
        for row in range(size):
            store(Q, row, load(start, block * size + row))
        store(found, 0, 1.0)
        undone = load(found, 0)
        for _ in range(rounds):
            tridiagonalise(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, W, Q, alpha, beta, m, D, N, steps)
            top_of_tridiagonal(alpha, beta, found, ritz, error, forward, backward, steps)
            for row in range(size):  # the Ritz vector
                entry = load(ritz, 0) * load(Q, row)
                for k in range(1, steps):
                    entry = entry + load(ritz, k) * load(Q, k * size + row)
                store(Q, row, entry)
                store(vector, block * size + row, choose(undone, entry, load(vector, block * size + row)))
            store(value, block, choose(undone, load(found, 0), load(value, block)))
            store(residual, block, choose(undone, load(error, 0), load(residual, block)))
            undone = undone * less(tolerance * abs(load(found, 0)), load(error, 0))
            if total(undone) == 0.0:
                break
    restore_denormals(control)
    release(memory)


@inner
def tridiagonalise(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, W, Q, alpha, beta, m, D, N, steps):
    """Lanczos steps from the vector in the first rows of Q, which become the basis; a row of alpha and beta a step.

    Where the Krylov space closes on itself, later vectors and rows of beta are 0 and those of alpha no top eigenvalue.
    """
    size = m * D
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
        for i in range(N):
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


@inner
def dot(A, a, B, b, size):
    """Dot products of ``size`` rows of A from row a on and of B from row b on, a lane each."""
    total = load(A, a) * load(B, b)
    for row in range(1, size):
        total = total + load(A, a + row) * load(B, b + row)
    return total


@inner
def top_of_tridiagonal(alpha, beta, value, ritz, error, forward, backward, steps):
    """Largest eigenvalue of each lane's tridiagonal matrix, its unit vector, and what beta leaves as residual.

    By bisection on the pivots of ``T - x``, all negative where x lies above the spectrum, and by the twisted
    factorisation, which starts where the vector is largest. NaN where an entry is not finite.
    """
    bottom = top = load(alpha, 0)
    for k in range(steps):
        around = load(beta, k) if k + 1 < steps else 0.0 * load(alpha, k)
        if k > 0:
            around = around + load(beta, k - 1)
        bottom, top = larger(bottom, load(alpha, k)), larger(top, load(alpha, k) + around)
    for _ in range(HALVINGS):
        x = 0.5 * (bottom + top)
        pivot = load(alpha, 0) - x
        above = less(pivot, 0.0)
        for k in range(1, steps):
            pivot = load(alpha, k) - x - load(beta, k - 1) * load(beta, k - 1) / pivot
            above = above * less(pivot, 0.0)
        top = top + (x - top) * above
        bottom = bottom + (x - bottom) * (1.0 - above)
    finite = less(abs(load(alpha, 0)), np.inf)
    for k in range(steps):
        finite = finite * less(abs(load(alpha, k)), np.inf) * less(abs(load(beta, k)), np.inf)
    x = top - 0.0 / finite
    store(value, 0, x)
    least = EPSILON * abs(x) + TINY  # pivot
    store(forward, 0, larger(x - load(alpha, 0), least))
    for k in range(1, steps):
        before = load(beta, k - 1) * load(beta, k - 1) / load(forward, k - 1)
        store(forward, k, larger(x - load(alpha, k) - before, least))
    store(backward, steps - 1, larger(x - load(alpha, steps - 1), least))
    for k in range(steps - 2, -1, -1):
        behind = load(beta, k) * load(beta, k) / load(backward, k + 1)
        store(backward, k, larger(x - load(alpha, k) - behind, least))
    twist, nearest = 0.0 * x, 0.0 * x - np.inf  # the row where the vector is largest, and the negative of its gap
    for k in range(steps):
        gap = abs(load(forward, k) + load(backward, k) - (x - load(alpha, k)))
        twist = choose(less(gap, -nearest), 1.0 * k, twist)
        nearest = larger(nearest, -gap)
    entry = square = 0.0 * x
    for k in range(steps - 1, -1, -1):  # from the twist down, then up
        if k + 1 < steps:
            entry = entry * load(beta, k) / load(forward, k)
        entry = entry + less(k - 0.5, twist) * less(twist, k + 0.5)
        square = square + entry * entry
        store(ritz, k, entry)
    entry = 0.0 * x
    for k in range(1, steps):
        at_twist = less(k - 1.5, twist) * less(twist, k - 0.5)
        entry = (entry + at_twist) * load(beta, k - 1) / load(backward, k)
        square = square + entry * entry
        store(ritz, k, load(ritz, k) + entry)
    for k in range(steps):
        store(ritz, k, load(ritz, k) / sqrt(square))
    store(error, 0, abs(load(beta, steps - 1) * load(ritz, steps - 1)))
