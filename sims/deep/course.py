"""The central flow to its threshold, and what was seen on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .backend import jax
from .central_flow import Center, between, crossing, follow
from .oscillation import secant
from .training_loss import Objective

MOST_STEPS = 3000  # of one flow


@dataclass
class Course:
    """A flow so far.

    Attributes:
        points: the last one, and from ``center_arrival`` on all.
        center_arrival: the time at which the loss of the center falls below tol, inf before.
        arrival: that at which the mean loss of descent does.
        onset: that at which something first oscillates.
        held: for how long something has oscillated.
        bent: the integral over that time of what the curvature over a swing differs from its center's by, relative.
    """

    points: list[Center] = field(default_factory=list)
    center_arrival: float = np.inf
    arrival: float = np.inf
    onset: float = np.inf
    held: float = 0.0
    bent: float = 0.0

    def at(self, time: float) -> tuple[jax.Array, np.ndarray] | None:
        """Weights and swings at a time, None where the flow has not come."""
        for before, after in pairwise(self.points):
            if before.time <= time <= after.time:
                return between(before, after, time)
        return None

    def go_on(self, objective: Objective, center: Center, tol: float) -> None:
        """Take the next point."""
        if self.points:
            before = self.points[-1]
            if center.loss < tol and np.isinf(self.center_arrival):
                self.center_arrival = crossing(objective, before, center, tol, swinging=False)
            if center.mean_loss < tol and np.isinf(self.arrival):
                self.arrival = crossing(objective, before, center, tol)
            if len(center.X):
                self.held += center.time - before.time
                self.bent += (center.time - before.time) * _bend(objective, center)
        if len(center.X):
            self.onset = min(self.onset, center.time)
        self.points = [*(self.points if np.isfinite(self.center_arrival) else []), center]


def complete(
    objective: Objective,
    theta: jax.Array,
    lr: float,
    time: float,
    tol: float,
    until: float,
    beyond: float,
    rtol: float,
    tell: Callable[[Center], None],
) -> Course:
    """The course from theta until a time, or until a time ``beyond`` its arrival at a mean loss of ``tol``."""
    course = Course()
    for steps, center in enumerate(follow(objective, theta, lr, time, rtol)):
        course.go_on(objective, center, tol)
        tell(center)
        if center.time > min(until, course.arrival + beyond) or steps == MOST_STEPS:
            break
    return course


def _bend(objective: Objective, center: Center) -> float:
    """By how much the curvature over the largest swing differs from that at its center, relative."""
    swing = center.swings[-1]
    size = float(np.linalg.norm(swing))
    share = (center.space.vectors @ swing / size) ** 2
    return abs(secant(objective, center.theta, swing / size, size) / float(share @ center.space.values) - 1)
