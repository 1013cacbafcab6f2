"""The learning rate above which descent in one dimension diverges.

``w^L`` on one feature is, in units of its minimum, ``u <- f(u) = u - kappa (u^L - 1) u^(L-1)`` with
``lr S / 2 = kappa L / 2`` at the minimum u = 1. Orbits from inside stop being bounded where the largest value of f
there meets the outer cycle of two, ``f(f(U)) = U``: at kappa = 2 for L = 2, a Chebyshev polynomial.
"""

from functools import lru_cache

import scipy  # its parts on first use: they take half a second to import

HIGHEST = 20  # degree up to which the search was checked
SEVERAL = {2: 2.0, 3: 2.4}  # lr_divergence over lr_critical on several features, by degree: 4 / max S, and a fit


@lru_cache(maxsize=64)
def divergence_ratio(degree: int) -> float:
    """``lr S / 2`` above which orbits from between 0 and the minimum are not bounded: 2 for L = 2.

    Almost every one diverges; for odd L some fall to the saddle at 0.
    """
    L = degree

    def f(u: float, kappa: float) -> float:
        return u - kappa * (u**L - 1) * u ** (L - 1)

    def slope(u: float, kappa: float) -> float:
        return 1 - kappa * ((2 * L - 1) * u ** (2 * L - 2) - (L - 1) * u ** (L - 2))

    steepest = ((L - 1) * (L - 2) / ((2 * L - 1) * (2 * L - 2))) ** (1 / L)

    def top(kappa: float) -> float:
        """The largest value of f between 0 and the minimum."""
        return f(scipy.optimize.brentq(slope, steepest, 1.0, args=(kappa,)), kappa)

    crossing = scipy.optimize.brentq(lambda kappa: f(top(kappa), kappa), 2 / L, 8 / L)  # below it no orbit changes sign
    return (
        scipy.optimize.brentq(lambda kappa: f(f(top(kappa), kappa), kappa) - top(kappa), crossing, 2 * crossing) * L / 2
    )
