"""Gradient flow step by step: right at any scale of the start and of the data.

From a start of size alpha a weight of degree L waits for times of order ``alpha^(2 - L)``, or ``log(1 / alpha)``, and
then grows within a time of order 1. Steps are judged by what the weights change, never by the clock. Where the weights
are a formula in the dual variables (2002.09277), these are integrated: they move at constant speed while it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..derivation.hessian import pairs
from ..derivation.landscape import Landscape
from ..errors import GdbiasError
from .doubled_flow import doubled_point
from .rosenbrock import GAMMA, rosenbrock_step
from .transport import Transport

ACCURACY = 1e-5  # of a step, relative to the largest weight of its coordinate
QUICKEST = 4.0  # growth of the steps
FIRST_CHANGE = 0.01  # of a weight in the first step, in the same units
LARGEST_CHANGE = 1.0  # in a step in the weights
MOST = 10_000  # steps
SMALL = 1e-7  # by how much a start may change the path, in units of the path
REMEDY = "rescale X and y, or take an init_scale nearer to 0.1"
LEAST = 1e-150  # weight that is told from 0
BETWEEN = 16  # shares of a step at which a peak is looked for


class FlowPoint(Protocol):
    """A point of gradient flow: its weights theta (weight, feature), and dL/dbeta there, (feature,)."""

    @property
    def theta(self) -> np.ndarray: ...

    @property
    def pull(self) -> np.ndarray: ...

    def after(self, step: float) -> tuple[FlowPoint, float]:
        """The point after a step, and an estimate of its error relative to the largest weights."""
        ...


@dataclass(frozen=True, eq=False)
class FlowPath:
    """Gradient flow from a start, step by step: its points, the start first, and the times between them."""

    landscape: Landscape
    points: Sequence[FlowPoint]
    step: Sequence[float]

    @property
    def theta(self) -> np.ndarray:
        """The weights, shape (point, weight, feature)."""
        return np.array([point.theta for point in self.points])

    def sharpness_max(self) -> float:
        """The largest sharpness along the path, found among its points and looked for within the steps beside."""
        values = self.landscape.sharpness(self.theta).value
        best = int(np.argmax(values))
        near = [self.points[best].theta]
        for k in (best - 1, best):
            if 0 <= k < len(self.step):
                shares = np.linspace(0, 1, BETWEEN + 1)[1:-1]
                near += [self.points[k].after(share * self.step[k])[0].theta for share in shares]
        return float(self.landscape.sharpness(np.array(near)).value.max())


def flow_path(landscape: Landscape, theta0: np.ndarray, end: float = 1e-6, accuracy: float = ACCURACY) -> FlowPath:
    """Gradient flow from theta0 (weight, feature) until dL/dbeta is ``end`` of the first.

    Steps are as long as an estimate of their error allows, ``accuracy`` of the largest weight of each coordinate.

    Raises:
        GdbiasError: the path leaves what floats hold, or does not end.
    """
    name, theta0 = landscape.dynamics.model.name, theta0.astype(float)
    points: list[FlowPoint] = [_start(landscape, theta0)]
    steps: list[float] = []
    with np.errstate(all="ignore"):
        velocity = np.array([slope * points[0].pull for slope in landscape.law.jacobian(*theta0)])
        fastest, last = _relative(velocity, theta0), end * np.linalg.norm(points[0].pull)
        step = FIRST_CHANGE / fastest if fastest > 0 else np.inf
        while np.isfinite(step) and np.linalg.norm(points[-1].pull) > last:
            while True:
                point, error = points[-1].after(step)
                missed = error / accuracy
                if missed <= 1:
                    break
                step *= max(0.1, min(0.5, 0.9 * missed**-0.25)) if np.isfinite(missed) else 0.1
                if not step > 0:
                    raise GdbiasError(f"{name}: gradient flow left what floats hold after {len(steps)} steps: {REMEDY}")
            points.append(point)
            steps.append(step)
            if len(steps) == MOST:
                raise GdbiasError(f"{name}: gradient flow did not end within {MOST} steps: {REMEDY}")
            step *= min(QUICKEST, max(0.2, 0.9 * max(missed, 1e-8) ** -0.25))
    return FlowPath(landscape, points, steps)


def _start(landscape: Landscape, theta0: np.ndarray) -> FlowPoint:
    if point := doubled_point(landscape, theta0):
        return point
    transport = Transport(landscape.dynamics, theta0)
    if transport.closed:
        return _DualPoint(landscape, transport, transport.start(theta0.shape[1:]))
    return _WeightPoint(landscape, theta0)


def followed_start(landscape: Landscape, theta0: np.ndarray) -> np.ndarray:
    """A start (weight, feature) no smaller than the path can tell, to which flow from theta0 is the same.

    Flow from ``a theta0`` tends, as a falls to 0, to a path that depends on ratios of the weights alone; it is
    ``O(a^(L - 2))`` away for a homogeneous coefficient of degree L (2607.12332).
    """
    degree = landscape.dynamics.model.degree
    X, y, _ = landscape.samples
    largest = np.abs(theta0).max()
    if degree is None or degree < 3 or not largest:
        return theta0
    grown = (np.linalg.norm(y) / np.linalg.norm(X, 2)) ** (1 / degree)
    return theta0 * max(1.0, grown * SMALL ** (1 / (degree - 2)) / largest)


def _relative(change: np.ndarray, theta: np.ndarray) -> float:
    """The largest change in units of the largest weight of its coordinate; both (weight, feature)."""
    return float((np.abs(change) / np.maximum(np.abs(theta).max(axis=0), LEAST)).max())


def _solver(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """``matrix^-1`` by LAPACK itself: on few samples SciPy's checks take longer, and what is not finite is wanted here.

    Such a step is too long.
    """
    lu, pivots, _ = scipy.linalg.lapack.dgetrf(matrix)
    return lambda right: scipy.linalg.lapack.dgetrs(lu, pivots, right)[0]


class _DualPoint:
    """``d nu / dt = -l'(X beta(X^T nu), y) / n`` at a state of the transport, linear where the weights are small."""

    def __init__(self, landscape: Landscape, transport: Transport, state: np.ndarray):
        self.landscape, self.transport, self.state = landscape, transport, state
        self.X, self.y, _ = landscape.samples
        self.theta = transport.weights(state)
        self.velocity = self._velocity(self.theta)
        self.pull = -self.X.T @ self.velocity

    def after(self, step: float) -> tuple[FlowPoint, float]:
        def moved(change: np.ndarray) -> np.ndarray:
            return self.transport.moved(self.state, self.X.T @ change)

        def velocity(change: np.ndarray) -> np.ndarray:
            return self._velocity(self.transport.weights(moved(change)))

        solve = _solver(self.kernel + np.eye(len(self.y)) / (GAMMA * step))
        change, error = rosenbrock_step(velocity, solve, np.zeros(len(self.y)), self.velocity, step)
        point = _DualPoint(self.landscape, self.transport, moved(change))
        slopes = np.array([slope * np.ones(len(self.pull)) for slope in self.landscape.law.jacobian(*point.theta)])
        larger = np.maximum(np.abs(point.theta), np.abs(self.theta))  # a weight may pass through 0
        return point, _relative(slopes * (self.X.T @ error), larger)

    def _velocity(self, theta: np.ndarray) -> np.ndarray:
        f = self.landscape.predictions(*theta)
        return -self.landscape.law.loss_slope(f, self.y) / self.landscape.problem.n

    @cached_property
    def kernel(self) -> np.ndarray:
        """``A X diag(k) X^T``, minus the Jacobian of the velocity."""
        law, n = self.landscape.law, self.landscape.problem.n
        tangent = sum(slope**2 for slope in law.jacobian(*self.theta))
        curvature = law.loss_curvature(self.X @ law.effective(*self.theta), self.y) + np.zeros(len(self.y))
        return curvature[:, None] / n * ((self.X * tangent) @ self.X.T)


class _WeightPoint:
    """``d theta / dt = -grad L`` at one point: what a step from there needs, its linear solves included."""

    def __init__(self, landscape: Landscape, theta: np.ndarray):
        self.landscape, self.theta = landscape, theta
        self.velocity, self.pull = self._moving(theta)

    def _moving(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minus the gradient at theta (weight, feature), and dL/dbeta there."""
        landscape = self.landscape
        g = landscape.slope(landscape.predictions(*theta))
        return -np.stack([slope * g for slope in landscape.law.jacobian(*theta)]), g

    def after(self, step: float) -> tuple[FlowPoint, float]:
        velocity = lambda theta: self._moving(theta)[0]  # noqa: E731
        theta, error = rosenbrock_step(velocity, self._solver(step), self.theta, self.velocity, step)
        larger = np.maximum(np.abs(theta), np.abs(self.theta))  # a weight may pass through 0
        too_far = not _relative(theta - self.theta, larger) <= LARGEST_CHANGE
        return _WeightPoint(self.landscape, theta), np.inf if too_far else _relative(error, larger)

    def _solver(self, step: float) -> Callable[[np.ndarray], np.ndarray]:
        """``(1 / (GAMMA step) + H)^-1``, with ``H = J^T A J + D`` of n samples and small blocks D (Woodbury)."""
        hessian = self._hessian
        X, J, m = hessian.X, hessian.jacobian[:, :, 0], len(self.theta)
        blocks = np.zeros((self.theta.shape[1], m, m))
        for block, p, q in zip(hessian.diagonal[:, :, 0], *pairs(m), strict=True):
            blocks[:, p, q] = blocks[:, q, p] = block
        inverse = np.linalg.inv(blocks + np.eye(m) / (GAMMA * step))
        root = np.sqrt(hessian.curvature[:, 0])
        rows = root[:, None] * X
        matrix = np.eye(len(X)) + rows * np.einsum("pi,ipq,qi->i", J, inverse, J) @ rows.T
        inner = _solver(matrix)

        def solve(right: np.ndarray) -> np.ndarray:
            alone = np.einsum("ipq,qi->pi", inverse, right)
            pulled = rows.T @ inner(rows @ (J * alone).sum(axis=0))
            return alone - np.einsum("ipq,qi->pi", inverse, J * pulled)

        return solve

    @cached_property
    def _hessian(self):
        return self.landscape.hessian(self.theta[None])
