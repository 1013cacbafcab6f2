"""The row of a sweep that a figure draws: one initialization scale of many."""

import numpy as np
import xarray as xr

from ... import theory
from ...sims.status import Status
from ...theory.errors import InputError
from ...theory.validate import real
from .results import scale_of
from .statuses import codes

NEAR = 1.05  # factor between a row that is asked for and the one that is drawn
SHOWN = 6  # rows that a message names


def choose_row(ds: xr.Dataset, pred: "theory.Prediction | None", init_scale: float | None) -> tuple[xr.Dataset, str]:
    if init_scale is not None:
        init_scale = real("init_scale", init_scale, above=0, hint="choose one of the result's")
    if "init_scale" not in ds.dims:
        scale = scale_of(ds)
        _require_near(init_scale, np.array([np.nan if scale is None else scale]))
        return ds, "" if scale is None else f"init_scale {scale:.3g}"
    scales = ds["init_scale"].values
    _require_near(init_scale, scales)
    if init_scale is None and isinstance(pred_scale := getattr(pred, "init_scale", None), float):
        init_scale = pred_scale
    if init_scale is not None:
        row = int(np.abs(np.log(scales / init_scale)).argmin())
    else:
        count = (codes(ds.transpose("init_scale", ...)).reshape(len(scales), -1) == Status.CONVERGED).sum(axis=1)
        best = np.flatnonzero(count == count.max())
        row = int(best[np.abs(best - (len(scales) - 1) / 2).argmin()])
    asked = "" if init_scale is None or np.isclose(scales[row], init_scale) else f", nearest to {init_scale:.3g}"
    several = f" (one of {len(scales)}{asked})" if len(scales) > 1 else ""
    return ds.isel(init_scale=row), f"init_scale {scales[row]:.3g}{several}"


def scales_told(ds: xr.Dataset) -> str:
    """The scales of a result, or how many it has and from where to where."""
    scales = [f"{scale:.4g}" for scale in ds["init_scale"].values]
    return ", ".join(scales) if len(scales) <= SHOWN else f"{len(scales)} from {scales[0]} to {scales[-1]}"


def _require_near(init_scale: float | None, scales: np.ndarray) -> None:
    """Raises InputError where the result has no row near the asked one."""
    if init_scale is None or (abs(np.log(scales / init_scale)) <= np.log(NEAR)).any():
        return
    near = scales[np.argsort(abs(np.log(scales / init_scale)), kind="stable")[:SHOWN]]
    have = ", ".join(f"{scale:.6g}" for scale in np.sort(near)) if np.isfinite(near).all() else "a start of its own"
    which = f"the nearest of its {len(scales)} are {have}" if len(scales) > SHOWN else f"which has {have}"
    raise InputError(f"init_scale = {init_scale:g} is not in the result, {which}: choose one of them")
