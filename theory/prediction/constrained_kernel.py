"""The constrained flow in numbers, compiled: ``w^L`` on the columns of C, in the dual variables z = psi'(w^L).

    ``dz / dstep = descent's own step of z - push,   push_i = 2 L (L - 1) w_i^(L - 2) |U c_i|^2``
    ``(K - cap) U^T = 0,   K = C diag(w^(2 L - 2)) C^T <= cap = 2 / (eta L^2)``

with eta the learning rate over the samples. Every step of BDF2 is an implicit one, hence a convex program: its dual
variables nu (rows,) and U (pinned, rows) solve ``weight nu + C b = y`` and the condition on U by Newton's method, with
the weights in closed form. Sums run in the same order every time: no number depends on threads or libraries.
"""

import numpy as np

from gdbias.theory.compiled.decorators import inner, kernel
from gdbias.theory.compiled.dense import copied, pulled
from gdbias.theory.prediction.flow_terms import ahead_of, drift, leads_away, none_below, residual
from gdbias.theory.prediction.implicit_step import NEWTON, dual, implicit, sharpness_matrix, under, weights

ENDED, LONG, LOST, NONE = 0, 1, 2, 3  # of `follow`: none of the interpolators is under the cap
CONVERGED, MOVING, DIVERGED, CROSSED = 0, 1, 2, 3  # of `descend`
FARTHEST = 2.0  # of the logarithm of a weight, in one step
SMALL = 0.1  # of a logarithm: what is missed by a small weight counts less
NEWTONS = 0.01  # of the residual's error in one step: what Newton's method may leave of it
HELD = 1e-8  # squared residual, for targets of size 1, that the cap's own tolerance hides where it holds
BLOWN_UP = 1e8  # of weights of size 1


@kernel
def follow(C, y, L, eta, w0, exact, accuracy, end, until, most, record):
    """The flow from w0 until the squared residual is ``end`` of |y|^2, or for ``until`` steps of descent.

    By steps that miss ``accuracy`` of any weight, and ten times that of the residual.

    Returns the outcome; the weights; the steps of descent, and how many of them are beyond the end; the matrix of the
    whole push; the squared residual of the oscillation that pushes at the end, and the largest; the states kept, their
    number of steps and their z, where ``record``; and the counts of steps and iterations of Newton's method.
    """
    rows, D = C.shape
    cap, target = 2 / (eta * L * L), 0.0
    for a in range(rows):
        target += y[a] ** 2
    small = end * target
    w, near, found, no_push = w0.copy(), np.empty(D), np.empty(D), np.zeros(D)
    z, z1, z2, ahead, begun = np.empty(D), np.empty(D), np.empty(D), np.empty(D), np.empty(D)
    b, g, full, size = np.empty(D), np.empty(D), np.empty(D), np.empty(D)
    rho, rho_near, speed, guess = np.zeros(rows), np.empty(rows), np.zeros(rows), np.empty(rows)
    for i in range(D):
        z[i] = dual(w[i], L)
    pushed, pushed1 = np.zeros((rows, rows)), np.zeros((rows, rows))
    U = U1 = np.zeros((0, rows))  # the push of a step of descent is that of U^T U
    nu = np.zeros(rows)
    times, kept = np.empty(most + 1 if record else 1), np.empty((most + 1 if record else 1, D))
    good, _, begun_with, _ = implicit(C, y, L, cap, 1e12, z, nu, U, accuracy, found)
    if not good:
        return LOST, w, 0.0, 0.0, pushed, 0.0, 0.0, times[:0], kept[:0], 0, 0
    for i in range(D):  # onto the cap, where the start is above it
        w[i] = found[i]
        z[i] = dual(w[i], L)
    for k in range(begun_with.shape[0]):
        for a in range(rows):
            for c in range(rows):
                pushed[a, c] += begun_with[k, a] * begun_with[k, c]
    times[0] = 0.0
    copied(z, kept[0])
    t, h, h1, h2, known, peak = 0.0, 0.25, 0.0, 0.0, 0, 0.0
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
        missed, new_span, turned = 0.0, 1.0, U
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
            if known and len(U) == 0 and leads_away(C, L, begun, guess, no_push, near, g, full):
                for a in range(rows):  # a long step magnifies the residual that a settled weight gets by extrapolation
                    guess[a] = new_span * speed[a]
            newton = min(accuracy, np.sqrt(NEWTONS * accuracy * np.sqrt(square / target)))
            good, nu, turned, count = implicit(
                C,
                y,
                L,
                cap,
                1 / (new_span * eta),
                begun,
                guess,
                ahead_of(U, U1, ratio, new_span),
                newton,
                found,
            )
            iterations += count
        if good:
            copied(rho, rho_near)
            last, off = residual(C, y, L, found, b, rho), 0.0
            for a in range(rows):
                off += (rho[a] - rho_near[a]) ** 2
            least = HELD * target if len(U) + len(turned) else 0.01 * small
            missed = np.sqrt(off / max(last, least)) / 10
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
        for k in range(turned.shape[0]):
            for a in range(rows):
                turned[k, a] /= np.sqrt(new_span)
        for a in range(rows):
            speed[a] = nu[a] / new_span
        U, U1, h2, h1, known = turned, U, h1, h, min(known + 1, 2)
        peak = max(peak, swinging(U, eta))
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
    stored, swing = steps + 1 if record else 0, swinging(U, eta)
    return outcome, w, t, late, pushed, swing, peak, times[:stored], kept[:stored], steps, iterations


@inner
def swinging(U, eta):
    """The squared residual of an oscillation, which alternates by 2 U / eta."""
    square = 0.0
    for k in range(U.shape[0]):
        for a in range(U.shape[1]):
            square += 4 * U[k, a] ** 2 / eta**2
    return square


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


@kernel
def thrown(C, y, L, eta, w0, steps):
    """Whether descent is beyond the cap at w0 or in so many first steps from there."""
    rows, D = C.shape
    w, b, g, rho, K = w0.copy(), np.empty(D), np.empty(D), np.empty(rows), np.empty((rows, rows))
    for _ in range(steps):
        sharpness_matrix(C, L, w, K)
        if not under(K, 2 / (eta * L * L)):
            return True
        residual(C, y, L, w, b, rho)
        pulled(C, rho, g)
        for i in range(D):
            w[i] -= eta * L * w[i] ** (L - 1) * g[i]
    return False


@inner
def sizes(w):
    """|w|."""
    found = np.empty(len(w))
    for i in range(len(w)):
        found[i] = abs(w[i])
    return found


@kernel
def descend(C, y, L, eta, momentum, ahead, longest, w0, after, most, end):
    """Descent itself from w0, with momentum, until ``after`` steps beyond the loss's first rise, or ``most``.

    The heavy ball moves by its velocity, or ``ahead`` by the next one too, as Nesterov's does. Gradients give a push
    of ``longest`` at most.

    Returns the outcome; the steps; |weights|, without their last alternation where it is still moving; and the squared
    residual before each step and after the last.
    """
    rows, D = C.shape
    losses = np.empty(most + 2)
    w, b, g, rho = w0.copy(), np.empty(D), np.empty(D), np.empty(rows)
    before, now, v = w0.copy(), w0.copy(), np.zeros(D)
    small, rise, t, last = 0.0, -1, 0, np.inf
    for a in range(rows):
        small += end * y[a] ** 2
    while True:
        square = residual(C, y, L, w, b, rho)
        losses[t] = square
        if not square < BLOWN_UP:
            return DIVERGED, t, w, losses[: t + 1]
        if square < small:
            return CONVERGED, t, sizes(w), losses[: t + 1]
        if rise < 0 and square > last:
            rise = t - 1
        if t == most + 1 or (rise >= 0 and t >= rise + after + 1):
            break
        last = square
        pulled(C, rho, g)
        length = 0.0
        for i in range(D):
            g[i] *= eta * L * w[i] ** (L - 1)
            length += g[i] ** 2
        length = np.sqrt(length)
        for i in range(D):
            before[i], now[i] = now[i], w[i]
            push = g[i] * longest / length if length > longest else g[i]
            v[i] = momentum * v[i] + push
            w[i] -= push + momentum * v[i] if ahead else v[i]
        t += 1
    mean = np.empty(D)
    for i in range(D):
        if L % 2 and not (before[i] > 0 and now[i] > 0 and w[i] > 0):
            return CROSSED, t, w, losses[: t + 1]
        if before[i] == 0 or now[i] == 0 or w[i] == 0:
            return CROSSED, t, w, losses[: t + 1]
        z = (dual(abs(before[i]), L) + 2 * dual(abs(now[i]), L) + dual(abs(w[i]), L)) / 4
        mean[i] = np.exp(2 * z) if L == 2 else (-L * (L - 2) * z) ** (-1.0 / (L - 2))
    return MOVING, t - 1, mean, losses[: t + 1]
