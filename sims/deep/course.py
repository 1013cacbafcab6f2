"""The central flow to its threshold, and what was seen on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .backend import jax
from .central_flow import Center, follow
from .training_loss import Objective

MOST_STEPS = 3000  # of one flow


@dataclass
class Course:
    """A flow so far.

    Attributes:
        back: how far the points reach back from the last one, or from ``center_arrival``.
        points: the last three, and all that far back.
        center_arrival: the time at which the loss of the center falls below tol, inf before.
        arrival: that at which the mean loss of descent does.
        onset: that at which something first oscillates.
        held: for how long something has oscillated.
        bent: the integral over that time of what the curvature over a swing differs from its center's by, relative.
    """

    back: float = 0.0
    points: list[Center] = field(default_factory=list)
    center_arrival: float = np.inf
    arrival: float = np.inf
    onset: float = np.inf
    held: float = 0.0
    bent: float = 0.0

    def ending(self, memory: float) -> tuple[float, float]:
        """The share of the oscillation's mean energy that is left where descent ends, and when the loss is tol with it.

        From ``center_arrival`` to ``arrival`` the loss is tol with shares of 0 to 1. The longer this takes beside the
        time after which the energy is another, the sooner it happens to be small: ``1 / (1 + width / memory)``.
        """
        width = self.arrival - self.center_arrival
        if not np.isfinite(width):
            return 1.0, self.arrival
        share = 1 / (1 + width / memory)
        return share, self.center_arrival + share * width

    def between(self, time: float) -> tuple[Center, Center] | None:
        """The points before and after a time, None where the flow has not come."""
        return next((pair for pair in pairwise(self.points) if pair[0].time <= time <= pair[1].time), None)

    def go_on(self, center: Center, tol: float) -> None:
        """Take the next point."""
        if self.points:
            before = self.points[-1]
            last = [*self.points[-2:], center]
            if center.loss < tol and np.isinf(self.center_arrival):
                self.center_arrival = _crossing(last, [point.loss for point in last], tol)
            if center.mean_loss < tol and np.isinf(self.arrival):
                self.arrival = _crossing(last, [point.mean_loss for point in last], tol)
            if len(center.X):
                self.held += center.time - before.time
                self.bent += (center.time - before.time) * center.bend
        if len(center.X):
            self.onset = min(self.onset, center.time)
        if np.isinf(self.center_arrival):
            while len(self.points) > 2 and self.points[1].time < self.points[-1].time - self.back:
                del self.points[0]
        self.points.append(center)


def complete(
    objective: Objective,
    theta: jax.Array,
    lr: float,
    time: float,
    tol: float,
    until: float,
    beyond: float,
    back: float,
    rtol: float,
    kinks: bool,
    tell: Callable[[Center], None],
) -> Course:
    """The course from theta until a time, or until ``beyond`` its arrival at a mean loss of ``tol``."""
    course = Course(back + beyond)
    for steps, center in enumerate(follow(objective, theta, lr, time, rtol, kinks)):
        course.go_on(center, tol)
        tell(center)
        if center.time > min(until, course.arrival + beyond) or steps == MOST_STEPS:
            break
    return course


def _crossing(points: list[Center], losses: list[float], tol: float) -> float:
    """When the loss falls below tol in the last step: on the parabola of its logarithm through the points."""
    times = np.array([point.time for point in points]) - points[-2].time
    curve = np.polyfit(times / times[-1], np.log(np.array(losses) / tol), len(points) - 1)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if np.polyval(curve, middle) < 0 else (middle, high)
    return points[-2].time + high * times[-1]
