"""One step of gradient flow in doubled coordinates, compiled: ``w^L`` on the columns of C, in z = psi'(w^L).

    ``z = z_0 + rate C^T nu,   d nu / dt = -(C w^L - y) / n``

The method is that of ``rosenbrock.py``.
"""

import numpy as np

from gdbias.theory.compiled.decorators import inner, kernel
from gdbias.theory.compiled.dense import applied, factored, gram, pulled, solve
from gdbias.theory.prediction.implicit_step import weights
from gdbias.theory.prediction.rosenbrock import COUPLINGS, GAMMA, STAGES

LAST = len(STAGES) - 1
MOVES, COUPLED = np.zeros((LAST + 1, LAST + 1)), np.zeros((LAST + 1, LAST + 1))
for stage in range(LAST + 1):
    MOVES[stage, :stage], COUPLED[stage, :stage] = STAGES[stage], COUPLINGS[stage]
LEAST = 1e-150  # weight that is told from 0


@inner
def velocity(C, y, n, L, z, w, b, v):
    """The weights w at z and ``v = -(C w^L - y) / n``; whether they are finite."""
    if not weights(z, np.zeros(len(z)), L, w):
        return False
    for i in range(len(w)):
        b[i] = w[i] ** L
    applied(C, b, v)
    for a in range(len(y)):
        v[a] = (y[a] - v[a]) / n
    return True


@inner
def ahead(C, rate, z, change, pull, moved):
    """``moved = z + rate C^T change``."""
    pulled(C, change, pull)
    for i in range(len(z)):
        moved[i] = z[i] + rate * pull[i]


@kernel
def stepped(C, y, n, L, rate, features, z, w, v, step):
    """A step from z, with weights w and v = d nu / dt there.

    Returns z, w and v after it, and an estimate of its error, relative to the largest weight of each of the features,
    (columns,): inf where the step leaves what floats hold.
    """
    rows, D = C.shape
    after, found, speed = np.empty(D), np.empty(D), np.empty(rows)
    k, K, b, pull = np.empty(D), np.empty((rows, rows)), np.empty(D), np.empty(D)
    for i in range(D):
        k[i] = rate / n * (L * w[i] ** (L - 1)) ** 2
    gram(C, k, K)
    for a in range(rows):
        K[a, a] += 1 / (GAMMA * step)
    if not factored(K):
        return after, found, speed, np.inf
    stages, change = np.empty((LAST + 1, rows)), np.empty(rows)
    for stage in range(LAST + 1):
        for a in range(rows):
            change[a], speed[a] = 0.0, v[a]
            for j in range(stage):
                change[a] += MOVES[stage, j] * stages[j, a]
        if stage:
            ahead(C, rate, z, change, pull, after)
            if not velocity(C, y, n, L, after, found, b, speed):
                return after, found, speed, np.inf
        for a in range(rows):
            stages[stage, a] = speed[a]
            for j in range(stage):
                stages[stage, a] += COUPLED[stage, j] * stages[j, a] / step
        solve(K, stages[stage])
    for a in range(rows):
        change[a] = stages[LAST, a]
        for j in range(LAST):
            change[a] += MOVES[LAST, j] * stages[j, a]
    ahead(C, rate, z, change, pull, after)
    if not velocity(C, y, n, L, after, found, b, speed):
        return after, found, speed, np.inf
    pulled(C, stages[LAST], pull)
    largest, missed = np.zeros(features.max() + 1), 0.0
    for i in range(D):
        largest[features[i]] = max(largest[features[i]], max(w[i], found[i]))
    for i in range(D):
        missed = max(missed, rate * L * found[i] ** (L - 1) * abs(pull[i]) / max(largest[features[i]], LEAST))
    return after, found, speed, missed
