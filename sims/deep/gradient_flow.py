"""Gradient flow of a network, step by step: the reference that small learning rates follow."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .backend import jax
from .integrator import STAGES, longest, stages, start, step
from .measure import any_vector, state_at
from .training_loss import Objective, loss_at

RTOL = 1e-3  # of the weights' norm, the local error of one step
MARGIN = 1.1  # the sharpness may grow by so much until it is looked at again
MOST_STEPS = 10**5  # of one flow
Beside = Callable[[jax.Array, float], dict]  # what is measured at weights of known sharpness


@dataclass
class FlowPath:
    """Gradient flow up to ``theta``, with what was measured on the way (the last entry is its end)."""

    theta: jax.Array
    loss: float
    vector: np.ndarray
    steps: int = 0
    gradients: int = 0
    arrived: bool = False
    times: list[float] = field(default_factory=list)
    states: list[dict] = field(default_factory=list)

    def look(self, objective: Objective, time: float, beside: Beside) -> float:
        """Measure here, and what is to be known beside; returns the sharpness."""
        state, vector = state_at(objective, self.theta, self.vector)
        state |= beside(self.theta, state["sharpness"])
        self.times.append(time)
        self.states.append(state)
        if np.isfinite(vector).all():
            self.vector = vector
        return max(state["sharpness"], 1e-9)


def integrate(
    objective: Objective,
    theta: jax.Array,
    tol: float | None = None,
    max_time: float = np.inf,
    rtol: float = RTOL,
    vector: np.ndarray | None = None,
    tell: Callable[[FlowPath], None] = lambda path: None,
    beside: Beside = lambda theta, sharpness: {},
) -> FlowPath:
    """``d theta / dt = -grad L(theta)`` until the loss is ``tol`` or the time is ``max_time``.

    The estimated local error of every step is at most ``rtol |theta|``. The point where the loss reaches
    ``tol`` is found on the cubic through both ends of the last step. The sharpness is looked at after every step that
    was taken: it may peak within a few of them, early, and bounds the next.
    """
    loss, velocity = start(objective, theta)
    path = FlowPath(theta, float(loss), any_vector(theta) if vector is None else vector)
    time = 0.0
    rate = path.look(objective, time, beside)
    h = 1.0 / rate
    while np.isfinite(rate) and path.steps < MOST_STEPS and time < max_time and (tol is None or path.loss >= tol):
        h = min(h, longest(STAGES) / (MARGIN * rate), max_time - time)
        count = stages(MARGIN * rate * h)
        new = step(objective, path.theta, velocity, h, count)
        path.steps, path.gradients = path.steps + 1, path.gradients + count
        error = float(new.error) / (rtol * float(np.linalg.norm(path.theta)))
        if not error <= 1:
            h *= max(0.1, 0.8 / error ** (1 / 3)) if np.isfinite(error) else 0.1
            if h * rate < 1e-9:  # not finite at any step: a network that overflows
                break
            continue
        if tol is not None and float(new.loss) < tol:
            fraction, path.theta = _crossing(objective, path.theta, velocity, new, h, tol)
            time, path.loss = time + fraction * h, float(loss_at(objective, path.theta))
            break
        time, path.theta, path.loss, velocity = time + h, new.theta, float(new.loss), new.velocity
        h *= min(3.0, 0.8 / max(error, 1e-6) ** (1 / 3))
        rate = path.look(objective, time, beside)
        tell(path)
    if time > path.times[-1]:
        path.look(objective, time, beside)
    path.arrived = time >= max_time if tol is None else path.loss < tol
    return path


def _crossing(objective: Objective, theta, velocity, new, h: float, tol: float) -> tuple[float, jax.Array]:
    """Where in the step the loss falls below tol, by bisection on the cubic Hermite interpolant."""

    def at(x: float) -> jax.Array:
        a, b = (1 + 2 * x) * (1 - x) ** 2, x * (1 - x) ** 2
        c, d = x * x * (3 - 2 * x), x * x * (x - 1)
        return a * theta + b * h * velocity + c * new.theta + d * h * new.velocity

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if float(loss_at(objective, at(middle))) < tol else (middle, high)
    return high, at(high)
