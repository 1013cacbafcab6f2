"""How far a predicted endpoint of descent may be from the run's: bars that hold 68 % and 90 % of runs.

The error of the coefficients grows with how far descent ended from gradient flow's endpoint, with the part of that
which is undershoot, where several directions are pinned, and with how sharp the start is, where the first steps throw
descent off (without a warm-up, which sees them):

    ``|beta - found| / |beta| ~ exp(size + kick max(s - 1, 0) + several) far^p undershoot^q s^r,   s = lr S(start) / 2``

fitted, with the quantiles about it, to runs of random problems of 3 to 200 samples and five families at learning rates
from far below the edge to lr_max, where the edge bound the flow, where it did not, and from sharp starts; and tried on
others, by ``python tests/benchmarks/endpoint_bars.py``, which prints the numbers below.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

COVERAGE = (0.68, 0.9)
LEAST = 1e-3  # distance that counts, relative
STARTS = 0.1, 1.0  # shares of the edge at which a start is, that count; beyond, it is thrown off
MOST_KICK = 0.5


@dataclass(frozen=True, eq=False)
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
class Moved:
    """What a bar goes by.

    Attributes:
        far: distance from gradient flow's endpoint, relative to ``||beta||``.
        undershoot: from the end of the constrained flow at ``S = 2 / lr``, in the same units.
        several: whether several directions are pinned.
        start: ``lr S / 2`` at the start, by the tangent kernel; where it is near the edge and descent's first steps go
            beyond it, the largest of theirs.
        bound: whether the edge of stability bound the flow anywhere.
    """

    far: float
    undershoot: float
    several: bool
    start: float
    bound: bool

    def features(self) -> dict[str, float]:
        """What the logarithm of the error is linear in, by the names of :class:`Bars`."""
        least, most = STARTS
        return {
            "size": 1.0,
            "far": float(np.log(max(self.far, LEAST))),
            "undershoot": float(np.log(max(self.undershoot, LEAST))),
            "several": float(self.several),
            "start": float(np.log(min(max(self.start, least), most))),
            "kick": min(max(self.start - most, 0.0), MOST_KICK),
        }


@dataclass(frozen=True)
class Bars:
    """One fit: what the logarithm of the error gains by each feature, and quantiles in units of that error."""

    size: float
    far: float
    undershoot: float
    several: float
    start: float
    kick: float
    beta: tuple[float, float]
    l1_norm: tuple[float, float]
    sharpness: tuple[float, float]
    test_risk: tuple[float, float]

    def error(self, moved: Moved) -> float:
        """The error of the coefficients that is expected, relative."""
        return float(np.exp(sum(getattr(self, name) * value for name, value in moved.features().items())))


NONE = EndpointError(*(np.zeros(2) for _ in range(4)))  # of an end that a run has reached

# Without a warm-up, from starts sharper than the edge, which the first steps throw off.
SHARP = Bars(
    size=-1.97,
    far=0.155,
    undershoot=0.0,
    several=0.277,
    start=0.0,
    kick=2.584,
    beta=(1.344, 2.845),
    l1_norm=(0.383, 0.715),
    sharpness=(0.416, 1.07),
    test_risk=(0.415, 1.04),
)

# By the warm-up, that of the largest key that is not above it; and by whether the edge bound the flow.
FITTED: Mapping[int, tuple[Bars, Bars]] = {
    0: (
        Bars(
            size=0.785,
            far=1.247,
            undershoot=0.0,
            several=0.0,
            start=1.289,
            kick=0.0,
            beta=(1.395, 2.243),
            l1_norm=(0.382, 0.864),
            sharpness=(0.827, 1.477),
            test_risk=(0.657, 1.304),
        ),
        Bars(
            size=-2.143,
            far=0.838,
            undershoot=0.0,
            several=0.355,
            start=0.658,
            kick=3.822,
            beta=(1.576, 4.138),
            l1_norm=(0.195, 0.673),
            sharpness=(0.138, 0.941),
            test_risk=(0.507, 1.619),
        ),
    ),
    20: (
        Bars(
            size=1.963,
            far=0.281,
            undershoot=1.68,
            several=0.0,
            start=0.0,
            kick=0.0,
            beta=(1.239, 3.335),
            l1_norm=(0.29, 0.962),
            sharpness=(0.352, 1.918),
            test_risk=(0.294, 1.26),
        ),
        Bars(
            size=-5.651,
            far=1.031,
            undershoot=-0.163,
            several=1.127,
            start=0.0,
            kick=0.0,
            beta=(1.525, 4.32),
            l1_norm=(0.242, 0.735),
            sharpness=(0.254, 1.461),
            test_risk=(0.573, 2.148),
        ),
    ),
    50: (
        Bars(
            size=0.166,
            far=0.335,
            undershoot=1.39,
            several=0.0,
            start=0.0,
            kick=0.0,
            beta=(1.436, 5.703),
            l1_norm=(0.369, 1.593),
            sharpness=(0.462, 4.537),
            test_risk=(0.352, 2.407),
        ),
        Bars(
            size=-6.712,
            far=1.07,
            undershoot=-0.259,
            several=1.482,
            start=0.0,
            kick=0.0,
            beta=(1.631, 5.277),
            l1_norm=(0.296, 1.089),
            sharpness=(0.297, 1.402),
            test_risk=(0.643, 2.828),
        ),
    ),
}


def fitted(moved: Moved, warmup: int) -> Bars:
    """The fit that an endpoint goes by."""
    if not warmup and moved.start > 1:
        return SHARP
    return FITTED[max(known for known in FITTED if known <= warmup)][moved.bound]


def endpoint_error(
    moved: Moved, warmup: int, beta: np.ndarray, sharpness: float, risk: float | None, spread: float
) -> EndpointError:
    """The bars of an endpoint; ``spread`` is the root mean square of the held-out data, a feature."""
    bars = fitted(moved, warmup)
    expected, size = bars.error(moved), float(np.linalg.norm(beta))
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
