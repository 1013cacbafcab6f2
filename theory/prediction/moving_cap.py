"""Descent whose learning rate moves: the constrained flow in pieces, each at a rate and a cap of its own."""

import numpy as np

from ..errors import NoClosedForm
from ..rules.schedule import Schedule
from ..rules.update_rule import UpdateRule
from ..validate import rounded_down
from .constrained import Edge
from .interpolators import Interpolators

PIECES = 50  # of the moving part: 25 move endpoints by 0.2 %
MOST = 0.3  # of lr_critical, by which a first rate may be above it; runs begin to diverge at 0.8
OFF = 0.33  # times that: what nine of ten runs are within


def begun_above(rule: UpdateRule, lr: float, sharpness: float) -> str:
    """What is told of a schedule that begins above the edge of a flow whose sharpness is at most that.

    Raises:
        NoClosedForm: it begins so far above that the first oscillation decides.
    """
    first = float(rule.schedule.ends(np.array(lr))[0])
    above = first * sharpness / 2 - 1
    if above > MOST:
        raise NoClosedForm(
            f"{rule.schedule} at lr = {lr:g} begins at {1 + above:.2g} times lr_critical, and its first oscillation "
            f"is not predicted: begin below {rounded_down(2 * (1 + MOST) / sharpness)}, or run it with sims"
        )
    return f"it begins above lr_critical: mostly within {OFF * above:.1%}" if above > 0 else ""


def scheduled(reachable: Interpolators, edge: Edge, lr: float, schedule: Schedule, loss: float) -> np.ndarray:
    """The weights (moving,) from which the flow goes on at the settled learning rate, from the start of ``edge``.

    A piece ends early where its loss is at ``loss``.

    Raises:
        NoClosedForm: the flow comes to the edge thereafter, where runs have nothing left that swings: they stay at a
            minimum that is not stable, or leave it by rounding.
        GdbiasError: as :meth:`Edge.follow` does.
    """
    bounds = np.unique(np.round(np.linspace(0, schedule.steps, PIECES + 1)))
    w, gone = edge.w0[edge.moving], False
    rates = schedule.at(lr, (bounds[1:] + bounds[:-1] - 1) / 2)
    for rate, steps in zip(map(float, rates), np.diff(bounds), strict=True):
        if gone and rate * (top := reachable.sharpness_of(edge.full(w))) > 2:
            raise NoClosedForm(
                f"{schedule} at lr = {lr:g}: the loss is gone before the learning rate is above the edge, "
                f"{2 / top:.4g}, and runs stay at an unstable minimum or are thrown from it: use fewer steps, or a "
                "larger start"
            )
        found = edge.at(rate).follow(w, loss, until=float(steps))
        w, gone = found.w, found.steps < steps
    return w
