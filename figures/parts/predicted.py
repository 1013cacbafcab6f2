"""Predictions that are drawn over measured points: the frontier, and where the constrained flow ends."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from ... import theory
from ...theory.errors import GdbiasError, InputError
from ..look import BLACK

POINTS = 40  # of a frontier that is drawn
INSIDE = 0.985  # of lr_max: the largest learning rate for which an endpoint is computed; nearer it takes minutes
FOLLOWED = 0.5  # of lr_critical: below it gradient flow's endpoint stands for the constrained flow's, which is slow


@dataclass(frozen=True)
class Ends:
    """Where descent is predicted to end, over learning rates; test_risk is None without held-out samples."""

    lr: np.ndarray
    sharpness: np.ndarray
    l1_norm: np.ndarray
    test_risk: np.ndarray | None


def curve(pred: "theory.Prediction", notes: list[str], points: int) -> "theory.Frontier | None":
    """The frontier of a prediction; None, with the reason in ``notes``, where there is none; raises InputError."""
    try:
        return theory.frontier(pred.dynamics.model, pred.problem, points)
    except InputError:  # of ``points``
        raise
    except GdbiasError as error:
        notes.append(f"no frontier: {told(error, pred)}")
        return None


def told(error: Exception, pred: "theory.Prediction") -> str:
    """What an error says, without the model's name."""
    return str(error).removeprefix(f"{pred.dynamics.model.name}: ")


def predicted_ends(pred: "theory.Prediction", lr: np.ndarray, count: int, notes: list[str]) -> Ends | None:
    """Where the constrained flow ends at ``count`` learning rates within the range of ``lr``, up to lr_max.

    A quarter of them lies below lr_critical_final, from where on these ends move.
    """
    found = []
    try:
        low, high = float(lr.min()), min(float(lr.max()), INSIDE * pred.lr_max)
        turn = float(np.clip(pred.lr_critical_final, low, max(low, high)))
        few = count // 4 if turn > low else 0
        rates = [*np.geomspace(low, turn, few, endpoint=False), *np.linspace(turn, high, count - few)]
        for rate in rates if low < high else ():
            slow = rate < FOLLOWED * float(pred.lr_critical)
            found.append(pred.endpoint(float(rate), "flow" if slow else "constrained_flow"))
    except GdbiasError as error:
        if not notes:  # else it was said of gradient flow
            notes.append(f"no predicted endpoints: {told(error, pred)}")
    if not found:
        return None
    risks = [end.test_risk for end in found]
    return Ends(
        np.array([end.lr for end in found]),
        np.array([end.sharpness for end in found]),
        np.array([end.l1_norm for end in found]),
        None if risks[0] is None else np.array(risks, dtype=float),
    )


def mark_lr_max(axes: Axes, line: "theory.Frontier", labelled: bool) -> None:
    """A vertical line at the largest learning rate with a stable interpolator."""
    label = rf"$\eta_{{\mathrm{{max}}}}$ = {line.lr_max:.3g}" if labelled else None
    axes.axvline(line.lr_max, color=BLACK, ls="-.", lw=0.8, label=label, gid="lr_max", zorder=1)
