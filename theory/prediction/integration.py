"""Gradient flow in the weights, step by step: right at any scale of the start and of the data.

From a start of size alpha a weight of degree L waits for times of order ``alpha^(2 - L)``, or ``log(1 / alpha)``, and
then grows within a time of order 1. Steps are judged by what the weights change, never by the clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..derivation.hessian import Hessian
from ..derivation.landscape import Landscape
from ..errors import GdbiasError
from .rosenbrock import GAMMA, rosenbrock_step

ACCURACY = 1e-5  # of a step, relative to the largest weight of its coordinate
LARGEST_CHANGE = 1.0  # of a weight in a step, in the same units
QUICKEST = 4.0  # growth of the steps
FIRST_CHANGE = 0.01  # of a weight in the first step
MOST = 100_000  # steps
REMEDY = "rescale X and y, or take an init_scale nearer to 0.1"
BETWEEN = 16  # shares of a step at which a peak is looked for


@dataclass(frozen=True, eq=False)
class FlowPath:
    """Gradient flow from a start, step by step.

    Attributes:
        landscape: what it flows down.
        theta: the weights after each step, the start first, shape (state, weight, feature).
        step: the time of each step, shape (state - 1,).
    """

    landscape: Landscape
    theta: np.ndarray
    step: np.ndarray

    def sharpness_max(self) -> float:
        """The largest sharpness along the path, found among its states and looked for within the steps beside."""
        values = self.landscape.sharpness(self.theta).value
        best = int(np.argmax(values))
        beside = [self._within(k) for k in (best - 1, best) if 0 <= k < len(self.step)]
        found = self.landscape.sharpness(np.concatenate([self.theta[best : best + 1], *beside])).value
        return float(found.max())

    def _within(self, k: int) -> np.ndarray:
        flow = _Flow(self.landscape, self.theta[k])
        return np.stack([flow.after(share * self.step[k])[0] for share in np.linspace(0, 1, BETWEEN + 1)[1:-1]])


class _Flow:
    """``d theta / dt = -grad L`` at one point: what a step from there needs, its linear solves included."""

    def __init__(self, landscape: Landscape, theta: np.ndarray):
        self.landscape, self.theta = landscape, theta
        self.velocity, self.pull = self._moving(theta)

    def _moving(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minus the gradient at theta (weight, feature), and dL/dbeta there."""
        landscape = self.landscape
        g = landscape.slope(landscape.predictions(*theta))
        return -np.stack([slope * g for slope in landscape.law.jacobian(*theta)]), g

    def after(self, step: float) -> tuple[np.ndarray, np.ndarray]:
        """The weights after a step, and an estimate of their error."""
        solve = self._solver(step)
        return rosenbrock_step(lambda theta: self._moving(theta)[0], solve, self.theta, self.velocity, step)

    def _solver(self, step: float) -> Callable[[np.ndarray], np.ndarray]:
        """``(1 / (GAMMA step) + H)^-1``, with ``H = J^T A J + D`` of n samples and small blocks D (Woodbury)."""
        hessian = self._hessian
        X, J, m = hessian.X, hessian.jacobian[:, :, 0], len(self.theta)
        blocks = np.zeros((self.theta.shape[1], m, m))
        for block, p, q in zip(hessian.diagonal[:, :, 0], *np.triu_indices(m), strict=True):
            blocks[:, p, q] = blocks[:, q, p] = block
        inverse = np.linalg.inv(blocks + np.eye(m) / (GAMMA * step))
        root = np.sqrt(hessian.curvature[:, 0])
        rows = root[:, None] * X
        matrix = np.eye(len(X)) + rows * np.einsum("pi,ipq,qi->i", J, inverse, J) @ rows.T
        factors = scipy.linalg.lu_factor(matrix, check_finite=False)  # what is not finite is a step that is too long

        def solve(right: np.ndarray) -> np.ndarray:
            alone = np.einsum("ipq,qi->pi", inverse, right)
            pulled = rows.T @ scipy.linalg.lu_solve(factors, rows @ (J * alone).sum(axis=0), check_finite=False)
            return alone - np.einsum("ipq,qi->pi", inverse, J * pulled)

        return solve

    @cached_property
    def _hessian(self) -> Hessian:
        return self.landscape.hessian(self.theta[None])


def flow_path(landscape: Landscape, theta0: np.ndarray, end: float = 1e-6, accuracy: float = ACCURACY) -> FlowPath:
    """Gradient flow from theta0 (weight, feature) until dL/dbeta is ``end`` of the first.

    Steps are as long as an estimate of their error allows, ``accuracy`` of the largest weight of each coordinate.

    Raises:
        GdbiasError: the path leaves what floats hold, or does not end.
    """
    name = landscape.dynamics.model.name
    flow, states, steps = _Flow(landscape, theta0.astype(float)), [theta0.astype(float)], []

    with np.errstate(all="ignore"):
        last = end * np.linalg.norm(flow.pull)
        fastest = (np.abs(flow.velocity) / _size(flow.theta)).max()
        step = FIRST_CHANGE / fastest if fastest > 0 else np.inf
        while np.isfinite(step) and np.linalg.norm(flow.pull) > last:
            while True:
                theta, error = flow.after(step)
                missed = (np.abs(error) / _size(flow.theta)).max() / accuracy
                changed = (np.abs(theta - flow.theta) / _size(flow.theta)).max()
                if missed <= 1 and changed <= LARGEST_CHANGE:
                    break
                step *= max(0.1, min(0.5, 0.9 * missed**-0.25)) if np.isfinite(missed) else 0.1
                if not step > 0:
                    raise GdbiasError(f"{name}: gradient flow left what floats hold after {len(steps)} steps: {REMEDY}")
            states.append(theta)
            steps.append(step)
            if len(steps) == MOST:
                raise GdbiasError(f"{name}: gradient flow did not end within {MOST} steps: {REMEDY}")
            flow = _Flow(landscape, theta)
            step *= min(QUICKEST, max(0.2, 0.9 * max(missed, 1e-8) ** -0.25))
    return FlowPath(landscape, np.array(states), np.array(steps))


def _size(theta: np.ndarray) -> np.ndarray:
    """The largest weight of each coordinate, shape (feature,)."""
    return np.maximum(np.abs(theta).max(axis=0), np.finfo(float).tiny)
