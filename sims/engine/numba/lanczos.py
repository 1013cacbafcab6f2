"""Largest eigenvalues of many Hessians at once, a block of points at a time.

The kernel behind :mod:`gdbias.sims.measure.sharpness`, compiled from this file's text by
:mod:`gdbias.theory.compiled.cache`, as the drivers are.
"""

import numpy as np

from gdbias.sims.engine.numba.lanes import LANES, choose, larger, less, some, sqrt
from gdbias.sims.engine.numba.microkernel import matmul
from gdbias.sims.engine.numba.processor import flush_denormals, restore_denormals
from gdbias.sims.engine.numba.rows import blocks, load, release, store
from gdbias.theory.compiled.decorators import inner, kernel

APART = 4  # steps between looks at what has converged
HALVINGS, NEWTONS = 6, 40  # of an interval around a Ritz value, and steps down to it at most
EPSILON, TINY, FLAT = 2.3e-16, 1e-300, 1e-200


@kernel
def top_eigenvalues(
    X, X_first, X_last, XT, XT_first, XT_last, widest,  # each matrix with the spans of its rows; max |X| a feature
    jacobian, diagonal, curvature,  # of Hessians: (weight or pair, feature, point), and (sample, point)
    start,  # (weight, feature, point)
    steps, rounds, tolerance,
    value, residual, vector,  # results; vector (weight, feature, point), or of no point
):  # fmt: skip
    # By Lanczos steps, restarted from the Ritz vector until its residual is below tolerance |value|. The basis is not
    # made orthogonal again: it is lost towards what has converged alone, and the vector's own residual tells.
    # J v is the change of beta, J^T X^T A X J + D the Hessian. Points are a multiple of LANES. A point's results depend
    # on no point beside it.
    m, d = jacobian.shape[:2]
    n, wide = len(curvature), len(value) // LANES
    N, D = X.shape[0], XT.shape[0]  # n and d, with the rows of zeros that fill the last tile
    size, pairs = m * D, m * (m + 1) // 2 * D
    control = flush_denormals()
    # The Hessians; J v, then X^T A X J v; X J v; the vectors found; the Krylov basis; the tridiagonal
    # matrix, its top vector, that of as many steps as were enough, what its factorisation takes from both ends; its top
    # eigenvalue and residual; which points are under way; what was found of their vectors; two sizes of a Hessian.
    counts = (size, pairs, N, D, N, size, (steps + 1) * size, steps, steps, steps, steps, steps, steps,
              1, 1, 1, 1, 1, 2)  # fmt: skip
    J, G, A, M, F, V, Q, alpha, beta, ritz, enough, forward, backward, found, error, undone, top, rest, sizes, room = (
        blocks(np.float64, counts)
    )  # fmt: skip
    for block in range(wide):
        place(block, wide, widest, jacobian, diagonal, curvature, start, sizes, J, G, A, V, m, d, D, n)
        store(undone, 0, 1.0)
        for left in range(rounds, -1, -1):
            for row in range(size):
                store(Q, row, load(V, row))
            taken = tridiagonalise(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, Q, alpha, beta, ritz,
                                   enough, forward, backward, found, error, top, rest, undone, m, D, N,
                                   steps if left else 1, tolerance)  # fmt: skip
            now = load(undone, 0)
            if not some(now) or left == 0:
                break
            square = 0.0 * now
            for row in range(size):  # the Ritz vector
                entry = load(enough, 0) * load(Q, row)
                for k in range(1, taken):
                    entry = entry + load(enough, k) * load(Q, k * size + row)
                store(Q, row, entry)
                square = square + entry * entry
            inverse = 1.0 / sqrt(square)
            for row in range(size):
                store(V, row, choose(now, load(Q, row) * inverse, load(V, row)))
        steep, bent = load(sizes, 0), load(sizes, 1)
        store(value, block, load(top, 0) * bent * steep * steep)
        store(residual, block, load(rest, 0) * bent * steep * steep)
        if vector.size > 0:
            for p in range(m):
                for j in range(d):
                    store(vector, (p * d + j) * wide + block, load(V, p * D + j))
    restore_denormals(control)
    release(room)


@inner
def place(block, wide, widest, jacobian, diagonal, curvature, start, sizes, J, G, A, V, m, d, D, n):
    """The Hessians of a block of points, with J and A over their sizes; in V what Lanczos begins with."""
    pull = beside = less(load(sizes, 0), -np.inf) + TINY
    bent = pull + FLAT
    for row in range(m * D):
        store(V, row, 0.0)
    for j in range(d):
        steepest = 0.0 * beside
        for p in range(m):
            slope = load(jacobian, (p * d + j) * wide + block)
            steepest = larger(steepest, abs(slope))
            store(J, p * D + j, slope)
            store(V, p * D + j, load(start, (p * d + j) * wide + block))
        for pair in range(m * (m + 1) // 2):
            entry = load(diagonal, (pair * d + j) * wide + block)
            beside = larger(beside, abs(entry))
            store(G, pair * D + j, entry)
        pull = pull + widest[j] * steepest
    for i in range(n):
        entry = load(curvature, i * wide + block)
        bent = larger(bent, abs(entry))
        store(A, i, entry)
    steep = larger(pull, sqrt(beside) / sqrt(bent))
    store(sizes, 0, steep)
    store(sizes, 1, bent)
    scaled(J, 1.0 / steep, 0, m * D)
    scaled(A, 1.0 / bent, 0, n)
    for row in range(m * (m + 1) // 2 * D):
        store(G, row, load(G, row) / steep / steep / bent)


@inner
def scaled(Q, factor, first, last):
    """Multiply rows of Q."""
    for row in range(first, last):
        store(Q, row, load(Q, row) * factor)


@inner
def multiply(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, Q, at, back, m, D, N):
    """``w = H q - back p`` behind the rows of q in Q, which stand at ``at`` behind those of p; q w and ``|H q|^2``."""
    size = m * D
    before = max(at - size, 0)
    for j in range(D):
        moved = load(J, j) * load(Q, at + j)
        for p in range(1, m):
            moved = moved + load(J, p * D + j) * load(Q, at + p * D + j)
        store(M, j, moved)
    matmul(X, M, F, X_first, X_last)
    for i in range(N):
        store(F, i, load(F, i) * load(A, i))
    matmul(XT, F, M, XT_first, XT_last)
    own = square = 0.0 * back
    for p in range(m):
        for j in range(D):
            result = load(J, p * D + j) * load(M, j)
            for e in range(m):
                a, b = min(p, e), max(p, e)
                pair = a * m - a * (a - 1) // 2 + b - a
                result = result + load(G, pair * D + j) * load(Q, at + e * D + j)
            square = square + result * result
            result = result - back * load(Q, before + p * D + j)
            own = own + result * load(Q, at + p * D + j)
            store(Q, at + size + p * D + j, result)
    return own, square


@inner
def tridiagonalise(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, Q, alpha, beta, ritz, enough, forward,
                   backward, found, error, top, rest, undone, m, D, N, steps, tolerance):  # fmt: skip
    """Lanczos steps from the vector in the first rows of Q, which become the basis; a row of alpha and beta a step.

    The first tells the Rayleigh quotient of that vector and its residual, and which lanes are ``undone`` yet. They end,
    and how many they were is returned, where on each lane the residual of a Ritz vector was below half of tolerance
    |value|: ``enough`` has its entries in the basis. Where the Krylov space closes on itself, later vectors and rows of
    beta are 0 and those of alpha no top eigenvalue.
    """
    size = m * D
    square = 0.0 * load(Q, 0)
    for row in range(size):
        square = square + load(Q, row) * load(Q, row)
    scaled(Q, 1.0 / sqrt(square), 0, size)
    back = below = less(square, -np.inf)  # 0
    alive = open = 1.0 + back
    for i in range(steps):
        store(enough, i, back)
    for k in range(steps):
        at = k * size
        own, before = multiply(X, X_first, X_last, XT, XT_first, XT_last, J, G, A, M, F, Q, at, back, m, D, N)
        norm = 0.0 * own
        for row in range(at, at + size):
            away = load(Q, size + row) - own * load(Q, row)
            norm = norm + away * away
            store(Q, size + row, away)
        length = sqrt(norm)
        if k == 0:
            below, now = own - abs(own) - 1.0, load(undone, 0)
            store(top, 0, choose(now, own, load(top, 0)))
            store(rest, 0, choose(now, length, load(rest, 0)))
            now = now * less(larger(tolerance * abs(own), 0.0 * own + EPSILON), length)
            store(undone, 0, now)
            if not some(now):
                return 1
        store(alpha, k, alive * own + (1.0 - alive) * below)
        alive = alive * less(1e-26 * before, norm)
        back = length * alive
        store(beta, k, back)
        scaled(Q, alive / (back + (1.0 - alive)), at + size, at + 2 * size)
        if (k + 1) % APART == 0 or k + 1 == steps:
            top_of_tridiagonal(alpha, beta, found, ritz, error, forward, backward, k + 1)
            for i in range(k + 1):
                store(enough, i, choose(open, load(ritz, i), load(enough, i)))
            open = open * less(0.5 * tolerance * abs(load(found, 0)), load(error, 0))
            if not some(open):
                return k + 1
    return steps


@inner
def top_of_tridiagonal(alpha, beta, value, ritz, error, forward, backward, steps):
    """Largest eigenvalue of each lane's tridiagonal matrix, its unit vector, and what beta leaves as residual.

    By the pivots of ``T - x``, all negative where x lies above the spectrum, and by the twisted factorisation, which
    starts where the vector is largest. NaN where an entry is not finite.
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
    moving = less(-np.inf, top)
    for _ in range(NEWTONS):  # of the determinant's logarithm, which lead down to its largest root
        pivot = load(alpha, 0) - top
        above, slope, inverse = less(pivot, 0.0), 0.0 * top - 1.0, 1.0 / pivot
        ratio = slope * inverse
        for k in range(1, steps):
            along = load(beta, k - 1) * inverse
            slope = along * along * slope - 1.0
            pivot = load(alpha, k) - top - load(beta, k - 1) * along
            above, inverse = above * less(pivot, 0.0), 1.0 / pivot
            ratio = ratio + slope * inverse
        moving = moving * above
        down = 1.0 / ratio
        top = choose(moving, top - down, top)
        moving = moving * less(EPSILON * abs(top), down)
        if not some(moving):
            break
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
