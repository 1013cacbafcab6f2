"""The constrained flow in numbers, compiled: ``w^L`` on the columns of C, in the dual variables z = psi'(w^L).

    ``dz / dstep = descent's own step of z - push,   push_i = 2 L (L - 1) w_i^(L - 2) |U c_i|^2``
    ``(K - cap) U^T = 0,   K = C diag(w^(2 L - 2)) C^T <= cap = 2 / (eta L^2)``

with eta the learning rate over the samples. Every step of BDF2 is an implicit one, hence a convex program: its dual
variables nu (rows,) and U (pinned, rows) solve ``weight nu + C b = y`` and the condition on U by Newton's method, with
the weights in closed form. Sums run in the same order every time: no number depends on threads or libraries.
"""

import numpy as np

from gdbias.theory.compiled.decorators import apart, kernel
from gdbias.theory.compiled.dense import applied, copied, eigenvectors, factored, gram, pulled, solve

ENDED, LONG, LOST, NONE = 0, 1, 2, 3  # of `follow`: none of the interpolators is under the cap
CONVERGED, MOVING, DIVERGED, CROSSED = 0, 1, 2, 3  # of `descend`
MOST_PINNED = 12
OVER = 1e-6  # relative, of the sharpness over its cap
DEAD = 1e-9  # relative, of what a pinned direction moves any weight
NEWTON = 15  # iterations
LEAST_FACTOR = 0.05  # of a weight in one step, where descent itself would change its sign
LEAST = 1e-150  # weight
FARTHEST = 2.0  # of the logarithm of a weight, in one step
SMALL = 0.1  # of a logarithm: what is missed by a small weight counts less
BLOWN_UP = 1e8  # of weights of size 1


@apart
def dual(w, L):
    """z of one weight."""
    return 0.5 * np.log(w) if L == 2 else -(w ** (2.0 - L)) / (L * (L - 2))


@apart
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


@apart
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


@apart
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


@apart
def sharpness_matrix(C, L, w, K):
    """K."""
    k = np.empty(len(w))
    for i in range(len(w)):
        k[i] = w[i] ** (2 * L - 2)
    gram(C, k, K)
    for a in range(len(K)):
        for c in range(a):
            K[c, a] = K[a, c]


@apart
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


@apart
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
        dim = rows * (1 + r)
        H, scale, x = np.empty((dim, dim)), np.empty(dim), np.empty(dim)
        tall = np.empty((dim, D))  # what nu moves, then each row of U
        for a in range(rows):
            for i in range(D):
                tall[a, i] = C[a, i]
        for k in range(r):
            for i in range(D):
                pull[i] = -2 * push * q[i] * CU[k, i]
            for a in range(rows):
                for i in range(D):
                    tall[rows * (1 + k) + a, i] = pull[i] * C[a, i]
        gram(tall, e, H)
        applied(C, b, fit)
        for a in range(rows):
            H[a, a] += weight
            x[a] = y[a] - fit[a] - weight * nu[a]
        if r:
            sharpness_matrix(C, L, w, K)
            for k in range(r):
                o = rows * (1 + k)
                for a in range(rows):
                    missing = cap * U[k, a]
                    H[o + a, o + a] += 2 * L * L * cap
                    for c in range(rows):
                        missing -= K[a, c] * U[k, c]
                        H[o + a, o + c] -= 2 * L * L * K[a, c]
                    x[o + a] = -2 * L * L * missing
        for a in range(dim):
            scale[a] = 1 / np.sqrt(H[a, a] + (2 * L * L * cap if a >= rows else 0.0) + 1e-300)
        shift, R = 1e-13, np.empty((dim, dim))
        while True:  # positive definite near the solution: elsewhere made so
            for a in range(dim):
                for c in range(a + 1):
                    R[a, c] = H[a, c] * scale[a] * scale[c]
                R[a, a] += shift
            if factored(R):
                break
            shift = max(10 * shift, 1e-9)
            if not shift < 1e6:
                return False, nu, U, iterations
        for a in range(dim):
            x[a] *= scale[a]
        solve(R, x)
        for a in range(dim):
            x[a] *= scale[a]
        moved = 0.0
        pulled(C, x[:rows], change)
        for k in range(r):
            pulled(C, x[rows * (1 + k) : rows * (2 + k)], pull)
            for i in range(D):
                change[i] -= 2 * push * q[i] * CU[k, i] * pull[i]
        for i in range(D):
            moved = max(moved, abs(p[i] / w[i] * change[i]))
        if not moved < 1e100:
            return False, nu, U, iterations
        share = min(1.0, 1 / max(moved, 1e-300))
        turned = np.empty((r, rows))
        for a in range(rows):
            nu[a] += share * x[a]
            for k in range(r):
                turned[k, a] = U[k, a] + share * x[rows * (1 + k) + a]
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


@apart
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


@kernel
def follow(C, y, L, eta, w0, exact, accuracy, timed, end, until, most, record):
    """The flow from w0 until the squared residual is ``end`` of |y|^2, or for ``until`` steps of descent.

    By steps that miss ``accuracy`` of any weight, and ``timed`` of the residual where that is not 0: its last digits
    take most of the time and move no weight.

    Returns the outcome; the weights; the steps of descent, and how many of them are beyond the end; the matrix of the
    whole push; the squared residual of the oscillation that pushes at the end; the states kept, their number of steps
    and their z, where ``record``; and the counts of steps and iterations of Newton's method.
    """
    rows, D = C.shape
    cap, small = 2 / (eta * L * L), 0.0
    for a in range(rows):
        small += end * y[a] ** 2
    w, near, found, no_push = w0.copy(), np.empty(D), np.empty(D), np.zeros(D)
    z, z1, z2, ahead, begun = np.empty(D), np.empty(D), np.empty(D), np.empty(D), np.empty(D)
    b, g, full, size = np.empty(D), np.empty(D), np.empty(D), np.empty(D)
    rho, rho_near, guess = np.zeros(rows), np.empty(rows), np.empty(rows)
    newton = 0.3 * accuracy if timed == 0 else min(0.3 * accuracy, 1e-6)
    for i in range(D):
        z[i] = dual(w[i], L)
    pushed, pushed1 = np.zeros((rows, rows)), np.zeros((rows, rows))
    U = np.zeros((0, rows))
    times, kept = np.empty(most + 1 if record else 1), np.empty((most + 1 if record else 1, D))
    good, _, begun_with, _ = implicit(C, y, L, cap, 1e12, z, np.zeros(rows), U, newton, found)
    if not good:
        return LOST, w, 0.0, 0.0, pushed, 0.0, times[:0], kept[:0], 0, 0
    for i in range(D):  # onto the cap, where the start is above it
        w[i] = found[i]
        z[i] = dual(w[i], L)
    for k in range(begun_with.shape[0]):
        for a in range(rows):
            for c in range(rows):
                pushed[a, c] += begun_with[k, a] * begun_with[k, c]
    times[0] = 0.0
    copied(z, kept[0])
    t, h, h1, h2, span, known = 0.0, 0.25, 0.0, 0.0, 1.0, 0
    steps, iterations, outcome = 0, 0, LONG
    square = residual(C, y, L, w, b, rho)
    earlier = square
    for _ in range(3 * most):
        if square < small or t >= until * (1 - 1e-12):
            outcome = ENDED
            break
        if steps == most:
            break
        h = min(h, until - t)
        ratio = 0.0 if known == 0 else h / h1
        if known == 0:
            pulled(C, rho, g)
            drift(g, L, eta, w, exact, full)
        good = True
        for i in range(D):
            if known == 0:
                ahead[i] = z[i] + h * full[i]
            else:
                slope = (z[i] - z1[i]) / h1
                ahead[i] = z[i] + h * slope
                if known > 1:
                    ahead[i] += h * (h + h1) * (slope - (z1[i] - z2[i]) / h2) / (h1 + h2)
        good = weights(ahead, no_push, L, near)
        if good:
            for i in range(D):
                size[i] = 1 + SMALL * abs(np.log(w[i]))
                if not abs(np.log(near[i] / w[i])) < FARTHEST * size[i]:
                    good = False
        missed, new_span, turned = 0.0, span, U
        if good:
            residual(C, y, L, near, b, rho)
            pulled(C, rho, g)
            beyond = drift(g, L, eta, near, exact, full)
            new_span = h * (1 + ratio) / (1 + 2 * ratio)
            for i in range(D):
                begun[i] = ((1 + ratio) ** 2 * z[i] - ratio**2 * z1[i]) / (1 + 2 * ratio) if known else z[i]
                begun[i] += new_span * beyond[i]
            for a in range(rows):
                guess[a] = -new_span * eta * rho[a]
            for k in range(U.shape[0]):
                for a in range(rows):
                    U[k, a] *= np.sqrt(new_span / span)  # the push of a step is that of its length
            span = new_span
            good, _, turned, count = implicit(
                C,
                y,
                L,
                cap,
                1 / (new_span * eta),
                begun,
                guess,
                U,
                newton,
                found,
            )
            iterations += count
        if good:
            if timed > 0:
                copied(rho, rho_near)
                last, off = residual(C, y, L, found, b, rho), 0.0
                for a in range(rows):
                    off += (rho[a] - rho_near[a]) ** 2
                missed = np.sqrt(off / last) * accuracy / timed
            for i in range(D):
                missed = max(missed, abs(np.log(found[i] / near[i])) / size[i])
            if known == 0:
                missed /= 2
            elif known == 1:
                missed /= 3
            else:
                part = (1 + ratio) ** 2 / (1 + 2 * ratio) * h / (h + h1 + h2)
                missed *= part / (1 + part)
        if not good:
            h *= 0.4
            if h < 1e-9:
                outcome = LOST
                break
            continue
        if missed > accuracy:
            h *= max(0.2, 0.8 * (accuracy / missed) ** (1 / 3))
            continue
        for i in range(D):
            z2[i], z1[i], w[i] = z1[i], z[i], found[i]
            z[i] = dual(w[i], L)
        for a in range(rows):
            for c in range(rows):
                push = 0.0
                for k in range(turned.shape[0]):
                    push += turned[k, a] * turned[k, c]
                before = pushed[a, c]
                pushed[a, c] = ((1 + ratio) ** 2 * before - ratio**2 * pushed1[a, c]) / (1 + 2 * ratio) + push
                pushed1[a, c] = before
        U, h2, h1, known = turned, h1, h, min(known + 1, 2)
        t += h
        steps += 1
        if record:
            times[steps] = t
            copied(z, kept[steps])
        earlier, square = square, residual(C, y, L, w, b, rho)
        if U.shape[0] and steps % 8 == 0 and none_below(C, y, L, cap, rho, U):
            outcome = NONE
            break
        h *= min(2.0, max(0.3, 0.8 * (accuracy / max(missed, 1e-12)) ** (1 / 3)))
    late = h1 * np.log(small / square) / np.log(earlier / square) if square < min(small, earlier) else 0.0
    stored, swing = steps + 1 if record else 0, 0.0
    for k in range(U.shape[0]):  # the residual alternates by 2 U / eta
        for a in range(rows):
            swing += 4 * U[k, a] ** 2 / (eta**2 * span)
    return outcome, w, t, late, pushed, swing, times[:stored], kept[:stored], steps, iterations


@kernel
def project(C, y, L, eta, cap, w0, accuracy):
    """The interpolator under the cap nearest to w0 in the mirror divergence: one infinite implicit step from there.

    Where Newton's method does not find it, by ever longer steps, each begun from the multipliers of the last.

    Returns whether it was found, its weights, nu, U and the iterations.
    """
    rows, D = C.shape
    z, w, found = np.empty(D), w0.copy(), np.empty(D)
    nu, U, total = np.zeros(rows), np.zeros((0, rows)), 0
    for i in range(D):
        z[i] = dual(w0[i], L)
    span, growth = np.inf, 30.0  # first at once
    while total < 100 * NEWTON:
        weight = 0.0 if span > 1e9 else 1 / (span * eta)
        good, new_nu, new_U, count = implicit(C, y, L, cap, weight, z, nu, U, accuracy, found)
        total += count
        if good:
            nu, U = new_nu, new_U
            copied(found, w)
            if weight == 0:
                return True, w, nu, U, total
            span *= growth
        elif span == np.inf:
            span = 1.0
        elif weight == 0 or growth < 1.2:
            break
        else:
            span /= growth
            growth = np.sqrt(growth)
            span *= growth
    return False, w, nu, U, total


@apart
def sizes(w):
    """|w|."""
    found = np.empty(len(w))
    for i in range(len(w)):
        found[i] = abs(w[i])
    return found


@kernel
def descend(C, y, L, eta, momentum, w0, after, most, end):
    """Descent itself from w0, of heavy-ball momentum, until ``after`` steps beyond the loss's first rise, or ``most``.

    Returns the outcome; the steps; and |weights|, without their last alternation where it is still moving.
    """
    rows, D = C.shape
    w, b, g, rho = w0.copy(), np.empty(D), np.empty(D), np.empty(rows)
    before, now = w0.copy(), w0.copy()
    small, rise, t, last = 0.0, -1, 0, np.inf
    for a in range(rows):
        small += end * y[a] ** 2
    while True:
        square = residual(C, y, L, w, b, rho)
        if not square < BLOWN_UP:
            return DIVERGED, t, w
        if square < small:
            return CONVERGED, t, sizes(w)
        if rise < 0 and square > last:
            rise = t - 1
        if t == most + 1 or (rise >= 0 and t >= rise + after + 1):
            break
        last = square
        pulled(C, rho, g)
        for i in range(D):
            before[i], now[i] = now[i], w[i]
            w[i] += momentum * (now[i] - before[i]) - eta * L * w[i] ** (L - 1) * g[i]
        t += 1
    mean = np.empty(D)
    for i in range(D):
        if L % 2 and not (before[i] > 0 and now[i] > 0 and w[i] > 0):
            return CROSSED, t, w
        if before[i] == 0 or now[i] == 0 or w[i] == 0:
            return CROSSED, t, w
        z = (dual(abs(before[i]), L) + 2 * dual(abs(now[i]), L) + dual(abs(w[i]), L)) / 4
        mean[i] = np.exp(2 * z) if L == 2 else (-L * (L - 2) * z) ** (-1.0 / (L - 2))
    return MOVING, t - 1, mean
