"""Where a linear map with feedback leaves stability: where an eigenvalue, or a pair of them, is on the unit circle."""

from functools import lru_cache

import numpy as np

NEAR = 1e-3  # of the circle: candidates are judged by the largest root between them
SAME = 1e-12  # relative, of two candidates


@lru_cache(maxsize=4096)
def largest_stable(numerator: tuple[float, ...], denominator: tuple[float, ...], sign: int) -> float:
    """The feedback s up to which all roots z of ``denominator(z) - s numerator(z)`` are within the unit circle.

    In the order of ``sign s``, upwards from 0; where they are not within it there, the nearest such s before 0.
    On the circle s is ``denominator / numerator``, where that is real. Polynomials have their highest power first, and
    the numerator fewer of them.

    Returns:
        ``sign`` infinite where no s is too large, and 0 where none is stable.
    """
    below = np.array(denominator)
    above = np.append(np.zeros(len(below) - len(numerator)), numerator)
    both = np.convolve(above, below[::-1])
    circle = np.append(np.roots(both - both[::-1]), [1, -1])  # p(1/z) is the conjugate there
    circle = circle[np.abs(np.abs(circle) - 1) < NEAR]
    circle /= np.abs(circle)
    with np.errstate(all="ignore"):
        crossings = sign * (np.polyval(below, circle) / np.polyval(above, circle)).real
    ends = _distinct(crossings[np.isfinite(crossings)].tolist())

    def stable(s: float) -> bool:
        return bool((np.abs(np.roots(below - sign * s * above)) < 1).all())

    first = ends.index(0.0)
    if not stable((ends[first] + ends[first + 1]) / 2):
        falling = zip(ends[first:0:-1], ends[first - 1 :: -1], strict=True)
        return sign * next((high for high, low in falling if stable((high + low) / 2)), 0.0)
    rising = zip(ends[first + 1 :], ends[first + 2 :], strict=False)
    return sign * next((low for low, high in rising if not stable((low + high) / 2)), np.inf)


def _distinct(values: list[float]) -> list[float]:
    """Sorted, with 0 among them and one beyond them at both sides, and none as good as another."""
    kept = [0.0]
    for value in sorted(values, key=abs):
        if all(abs(value - other) > SAME * max(1.0, abs(value)) for other in kept):
            kept.append(value)
    far = 1 + 2 * max(map(abs, kept))
    return sorted([*kept, far, -far])
