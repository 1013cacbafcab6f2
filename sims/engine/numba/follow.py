"""The driver that follows bounded runs by the law of a model: the steps of a run beside the steps of a nearby one.

A kernel is this text with the law, and what is constant of it, in place of the import of the stub.
"""

import numpy as np

from gdbias.sims.engine.numba.feature import dot
from gdbias.sims.engine.numba.lanes import less, log, some, sqrt
from gdbias.sims.engine.numba.law_stub import (
    LANES,
    PARAMETERS,
    STATES,
    WEIGHTS,
    effective,
    jacobian,
    loss_curvature,
    loss_slope,
    loss_value,
    step,
    tangent,
)
from gdbias.sims.engine.numba.microkernel import matmul
from gdbias.sims.engine.numba.processor import flush_denormals, restore_denormals, take_next
from gdbias.sims.engine.numba.rows import blocks, gather, load, numbers, release, scatter, store
from gdbias.theory.compiled.decorators import inlined, kernel

# Numbers of a block: 0, learning rate, limit of the loss, logarithmic growth, largest loss, whether it blew up, the
# last loss, steps on which it rose.
NONE, RATE, LIMIT, GROWN, TOP, GONE, LAST, RISES = range(8)


@kernel
def follow(
    X, X_first, X_last, XT, XT_first, XT_last, y,  # data, each matrix with the spans of its rows
    scale, steps, measured, every, longest, repeats, near,
    parameters, queue, halt, nearby, lr, limit, theta,  # nearby (weight and state, feature); the others one entry a run
    growth, tail, peak, lost, returns, rises,
):  # fmt: skip
    # Follows runs from the shared queue, a block at a time, each for all its steps.
    # The last `measured` steps count for the logarithmic growth of the tangent vector (tail: in each of the last
    # `longest` of them), the last `repeats` times `longest` for the peak of the loss and for returns, which hold the
    # first step back near each of as many snapshots, or 0. `rises` counts steps.
    n, d, runs = y.size, theta.shape[2], lr.size
    N, D = X.shape[0], XT.shape[0]  # n and d, with the rows of zeros that fill the last tile
    own = numbers(parameters, 0, 1, PARAMETERS)
    control = flush_denormals()
    # Weights and state, and the tangent vector; snapshot of the weights; beta and its tangent J v, then n dL/dbeta and
    # its tangent; predictions and their tangents, then loss slopes and theirs; numbers of a run; growth in last steps.
    counts = STATES * D, STATES * D, WEIGHTS * D, D, D, N, N, 8, longest
    T, V, S, B, M, F, Q, A, last, memory = blocks(np.float64, counts)
    gap, size, back = np.zeros(LANES), np.zeros(LANES), np.zeros((repeats, LANES), dtype=np.int64)
    while halt[0] == 0:
        at = take_next(queue) * LANES
        if at >= runs:
            break
        count = min(LANES, runs - at)
        for q in range(LANES):
            p = at + min(q, count - 1)  # a block that is not full repeats its last run
            A[RATE, q], A[LIMIT, q], A[GROWN, q], A[TOP, q], A[GONE, q] = lr[p], limit[p], 0.0, -np.inf, 0.0
            A[LAST, q], A[RISES, q] = np.inf, 0.0
            for e in range(STATES):
                for j in range(d):
                    T[e * D + j, q], V[e * D + j, q] = theta[p, e, j], nearby[e, j]
        rates = load(A, RATE)
        for j in range(d):
            look_at(j, gather(T, j, D, WEIGHTS), gather(V, j, D, WEIGHTS), B, M)
        for t in range(steps):
            if halt[0] != 0:
                break
            left = steps - t
            k = repeats - (left - 1) // longest - 1  # of the snapshot, < 0 before the first
            if k >= 0 and left % longest == 0:
                for j in range(WEIGHTS * D):
                    store(S, j, load(T, j))
                for q in range(LANES):
                    back[k, q] = 0
            matmul(X, B, F, X_first, X_last)
            matmul(X, M, Q, X_first, X_last)
            losses = load(A, NONE)
            for i in range(n):
                f = load(F, i)
                losses = losses + loss_value(f, y[i])
                store(Q, i, load(Q, i) * loss_curvature(f, y[i]))
                store(F, i, loss_slope(f, y[i]))
            x = losses * scale
            store(A, GONE, load(A, GONE) + (1.0 - less(x, load(A, LIMIT))))
            store(A, RISES, load(A, RISES) + (1.0 - less(x, load(A, LAST) * (1 + 1e-12) + 1e-14)))
            store(A, LAST, x)
            if k >= 0:
                store(A, NONE, x)
                for q in range(LANES):
                    A[TOP, q] = max(A[TOP, q], A[NONE, q])
                    A[NONE, q] = 0.0
            matmul(XT, F, B, XT_first, XT_last)
            matmul(XT, Q, M, XT_first, XT_last)
            for j in range(d):
                g, g_dot = load(B, j) * scale, load(M, j) * scale
                x, v = gather(T, j, D, STATES), gather(V, j, D, STATES)
                x, v = step(rates, g, own, x), tangent(rates, g, g_dot, own, x, v)
                scatter(T, j, D, x)
                scatter(V, j, D, v)
                look_at(j, x, v, B, M)
            if k >= 0:
                for q in range(LANES):
                    gap[q], size[q] = 0.0, 0.0
                for e in range(WEIGHTS):
                    for j in range(d):
                        for q in range(LANES):
                            gap[q] = max(gap[q], abs(T[e * D + j, q] - S[e * D + j, q]))
                            size[q] = max(size[q], abs(T[e * D + j, q]))
                for q in range(LANES):
                    if back[k, q] == 0 and gap[q] < near * size[q]:
                        back[k, q] = longest - (left - 1) % longest
            if (left - 1) % every == 0 or left <= longest:  # the tangent vector of unit length again
                square = load(A, NONE)
                for e in range(STATES):
                    for j in range(d):
                        v = load(V, e * D + j)
                        square = square + v * v
                length = sqrt(square)
                if left <= measured:
                    store(A, GROWN, load(A, GROWN) + log(length))
                if left <= longest:
                    store(last, longest - left, log(length))
                inverse = less(0.0, length) / (length + (1.0 - less(0.0, length)))
                for e in range(STATES):
                    for j in range(d):
                        store(V, e * D + j, load(V, e * D + j) * inverse)
                for j in range(d):
                    store(M, j, load(M, j) * inverse)
                if not some(less(load(A, GONE), 0.5)):
                    break
        for q in range(count):
            p = at + q
            lost[p] = A[GONE, q] > 0.0
            growth[p], peak[p], rises[p] = A[GROWN, q], A[TOP, q], A[RISES, q]
            for s in range(longest):
                tail[p, s] = last[s, q]
            for k in range(repeats):
                returns[p, k] = back[k, q]
    restore_denormals(control)
    release(memory)


@inlined
def look_at(j, x, v, B, M):
    # The coefficient of feature j, and its change along the tangent vector.
    store(B, j, effective(x))
    store(M, j, dot(jacobian(x), v[:WEIGHTS]))
