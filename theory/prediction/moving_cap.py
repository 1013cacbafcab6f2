"""Descent whose learning rate moves: the constrained flow in pieces, each at a rate and a cap of its own."""

import numpy as np

from ..errors import NoClosedForm
from ..rules.schedule import Schedule
from ..validate import rounded_down
from .constrained import Edge
from .oscillation import Modes

PIECES = 50  # of the moving part: 25 move endpoints by 0.2 %
MOST = 0.3  # of lr_critical, by which a first rate may be above it; runs begin to diverge at 0.8
OFF = 0.33  # times that: what nine of ten runs are within
FINE = 4000  # points of a schedule
TOL, HOLD = 1e-10, 20  # of runs, unless given


def begun_above(schedule: Schedule, lr: float, sharpness: float) -> str:
    """What is told of a schedule that begins above the edge of a flow whose sharpness is at most that.

    Raises:
        NoClosedForm: it begins so far above that the first oscillation decides.
    """
    first = float(schedule.ends(np.array(lr))[0])
    above = first * sharpness / 2 - 1
    if above > MOST:
        raise NoClosedForm(
            f"{schedule} at lr = {lr:g} begins at {1 + above:.2g} times lr_critical, and its first oscillation "
            f"is not predicted: begin below {rounded_down(2 * (1 + MOST) / sharpness)}, or run it with sims"
        )
    return f"it begins above lr_critical: mostly within {OFF * above:.1%}" if above > 0 else ""


def scheduled(edge: Edge, lr: float, schedule: Schedule, loss: float) -> np.ndarray:
    """The weights (moving,) from which the flow goes on at the settled learning rate, from the start of ``edge``.

    A piece ends early where its loss is at ``loss``.

    Raises:
        NoClosedForm: the flow comes to the edge when so little swings that runs of the usual ``tol`` end there, at a
            minimum that is not stable.
        GdbiasError: as :meth:`Edge.follow` does.
    """
    bounds = np.unique(np.round(np.linspace(0, schedule.steps, PIECES + 1)))
    w, gone = edge.w0[edge.moving], False
    rates = schedule.at(lr, (bounds[1:] + bounds[:-1] - 1) / 2)
    for begun, rate, steps in zip(bounds[:-1], map(float, rates), np.diff(bounds), strict=True):
        found = edge.at(rate).follow(w, loss, until=float(steps))
        w = found.w
        if found.steps < steps and not gone:
            gone = True
            _require_swinging(edge, w, lr, schedule, float(begun + found.steps))
    return w


def _require_swinging(edge: Edge, w: np.ndarray, lr: float, schedule: Schedule, begun: float) -> None:
    """Refuse where the linear map of the residual, at w (moving,) from a step on, leaves less than ``tol`` at the end.

    It has ``1 - lr lambda`` of a mode in a step, which decays below the edge and grows above. What decays to rounding
    may stay there.
    """
    b, problem = edge.full(w), edge.problem
    modes = Modes(edge, b)
    values, at = 2 * modes.shares / edge.lr, np.linspace(begun, schedule.steps + HOLD, FINE)
    rates = schedule.at(lr, at)
    if not rates[-1] * values[0] > 2:
        return
    X, y, _ = problem.projected
    with np.errstate(divide="ignore"):
        size = np.log(np.abs(modes.samples.T @ (X @ edge.coordinates.beta(b) - y)))
        size += np.log(np.abs(1 - rates[:, None] * values)).mean(axis=0) * (at[-1] - at[0])
    left = float(np.exp(2 * np.minimum(size, 0.0)).sum()) / (2 * problem.n)
    if left < TOL:
        raise NoClosedForm(
            f"{schedule} at lr = {lr:g}: the loss is gone, to {left:.2g}, when the learning rate comes above the edge, "
            f"{2 / values[0]:.4g}, and runs end there: use fewer steps, or a larger first rate"
        )
