"""How far a predicted endpoint of descent may be from the run's: bars that hold 68 % and 90 % of runs.

Descent differs from the constrained flow by its finite steps, by its first catapults, and by how it ends. Each quantity
has a law of its own for each course of the flow, as a product of powers of what is known at the endpoint:

    ``error ~ exp(size) far^p s^q edge^r exp(near max(s - 1/2, 0) + few / n),   s = lr S(start) / 2``

with ``edge = lr / lr_critical_final``; fitted to runs of random problems of 1 to 50 samples and seven families, from
starts of 0.001 to 0.6, at learning rates from far below the edge to lr_max, and tried on others, by
``python tests/benchmarks/endpoint_bars.py``, which prints the numbers below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

COVERAGE = (0.68, 0.9)
QUANTITIES = ("beta", "l1_norm", "sharpness", "test_risk")
FAR, STARTS, EDGE, NEAR = (1e-3, np.inf), (0.02, 0.5), (0.2, 3.0), (0.5, 2.0)  # between which each counts

Course = Literal["free", "left", "held", "sharp"]


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
        start: ``lr S / 2`` at the start, by the tangent kernel.
        edge: ``lr S / 2`` at gradient flow's endpoint.
        bound: whether the edge of stability bound the flow anywhere, or descent's first steps go beyond it.
        held: whether it binds at the end.
        samples: n.
        degree: L.
    """

    far: float
    start: float
    edge: float
    bound: bool
    held: bool
    samples: int
    degree: int

    @property
    def course(self) -> Course:
        """Where the edge meets it: at the start, which throws descent off, at the end, on the way, or nowhere."""
        if self.start > 1:
            return "sharp"
        return "held" if self.held else "left" if self.bound else "free"

    @property
    def features(self) -> np.ndarray:
        """What the logarithm of an error is linear in, but for a constant: as in :class:`Law`."""
        least, most = NEAR
        return np.array([
            np.log(np.clip(self.far, *FAR)), np.log(np.clip(self.start, *STARTS)), np.log(np.clip(self.edge, *EDGE)),
            np.clip(self.start, least, most) - least, 1 / self.samples, self.degree == 2,
        ])  # fmt: skip


@dataclass(frozen=True)
class Law:
    """The two half-widths of one quantity, relative: ``exp(sizes + slopes . features)``."""

    sizes: tuple[float, float]
    far: float
    start: float
    edge: float
    near: float
    few: float
    square: float

    def widths(self, moved: Moved) -> np.ndarray:
        """Shape (2,)."""
        slopes = np.array([self.far, self.start, self.edge, self.near, self.few, self.square])
        return np.exp(np.array(self.sizes) + slopes @ moved.features)


NONE = EndpointError(*(np.zeros(2) for _ in range(4)))  # of an end that a run has reached

# By the warm-up, those of the largest that is not above it, and by the course: the laws of QUANTITIES.
FITTED: Mapping[int, Mapping[Course, tuple[Law, Law, Law, Law]]] = {
    0: {
        "free": (
            Law((-0.78, -0.37), 0.96, 0.53, 0.66, 2.59, 0.33, 0.25),
            Law((-2.8, -2.0), 0.38, 1.01, 1.15, 1.75, 0.59, 0.36),
            Law((-0.42, 0.14), 0.84, 0.98, 0.57, 2.44, 0.68, 0.01),
            Law((-1.44, -0.84), 0.94, 0.55, 0.78, 2.36, 0.59, 0.15),
        ),
        "held": (
            Law((-5.36, -4.27), 0.0, 0.0, 3.99, 3.75, 0.0, 0.58),
            Law((-6.37, -5.25), 0.0, 0.36, 3.69, 3.81, 0.57, 0.48),
            Law((-6.51, -5.12), 0.0, 0.45, 2.32, 5.89, -1.23, 0.83),
            Law((-6.09, -4.85), 0.12, 0.08, 3.2, 3.97, 0.38, 0.6),
        ),
        "left": (
            Law((-0.08, 0.57), 0.94, 0.41, 0.08, 1.79, -0.25, -0.32),
            Law((-2.35, -1.4), 0.66, 0.81, 3.22, 3.54, 1.55, -0.19),
            Law((-0.44, 0.3), 0.82, 0.68, 0.0, 3.2, -0.41, -0.47),
            Law((-1.63, -0.8), 0.98, 0.36, 0.0, 2.26, 1.89, -0.41),
        ),
        "sharp": (
            Law((-3.34, -3.02), 0.0, 0.0, 2.28, 1.31, 1.45, 0.0),
            Law((-4.61, -4.09), 0.08, 0.0, 0.0, 2.88, 0.96, -0.27),
            Law((-3.81, -3.1), 0.0, 0.0, 0.0, 1.37, 2.28, 0.04),
            Law((-4.36, -3.61), 0.0, 0.0, 2.66, 1.13, 0.66, 0.11),
        ),
    },
    20: {
        "free": (
            Law((-9.52, -8.8), 0.13, 0.1, 0.39, 2.25, 3.46, -0.22),
            Law((-11.18, -10.06), 0.0, 0.3, 0.42, 2.25, 5.19, -0.09),
            Law((-10.65, -9.64), 0.0, 0.22, 0.69, 2.25, 3.54, -0.5),
            Law((-10.92, -9.79), 0.16, 0.0, 0.57, 2.25, 3.35, -0.72),
        ),
        "held": (
            Law((-4.29, -3.24), 0.7, 0.0, 1.03, 0.62, -2.79, 0.2),
            Law((-7.23, -6.0), 0.34, 0.07, 2.14, 1.25, -2.05, 0.68),
            Law((-6.88, -5.5), 0.0, 0.33, 1.93, 1.17, -2.13, 0.65),
            Law((-5.67, -4.43), 0.66, 0.0, 0.93, 0.15, -2.14, 0.27),
        ),
        "left": (
            Law((-2.65, -1.55), 0.77, 0.0, 0.0, 0.0, -1.78, -0.7),
            Law((-5.06, -3.78), 0.84, 0.0, 0.17, 0.0, -1.68, -0.26),
            Law((-3.38, -2.32), 0.8, 0.0, 0.0, 0.06, -2.11, -0.59),
            Law((-3.45, -2.35), 1.06, 0.0, 0.0, 0.0, -0.62, -0.69),
        ),
        "sharp": (
            Law((-5.73, -4.11), 0.0, 0.0, 0.0, 0.0, -1.95, 0.6),
            Law((-6.6, -5.44), 0.0, 0.0, 0.0, 0.0, -1.55, -0.08),
            Law((-6.58, -4.34), 0.0, 0.0, 0.0, 0.0, -3.51, 1.0),
            Law((-6.97, -5.08), 0.0, 0.0, 0.0, 0.0, -2.69, 0.64),
        ),
    },
    50: {
        "free": (
            Law((-8.48, -7.7), 0.14, 0.37, 0.36, 3.48, 2.89, -0.15),
            Law((-9.43, -8.29), 0.0, 0.76, 0.36, 3.27, 4.45, -0.14),
            Law((-8.68, -7.67), 0.06, 0.69, 0.63, 4.43, 3.56, -0.51),
            Law((-10.04, -8.85), 0.21, 0.17, 0.59, 3.59, 2.69, -0.67),
        ),
        "held": (
            Law((-4.44, -3.4), 0.67, 0.0, 1.06, 1.01, -3.57, 0.11),
            Law((-6.92, -5.67), 0.42, 0.15, 1.87, 0.77, -2.54, 0.62),
            Law((-6.9, -5.51), 0.0, 0.37, 1.93, 0.95, -2.23, 0.77),
            Law((-5.98, -4.7), 0.57, 0.0, 1.11, 0.97, -2.79, 0.26),
        ),
        "left": (
            Law((-4.13, -2.68), 0.36, 0.0, 0.0, 0.0, -1.41, -1.12),
            Law((-6.47, -4.87), 0.56, 0.0, 0.0, 0.0, -0.99, -0.16),
            Law((-5.02, -3.58), 0.32, 0.0, 0.0, 1.3, -1.58, -0.95),
            Law((-4.99, -3.4), 0.62, 0.0, 0.0, 0.0, -1.71, -0.76),
        ),
        "sharp": (
            Law((-6.52, -4.48), 0.0, 0.0, 0.0, 0.0, 1.09, 0.42),
            Law((-7.15, -5.43), 0.0, 0.0, 0.0, 0.0, -0.57, -0.21),
            Law((-7.65, -4.87), 0.0, 0.0, 0.0, 0.0, 2.37, 1.04),
            Law((-8.19, -6.0), 0.0, 0.0, 0.0, 0.0, 2.24, 0.93),
        ),
    },
}


def endpoint_error(
    moved: Moved, warmup: int, beta: np.ndarray, sharpness: float, risk: float | None, spread: float
) -> EndpointError:
    """The bars of an endpoint; ``spread`` is the root mean square of the held-out data, a feature."""
    laws = FITTED[max(known for known in FITTED if known <= warmup)][moved.course]
    coefficients, norm, top, loss = (law.widths(moved) for law in laws)
    size = float(np.linalg.norm(beta))
    return EndpointError(
        coefficients * size,
        norm * float(np.abs(beta).sum()),
        top * sharpness,
        None if risk is None else risk_change(loss, size, risk, spread),
    )


def risk_change(off: np.ndarray, size: float, risk: float, spread: float) -> np.ndarray:
    """What the held-out loss changes by for coefficients that are ``off`` by such shares of their ``size``."""
    residual = off * size * spread
    return residual * np.sqrt(2 * risk) + residual**2 / 2
