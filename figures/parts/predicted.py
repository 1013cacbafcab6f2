"""Predictions that are drawn over measured points: the frontier, and where the constrained flow ends, with bars."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ... import theory
from ...theory.errors import GdbiasError, InputError, NoClosedForm
from ..look import PURPLE
from .panels import reach

POINTS = 40  # of a frontier that is drawn
LARGE = 4000  # numbers of X above which a frontier takes minutes: only the figure of that name draws it
ENDPOINTS = 12  # learning rates that make a curve
INSIDE = 0.999  # of lr_max, and of lr_divergence: the largest learning rate for which an endpoint is drawn
LABEL = "predicted (68, 90 % bars)"
PREDICTED: dict[str, Any] = dict(color=PURPLE, ls=(0, (3, 1)), lw=1.4, zorder=3)
BANDS = {0: 0.22, 1: 0.1}  # opacity of the bars that hold 68 % and 90 % of runs


@dataclass(frozen=True)
class Ends:
    """Where descent is predicted to end at rising learning rates."""

    ends: list["theory.Endpoint"]

    @property
    def lr(self) -> np.ndarray:
        """Shape (ends,)."""
        return np.array([end.lr for end in self.ends])

    def draw(self, axes: Axes, name: str, gid: str, label: str | None = None, unit: float = 1.0) -> None:
        """The values over the learning rate, relative to a unit, in the bars that hold 68 % and 90 % of runs."""
        values = np.array([getattr(end, name) for end in self.ends], dtype=float) / unit
        axes.plot(self.lr, values, **PREDICTED, label=label, gid=gid)
        reach(axes, values)
        bars = np.array([getattr(end.error, name) for end in self.ends]) / unit
        for k, opacity in BANDS.items():
            low = np.maximum(values - bars[:, k], 0)
            axes.fill_between(
                self.lr, low, values + bars[:, k], color=PURPLE, alpha=opacity, lw=0, zorder=2, gid=f"{gid} bar {k}"
            )


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
    """Where the constrained flow ends at ``count`` learning rates in the range of ``lr``, as far as descent ends.

    A quarter of them lies below lr_critical_final, from where on these ends move.
    """
    found = []
    try:
        low, high = float(lr.min()), min(float(lr.max()), INSIDE * pred.lr_max, INSIDE * _divergence(pred))
        turn = float(np.clip(pred.lr_critical_final, low, max(low, high)))
        few = count // 4 if turn > low else 0
        rates = [*np.geomspace(low, turn, few, endpoint=False), *np.linspace(turn, high, count - few)]
        for rate in rates if low < high else ():
            found.append(pred.endpoint(float(rate)))
    except GdbiasError as error:
        if not notes:  # else it was said of gradient flow
            notes.append(f"no predicted endpoints: {told(error, pred)}")
    return Ends(found) if found else None


def _divergence(pred: "theory.Prediction") -> float:
    try:
        return float(pred.lr_divergence)
    except NoClosedForm:
        return np.inf
