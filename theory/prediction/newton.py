"""One step of Newton's method for the dual variables nu and U of an implicit step, compiled.

Their matrix has a block for nu and one for each row of U, all made of ``C diag(.) C^T``; those of U have
``2 L^2 (cap - K)`` on their diagonal too. Where samples are few it is factored. Where they are many the rows of U move
mostly within the leading eigenvectors of K: the part in such a frame is factored, and conjugate gradients on the whole
matrix, which is never made, do the rest; where they do not end it is factored.

The push is U^T U, so that rotations of the rows of U among themselves change nothing, and the matrix is 0 along them:
it is given a curvature there, which leaves the step as it is.
"""

import numpy as np

from ..compiled.decorators import inner
from ..compiled.dense import applied_each, cross, dot, factored, gram, pulled_each, solve, taken_out

WHOLE = 64  # samples, up to which the matrix is factored
BESIDE = 8  # leading eigenvectors in the frame, beyond two for each row of U
ROUNDS = 3  # of subspace iteration, for a frame that need not be exact
ENOUGH, LEFT = 1e-2, 1e-3  # of the residual, which Newton's method need not have smaller
MOST = 60  # rounds of conjugate gradients
DEFINITE, MOST_SHIFT = 1e-8, 1e6  # of a matrix whose diagonal is 1: what it may be short of being positive definite


@inner
def frame(K, U):
    """Orthonormal rows (m, rows) that hold the rows of U and most of the leading eigenvectors of K."""
    r, rows = U.shape
    m = min(rows, 2 * r + BESIDE)
    V, ahead, seed = np.empty((m, rows)), np.empty((m, rows)), 1.0
    for k in range(m):
        for a in range(rows):
            seed = (seed * 16807.0) % 2147483647.0
            V[k, a] = U[k, a] if k < r else seed / 2147483647.0 - 0.5
    for turn in range(ROUNDS + 1):
        if turn:
            applied_each(K, V, ahead)
        for k in range(m):
            for a in range(rows):
                if turn:
                    V[k, a] = ahead[k, a]
            size = taken_out(V, k, k)
            for a in range(rows):
                V[k, a] /= np.sqrt(size) + 1e-300
    return V


@inner
def assembled(C, VC, e, moves, K, L, H):
    """Blocks ``C diag(.) C^T`` of the matrix, with the rows of U in the frame of VC = V C: the lower triangle of H."""
    (rows, D), m, r, whole = C.shape, VC.shape[0], len(moves) - 1, len(VC) == len(C)
    f, block, wide = np.empty(D), np.empty((m, m)), np.empty((m, rows))
    first, unit = K, L * L
    if not (r and L == 2):  # where e is four times what K is made with
        first, unit = np.empty((rows, rows)), 1
        gram(C, e, first)
    for a in range(rows):
        for c in range(a + 1):
            H[a, c] = unit * first[a, c]
    for k in range(r):
        begin = rows + k * m
        for i in range(D):
            f[i] = e[i] * moves[1 + k, i]
        if whole:
            gram(C, f, wide)
            for a in range(rows):
                for c in range(a):
                    wide[c, a] = wide[a, c]
        else:
            cross(VC, f, C, wide)
        for a in range(m):
            for c in range(rows):
                H[begin + a, c] = wide[a, c]
        for j in range(k + 1):
            for i in range(D):
                f[i] = e[i] * moves[1 + k, i] * moves[1 + j, i]
            gram(VC, f, block)
            for a in range(m):
                for c in range(a + 1):
                    H[begin + a, rows + j * m + c] = block[a, c]
                    if j < k:
                        H[begin + c, rows + j * m + a] = block[a, c]


@inner
def held_rotations(H, P, rows, stiffness):
    """The lower triangle of H with this curvature along each rotation (U_k, -U_j) of two rows, U in the frame as P."""
    r, m = P.shape
    for j in range(r):
        for k in range(j):
            size = 1e-300
            for a in range(m):
                size += P[j, a] ** 2 + P[k, a] ** 2
            part = stiffness / size
            one, other = rows + j * m, rows + k * m
            for a in range(m):
                for c in range(m):
                    H[one + a, other + c] -= part * P[k, a] * P[j, c]
                    if c <= a:
                        H[one + a, one + c] += part * P[k, a] * P[k, c]
                        H[other + a, other + c] += part * P[j, a] * P[j, c]


@inner
def along_rotations(U, stiffness, x, out):
    """What that adds to the matrix times x."""
    r, rows = U.shape
    for j in range(r):
        for k in range(j):
            size, turn = 1e-300, 0.0
            for a in range(rows):
                size += U[j, a] ** 2 + U[k, a] ** 2
                turn += U[k, a] * x[1 + j, a] - U[j, a] * x[1 + k, a]
            for a in range(rows):
                out[1 + j, a] += stiffness / size * turn * U[k, a]
                out[1 + k, a] -= stiffness / size * turn * U[j, a]


@inner
def scaled_factor(H, extra, most):
    """The Cholesky factor of ``S (H + shift) S`` in H, S = diag(H + extra)^-1/2; S and the shift, inf where none does.

    The matrix is positive definite near the solution: elsewhere it is made so by a shift up to ``most``.
    """
    size = len(H)
    scale, kept, shift = np.empty(size), H.copy(), 1e-13
    for a in range(size):
        scale[a] = 1 / np.sqrt(H[a, a] + extra[a] + 1e-300)
    while shift < most:
        for a in range(size):
            for c in range(a + 1):
                H[a, c] = kept[a, c] * scale[a] * scale[c]
            H[a, a] += shift
        if factored(H):
            return scale, shift
        shift = max(10 * shift, 1e-9)
    return scale, np.inf


@inner
def multiplied(C, e, moves, weight, K, cap, L, U, x, T, out):
    """``out`` = the matrix times x (1 + r, rows), with T (1 + r, D) to work in."""
    rows, D = C.shape
    pulled_each(C, x, T)
    for i in range(D):
        total = 0.0
        for k in range(len(moves)):
            total += moves[k, i] * T[k, i]
        for k in range(len(moves)):
            T[k, i] = e[i] * moves[k, i] * total
    applied_each(C, T, out)
    turned = np.empty(x.shape)
    applied_each(K, x, turned)
    for a in range(rows):
        out[0, a] += weight * x[0, a]
        for k in range(1, len(moves)):
            out[k, a] += 2 * L * L * (cap * x[k, a] - turned[k, a])
    along_rotations(U, 2 * L * L * cap, x, out)


@inner
def in_frame(R, scale, V, rest, residual, out):
    """``out`` = the inverse of the matrix within the frame times the residual, over ``rest`` beyond it."""
    (m, rows), r, whole = V.shape, len(residual) - 1, len(V) == residual.shape[1]
    x = np.empty(rows + r * m)
    for a in range(rows):
        x[a] = residual[0, a]
    for k in range(r):
        for j in range(m):
            x[rows + k * m + j] = residual[1 + k, j] if whole else 0.0
            if not whole:
                for a in range(rows):
                    x[rows + k * m + j] += V[j, a] * residual[1 + k, a]
    along = x.copy()
    for a in range(len(x)):
        x[a] *= scale[a]
    solve(R, x)
    for a in range(len(x)):
        x[a] *= scale[a]
    for a in range(rows):
        out[0, a] = x[a]
    for k in range(r):
        for a in range(rows):
            out[1 + k, a] = x[rows + k * m + a] if whole else residual[1 + k, a] / rest
        if not whole:
            for j in range(m):
                part = x[rows + k * m + j] - along[rows + k * m + j] / rest
                for a in range(rows):
                    out[1 + k, a] += V[j, a] * part


@inner
def conjugate(C, e, moves, weight, K, cap, L, U, R, scale, V, rest, residual, first):
    """Conjugate gradients on the whole matrix, from the step ``first`` within the frame as their first direction.

    Returns the step, and whether it is that of Newton's method: not where the matrix is not positive definite.
    """
    count, rows = residual.shape
    x, left, along = np.zeros((count, rows)), residual.copy(), first.copy()
    T, image, ahead = np.empty((count, C.shape[1])), np.empty((count, rows)), np.empty((count, rows))
    size = 0.0
    for k in range(count):
        for a in range(rows):
            size += left[k, a] * along[k, a]
    start = size
    for step in range(MOST):
        multiplied(C, e, moves, weight, K, cap, L, U, along, T, image)
        curvature = 0.0
        for k in range(count):
            for a in range(rows):
                curvature += along[k, a] * image[k, a]
        if not curvature > 0:
            return (x, size <= ENOUGH**2 * start) if step else (first, False)
        for k in range(count):
            for a in range(rows):
                x[k, a] += size / curvature * along[k, a]
                left[k, a] -= size / curvature * image[k, a]
        in_frame(R, scale, V, rest, left, ahead)
        before, size = size, 0.0
        for k in range(count):
            for a in range(rows):
                size += left[k, a] * ahead[k, a]
        if not size > LEFT**2 * start:
            return x, True
        for k in range(count):
            for a in range(rows):
                along[k, a] = ahead[k, a] + size / before * along[k, a]
    return x, size <= ENOUGH**2 * start


@inner
def attempted(C, e, moves, weight, K, cap, L, U, V, residual, most):
    """The step from the frame V, the shift up to ``most`` that it needed, and whether it is that of Newton's method."""
    (rows, D), m, r, whole = C.shape, len(V), len(moves) - 1, len(V) == len(C)
    VC = C
    if not whole:
        VC = np.empty((m, D))
        pulled_each(C, V, VC)
    H, extra = np.empty((rows + r * m, rows + r * m)), np.zeros(rows + r * m)
    assembled(C, VC, e, moves, K, L, H)
    held, turned, trace = np.empty((m, m)), np.empty((m, rows)), 0.0
    if not whole:
        applied_each(K, V, turned)
    for a in range(m if r else 0):
        for c in range(a + 1):
            held[a, c] = K[a, c]
            if not whole:
                held[a, c] = 0.0
                for k in range(rows):
                    held[a, c] += turned[a, k] * V[c, k]
        trace += held[a, a]
    for a in range(rows):
        H[a, a] += weight
    for k in range(r):
        first = rows + k * m
        for a in range(m):
            extra[first + a] = 2 * L * L * cap
            H[first + a, first + a] += 2 * L * L * cap
            for c in range(a + 1):
                H[first + a, first + c] -= 2 * L * L * held[a, c]
    P = U
    if not whole:
        P = np.zeros((r, m))
        for k in range(r):
            for a in range(m):
                P[k, a] = dot(V[a], U[k], rows)
    held_rotations(H, P, rows, 2 * L * L * cap)
    scale, shift = scaled_factor(H, extra, most)
    x, rest = np.zeros((1 + r, rows)), 1.0
    if not shift < np.inf:
        return x, shift, False
    if not whole:
        for a in range(rows):
            trace -= K[a, a]
        rest = 2 * L * L * max(cap + trace / max(rows - m, 1), 0.1 * cap)
    in_frame(H, scale, V, rest, residual, x)
    if whole:
        return x, shift, True
    x, done = conjugate(C, e, moves, weight, K, cap, L, U, H, scale, V, rest, residual, x)
    return x, shift, done and shift < DEFINITE


@inner
def newton_step(C, e, moves, weight, K, cap, L, U, residual, anyhow):
    """The step (1 + r, rows) of nu and the rows of U for a residual alike, and the shift that it needed; see above.

    With e and moves (1 + r, D) how the coefficients answer to what pulls at the columns, and how the rows of U pull.
    Where samples are many and the matrix is not positive definite the shift is inf, unless there is to be a step
    ``anyhow``.
    """
    rows = len(C)
    if len(U) and rows > WHOLE:
        most = MOST_SHIFT if anyhow else DEFINITE
        x, shift, done = attempted(C, e, moves, weight, K, cap, L, U, frame(K, U), residual, most)
        if done or not anyhow:
            return x, shift if done else np.inf
    x, shift, _ = attempted(C, e, moves, weight, K, cap, L, U, np.empty((rows, rows)), residual, MOST_SHIFT)
    return x, shift
