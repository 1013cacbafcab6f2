"""Where a rule ends that is nearly gradient flow: where flow ends from another start, its effective one.

Let a rule take its gradients at ``theta + uphill`` (:mod:`gdbias.theory.rules.lag`). In the mirror coordinate z of the
doubled weights, ``dz/dt = -rate g`` along gradient flow, the rule then moves by ``-rate g (1 + uphill_w / w)^(L - 1)``:
by what lies in the span of the samples, which decides nothing, and by

    ``dz = -(L - 1) rate g uphill_w / w dt``

which does not. Its sum along the flow is a move of the start: at first order in the learning rate, the radius of
sharpness-aware minimization and the time that momentum remembers, the end is flow's from there. For ``u^2 - v^2`` it
takes ``u v``, by ``exp(-4 int uphill_w g / w dt)``, which finite steps (EXA-3) and sharpness-aware ones (2603.08290)
shrink. Label noise adds the variance of its gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..derivation.landscape import Landscape
from .coordinates import Doubled
from .integration import FlowPath, FlowPoint, flow_path, followed_start

ARRIVED = 0.01  # of beta
AT_ONCE, SETTLED = 8, 0.01  # parts of what is remembered, that steps are counted by until it is what it is of
Law = Callable[[np.ndarray, np.ndarray, float], tuple[float, np.ndarray]]  # Lag.at


@dataclass(frozen=True)
class EffectiveStart:
    """The starts, each of shape (weight, d), from which gradient flow ends where the rule does.

    Attributes:
        theta: at first order.
        beyond: by the whole force at the displaced point, which differs from that at second order.
        steps: of the rule, along the flow, shape (point,).
        norms: of the gradients there.
        arrival: steps until beta is within a hundredth of its end.
        residual: ``X beta - y`` there, shape (n,).
        first: how far the first step moves the weights, at the speed there.
    """

    theta: np.ndarray
    beyond: np.ndarray
    steps: np.ndarray
    norms: np.ndarray
    arrival: float
    residual: np.ndarray
    first: float

    def until(self, norm: float) -> float:
        """Steps until the gradient has come down to ``norm``."""
        above = np.flatnonzero(self.norms > norm)
        return float(self.steps[above[-1]]) if len(above) else 0.0


def effective_start(
    landscape: Landscape, coordinates: Doubled, theta0: np.ndarray, law: Law, noise: np.ndarray | None = None,
    memory: float | None = None,
) -> EffectiveStart:  # fmt: skip
    """The effective start of a rule from theta0 (weight, d); ``noise`` is what else z loses, (block, d).

    ``memory`` is of rules whose speed is as one over the norm of the gradient: the steps of its average, one of none.
    They go along flow at ``2 / S`` where they would be faster, since they swing there.

    Raises:
        NoClosedForm: a start outside the doubled coordinates.
        GdbiasError: a flow that cannot be followed.
    """
    theta0 = followed_start(landscape, theta0)
    path, sides = flow_path(landscape, theta0), np.sign(doubled_weights(coordinates, theta0))
    drift, paces = np.zeros((2, *sides.shape)), []

    def rates(point: FlowPoint) -> tuple[float, np.ndarray]:
        return _rates(landscape, coordinates, point, law, sides)

    first, force = rates(path.points[0])
    pace = first
    for point, after, time in zip(path.points[:-1], path.points[1:], path.step, strict=True):
        between, middle = rates(point.after(time / 2)[0])
        last, end = rates(after)
        drift += time / 6 * (force + 4 * middle + end)  # Simpson
        paces.append((pace + 4 * between + last) / 6)
        pace, force = last, end
    drift -= 0.0 if noise is None else noise
    near, beyond = moved_start(coordinates, theta0, drift[0]), moved_start(coordinates, theta0, drift[1])
    norms = np.array([np.linalg.norm(gradient(landscape, point.theta, point.pull)) for point in path.points])
    parts = np.array(paces) * path.step if memory is None else _counted(path, np.array(paces), norms, memory)
    steps, betas = np.append(0.0, np.cumsum(parts)), landscape.beta(path.theta)
    away = np.linalg.norm(betas - betas[-1], axis=1) > ARRIVED * np.linalg.norm(betas[-1])
    there = int(np.flatnonzero(away)[-1]) + 1 if away.any() else 0
    residual = landscape.problem.X @ betas[there] - landscape.problem.y
    return EffectiveStart(near, beyond, steps, norms, float(steps[there]), residual, norms[0] / float(first))


def _counted(path: FlowPath, paces: np.ndarray, norms: np.ndarray, memory: float) -> np.ndarray:
    """The steps of each part of a path, at the mean of squared norms that is remembered instead of the norm."""
    tops, found = path.landscape.sharpness(path.theta).value, []
    keeps, squares = 1 - 1 / memory, (norms[:-1] ** 2 + norms[1:] ** 2) / 2
    kept = squares[0] / memory
    for time, pace, square, top in zip(path.step, paces, squares, (tops[:-1] + tops[1:]) / 2, strict=True):
        count = 0.0
        while time > 0:
            now = max(pace * np.sqrt(kept / square), top / 2)
            settled = abs(kept / square - 1) < SETTLED or pace * np.sqrt(max(kept, square) / square) < top / 2
            taken = time * now if settled else min(time * now, max(1.0, memory / AT_ONCE))
            kept += (1 - keeps**taken) * (square - kept)
            count, time = count + taken, time - taken / now if taken < time * now else 0.0
        found.append(count)
    return np.array(found)


def gradient(landscape: Landscape, theta: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """The gradient of the loss in the weights theta, (weight, d), where its slope in beta is ``pull``."""
    return np.array([slope * pull for slope in landscape.law.jacobian(*theta)])


def _rates(
    landscape: Landscape, coordinates: Doubled, point: FlowPoint, law: Law, sides: np.ndarray
) -> tuple[float, np.ndarray]:
    """Steps per flow time, and the drifts of z (2, block, d) at first order and with the whole force."""
    theta, pull, powers = point.theta, point.pull, coordinates.degree - 1
    speed, uphill = law(
        theta, gradient(landscape, theta, pull), float(landscape.mean_loss(landscape.predictions(*theta)))
    )
    w = sides * doubled_weights(coordinates, theta)
    share = np.divide(sides * doubled_weights(coordinates, uphill), w, out=np.zeros_like(w), where=w > 0)
    ahead = landscape.slope(landscape.predictions(*(theta + uphill)))
    g, there = (coordinates.signs[:, None] * each for each in (pull, ahead))
    drifts = np.array([powers * g * share, there * ((1 + share) ** powers - 1)])
    return 1 / np.float64(speed), -coordinates.rate * drifts


def doubled_weights(coordinates: Doubled, theta: np.ndarray) -> np.ndarray:
    """The weights w (block, d), with their signs, of theta (weight, d); of a balanced chain each layer is as good."""
    if coordinates.turn.ndim == 2:
        return coordinates.turn @ theta
    return np.where(coordinates.start(theta) > 0, coordinates.turn[0] * theta[0], 0.0)


def moved_start(coordinates: Doubled, theta0: np.ndarray, drift: np.ndarray) -> np.ndarray:
    """The start (weight, d) at which z is by ``drift`` (block, d) from where it is at theta0."""
    w0 = coordinates.start(theta0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what is not finite is refused
        w = np.where(w0 > 0, coordinates.weights(coordinates.dual(w0) + drift), 0.0)
        if coordinates.turn.ndim == 2:
            sides = np.sign(doubled_weights(coordinates, theta0))
            return theta0 + np.linalg.pinv(coordinates.turn) @ (sides * (w - w0))
        return theta0 * w.sum(axis=0) / w0.sum(axis=0)
