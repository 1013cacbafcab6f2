"""The driver that advances blocks of runs by the law of a model.

A kernel is this text with the law, and what is constant of it, in place of the import of the stub.
"""

import numpy as np

from gdbias.sims.engine.draws import normal, stream, uniform
from gdbias.sims.engine.numba.feature import added, bound, dot, nudged, plus, product, rest
from gdbias.sims.engine.numba.lanes import fma, larger, less, some, sqrt
from gdbias.sims.engine.numba.law_stub import (
    ASCENDS,
    ASCENT_TOTALS,
    DECAYS,
    DRAWS,
    LANES,
    NUDGE,
    ONE_SAMPLE,
    PARAMETERS,
    READS_LOSS,
    ROWS,
    SCHEDULED,
    SETTLES,
    STATES,
    TOTALS,
    TRACKS,
    WEIGHT_DECAY,
    WEIGHTS,
    ascent,
    ascent_totals,
    curvature,
    effective,
    jacobian,
    loss_curvature,
    loss_slope,
    loss_value,
    number,
    schedule,
    step,
    totals,
)
from gdbias.sims.engine.numba.microkernel import matmul, tile
from gdbias.sims.engine.numba.processor import flush_denormals, restore_denormals, take_next
from gdbias.sims.engine.numba.rows import (
    blocks,
    fold,
    gather,
    load,
    numbers,
    pointer,
    release,
    scatter,
    store,
    wholes,
)
from gdbias.sims.status import Status
from gdbias.theory.compiled.decorators import inlined, inner, kernel

# Numbers of a block: 0, learning rate, excess loss, objective of the step before, limit of the loss, steps, steps
# below tol, rises, 1 where the loss of the present step is not yet looked at, largest sharpness, prediction of one
# sample, 1 where there is a run.
NONE, RATE, EXCESS, LAST, LIMIT, TIME, CALM, RISES, DUE, TOP, AHEAD, ALIVE = range(12)
CONVERGED, DIVERGED, STEP_LIMIT = map(int, (Status.CONVERGED, Status.DIVERGED, Status.STEP_LIMIT))


@kernel
def advance(
    X, X_first, X_last, XT, XT_first, XT_last, y,  # data, each matrix with the spans of its rows
    scale, floor, tol, hold, max_steps, track_every, record_every,
    parameters, queue, halt, noise, lr, first, key, limit, theta, vector,  # noise (weight, feature), lr ... a run
    steps, rising, loss, sharpness_max, outcome, history,
):  # fmt: skip
    # Advances runs from the shared queue until it is empty; a finished lane takes the next run.
    # Outcomes: CONVERGED where the excess loss was within tol of 0 for `hold` steps, DIVERGED where it was not below
    # its limit, STEP_LIMIT. halt[0] != 0 asks to stop: runs in flight then keep theirs, NOT_RUN.
    n, d, runs = y.size, theta.shape[2], lr.size
    N, D = X.shape[0], XT.shape[0]  # n and d, with the rows of zeros that fill the last tile
    own = numbers(parameters, 0, 1, PARAMETERS)
    settled, schedule_steps, batch, label_noise, noise_steps = numbers(parameters, PARAMETERS, 1, 5)
    control = flush_denormals()
    # Weights and state, unit vectors of the power iteration; beta, then dL/dbeta; J v; loss slopes and curvatures over
    # n, predictions, X J v; numbers of a run.
    counts = STATES * D, WEIGHTS * D, D, D, N, N, N, N, 12
    T, V, B, M, R, C, F, Q, A, memory = blocks(number, counts)
    run = wholes(LANES)
    for q in range(LANES):
        run[q] = -1
    live, tick, empty, stale = 0, 0, False, True
    while halt[0] == 0:
        # Lanes are refilled only where the tracking clock of the block strikes, so that every run is
        # tracked at its own steps 0, track_every, 2 track_every ..., whatever runs beside it.
        aligned = track_every == 0 or tick % track_every == 0
        tracked = aligned and track_every > 0
        while True:
            if aligned and live < LANES and not empty:
                for q in range(LANES):
                    if run[q] < 0 and not empty:
                        p = take_next(queue)
                        empty = p >= runs
                        if not empty:
                            run[q], live, A[DUE, q], A[ALIVE, q] = p, live + 1, 1.0, 1.0
                            A[TIME, q], A[CALM, q], A[RISES, q] = 0.0, 0.0, 0.0
                            A[LAST, q], A[LIMIT, q], A[TOP, q] = np.inf, limit[p], sharpness_max[p]
                            A[RATE, q] = lr[p]
                            for j in range(d):
                                for e in range(STATES):
                                    T[e * D + j, q] = theta[p, e, j]
                                for e in range(WEIGHTS):
                                    V[e * D + j, q] = vector[p, e, j]
                                B[j, q] = effective(numbers(T, j * LANES + q, D * LANES, WEIGHTS))
                            stale = True
            if live == 0:
                break
            losses = load(A, NONE)
            if ONE_SAMPLE:  # the step before has summed up the prediction, in the order of a tile
                if stale:
                    for j in range(d):
                        store(B, j, effective(gather(T, j, D, WEIGHTS)))
                    store(A, AHEAD, tile(X, 0, B, X_first[0], X_last[ROWS - 1], ROWS)[0])
                    stale = False
                losses = look(losses, load(A, AHEAD), 0, n, pointer(y, 0), scale, tracked, F, R, C)
            else:
                for i in range(0, n, ROWS):
                    predictions = tile(X, i, B, X_first[i], X_last[i + ROWS - 1], ROWS)
                    losses = fold(look, losses, predictions, i, n, pointer(y, 0), scale, tracked, F, R, C)
            x, now = losses * scale - floor, load(A, DUE)
            if DECAYS:
                matmul(XT, R, M, XT_first, XT_last)
                weight_decay = own[WEIGHT_DECAY]
                slow, sums = np.sqrt(tol) * weight_decay, (load(A, NONE), load(A, NONE), load(A, NONE))
                for j in range(d):
                    weights = gather(T, j, D, WEIGHTS)
                    sums = rest(sums, jacobian(weights), load(M, j), weights, weight_decay, slow)
                square, norms, leaving = sums
                balanced = less(square, tol * weight_decay * weight_decay * norms)
                vanished = less(norms, tol)
                objective = x + 0.5 * weight_decay * norms
                calm = less(leaving, 0.5) * (balanced + vanished - balanced * vanished)
                count = (load(A, CALM) + now) * calm
            else:
                objective = x
                count = (load(A, CALM) + now) * less(x, tol) * less(-tol, x)
            if SETTLES:
                count = count * less(settled - 0.5, load(A, TIME))
            store(A, RISES, load(A, RISES) + now * (1 - less(objective, load(A, LAST) * (1 + 1e-12) + 1e-14)))
            ended = less(hold - 0.5, count) + (1.0 - less(x, load(A, LIMIT))) + less(max_steps - 0.5, load(A, TIME))
            store(A, EXCESS, x)
            store(A, LAST, objective)
            store(A, CALM, count)
            if record_every > 0:
                for q in range(LANES):
                    if A[DUE, q] > 0.0 and A[TIME, q] % record_every == 0:
                        for j in range(d):
                            for e in range(STATES):
                                history[run[q], int(A[TIME, q]) // record_every, e, j] = T[e * D + j, q]
            store(A, DUE, 0.0)
            if not some(now * ended):
                break
            for q in range(LANES):
                p, below, held = run[q], A[EXCESS, q] < A[LIMIT, q], A[CALM, q] >= hold
                if p >= 0 and (held or not below or A[TIME, q] >= max_steps):
                    outcome[p] = CONVERGED if held else (STEP_LIMIT if below else DIVERGED)
                    steps[p], rising[p] = A[TIME, q], A[RISES, q]
                    loss[p], sharpness_max[p] = A[EXCESS, q], A[TOP, q]
                    A[RATE, q], A[ALIVE, q] = 0.0, 0.0
                    for j in range(d):
                        B[j, q] = 0.0
                        for e in range(STATES):
                            theta[p, e, j] = T[e * D + j, q]
                            T[e * D + j, q] = 0.0
                        for e in range(WEIGHTS):
                            vector[p, e, j] = V[e * D + j, q]
                            V[e * D + j, q] = 0.0
                    run[q], live = -1, live - 1
        if live == 0 and empty:
            break
        if TRACKS:
            if tracked:  # one shifted power step of the Hessian, which leaves dL/dbeta in B, but of one sample
                shadow, slope = load(A, NONE), load(R, 0)
                if ONE_SAMPLE:  # both gradients are multiples of the sample
                    for j in range(d):
                        moved = dot(jacobian(gather(T, j, D, WEIGHTS)), gather(V, j, D, WEIGHTS))
                        shadow = fma(X[0, j], moved, shadow)
                    shadow = shadow * load(C, 0)
                else:
                    for j in range(d):
                        store(M, j, dot(jacobian(gather(T, j, D, WEIGHTS)), gather(V, j, D, WEIGHTS)))
                    matmul(X, M, Q, X_first, X_last)
                    for i in range(n):
                        store(Q, i, load(Q, i) * load(C, i))
                    matmul(XT, Q, M, XT_first, XT_last)
                    matmul(XT, R, B, XT_first, XT_last)
                shift, rayleigh, square = load(A, NONE), load(A, NONE), load(A, NONE)
                for j in range(d):
                    weights = gather(T, j, D, WEIGHTS)
                    g = X[0, j] * slope if ONE_SAMPLE else load(B, j)
                    shift = bound(shift, curvature(weights), g, weights)
                nudge = NUDGE * larger(larger(shift, load(A, TOP)), 1e-100)
                for j in range(d):
                    weights, v = gather(T, j, D, WEIGHTS), gather(V, j, D, WEIGHTS)
                    g = X[0, j] * slope if ONE_SAMPLE else load(B, j)
                    pulled = X[0, j] * shadow if ONE_SAMPLE else load(M, j)
                    along = product(jacobian(weights), curvature(weights), g, pulled, v)
                    rayleigh = added(rayleigh, v, along)
                    along = nudged(along, shift, v, nudge, numbers(noise, j, d, WEIGHTS))
                    scatter(V, j, D, along)
                    square = added(square, along, along)
                store(A, TOP, larger(load(A, TOP), rayleigh))
                inverse = less(0.0, square) / sqrt(square + (1.0 - less(0.0, square)))
                for j in range(WEIGHTS * D):
                    store(V, j, load(V, j) * inverse)
        if DRAWS:
            draw(R, F, y, A, run, key, scale, batch, label_noise, noise_steps)
        if SCHEDULED:
            for q in range(LANES):
                if run[q] >= 0:
                    p, done = run[q], A[TIME, q] / schedule_steps
                    A[RATE, q] = schedule(first[p], lr[p], done) if done < 1.0 else lr[p]
        rates, read = load(A, RATE), own
        if ASCENDS:  # the gradient is taken elsewhere, of the same samples
            matmul(XT, R, B, XT_first, XT_last)
            if ASCENT_TOTALS:
                sums = gather(A, NONE, 0, ASCENT_TOTALS)
                for j in range(d):
                    sums = plus(sums, ascent_totals(rates, load(B, j), own, gather(T, j, D, STATES)))
                read = own + sums
            for j in range(d):
                there = ascent(rates, load(B, j), read, gather(T, j, D, STATES))
                scatter(T, (STATES - WEIGHTS) * D + j, D, there)
                store(B, j, effective(there))
            matmul(X, B, F, X_first, X_last)
            for i in range(n):
                store(R, i, loss_slope(load(F, i), y[i]) * scale)
            if DRAWS:
                draw(R, F, y, A, run, key, scale, batch, label_noise, noise_steps)
            read = own
        if TOTALS:
            matmul(XT, R, B, XT_first, XT_last)
            sums = gather(A, NONE, 0, TOTALS)
            for j in range(d):
                sums = plus(sums, totals(rates, load(B, j), own, gather(T, j, D, STATES)))
            read = own + sums
        if READS_LOSS:
            read = read + (load(A, EXCESS),)
        if ONE_SAMPLE:
            slope, ahead = load(R, 0), load(A, NONE)
            for j in range(d):
                after = step(rates, X[0, j] * slope, own, gather(T, j, D, STATES))
                scatter(T, j, D, after)
                ahead = fma(X[0, j], effective(after), ahead)
            store(A, AHEAD, ahead)
        else:
            for j in range(0, d, ROWS):
                if TOTALS or (TRACKS and not DRAWS and not ASCENDS and tracked):  # those of the step are there already
                    gradients = gather(B, j, 1, ROWS)
                elif DECAYS and not DRAWS and not ASCENDS:
                    gradients = gather(M, j, 1, ROWS)
                else:
                    gradients = tile(XT, j, R, XT_first[j], XT_last[j + ROWS - 1], ROWS)
                fold(move, rates, gradients, j, D, T, B, read)
        store(A, TIME, load(A, TIME) + 1.0)
        store(A, DUE, load(A, ALIVE))
        tick += 1
    restore_denormals(control)
    release(memory)


@inlined
def look(losses, f, i, n, y, scale, tracked, F, R, C):
    # The losses with that of sample i, whose slope and curvature are kept.
    if i < n:
        if DRAWS:
            store(F, i, f)
        losses = losses + loss_value(f, y[i])
        store(R, i, loss_slope(f, y[i]) * scale)
        if TRACKS and tracked:
            store(C, i, loss_curvature(f, y[i]) * scale)
    return losses


@inlined
def move(rates, g, j, D, T, B, read):
    # The step of feature j.
    after = step(rates, g, read, gather(T, j, D, STATES))
    scatter(T, j, D, after)
    store(B, j, effective(after))
    return rates


@inner
def draw(R, F, y, A, run, key, scale, batch, label_noise, noise_steps):
    # Loss slopes of the samples drawn (selection sampling: Fan, Muller and Rezucha 1962), at noisy targets.
    n, state, need = y.size, np.zeros(LANES, dtype=np.uint64), np.zeros(LANES)
    for q in range(LANES):
        if run[q] >= 0:
            state[q], need[q] = stream(key[run[q]], A[TIME, q]), batch
    for i in range(n):
        for q in range(LANES):
            if batch == n or uniform(state[q], 3 * i) * (n - i) < need[q]:
                target = y[i]
                if A[TIME, q] < noise_steps:
                    target += label_noise * normal(state[q], 3 * i + 1)
                R[i, q] = loss_slope(F[i, q], target) * (n / batch) * scale
                need[q] -= 1.0
            else:
                R[i, q] = 0.0
