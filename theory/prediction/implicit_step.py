"""One implicit step of the constrained flow, compiled: a convex program, by Newton's method in its dual variables.

From z = ``begun``, nu (rows,) and U (pinned, rows) solve ``weight nu + C b = y`` and ``(K - cap) U^T = 0`` on the
columns of C, with b = w^L in closed form; see ``constrained_kernel.py``.
"""

import numpy as np

from ..compiled.decorators import inner
from ..compiled.dense import applied, eigenvectors, factored, gram, pulled, solve
from .newton import newton_step

MOST_PINNED = 12
OVER = 1e-6  # relative, of the sharpness over its cap
DEAD = 1e-9  # relative, of what a pinned direction moves any weight
NEWTON = 15  # iterations
LEAST = 1e-150  # weight


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
def implicit(C, y, L, cap, weight, begun, nu, U, accuracy, w):
    """One implicit step from z = ``begun``: Newton's method from (nu, U). The weights are written to w.

    Returns whether it was found, nu, U, and the iterations. ``accuracy`` is that of the weights before the last one.
    """
    rows, D = C.shape
    nu, pinned, iterations = nu.copy(), 0, 0
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
        x, shift = newton_step(C, e, moves, weight, K, cap, L, U, missing)
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
        if not (moved < accuracy and shift < 1e-8):
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
        slack = np.empty((rows, rows))
        for a in range(rows):
            for c in range(a + 1):
                slack[a, c] = -K[a, c]
            slack[a, a] += cap * (1 + OVER)
        if factored(slack):
            return True, nu, U, iterations
        if pinned == MOST_PINNED or U.shape[0] == MOST_PINNED:
            return False, nu, U, iterations
        pinned += 1  # one direction more: the top one, and as much of it as takes the sharpness to its cap
        V = eigenvectors(K)
        top = 0
        for a in range(rows):
            if K[a, a] > K[top, top]:
                top = a
        pulled(C, V[top], pull)
        for i in range(D):
            change[i] = push * q[i] * pull[i] ** 2
            b[i] = e[i] * change[i]
        applied(C, b, fit)
        step = fit.copy()
        small = np.empty((rows, rows))
        gram(C, e, small)
        for a in range(rows):
            small[a, a] += weight
        if not factored(small):
            return False, nu, U, iterations
        solve(small, step)
        gain = 0.0
        for i in range(D):
            gain += b[i] * change[i]
        for a in range(rows):
            gain -= fit[a] * step[a]
        size = L * L * (K[top, top] - cap) / gain
        if not (size > 0 and size < 1e200):
            return False, nu, U, iterations
        last = U.shape[0]
        wider = np.empty((last + 1, rows))
        for a in range(rows):
            for k in range(last):
                wider[k, a] = U[k, a]
            wider[last, a] = np.sqrt(size) * V[top, a]
            nu[a] += size * step[a]
        U = wider
    return False, nu, U, iterations
