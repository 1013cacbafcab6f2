"""One implicit step of the constrained flow, compiled: a convex program, by Newton's method in its dual variables.

From z = ``begun``, nu (rows,) and U (pinned, rows) solve ``weight nu + C b = y`` and ``(K - cap) U^T = 0`` on the
columns of C, with b = w^L in closed form; see ``constrained_kernel.py``.
"""

import numpy as np

from ..compiled.decorators import inner
from ..compiled.dense import applied, eigenvectors, factored, gram, pulled
from .first_order import first_push
from .newton import DEFINITE, WHOLE, newton_step

MOST_PINNED = 12
OVER = 1e-6  # relative, of the sharpness over its cap
DEAD = 1e-9  # relative, of what a pinned direction moves any weight
NEWTON = 15  # iterations
LEAST = 1e-150  # weight
NEAR = 0.1  # of a weight: a move to first order that is trusted


@inner
def dual(w, L):
    """z of one weight."""
    return 0.5 * np.log(w) if L == 2 else -(w ** (2.0 - L)) / (L * (L - 2))


@inner
def weights(s, m, L, w):
    """The w with ``z(w) + 2 L (L - 1) w^(L - 2) m = s``; whether s is in its domain."""
    B = 0.0 if L == 2 else 1 / (L * (L - 2.0))
    for i in range(len(s)):
        if L == 2:
            w[i] = np.exp(2 * s[i] - 8 * m[i])
        else:
            A = 2.0 * L * (L - 1) * m[i]
            root = np.sqrt(s[i] * s[i] + 4 * A * B)
            if s[i] < 0:
                q = 2 * B / (root - s[i])
            elif A > 0:
                q = (s[i] + root) / (2 * A)
            else:
                return False
            w[i] = q if L == 3 else q ** (1.0 / (L - 2))
        if not w[i] < 1e100:
            return False
        w[i] = max(w[i], LEAST)
    return True


@inner
def sharpness_matrix(C, L, w, K):
    """K."""
    k = np.empty(len(w))
    for i in range(len(w)):
        k[i] = w[i] ** (2 * L - 2)
    gram(C, k, K)
    for a in range(len(K)):
        for c in range(a):
            K[c, a] = K[a, c]


@inner
def under(K, cap):
    """Whether no eigenvalue of K is above the cap."""
    slack = np.empty(K.shape)
    for a in range(len(K)):
        for c in range(a + 1):
            slack[a, c] = -K[a, c]
        slack[a, a] += cap
    return factored(slack)


@inner
def alive(C, U, factor):
    """U with orthogonal rows, but for those that move no weight: ``factor`` times |u . c|^2 of each is its move."""
    r, rows = U.shape
    T = np.zeros((r, r))
    for p in range(r):
        for q in range(r):
            for a in range(rows):
                T[p, q] += U[p, a] * U[q, a]
    turn = eigenvectors(T)
    turned, kept, pull = np.zeros((r, rows)), 0, np.empty(len(factor))
    for q in range(r):
        for a in range(rows):
            turned[kept, a] = 0.0
            for p in range(r):
                turned[kept, a] += turn[q, p] * U[p, a]
        pulled(C, turned[kept], pull)
        most = 0.0
        for i in range(len(factor)):
            most = max(most, factor[i] * pull[i] ** 2)
        if most > DEAD:
            kept += 1
    return turned[:kept]


@inner
def above(K, cap, U, most):
    """The rows of U, and the eigenvectors of K that are above the cap, ``most`` of them at most."""
    r, rows = U.shape
    values = K.copy()
    V = eigenvectors(values)
    span, count = np.empty((MOST_PINNED, rows)), r
    for a in range(rows):
        for k in range(r):
            span[k, a] = U[k, a]
    while count < min(r + most, MOST_PINNED):
        top = 0
        for a in range(rows):
            if values[a, a] > values[top, top]:
                top = a
        if not values[top, top] > cap * (1 + OVER):
            break
        values[top, top] = 0.0
        for a in range(rows):
            span[count, a] = V[top, a]
        count += 1
    return span[:count]


@inner
def implicit(C, y, L, cap, weight, begun, nu, U, accuracy, w):
    """One implicit step from z = ``begun``: Newton's method from (nu, U). The weights are written to w.

    Returns whether it was found, nu, U, and the iterations. ``accuracy`` is that of the weights before the last one.
    """
    rows, D = C.shape
    nu, pinned, iterations, begun_anew = nu.copy(), 0, 0, False
    s, m, p, e, b, q = np.empty(D), np.empty(D), np.empty(D), np.empty(D), np.empty(D), np.empty(D)
    fit, pull, change = np.empty(rows), np.empty(D), np.empty(D)
    K, factor = np.empty((rows, rows)), np.empty(D)
    for _ in range(NEWTON * (1 + MOST_PINNED)):
        iterations += 1
        r = U.shape[0]
        CU = np.empty((r, D))
        m[:] = 0.0
        for k in range(r):
            pulled(C, U[k], CU[k])
            for i in range(D):
                m[i] += CU[k, i] ** 2
        pulled(C, nu, pull)
        for i in range(D):
            s[i] = begun[i] + pull[i]
        if not weights(s, m, L, w):
            return False, nu, U, iterations
        push = 2.0 * L * (L - 1)
        for i in range(D):
            q[i] = w[i] ** (L - 2)
            slope = q[i] * w[i]
            p[i] = L * slope / (1 + push * m[i] * L * (L - 2) * q[i] * q[i])
            e[i] = L * slope * p[i]
            b[i] = slope * w[i]
        moves, missing = np.empty((1 + r, D)), np.zeros((1 + r, rows))
        for i in range(D):
            moves[0, i] = 1.0  # by nu, then by each row of U
        for k in range(r):
            for i in range(D):
                moves[1 + k, i] = -2 * push * q[i] * CU[k, i]
        applied(C, b, fit)
        for a in range(rows):
            missing[0, a] = y[a] - fit[a] - weight * nu[a]
        if r:
            sharpness_matrix(C, L, w, K)
            for k in range(r):
                for a in range(rows):
                    beyond = -cap * U[k, a]
                    for c in range(rows):
                        beyond += K[a, c] * U[k, c]
                    missing[1 + k, a] = 2 * L * L * beyond
        x, shift = newton_step(C, e, moves, weight, K, cap, L, U, missing, begun_anew)
        if shift > DEFINITE and rows > WHOLE and r and not begun_anew:
            begun_anew, U = first_push(C, e, p, q, w, weight, K, cap, L, U, above(K, cap, U, MOST_PINNED), nu, NEAR)
            if begun_anew:
                continue
            x, shift = newton_step(C, e, moves, weight, K, cap, L, U, missing, True)
        begun_anew = False
        if not shift < np.inf:
            return False, nu, U, iterations
        moved = 0.0
        pulled(C, x[0], change)
        for k in range(r):
            pulled(C, x[1 + k], pull)
            for i in range(D):
                change[i] += moves[1 + k, i] * pull[i]
        for i in range(D):
            moved = max(moved, abs(p[i] / w[i] * change[i]))
        if not moved < 1e100:
            return False, nu, U, iterations
        share = min(1.0, 1 / max(moved, 1e-300))
        turned = np.empty((r, rows))
        for a in range(rows):
            nu[a] += share * x[0, a]
            for k in range(r):
                turned[k, a] = U[k, a] + share * x[1 + k, a]
        U = turned
        if not (moved < accuracy and shift < DEFINITE):
            continue
        if r:
            for i in range(D):
                factor[i] = p[i] / w[i] * push * q[i]
            U = alive(C, U, factor)
        m[:] = 0.0
        for k in range(U.shape[0]):
            pulled(C, U[k], pull)
            for i in range(D):
                m[i] += pull[i] ** 2
        pulled(C, nu, pull)
        for i in range(D):
            s[i] = begun[i] + pull[i]
        if not weights(s, m, L, w):
            return False, nu, U, iterations
        sharpness_matrix(C, L, w, K)
        if under(K, cap * (1 + OVER)):
            return True, nu, U, iterations
        if pinned == MOST_PINNED or U.shape[0] == MOST_PINNED:
            return False, nu, U, iterations
        pinned += 1
        found, U = first_push(C, e, p, q, w, weight, K, cap, L, U, above(K, cap, U, 1), nu, 1e100)
        if not found:
            return False, nu, U, iterations
    return False, nu, U, iterations
