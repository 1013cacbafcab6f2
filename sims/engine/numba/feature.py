"""What kernels compute from the weights of one feature: tuples with an entry for each weight, summed in order."""

from .lanes import larger, less, traced


@traced
def dot(a, b):
    """``sum_p a_p b_p``."""
    return added(a[0] * b[0], a[1:], b[1:])


@traced
def added(start, a, b):
    """``start + sum_p a_p b_p``."""
    for x, y in zip(a, b, strict=True):
        start = start + x * y
    return start


@traced
def product(slopes, seconds, g, pulled, v):
    """The feature's part of H v: ``j_p pulled + g sum_q h_pq v_q``, with pulled the change of g along v."""
    return tuple(slope * pulled + g * dot(row, v) for slope, row in zip(slopes, _rows(seconds, len(v)), strict=True))


@traced
def bound(shift, seconds, g, v):
    """The larger of shift and the sums of a row of ``|g h_pq|`` (Gershgorin); as many rows as v."""
    for row in _rows(seconds, len(v)):
        absolute = [abs(second * g) for second in row]
        shift = larger(shift, sum(absolute[1:], absolute[0]))
    return shift


@traced
def plus(a, b):
    """``a_p + b_p``."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


@traced
def nudged(product, shift, v, nudge, noise):
    """``H v + shift v + nudge noise``."""
    return tuple(k + shift * x + nudge * z for k, x, z in zip(product, v, noise, strict=True))


@traced
def rest(sums, slopes, g, weights, weight_decay, slow):
    """The three sums over features that tell a run with weight decay at rest, with those of one more feature.

    ``|grad|^2``, ``|theta|^2`` and the number of features that leave a saddle, as ``decayed_calm`` of
    :mod:`gdbias.sims.engine.reference` says it.
    """
    square, norms, leaving = sums
    none, pulls = 0.0 * g, [slope * g for slope in slopes]
    grads = [pull + weight_decay * w for pull, w in zip(pulls, weights, strict=True)]
    growing, excess = none, none
    for pull, grad, w in zip(pulls, grads, weights, strict=True):
        rate = grad + slow * w
        growing = growing + less(rate, 0.0) * (1 - less(w, 0.0)) + less(0.0, rate) * (1 - less(0.0, w))
        excess = excess + abs(pull) - weight_decay * abs(w)
    square, norms = square + dot(grads, grads), norms + dot(weights, weights)
    return square, norms, leaving + less(0.0, growing) * less(0.0, excess)


def _rows(seconds, m: int) -> list[list]:
    """The rows of a symmetric matrix given by its upper triangle, row by row."""
    pairs = [(p, q) for p in range(m) for q in range(p, m)]
    entries = {frozenset(pair): second for pair, second in zip(pairs, seconds, strict=True)}
    return [[entries[frozenset((p, q))] for q in range(m)] for p in range(m)]
