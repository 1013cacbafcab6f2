"""How the phases of runs are drawn, and how many of them theory foresaw."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ... import theory
from ...sims.status import Phase
from ...theory.errors import InputError
from ...theory.prediction.phase_rule import BANDS, allowed
from ..look import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION
from .results import boundary, is_map
from .statuses import OPEN, hatch_cells

PLAIN = "#bcb6a8"  # of a phase that has no colour of its own
OWN = {
    Phase.FLOW_ALIGNED: BLUE,
    Phase.CATAPULT: SKY,
    Phase.EDGE_OF_STABILITY: GREEN,
    Phase.PERIODIC: ORANGE,
    Phase.CHAOTIC: VERMILLION,
    Phase.DIVERGED: "#9a9a9a",
    Phase.UNDECIDED: "#dcdcdc",
    Phase.CONVERGING: "#b3d1e8",
    Phase.NOT_RUN: "#ffffff",
}
PHASE_COLORS = {phase: OWN.get(phase, PLAIN) for phase in (*OWN, *Phase)}
HATCHES = {Phase.UNDECIDED: OPEN}  # beside diverged, which is grey as well
UNKNOWN = (Phase.UNDECIDED, Phase.NOT_RUN)


class Foreseen(NamedTuple):
    """Of ``cells`` runs with a prediction and a phase, how many have a phase that theory allows; and the others."""

    right: int
    cells: int
    others: int


def phase_codes(ds: xr.Dataset) -> np.ndarray:
    """The phases as integers; raises InputError where the result has none."""
    if is_map(ds):
        raise InputError("a map of divergence has no phases: leave out by='phase', or sweep with precision='float64'")
    if "phase" not in ds:
        raise InputError(
            "the result has no 'phase': make it with sims.sweep, and with window=2000 to tell bounded runs"
        )
    values = ds["phase"].values
    return np.where(np.isnan(values), int(Phase.NOT_RUN), values).astype(int)


def foreseen(ds: xr.Dataset, pred: "theory.Prediction | Sequence[theory.Prediction]") -> Foreseen:
    """How many runs of a result over (row, lr) are in a phase that theory allows.

    See :mod:`gdbias.theory.prediction.phase_rule`. Runs that are undecided, not run, or where nothing is predicted are
    not counted. ``pred`` must hold one number or one a row.
    """
    phase, lr = phase_codes(ds), ds["lr"].values
    bounds = np.stack([boundary(pred, band.below, []) for band in BANDS if band.below])  # (boundary, row)
    exact = all(one.problem.d == 1 for one in (pred if isinstance(pred, Sequence) else [pred]))
    cells = right = 0
    for codes, known in zip(phase, bounds.T, strict=True):
        for code, names in zip(codes, allowed(lr, known.tolist(), exact), strict=True):
            if names and code not in UNKNOWN:
                cells += 1
                right += Phase(code).name.lower() in names
    return Foreseen(right, cells, phase.size - cells)


def draw_phases(axes: Axes, edges: tuple[np.ndarray, np.ndarray], phase: np.ndarray) -> list[Patch]:
    """A mesh of flat colours by phase; returns the patches of a legend."""
    index = np.array([list(PHASE_COLORS).index(Phase(code)) for code in phase.ravel()]).reshape(phase.shape)
    flat = ListedColormap(list(PHASE_COLORS.values()))
    axes.pcolormesh(*edges, index, cmap=flat, vmin=-0.5, vmax=len(PHASE_COLORS) - 0.5, rasterized=True, gid="phase")
    for one, hatch in HATCHES.items():
        if (phase == one).any():
            hatch_cells(axes, edges, phase == one, hatch, f"hatch {one.label}")
    return [
        Patch(facecolor=color, edgecolor=GREY, lw=0.4, hatch=HATCHES.get(one), label=one.label)
        for one, color in PHASE_COLORS.items()
        if (phase == one).any()
    ]
