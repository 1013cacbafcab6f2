"""Predictions that are drawn over measured points: the frontier, and where the constrained flow ends, with bars."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ... import theory
from ...theory.errors import GdbiasError, InputError, NoClosedForm
from ...theory.prediction.rule_terms import own_step, spent
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

    def draw(
        self, axes: Axes, name: str, gid: str, label: str | None = None, unit: float | np.ndarray = 1.0, rate: float = 1
    ) -> None:
        """The values over the learning rate, in units of ``unit`` and ``rate``, in bars of 68 % and 90 % of runs."""
        x, values = self.lr / rate, np.array([getattr(end, name) for end in self.ends], dtype=float) / unit
        axes.plot(x, values, **PREDICTED, label=label, gid=gid)
        reach(axes, values)
        unknown = np.full(len(BANDS), np.nan)  # bars of a law that was not scored
        bars = np.array([getattr(end.error, name, unknown) for end in self.ends]) / np.reshape(unit, (-1, 1))
        for k, opacity in BANDS.items():
            low = np.maximum(values - bars[:, k], 0)
            axes.fill_between(
                x, low, values + bars[:, k], color=PURPLE, alpha=opacity, lw=0, zorder=2, gid=f"{gid} bar {k}"
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

    A quarter of them lies below lr_critical_final, from where on these ends move; those of other rules move everywhere.
    """
    found = []
    try:
        low, high = float(lr.min()), min(float(lr.max()), INSIDE * pred.lr_max, INSIDE * _divergence(pred))
        turn = pred.lr_critical_final
        rates = np.geomspace(low, high, count) if low < high else np.array([])
        if pred.rule == theory.gradient_descent and low < turn < high:
            before = np.geomspace(low, turn, count // 4, endpoint=False)
            rates = np.array([*before, *np.linspace(turn, high, count - len(before))])
        elif pred.rule == theory.gradient_descent and turn <= low < high:
            rates = np.linspace(low, high, count)
        for rate in rates:
            found.append(pred.endpoint(float(rate), warmup=0 if own_step(pred.rule) else spent(pred.rule)))
    except GdbiasError as error:
        if not notes:  # else it was said of gradient flow
            notes.append(f"no predicted endpoints: {told(error, pred)}")
    return Ends(found) if found else None


def _divergence(pred: "theory.Prediction") -> float:
    try:
        return float(pred.lr_divergence)
    except NoClosedForm:
        return np.inf
