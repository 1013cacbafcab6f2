"""How hard pinned directions are to be pushed, to first order, compiled: from where Newton's method goes on.

``K`` on their span answers to the push ``M = U^T U`` nearly linearly, and to U as its square: where M is far too small,
as where a direction has just been pinned, the equations of U are not those of a minimum, and no step leads on.
"""

import numpy as np

from ..compiled.decorators import inner
from ..compiled.dense import applied_each, cross, eigenvectors, factored, gram, pulled, pulled_each, solve, taken_out

LEAST = 1e-6  # of the strongest push, of a direction that is pushed
TURNS, NEAR = 300, 1e-4  # most steps of projected gradients, and the relative change of the last


@inner
def orthonormal(B):
    """Rows that span what those of B do, in place; how many there are."""
    kept, rows = 0, B.shape[1]
    for k in range(len(B)):
        before = 0.0
        for a in range(rows):
            before += B[k, a] ** 2
        size = taken_out(B, kept, k)
        if size > 1e-16 * before:
            for a in range(rows):
                B[kept, a] = B[k, a] / np.sqrt(size)
            kept += 1
    return kept


@inner
def nearest_push(G, over, T):
    """The change of T >= 0 to the minimum of ``x G x / 2 - over x``, x the entries (j, k <= j) of the change.

    By accelerated gradients, projected; of the entries off the diagonal G and ``over`` are those of both.
    """
    r, pairs = len(T), len(over)
    x, before, ahead, times = np.zeros(pairs), np.zeros(pairs), np.zeros(pairs), np.empty(pairs)
    steep, at, turn = 0.0, 0, 1.0
    for j in range(r):
        for k in range(j + 1):
            times[at] = 1.0 if j == k else 2.0
            steep += G[at, at] / times[at]
            at += 1
    S = np.empty((r, r))
    for _ in range(TURNS):
        at = 0
        for j in range(r):
            for k in range(j + 1):
                slope = -over[at]
                for other in range(pairs):
                    slope += (G[at, other] if other <= at else G[other, at]) * ahead[other]
                S[j, k] = S[k, j] = T[j, k] + ahead[at] - slope / (steep * times[at])
                at += 1
        V = eigenvectors(S)
        moved, size, at = 0.0, 0.0, 0
        faster = (1 + np.sqrt(1 + 4 * turn * turn)) / 2
        for j in range(r):
            for k in range(j + 1):
                value = -T[j, k]
                for i in range(r):
                    value += max(S[i, i], 0.0) * V[i, j] * V[i, k]
                before[at], x[at] = x[at], value
                ahead[at] = value + (turn - 1) / faster * (value - before[at])
                moved += (value - before[at]) ** 2
                size += value**2
                at += 1
        turn = faster
        if moved <= NEAR**2 * size:
            break
    return x


@inner
def first_push(C, e, p, q, w, weight, K, cap, L, U, span, nu, far):
    """U and nu moved to where K is at the cap on the span of the rows of ``span``, which hold those of U.

    With e, p and q the answers of coefficients and weights as in ``implicit``. Returns whether it was found, moving no
    weight by more than ``far`` of itself, and U; nu is moved in place.
    """
    (rows, D), push = C.shape, 2.0 * L * (L - 1)
    Q = span.copy()
    Q = Q[: orthonormal(Q)]
    r = len(Q)
    QC, KQ, UQ, pull = np.empty((r, D)), np.empty((r, rows)), np.empty((r, len(U))), np.empty(D)
    pulled_each(C, Q, QC)
    applied_each(K, Q, KQ)
    applied_each(U, Q, UQ)
    pairs = r * (r + 1) // 2
    A, over, G, F = np.empty((pairs, D)), np.empty(pairs), np.empty((pairs, pairs)), np.empty((pairs, rows))
    T, at = np.empty((r, r)), 0
    for j in range(r):
        for k in range(j + 1):
            times, excess, here = 1.0 if j == k else 2.0, -cap if j == k else 0.0, 0.0
            for a in range(rows):
                excess += KQ[j, a] * Q[k, a]
            for i in range(len(U)):
                here += UQ[j, i] * UQ[k, i]
            T[j, k] = T[k, j] = here
            over[at] = times * L * L * excess
            for i in range(D):
                A[at, i] = times * push * q[i] * QC[j, i] * QC[k, i]
            at += 1
    gram(A, e, G)
    cross(A, e, C, F)
    H = np.empty((rows, rows))
    gram(C, e, H)
    for a in range(rows):
        H[a, a] += weight
    if not factored(H):
        return False, U
    moves = F.copy()
    for k in range(pairs):
        solve(H, moves[k])
        for j in range(k, pairs):
            for a in range(rows):
                G[j, k] -= F[j, a] * moves[k, a]
    rise = nearest_push(G, over, T)
    change, turn, moved, most = np.zeros(rows), np.zeros(D), 0.0, 0.0
    for k in range(pairs):
        for a in range(rows):
            change[a] += rise[k] * moves[k, a]
        for i in range(D):
            turn[i] -= rise[k] * A[k, i]
    pulled(C, change, pull)
    for i in range(D):
        moved = max(moved, abs(p[i] / w[i] * (pull[i] + turn[i])))
    if not moved < far:
        return False, U
    share, at = min(1.0, 1 / max(moved, 1e-300)), 0
    for a in range(rows):
        nu[a] += share * change[a]
    for j in range(r):
        for k in range(j + 1):
            T[j, k] += share * rise[at]
            T[k, j] = T[j, k]
            at += 1
    V = eigenvectors(T)
    for k in range(r):
        most = max(most, T[k, k])
    pushed, kept = np.zeros((r, rows)), 0
    for k in range(r):
        if T[k, k] > LEAST * most:
            for j in range(r):
                for a in range(rows):
                    pushed[kept, a] += np.sqrt(T[k, k]) * V[k, j] * Q[j, a]
            kept += 1
    return kept > 0, pushed[:kept]
