"""Where the periods of the map of w^L double, by Newton's method on the orbit and its multiplier."""

import numpy as np

FEIGENBAUM = 4.669  # only to guess where to look next
SETTLE = 2000


def doublings(L: int, count: int) -> list[float]:
    """The first ``count`` values of kappa at which an orbit of period 1, 2, 4, ... has the multiplier -1."""
    found = [2 / L]
    gap = 0.236 * 2 / L
    for k in range(1, count):
        inside = found[-1] + 0.6 * gap  # where the orbit of period 2^k attracts most
        u = 0.9
        for _ in range(SETTLE):
            u = _orbit(u, inside, L, 1)[0]
        found.append(_newton(u, inside, L, 2**k))
        gap = (found[-1] - found[-2]) / FEIGENBAUM
    return found


def _newton(u: float, kappa: float, L: int, period: int) -> float:
    """Follow the orbit to the kappa where its multiplier is -1, in steps of the multiplier."""
    _, slope, *_ = _orbit(u, kappa, L, period)
    for target in np.linspace(slope, -1.0, 12)[1:]:
        for _ in range(8):
            end, a, b, c, e = _orbit(u, kappa, L, period)
            move = np.linalg.solve([[a - 1, b], [c, e]], [u - end, target - a])
            u, kappa = u + move[0], kappa + move[1]
    return float(kappa)


def _orbit(u: float, kappa: float, L: int, steps: int) -> tuple[float, float, float, float, float]:
    """The end of an orbit with its derivatives in u, in kappa, twice in u, and in both."""
    a, b, c, e = 1.0, 0.0, 0.0, 0.0
    for _ in range(steps):
        by_kappa = u ** (L - 1) - u ** (2 * L - 1)
        slope = 1 + kappa * ((L - 1) * u ** (L - 2) - (2 * L - 1) * u ** (2 * L - 2))
        bend = kappa * ((L - 1) * (L - 2) * u ** (L - 3) - (2 * L - 1) * (2 * L - 2) * u ** (2 * L - 3))
        slope_by_kappa = (slope - 1) / kappa
        e = slope * e + (bend * b + slope_by_kappa) * a
        c = slope * c + bend * a * a
        a, b = slope * a, slope * b + by_kappa
        u = u + kappa * by_kappa
    return u, a, b, c, e
