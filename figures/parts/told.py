"""What the central flow tells of a deep network, drawn over the measured points."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ...sims.status import Doubt, Status
from ...theory.errors import InputError
from ..look import PURPLE
from .predicted import BANDS, PREDICTED
from .results import described, grid, spec_of
from .statuses import codes

SAME = ("model", "problem", "loss", "tol", "rule")  # of a spec, what a prediction of the same runs has


def deep_predicted(ds: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """The predicted result in the order of its learning rates.

    Raises:
        InputError: not a result of :func:`gdbias.sims.deep.predicted`, or one of other runs than these.
    """
    if not isinstance(predicted, xr.Dataset) or spec_of(predicted).get("kind") != "deep predicted":
        raise InputError(
            f"predicted = {described(predicted)} is not what sims.deep.predicted, or gdbias deep FOLDER --predict, "
            "gives: use that"
        )
    mine, theirs = spec_of(ds), spec_of(predicted)
    for name in SAME:
        if mine.get(name) != theirs.get(name):
            raise InputError(f"the prediction is for another {name} than the result: predict its own")
    return grid(predicted, "lr")


def draw_told(
    axes: Axes, predicted: xr.Dataset, name: str, x: np.ndarray, unit: float | np.ndarray, label: str | None = None
) -> None:
    """A line of predicted values in units of ``unit``, their bracket as a band, and circles where there are doubts.

    That norms have grown faintly speaks against norms alone.
    """
    converged = codes(predicted) == Status.CONVERGED
    values = np.where(converged, predicted[name].values, np.nan) / unit
    axes.plot(x, values, **PREDICTED, label=label, gid=f"predicted_{name}")
    doubts = predicted["doubts"].values & (~0 if f"low_{name}" in predicted else ~int(Doubt.FAINT))
    doubted = converged & (doubts != 0)
    axes.plot(x[doubted], values[doubted], "o", color=PURPLE, mfc="white", ms=3, gid=f"predicted_{name} doubted")
    if f"low_{name}" in predicted:
        low, high = (np.where(converged, predicted[f"{side}_{name}"].values, np.nan) / unit for side in ("low", "high"))
        axes.fill_between(x, low, high, color=PURPLE, alpha=BANDS[0], lw=0, zorder=2, gid=f"predicted_{name} bracket")
