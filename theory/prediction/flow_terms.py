"""Terms of a step of the constrained flow, compiled: residual, descent's own drift, guesses, proofs; see its kernel."""

import numpy as np

from ..compiled.decorators import inner
from ..compiled.dense import applied, pulled
from .implicit_step import dual, weights

LEAST_FACTOR = 0.05  # of a weight in one step, where descent itself would change its sign


@inner
def residual(C, y, L, w, b, rho):
    """``rho = C b - y``, with ``b = w^L``; its square."""
    for i in range(len(w)):
        b[i] = w[i] ** L
    applied(C, b, rho)
    square = 0.0
    for a in range(len(y)):
        rho[a] -= y[a]
        square += rho[a] ** 2
    return square


@inner
def drift(g, L, eta, w, exact, full):
    """What a step of descent adds to z, beyond what is linear in the gradient g; that and the linear part in full."""
    beyond = np.zeros(len(w))
    for i in range(len(w)):
        linear = -eta * g[i]
        full[i] = linear
        if exact:
            change = eta * L * w[i] ** (L - 2) * g[i]
            factor = max(LEAST_FACTOR, 1 - change)
            full[i] = 0.5 * np.log(factor) if L == 2 else dual(w[i], L) * (factor ** (2.0 - L) - 1)
            beyond[i] = full[i] - linear
    return beyond


@inner
def none_below(C, y, L, cap, rho, U):
    """Whether (-rho, U^T U) proves that no b >= 0 with C b = y has its sharpness at the cap or below; see Program."""
    D, total = C.shape[1], 0.0
    pull, m, power = np.empty(D), np.zeros(D), 2 - 2.0 / L
    for k in range(U.shape[0]):
        pulled(C, U[k], pull)
        for i in range(D):
            m[i] += pull[i] ** 2
        for a in range(len(y)):
            total += U[k, a] ** 2
    gain = 0.0
    for a in range(len(y)):
        gain -= y[a] * rho[a]
    if not (gain > 0 and total > 0):
        return False
    pulled(C, rho, pull)
    cost, conjugate = 0.0, power / (power - 1) if L > 2 else 0.0
    for i in range(D):
        if pull[i] < 0:
            if L == 2:
                cost = max(cost, -pull[i] / (m[i] / total + 1e-300))
            else:
                cost += (
                    (power - 1) * power**-conjugate
                    * (m[i] / total + 1e-300) ** (-1 / (power - 1)) * (-pull[i]) ** conjugate
                )  # fmt: skip
    if L == 2:
        return gain / cost > cap * (1 + 1e-9)
    best = (gain / (conjugate * cost)) ** (1 / (conjugate - 1))
    return best * gain - best**conjugate * cost > cap * (1 + 1e-9)


@inner
def ahead_of(U, U1, ratio, span):
    """The push of a step of length ``span`` beyond U, on the line through U1 and U where their rows correspond."""
    r, rows = U.shape
    found, known = np.empty((r, rows)), U1.shape[0] == r
    for k in range(r):
        along, size, size1 = 0.0, 0.0, 0.0
        if known:
            for a in range(rows):
                along += U[k, a] * U1[k, a]
                size += U[k, a] ** 2
                size1 += U1[k, a] ** 2
        share = ratio if along**2 > 0.5 * size * size1 else 0.0
        sign = 1.0 if along > 0 else -1.0
        for a in range(rows):
            before = sign * U1[k, a] if known else 0.0
            found[k, a] = np.sqrt(span) * (U[k, a] + share * (U[k, a] - before))
    return found


@inner
def leads_away(C, L, begun, nu, no_push, near, pull, w):
    """Whether the step from z = ``begun`` that nu makes ends far from the weights ``near``."""
    pulled(C, nu, pull)
    for i in range(len(pull)):
        pull[i] += begun[i]
    if not weights(pull, no_push, L, w):
        return True
    for i in range(len(w)):
        if not abs(np.log(w[i] / near[i])) < 1:
            return True
    return False
