"""Predicted learning rates as vertical lines: where an axis reaches them, and in the legend where it does not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ... import theory
from ...theory.errors import GdbiasError
from ...theory.prediction.rule_terms import own_step
from ..look import BLACK
from .panels import CRITICAL_SYMBOLS, critical_label
from .predicted import told
from .results import LARGE, boundary, value_in

LINES: dict[str, Any] = {
    "lr_critical": "--", "lr_critical_final": ":", "lr_max": "-.", "lr_divergence": (0, (4, 1, 1, 1, 1, 1)),
}  # fmt: skip
FURTHER = ("lr_max", "lr_divergence")  # that need not exist
NEAR = 2.0  # factor beyond the runs up to which an axis is drawn for a predicted learning rate


def rates(ds: xr.Dataset, pred: "theory.Prediction | None", notes: list[str]) -> dict[str, float]:
    """The learning rates of :data:`LINES` that are known of one row, from the prediction or else from the result.

    ``lr_divergence`` only where it, and not ``lr_max``, ends what is predicted of the runs.
    """
    known = {}
    for name in LINES:
        if pred is None:
            value = value_in(ds, name)
        else:
            value = boundary(pred, name, [] if name in FURTHER or own_step(pred.rule) else notes)
        if value is not None and np.size(value) == 1 and np.isfinite(value := float(np.ravel(value)[0])):
            known[name] = value
    lr, divergence = ds["lr"].values, known.pop("lr_divergence", np.inf)
    if lr.min() < divergence < min(lr.max(), known.get("lr_max", np.inf)):
        known["lr_divergence"] = divergence
    return known


def mark_rates(
    panels: Sequence[Axes], lr: np.ndarray, known: dict[str, float], full: bool = True, near: float = NEAR
) -> None:
    """Lines in all panels, named in the legend of the first with their formulas if ``full``.

    A rate that is more than a factor ``near`` from all learning rates ``lr`` is told in the legend alone: its line
    would leave no room to them.
    """
    for name, value in known.items():
        label = critical_label(name) if full else CRITICAL_SYMBOLS[name]
        side = "right" if value > near * lr.max() else "left" if value < lr.min() / near else ""
        look: dict[str, Any] = dict(color=BLACK, ls=LINES[name], lw=0.8)
        if side:
            panels[0].plot([], [], **look, label=f"{label} = {value:.3g}, {side} of the axis", gid=f"{name} beyond")
            continue
        for axes in panels:
            text = f"{label} = {value:.3g}" if axes is panels[0] else None
            axes.axvline(value, **look, label=text, gid=name, zorder=1)


def note_lr_max(pred: "theory.Prediction | None", known: dict[str, float], notes: list[str]) -> None:
    """Say why ``lr_max`` is not drawn, where no other note has said it already."""
    if pred is not None and "lr_max" not in known and not notes:
        notes.append(f"no lr_max: {why_no_lr_max(pred)}")


def why_no_lr_max(pred: "theory.Prediction | Sequence[theory.Prediction]") -> str:
    """The reason for which a prediction has no ``lr_max`` to draw."""
    one = pred[0] if isinstance(pred, Sequence) else pred
    if one.problem.n > LARGE:
        return f"for {one.problem.n} samples it takes minutes, pred.lr_max computes it"
    try:
        return f"{one.lr_max}"
    except GdbiasError as error:
        return told(error, one).split(": ")[0]
