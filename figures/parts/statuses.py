"""How the end of a run is drawn."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...sims.status import Status
from ..look import VERMILLION


class Look(NamedTuple):
    """Label, flat colour, marker and hatch of runs that did not converge: greys, since colour is for numbers."""

    label: str
    color: str
    marker: str
    hatch: str | None = None


LOOKS = {
    Status.DIVERGED: Look("diverged", "#9a9a9a", "x"),
    Status.STEP_LIMIT: Look("step limit", "#ececec", "^", "/////"),
    Status.UNSTABLE_MINIMUM: Look("unstable minimum", VERMILLION, "d"),
    Status.BOUNDED: Look("bounded", "#ececec", "o"),
    Status.NOT_RUN: Look("not run", "#ffffff", "."),
}


def codes(ds: xr.Dataset) -> np.ndarray:
    """The statuses as integers; the fill value that a reader of stores turned into NaN is NOT_RUN again."""
    values = ds["status"].values
    return np.where(np.isnan(values), int(Status.NOT_RUN), values).astype(int)


def unconverged(status: np.ndarray) -> list[tuple[int, Look]]:
    """The codes other than CONVERGED that occur, each with its look."""
    found = [int(code) for code in np.unique(status) if code != Status.CONVERGED]
    return [(code, LOOKS[Status(code)]) for code in found]
