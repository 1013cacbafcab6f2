"""How far a predicted endpoint of descent may be from the run's: bars that hold 68 % and 90 % of runs.

Descent differs from the constrained flow by its finite steps, by its first catapults, and by how it ends. Each quantity
has a law of its own for each course of the flow, as a product of powers of what is known at the endpoint:

    ``error ~ exp(size) far^p s^q edge^r n^t dense^u exp(near max(s - 1/5, 0)),   s = lr S(start) / 2``

with ``edge = lr / lr_critical_final`` and ``dense`` the number of coefficients that ``beta`` has in effect over that of
samples; fitted to runs of random problems of 1 to 50 samples and seven families, from
starts of 0.001 to 0.6, at learning rates from far below the edge to lr_max, and tried on others, by
``python tests/benchmarks/endpoint_bars.py``, which prints the numbers below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

COVERAGE = (0.68, 0.9)
QUANTITIES = ("beta", "l1_norm", "sharpness", "test_risk")
# Between which each counts; from NEAR on the start has courses of its own.
FAR, STARTS, EDGE, NEAR, DENSE = (1e-3, np.inf), (0.02, 0.5), (0.2, 3.0), (0.2, 2.0), (0.02, 2.0)

Course = Literal["free", "left", "held", "near", "near, held", "sharp"]


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
        dense: ``(||beta||_1 / ||beta||_2)^2 / n``.
        degree: L.
    """

    far: float
    start: float
    edge: float
    bound: bool
    held: bool
    samples: int
    dense: float
    degree: int

    @property
    def course(self) -> Course:
        """Where the edge meets it: at the start or nearly, at the end, on the way only, or nowhere."""
        if self.start > 1:
            return "sharp"
        if self.start > NEAR[0]:
            return "near, held" if self.held else "near"
        return "held" if self.held else "left" if self.bound else "free"

    @property
    def features(self) -> np.ndarray:
        """What the logarithm of an error is linear in, but for a constant: as in :class:`Law`."""
        least, most = NEAR
        return np.array([
            np.log(np.clip(self.far, *FAR)), np.log(np.clip(self.start, *STARTS)), np.log(np.clip(self.edge, *EDGE)),
            np.clip(self.start, least, most) - least, np.log(self.samples), np.log(np.clip(self.dense, *DENSE)),
            self.degree == 2,
        ])  # fmt: skip


@dataclass(frozen=True)
class Law:
    """The two half-widths of one quantity, relative: ``exp(sizes + slopes . features)``."""

    sizes: tuple[float, float]
    far: float
    start: float
    edge: float
    near: float
    samples: float
    dense: float
    square: float

    def widths(self, features: np.ndarray) -> np.ndarray:
        """Shape (2,), at the features of a :class:`Moved`."""
        slopes = np.array([self.far, self.start, self.edge, self.near, self.samples, self.dense, self.square])
        return np.exp(np.array(self.sizes) + slopes @ features)


NONE = EndpointError(*(np.zeros(2) for _ in range(4)))  # of an end that a run has reached

# By the warm-up, those of the largest that is not above it, and by the course: the laws of QUANTITIES.
FITTED: Mapping[int, Mapping[Course, tuple[Law, Law, Law, Law]]] = {
    0: {
        "free": (
            Law((-1.34, -0.97), 0.91, 0.37, 0.75, 0.0, -0.01, 0.25, 0.26),
            Law((-0.12, 0.57), 0.69, 1.35, 0.65, 0.0, -0.39, -0.87, 0.31),
            Law((-0.59, -0.03), 0.85, 0.87, 0.56, 0.0, -0.03, 0.02, 0.0),
            Law((-0.18, 0.48), 1.06, 0.61, 0.63, 0.0, -0.4, -0.41, 0.13),
        ),
        "held": (
            Law((-5.74, -4.54), 0.23, 0.0, 3.81, 0.0, 0.24, 0.75, 0.55),
            Law((-7.31, -5.89), 0.0, 0.24, 5.19, 0.0, -0.11, -0.09, 0.91),
            Law((-8.32, -6.93), 0.0, 0.44, 3.63, 0.0, 0.45, 0.19, 0.92),
            Law((-6.27, -4.99), 0.42, 0.0, 3.45, 0.0, -0.06, 0.06, 0.78),
        ),
        "left": (
            Law((-1.37, -0.69), 0.93, 0.12, 0.36, 0.0, 0.15, 0.73, -0.44),
            Law((-1.41, -0.51), 0.63, 0.74, 3.69, 0.0, -0.5, 0.05, -0.13),
            Law((-1.9, -1.12), 0.82, 0.35, 0.0, 0.0, 0.1, 0.12, -0.53),
            Law((-0.87, -0.04), 0.99, 0.17, 0.0, 0.0, -0.61, -0.06, -0.38),
        ),
        "near": (
            Law((-1.36, -1.05), 0.86, 0.04, 0.68, 2.16, -0.25, 0.16, 0.21),
            Law((-0.2, 0.32), 0.97, 0.97, 0.0, 1.92, -0.32, -0.57, -0.03),
            Law((-1.33, -0.93), 0.62, 0.44, 0.39, 2.41, -0.4, 0.17, 0.08),
            Law((-1.87, -1.41), 0.91, 0.17, 0.15, 2.68, -0.19, -0.44, 0.14),
        ),
        "near, held": (
            Law((-4.54, -3.8), 0.0, 0.0, 1.94, 2.48, -0.33, 0.76, 0.29),
            Law((-5.26, -4.62), 0.0, 0.0, 0.85, 3.2, -0.24, -0.21, -0.04),
            Law((-7.27, -5.95), 0.0, 0.0, 0.0, 4.0, -0.02, 0.85, 0.5),
            Law((-4.78, -3.94), 0.0, 0.19, 1.17, 2.67, -0.29, 0.32, -0.07),
        ),
        "sharp": (
            Law((-3.28, -2.89), 0.09, 0.0, 1.27, 1.85, -0.23, 0.77, -0.21),
            Law((-4.95, -4.35), 0.0, 0.0, 0.0, 2.83, -0.21, 0.3, -0.33),
            Law((-2.69, -2.1), 0.0, 0.0, 0.0, 1.54, -0.56, 0.31, -0.13),
            Law((-4.91, -4.25), 0.0, 0.0, 2.27, 1.41, -0.12, 1.01, 0.04),
        ),
    },
    20: {
        "free": (
            Law((-7.67, -7.01), 0.14, 0.12, 0.24, 0.0, -0.74, -0.33, -0.13),
            Law((-7.11, -6.29), 0.03, 0.57, 0.11, 0.0, -1.3, -0.76, -0.08),
            Law((-7.67, -6.69), 0.1, 0.39, 0.53, 0.0, -0.82, -0.44, -0.55),
            Law((-8.59, -7.54), 0.25, 0.03, 0.3, 0.0, -0.93, -0.67, -0.62),
        ),
        "held": (
            Law((-5.85, -4.72), 0.96, 0.0, 0.32, 0.0, 0.71, 0.3, -0.06),
            Law((-8.32, -7.0), 0.68, 0.16, 2.38, 0.0, 0.5, -0.38, 0.57),
            Law((-8.97, -7.55), 0.0, 0.39, 2.73, 0.0, 0.73, 0.18, 0.61),
            Law((-6.66, -5.38), 1.02, 0.0, 0.6, 0.0, 0.45, -0.41, 0.1),
        ),
        "left": (
            Law((-2.78, -1.92), 0.9, 0.0, 0.0, 0.0, 0.21, 0.17, -0.85),
            Law((-5.53, -4.23), 0.7, 0.0, 2.0, 0.0, -0.02, 0.33, -0.28),
            Law((-4.09, -3.17), 0.91, 0.0, 0.0, 0.0, 0.37, 0.09, -0.85),
            Law((-1.89, -0.86), 1.09, 0.19, 0.0, 0.0, -0.41, -0.47, -0.77),
        ),
        "near": (
            Law((-7.8, -6.18), 0.0, 0.0, 2.67, 0.0, 0.2, 2.35, 0.16),
            Law((-9.33, -7.84), 0.0, 0.0, 3.28, 0.0, 0.28, 2.3, -0.04),
            Law((-8.67, -6.89), 0.0, 0.0, 2.41, 0.5, 0.5, 2.4, -0.12),
            Law((-8.57, -7.09), 0.0, 0.0, 4.23, 0.0, 0.33, 1.0, 0.02),
        ),
        "near, held": (
            Law((-6.91, -6.03), 0.0, 0.42, 0.87, 0.0, 0.67, 1.38, 0.25),
            Law((-7.22, -6.16), 0.0, 0.77, 1.0, 0.0, 0.52, 0.18, -0.08),
            Law((-8.19, -6.76), 0.0, 0.93, 0.0, 0.84, 0.92, 1.11, -0.03),
            Law((-6.81, -5.66), 0.0, 0.48, 0.64, 0.01, 0.37, 0.26, 0.13),
        ),
        "sharp": (
            Law((-7.13, -5.66), 0.0, 0.0, 0.0, 0.0, 0.45, 0.66, 0.47),
            Law((-7.26, -6.03), 0.0, 0.0, 0.0, 0.0, 0.26, -0.11, -0.16),
            Law((-10.6, -8.34), 0.0, 0.0, 0.0, 0.0, 0.95, 2.73, 0.83),
            Law((-8.57, -6.56), 0.0, 0.0, 0.05, 0.0, 0.57, 0.21, 0.37),
        ),
    },
    50: {
        "free": (
            Law((-7.38, -6.75), 0.17, 0.22, 0.15, 0.0, -0.7, -0.36, -0.12),
            Law((-7.05, -6.21), 0.0, 0.68, 0.04, 0.0, -1.24, -0.75, -0.1),
            Law((-7.06, -6.12), 0.14, 0.55, 0.37, 0.0, -0.85, -0.53, -0.55),
            Law((-8.21, -7.15), 0.27, 0.15, 0.27, 0.0, -0.9, -0.68, -0.6),
        ),
        "held": (
            Law((-6.6, -5.39), 0.92, 0.0, 0.16, 0.0, 0.9, 0.27, -0.09),
            Law((-8.16, -6.8), 0.72, 0.31, 1.91, 0.0, 0.67, -0.39, 0.46),
            Law((-8.99, -7.58), 0.0, 0.41, 2.26, 0.0, 0.78, 0.19, 0.63),
            Law((-7.33, -5.95), 0.9, 0.0, 0.52, 0.0, 0.56, -0.55, 0.05),
        ),
        "left": (
            Law((-4.17, -2.8), 0.74, 0.0, 0.0, 0.0, 0.18, -1.99, -1.26),
            Law((-6.76, -5.36), 0.93, 0.0, 0.0, 0.0, 0.36, -1.09, -0.42),
            Law((-5.59, -4.56), 0.63, 0.0, 0.0, 0.0, 0.31, -1.45, -0.87),
            Law((-4.44, -3.09), 0.97, 0.0, 0.0, 0.0, -0.13, -1.9, -0.81),
        ),
        "near": (
            Law((-7.71, -6.05), 0.0, 0.0, 0.0, 0.5, 0.37, 1.05, 0.38),
            Law((-8.76, -7.12), 0.0, 0.31, 0.72, 0.18, 0.25, 1.19, 0.31),
            Law((-8.69, -6.9), 0.0, 0.0, 0.0, 1.1, 0.54, 1.27, 0.2),
            Law((-7.71, -6.07), 0.0, 0.26, 0.52, 0.39, 0.3, 0.17, -0.02),
        ),
        "near, held": (
            Law((-7.03, -6.12), 0.0, 0.42, 0.88, 0.0, 0.53, 1.92, 0.43),
            Law((-6.93, -5.76), 0.13, 1.11, 0.68, 0.0, 0.56, 0.69, -0.32),
            Law((-9.04, -7.54), 0.0, 1.41, 0.0, 0.08, 1.18, 2.95, 0.22),
            Law((-7.04, -5.83), 0.0, 0.77, 0.62, 0.0, 0.43, 1.23, 0.16),
        ),
        "sharp": (
            Law((-6.17, -4.52), 0.0, 0.0, 0.0, 0.0, 0.01, 1.94, -0.41),
            Law((-7.34, -5.69), 0.0, 0.0, 0.0, 0.0, 0.17, 0.03, -0.31),
            Law((-8.29, -6.16), 0.0, 0.0, 0.0, 0.0, 0.0, 3.87, 0.58),
            Law((-7.81, -5.68), 0.0, 0.0, 0.0, 0.0, 0.05, 0.74, 0.52),
        ),
    },
}


def endpoint_error(
    moved: Moved, warmup: int, beta: np.ndarray, sharpness: float, risk: float | None, spread: float
) -> EndpointError:
    """The bars of an endpoint; ``spread`` is the root mean square of the held-out data, a feature."""
    laws = FITTED[max(known for known in FITTED if known <= warmup)][moved.course]
    features = moved.features
    coefficients, norm, top, loss = (law.widths(features) for law in laws)
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
