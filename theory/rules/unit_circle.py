"""Where a linear map with feedback leaves stability: where an eigenvalue, or a pair of them, is on the unit circle.

In exact numbers: roots crowd about 1 where much is remembered, and floats do not tell them from those that stand still.
"""

from fractions import Fraction
from functools import lru_cache

import mpmath
import sympy as sp

DIGITS = 60
SAME = mpmath.mpf(10) ** -40  # relative, of two candidates

_X = sp.Symbol("x")  # the cosine of an angle


@lru_cache(maxsize=1024)
def largest_stable(numerator: tuple[Fraction, ...], denominator: tuple[Fraction, ...]) -> float:
    """The feedback s up to which all roots z of ``denominator(z) - s numerator(z)`` are within the unit circle.

    Upwards from 0; where they are not within it there, the nearest such s below 0, and 0 where none is. On the circle s
    is ``denominator / numerator``, where that is real: roots between these tell. Polynomials have no root in common,
    their highest power first, and the numerator fewer of them.

    Returns:
        Infinity where no s is too large.
    """
    below = list(denominator)
    above = [Fraction(0)] * (len(below) - len(numerator)) + list(numerator)
    with mpmath.workdps(DIGITS):
        ends = _ends(above, below)

        def stable(low: mpmath.mpf, high: mpmath.mpf) -> bool:
            s = Fraction(mpmath.nstr((low + high) / 2, DIGITS))
            return _within([d - s * n for d, n in zip(below, above, strict=True)])

        first = ends.index(0)
        if not stable(ends[first], ends[first + 1]):
            falling = zip(ends[first:0:-1], ends[first - 1 :: -1], strict=True)
            return next((float(high) for high, low in falling if stable(low, high)), 0.0)
        rising = zip(ends[first + 1 :], ends[first + 2 :], strict=False)
        return next((float(low) for low, high in rising if not stable(low, high)), float("inf"))


def _ends(above: list[Fraction], below: list[Fraction]) -> list[mpmath.mpf]:
    """The real values of ``below / above`` on the circle, sorted, with 0 and one beyond them at both sides."""
    cosines = [mpmath.mpf(1), mpmath.mpf(-1), *_cosines(above, below)]
    kept, floats = [mpmath.mpf(0)], [[mpmath.mpf(c.numerator) / c.denominator for c in part] for part in (above, below)]
    for x in cosines:
        z = mpmath.mpc(x, mpmath.sqrt(1 - x * x))
        n, d = (mpmath.polyval(part, z) for part in floats)
        if n and all(abs((s := (d / n).real) - other) > SAME * max(abs(s), abs(other)) for other in kept):
            kept.append(s)
    far = 1 + 2 * max(map(abs, kept))
    return sorted([*kept, far, -far])


def _cosines(above: list[Fraction], below: list[Fraction]) -> list[mpmath.mpf]:
    """Cosines of the angles, other than 0 and pi, at which ``below / above`` is real.

    ``Im below(z) conj(above(z))`` is ``sin`` times a sum of Chebyshev polynomials of the second kind.
    """
    n, d = above[::-1], below[::-1]
    order = len(n) - 1
    summed = sp.Integer(0)
    for k in range(1, order + 1):
        term = sum((d[j + k] * n[j] - d[j] * n[j + k] for j in range(order + 1 - k)), Fraction(0))
        summed += sp.Rational(term.numerator, term.denominator) * sp.chebyshevu(k - 1, _X)
    if not summed.free_symbols:
        return []
    found = sp.Poly(summed, _X).intervals(eps=sp.Rational(1, 10**DIGITS), inf=-1, sup=1)
    return [mpmath.mpf(low.p) / low.q / 2 + mpmath.mpf(high.p) / high.q / 2 for (low, high), _ in found]


def _within(p: list[Fraction]) -> bool:
    """Whether all roots are within the unit circle (Schur and Cohn)."""
    while len(p) > 1:
        if not abs(p[-1]) < abs(p[0]):
            return False
        p = [p[0] * a - p[-1] * b for a, b in zip(p[:-1], p[:0:-1], strict=True)]
    return True
