"""The predicted plane of a result, made without any run: of all its cells, or of as many as take seconds."""

import numpy as np
import xarray as xr

from ... import sims
from ..parts.axes import Plane
from .explored import Explored

MOST = (48, 24)  # learning rates and rows that are predicted


def can_foretell(explored: Explored) -> bool:
    """Whether theory has a plane like this one: of runs of plain descent that have a sharpness."""
    kinds = ("sweep", "linear sweep")
    return explored.kind in kinds and "rule" not in explored.spec and "sharpness" in explored.ds


def foretell(explored: Explored, found: Plane) -> xr.Dataset:
    """The predicted plane of ``found``, thinned where it has more cells than :data:`MOST`.

    Raises:
        GdbiasError: a model, loss or data without predictions.
    """
    row = str(found.ds["status"].dims[0])
    lrs, rows = (_thinned(values, most) for values, most in zip((found.ds["lr"].values, found.at), MOST, strict=True))
    if "network" in explored.spec:
        start = {name: explored.spec[name] for name in ("start", "seed")}
        return sims.linear.predicted(explored.setting[0][0], lrs, rows, **start, keep=())
    cells = found.ds.isel(lr=0)
    if row == "init_scale":
        model, problem = explored.setting_at(cells)
        return sims.predicted(model, problem, lrs, rows, keep=())
    scale = float(cells["init_scale"].item())
    each = [explored.setting_at(cells.isel({row: i})) for i in range(len(found.at))]
    models, problems = zip(*each, strict=True)
    asked = (models, problems[0]) if row == "model" else (models[0], problems)
    return sims.predicted(*asked, lrs, scale, keep=())


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    if len(values) <= most:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, most).astype(int))]
