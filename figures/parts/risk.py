"""The learning rate that minimises the test risk, for every initialization scale."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ...sims.status import Status
from ...theory.errors import InputError
from ..look import VERMILLION
from .results import is_map
from .statuses import codes

FLAT = 1e-3  # relative, of a test risk that does not depend on the learning rate


class BestRisk(NamedTuple):
    """The least test risk of converged runs and its learning rate; ``place`` says where in the grid, "" inside it."""

    lr: float
    test_risk: float
    place: str


def best_risk(lr: np.ndarray, risk: np.ndarray) -> BestRisk | None:
    """Of the risks that are known, (k,) at increasing learning rates; None where they do not depend on it."""
    seen = np.flatnonzero(np.isfinite(risk))
    if not seen.size or np.ptp(risk[seen]) <= FLAT * abs(risk[seen].mean()):
        return None
    best = int(np.nanargmin(risk))
    place = {seen[0]: "the first run", seen[-1]: "the last to converge"}.get(best, "")
    return BestRisk(float(lr[best]), float(risk[best]), place)


def lr_of_least_test_risk(ds: xr.Dataset) -> xr.DataArray:
    """The learning rate whose converged run has the least test risk, over the other dimensions of a sweep.

    NaN where fewer than two runs converged or the risk varies by less than 0.1%.

    Raises:
        InputError: no test risk in the result, or no dimension lr.
    """
    if is_map(ds):
        raise InputError("a map of divergence has no test risk: sweep with precision='float64'")
    if "test_risk" not in ds or "lr" not in ds.dims:
        raise InputError("the result has no test_risk over lr: sweep a problem with held-out samples (n_test > 0)")
    ds = ds.sortby("lr").transpose(..., "lr", *(dim for dim in ("weight", "feature") if dim in ds.dims))
    good = codes(ds) == Status.CONVERGED
    risk = np.where(good, ds["test_risk"].values, np.nan)
    found = [best_risk(ds["lr"].values, row) for row in risk.reshape(-1, ds.sizes["lr"])]
    rates = np.array([np.nan if one is None else one.lr for one in found]).reshape(risk.shape[:-1])
    others = ds["status"].isel(lr=0, drop=True)
    attrs = {"long_name": "learning rate of the least test risk among converged runs", "units": "1"}
    return xr.DataArray(rates, others.coords, others.dims, "lr_of_least_test_risk", attrs)


def mark_best(axes: Axes, lr: np.ndarray, risk: np.ndarray) -> None:
    """A star at the least test risk, with its values in the legend; nothing where the risk is flat."""
    best = best_risk(lr, risk)
    if best is not None:
        label = rf"smallest: {best.test_risk:.3g} at $\eta$ = {best.lr:.3g}" + (best.place and f", {best.place}")
        axes.plot(best.lr, best.test_risk, "*", color=VERMILLION, ms=7, mew=0, label=label, gid="best", zorder=6)
