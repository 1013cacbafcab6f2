"""How far a predicted endpoint of descent may be from the run's: bars that hold 68 % and 90 % of runs.

The error of the coefficients grows with how far the edge of stability took them from gradient flow's endpoint, with
the part of that which is undershoot, and where several directions are pinned:

    ``|beta - found| / |beta| ~ exp(c) far^p undershoot^q several``

fitted, with the quantiles about it, to runs of random problems of 3 to 200 samples and five families, and tried on
others, by ``python tests/benchmarks/endpoint_bars.py``, which prints the numbers below.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

COVERAGE = (0.68, 0.9)
LEAST = 1e-3  # distance that counts, relative


@dataclass(frozen=True)
class EndpointError:
    """Half-widths of the bars, one for each share of :data:`COVERAGE`, shape (2,) each.

    Attributes:
        beta: of ``||beta - found||``.
        l1_norm: of ``| ||beta||_1 - found |``.
        sharpness: of the sharpness.
        test_risk: of the loss on held-out samples, None without them.
    """

    beta: np.ndarray
    l1_norm: np.ndarray
    sharpness: np.ndarray
    test_risk: np.ndarray | None


@dataclass(frozen=True)
class Bars:
    """One fit: the logarithm of the error at 1, powers of the distances, and quantiles in units of that error."""

    size: float
    far: float
    undershoot: float
    several: float
    beta: tuple[float, float]
    l1_norm: tuple[float, float]
    sharpness: tuple[float, float]
    test_risk: tuple[float, float]


@dataclass(frozen=True)
class Moved:
    """What a bar goes by: distances relative to ``||beta||``, and whether several directions are pinned.

    Attributes:
        far: from gradient flow's endpoint.
        undershoot: from the end of the constrained flow at ``S = 2 / lr``.
    """

    far: float
    undershoot: float
    several: bool

    def error(self, bars: Bars) -> float:
        """The error of the coefficients that is expected, relative."""
        far, undershoot = np.log(max(self.far, LEAST)), np.log(max(self.undershoot, LEAST))
        return float(np.exp(bars.size + bars.far * far + bars.undershoot * undershoot + bars.several * self.several))


NONE = EndpointError(*(np.zeros(2) for _ in range(4)))  # of an end that a run has reached

FITTED: Mapping[int, Bars] = {  # by the warm-up: that of the largest key that is not above it
    0: Bars(-3.631, 0.948, -0.021, 0.613, (1.454, 3.269), (0.2, 0.606), (0.329, 1.103), (0.583, 1.57)),
    20: Bars(-4.468, 1.299, 0.044, 1.07, (1.522, 4.364), (0.212, 0.64), (0.193, 1.169), (0.45, 1.896)),
    50: Bars(-4.985, 1.079, 0.114, 1.636, (1.622, 5.345), (0.251, 0.934), (0.259, 1.386), (0.517, 2.265)),
}


def endpoint_error(
    moved: Moved, warmup: int, beta: np.ndarray, sharpness: float, risk: float | None, spread: float
) -> EndpointError:
    """The bars of an endpoint; ``spread`` is the root mean square of the held-out data, a feature."""
    bars = FITTED[max(known for known in FITTED if known <= warmup)]
    expected, size = moved.error(bars), float(np.linalg.norm(beta))
    return EndpointError(
        expected * size * np.array(bars.beta),
        expected * float(np.abs(beta).sum()) * np.array(bars.l1_norm),
        expected * sharpness * np.array(bars.sharpness),
        None if risk is None else risk_unit(expected, size, risk, spread) * np.array(bars.test_risk),
    )


def risk_unit(expected: float, size: float, risk: float, spread: float) -> float:
    """What the held-out loss changes by for coefficients that are off by ``expected`` of their ``size``."""
    off = expected * size * spread
    return off * np.sqrt(2 * risk) + off**2 / 2
