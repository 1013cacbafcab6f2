"""How the end of a run is drawn."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from ...sims.status import Status
from ..look import BLACK, GREY, VERMILLION


class Look(NamedTuple):
    """Flat colour, marker and hatch of runs that did not converge: greys, since colour is for numbers."""

    color: str
    marker: str
    hatch: str | None = None


OPEN = "/////"  # hatch of runs that have not come to an end
PLAIN = Look("#c4c4c4", "s")  # of a status that has none of its own
OWN = {
    Status.DIVERGED: Look("#9a9a9a", "x"),
    Status.STEP_LIMIT: Look("#ececec", "^", OPEN),
    Status.UNSTABLE_MINIMUM: Look(VERMILLION, "d"),
    Status.BOUNDED: Look("#ececec", "o"),
    Status.NOT_RUN: Look("#ffffff", "."),
}
LOOKS = {status: OWN.get(status, PLAIN) for status in (*OWN, *Status) if status != Status.CONVERGED}


def codes(ds: xr.Dataset) -> np.ndarray:
    """The statuses as integers; the fill value that a reader of stores turned into NaN is NOT_RUN again."""
    values = ds["status"].values
    return np.where(np.isnan(values), int(Status.NOT_RUN), values).astype(int)


def unconverged(status: np.ndarray) -> list[tuple[Status, Look]]:
    """The statuses other than CONVERGED that occur, each with its look."""
    found = [Status(code) for code in np.unique(status) if code != Status.CONVERGED]
    return [(code, LOOKS[code]) for code in found]


def hatch_cells(axes: Axes, edges: tuple[np.ndarray, np.ndarray], where: np.ndarray, hatch: str, gid: str) -> None:
    """Hatch the cells (row, lr) of a plane that ``where`` has, as one patch."""
    x, y = edges
    i, j = np.nonzero(where)
    corners = np.stack([x[[j, j + 1, j + 1, j, j]], y[[i, i, i + 1, i + 1, i]]], axis=-1)  # (corner, cell, 2)
    pen = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    cells = Path(corners.swapaxes(0, 1).reshape(-1, 2), np.tile(pen, len(i)))
    axes.add_patch(PathPatch(cells, fill=False, lw=0, edgecolor=GREY, hatch=hatch, gid=gid))


def end(code: Status, predicted: bool) -> str:
    """A status in words: no step limit ends what was predicted without steps."""
    return "never settles" if predicted and code == Status.STEP_LIMIT else code.label


def mark_unconverged(axes: Axes, x: np.ndarray, status: np.ndarray, predicted: bool = False) -> None:
    """Marks at the top of a panel, by status."""
    for code, look in unconverged(status):
        where = x[status == code]
        axes.plot(
            where, np.full(len(where), 0.94), look.marker, color=BLACK, mew=0.6, ms=3, fillstyle="none",
            transform=axes.get_xaxis_transform(), label=end(code, predicted), gid=f"status {int(code)}",
        )  # fmt: skip
