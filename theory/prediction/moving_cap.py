"""Descent whose learning rate moves: the constrained flow in pieces, each at a rate and a cap of its own."""

import numpy as np

from ..rules.schedule import Schedule
from .constrained import Edge

PIECES = 50  # of the moving part: 25 move endpoints by 0.2 %


def scheduled(edge: Edge, lr: float, schedule: Schedule, loss: float) -> np.ndarray:
    """The weights (moving,) from which the flow goes on at the settled learning rate, from the start of ``edge``.

    A piece ends early where its loss is at ``loss``. Raises as :meth:`Edge.follow` does.
    """
    bounds = np.unique(np.round(np.linspace(0, schedule.steps, PIECES + 1)))
    w = edge.w0[edge.moving]
    for rate, steps in zip(schedule.at(lr, (bounds[1:] + bounds[:-1] - 1) / 2), np.diff(bounds), strict=True):
        w = edge.at(float(rate)).follow(w, loss, until=float(steps)).w
    return w
