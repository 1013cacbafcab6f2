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

    def widths(self, features: np.ndarray) -> np.ndarray:
        """Shape (2,), at the features of a :class:`Moved`."""
        slopes = np.array([self.far, self.start, self.edge, self.near, self.few, self.square])
        return np.exp(np.array(self.sizes) + slopes @ features)


NONE = EndpointError(*(np.zeros(2) for _ in range(4)))  # of an end that a run has reached

# By the warm-up, those of the largest that is not above it, and by the course: the laws of QUANTITIES.
FITTED: Mapping[int, Mapping[Course, tuple[Law, Law, Law, Law]]] = {
    0: {
        "free": (
            Law((-0.82, -0.42), 0.96, 0.52, 0.65, 0.0, 0.28, 0.25),
            Law((-2.86, -2.05), 0.35, 1.02, 1.19, 0.0, 0.47, 0.38),
            Law((-0.45, 0.12), 0.85, 0.96, 0.54, 0.0, 0.49, 0.01),
            Law((-1.5, -0.89), 0.94, 0.54, 0.78, 0.0, 0.59, 0.16),
        ),
        "held": (
            Law((-5.47, -4.33), 0.02, 0.0, 4.45, 0.0, -0.54, 0.65),
            Law((-6.6, -5.3), 0.0, 0.38, 4.19, 0.0, 0.34, 0.66),
            Law((-6.91, -5.51), 0.0, 0.42, 2.96, 0.0, -1.31, 0.92),
            Law((-6.28, -5.03), 0.19, 0.05, 3.45, 0.0, 0.06, 0.73),
        ),
        "left": (
            Law((-0.06, 0.62), 0.95, 0.41, 0.06, 0.0, -0.27, -0.33),
            Law((-2.43, -1.46), 0.67, 0.8, 3.22, 0.0, 1.93, -0.16),
            Law((-0.36, 0.41), 0.82, 0.67, 0.0, 0.0, -1.01, -0.46),
            Law((-1.88, -1.0), 0.99, 0.32, 0.0, 0.0, 2.42, -0.38),
        ),
        "near": (
            Law((-1.53, -1.08), 0.81, 0.0, 0.37, 2.23, 1.03, 0.02),
            Law((-1.73, -1.07), 1.05, 0.0, 0.0, 2.29, 0.89, 0.33),
            Law((-2.5, -2.08), 0.44, 0.0, 0.91, 1.48, 2.1, 0.11),
            Law((-2.19, -1.69), 0.91, 0.0, 0.0, 3.46, 0.78, 0.1),
        ),
        "near, held": (
            Law((-4.16, -3.46), 0.0, 0.0, 1.54, 2.68, 1.96, -0.1),
            Law((-5.31, -4.61), 0.0, 0.0, 0.73, 3.53, 2.22, -0.29),
            Law((-5.62, -4.46), 0.0, 0.0, 0.0, 3.98, 1.88, 0.11),
            Law((-4.69, -3.83), 0.0, 0.0, 0.86, 2.89, 1.63, -0.28),
        ),
        "sharp": (
            Law((-3.32, -3.0), 0.0, 0.0, 2.28, 1.31, 1.45, 0.0),
            Law((-4.59, -3.96), 0.08, 0.0, 0.0, 2.88, 0.96, -0.27),
            Law((-3.77, -3.06), 0.0, 0.0, 0.0, 1.37, 2.28, 0.04),
            Law((-4.33, -3.52), 0.0, 0.0, 2.66, 1.13, 0.66, 0.11),
        ),
    },
    20: {
        "free": (
            Law((-9.64, -8.91), 0.12, 0.09, 0.38, 0.0, 3.5, -0.21),
            Law((-11.34, -10.2), 0.0, 0.27, 0.4, 0.0, 5.22, -0.09),
            Law((-10.76, -9.73), 0.0, 0.2, 0.68, 0.0, 3.56, -0.49),
            Law((-10.96, -9.81), 0.16, 0.0, 0.56, 0.0, 3.38, -0.72),
        ),
        "held": (
            Law((-4.32, -3.26), 0.78, 0.0, 1.09, 0.0, -2.79, 0.19),
            Law((-7.2, -5.93), 0.46, 0.08, 2.14, 0.0, -2.03, 0.7),
            Law((-7.26, -5.82), 0.0, 0.29, 2.27, 0.0, -2.06, 0.75),
            Law((-5.68, -4.42), 0.7, 0.0, 0.93, 0.0, -2.2, 0.29),
        ),
        "left": (
            Law((-2.29, -1.33), 0.87, 0.0, 0.0, 0.0, -1.78, -0.68),
            Law((-5.31, -4.13), 0.73, 0.07, 1.61, 0.0, -0.2, -0.16),
            Law((-3.15, -2.18), 0.88, 0.0, 0.0, 0.0, -2.17, -0.69),
            Law((-3.53, -2.38), 1.1, 0.0, 0.0, 0.0, 0.84, -0.63),
        ),
        "near": (
            Law((-5.38, -4.04), 0.0, 0.0, 0.0, 1.56, -1.39, 0.11),
            Law((-6.62, -5.18), 0.0, 0.0, 0.0, 2.2, -1.81, -0.37),
            Law((-5.53, -3.99), 0.0, 0.0, 0.0, 2.04, -1.99, 0.03),
            Law((-6.07, -4.49), 0.0, 0.0, 0.57, 1.09, -1.8, -0.07),
        ),
        "near, held": (
            Law((-4.57, -3.83), 0.0, 0.0, 1.04, 0.68, -2.43, 0.13),
            Law((-5.87, -4.92), 0.0, 0.0, 0.41, 1.31, -2.11, -0.51),
            Law((-4.96, -3.76), 0.0, 0.0, 0.0, 0.15, -3.24, -0.16),
            Law((-5.81, -4.54), 0.0, 0.0, 0.56, 0.0, -0.74, -0.13),
        ),
        "sharp": (
            Law((-5.61, -4.05), 0.0, 0.0, 0.0, 0.0, -1.95, 0.6),
            Law((-6.51, -5.32), 0.0, 0.0, 0.0, 0.0, -1.55, -0.08),
            Law((-6.41, -4.21), 0.0, 0.0, 0.0, 0.0, -3.51, 1.0),
            Law((-6.89, -5.01), 0.0, 0.0, 0.0, 0.0, -2.69, 0.64),
        ),
    },
    50: {
        "free": (
            Law((-8.93, -8.16), 0.14, 0.26, 0.34, 0.0, 2.94, -0.16),
            Law((-9.76, -8.58), 0.0, 0.69, 0.36, 0.0, 4.61, -0.14),
            Law((-9.1, -8.08), 0.05, 0.6, 0.63, 0.0, 3.54, -0.5),
            Law((-10.31, -9.14), 0.21, 0.11, 0.56, 0.0, 2.76, -0.68),
        ),
        "held": (
            Law((-4.4, -3.36), 0.74, 0.0, 0.98, 0.0, -3.57, 0.08),
            Law((-7.03, -5.76), 0.48, 0.12, 1.86, 0.0, -2.53, 0.63),
            Law((-7.21, -5.76), 0.0, 0.34, 2.22, 0.0, -2.21, 0.82),
            Law((-5.96, -4.63), 0.63, 0.0, 1.0, 0.0, -2.78, 0.24),
        ),
        "left": (
            Law((-3.9, -2.47), 0.43, 0.0, 0.0, 0.0, -1.5, -1.17),
            Law((-6.49, -4.9), 0.6, 0.0, 0.0, 0.0, -0.89, -0.05),
            Law((-4.91, -3.65), 0.42, 0.0, 0.0, 0.0, -1.28, -0.94),
            Law((-4.79, -3.22), 0.74, 0.0, 0.0, 0.0, -1.41, -0.8),
        ),
        "near": (
            Law((-6.12, -4.48), 0.0, 0.0, 0.0, 2.24, -1.63, 0.14),
            Law((-7.95, -6.12), 0.0, 0.0, 0.0, 2.56, -0.74, 0.09),
            Law((-6.57, -4.63), 0.0, 0.0, 0.0, 3.55, -2.14, 0.02),
            Law((-7.23, -5.05), 0.0, 0.0, 0.81, 1.44, -0.9, -0.17),
        ),
        "near, held": (
            Law((-4.62, -3.86), 0.0, 0.0, 1.25, 0.52, -3.88, 0.39),
            Law((-5.7, -4.58), 0.0, 0.0, 0.72, 0.14, -2.39, -0.33),
            Law((-5.03, -3.95), 0.0, 0.0, 0.25, 0.25, -4.22, 0.13),
            Law((-5.6, -4.53), 0.0, 0.0, 0.94, 0.0, -2.58, 0.06),
        ),
        "sharp": (
            Law((-6.37, -4.25), 0.0, 0.0, 0.0, 0.0, 1.09, 0.42),
            Law((-6.86, -5.27), 0.0, 0.0, 0.0, 0.0, -0.57, -0.21),
            Law((-7.55, -4.77), 0.0, 0.0, 0.0, 0.0, 2.37, 1.04),
            Law((-7.95, -5.96), 0.0, 0.0, 0.0, 0.0, 2.24, 0.93),
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
