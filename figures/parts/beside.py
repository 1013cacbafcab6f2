"""A predicted plane beside the measured one: how far its sharpness is, and which runs end otherwise."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ...sims.status import Status
from ...theory.errors import InputError
from ..look import GREEN, GREY, Figure
from .axes import Plane, plane
from .results import described, is_predicted, spec_of
from .statuses import codes

CONVERGE, UNKNOWN, ALIKE, SHORT, OTHER = range(5)
ENDS = {  # other than that both converge
    UNKNOWN: ("#ffffff", "not predicted, or not run"),
    ALIKE: ("#e4e4e4", "neither converges"),
    SHORT: ("#bcb6a8", "run not at its end"),
    OTHER: (GREEN, "ends differ"),
}
NEVER = (Status.STEP_LIMIT, Status.UNSTABLE_MINIMUM)  # at the limit of steps, where theory has no end
LEAST = 0.02  # difference that fills the scale of colours
FARTHEST = 0.98  # quantile that does


def predicted_plane(found: Plane, predicted: xr.Dataset) -> Plane:
    """The plane of a predicted result over the same cells; raises InputError where it has others."""
    if not isinstance(predicted, xr.Dataset) or not is_predicted(predicted):
        raise InputError(
            f"predicted = {described(predicted)} is not what sims.predicted, or gdbias predict FOLDER --lr ..., gives: "
            "use that"
        )
    other = plane(predicted)
    same = len(other.at) == len(found.at) and np.allclose(other.at, found.at) and other.labels == found.labels
    if not same or not np.array_equal(other.ds["lr"].values, found.ds["lr"].values):
        raise InputError(
            f"the predicted plane has {len(other.at)} x {other.ds.sizes['lr']} cells and the result "
            f"{len(found.at)} x {found.ds.sizes['lr']}, or others: predict at the result's own lr and init_scale"
        )
    mine, theirs = (spec_of(each.ds) for each in (found, other))
    prints = [[one.get("fingerprint") for one in spec.get("problem", [])] for spec in (mine, theirs)]
    if mine.get("model") != theirs.get("model") or prints[0] != prints[1]:
        raise InputError("the predicted plane is of another model or other data than the result: predict its own")
    return other


def draw_difference(figure: Figure, axes: Axes, found: Plane, other: Plane, notes: list[str]) -> list[Patch]:
    """``lr (S - S_predicted) / 2`` where both converge, else how the ends compare; returns the patches of a legend."""
    run = codes(found.ds)
    ends = compare_ends(run, codes(other.ds))
    off = found.ds["sharpness"].values - other.ds["sharpness"].values
    drawn = np.where(ends == CONVERGE, found.ds["lr"].values * off / 2, np.nan)
    sizes = np.abs(drawn[np.isfinite(drawn)])
    top = max(LEAST, float(np.quantile(sizes, FARTHEST))) if sizes.size else LEAST
    flat = ListedColormap([color for color, _ in ENDS.values()])
    index = np.ma.masked_equal(ends, CONVERGE)
    axes.pcolormesh(
        *found.edges, index, cmap=flat, vmin=UNKNOWN - 0.5, vmax=OTHER + 0.5, rasterized=True, gid="other ends"
    )
    mesh = axes.pcolormesh(
        *found.edges, np.ma.masked_invalid(drawn), cmap="RdBu_r", vmin=-top, vmax=top, rasterized=True, gid="difference"
    )
    bar = figure.colorbar(mesh, ax=axes, extend="both" if (sizes > top).any() else "neither", aspect=28, pad=0.02)
    bar.set_label(r"$\eta\,(S - S_{\mathrm{predicted}})/2$")
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]
    notes.append(_told(ends, run, off, other.ds))
    return [
        Patch(facecolor=color, edgecolor=GREY, lw=0.4, label=label)
        for end, (color, label) in ENDS.items()
        if (ends == end).any()
    ]


def compare_ends(run: np.ndarray, told: np.ndarray) -> np.ndarray:
    """How each run's end compares with the predicted one, both by status."""
    converge = Status.CONVERGED
    alike = (run == told) | np.isin(run, NEVER) & np.isin(told, NEVER)
    short = (told == converge) & (run == Status.STEP_LIMIT)
    unknown = (run == Status.NOT_RUN) | (told == Status.NOT_RUN)
    both = (run == converge) & (told == converge)
    return np.select([unknown, both, alike, short], [UNKNOWN, CONVERGE, ALIKE, SHORT], OTHER)


def _told(ends: np.ndarray, run: np.ndarray, off: np.ndarray, predicted: xr.Dataset) -> str:
    both = ends == CONVERGE
    alike, settled = int((both | (ends == ALIKE)).sum()), int((~np.isin(ends, (SHORT, UNKNOWN))).sum())
    text = f"{alike} of {settled} runs end as predicted"
    if never := int(((ends == ALIKE) & np.isin(run, NEVER)).sum()):
        text += f", {never} of which never settle"
    if short := int((ends == SHORT).sum()):
        text += f"; {short} were stopped before their end"
    if both.any() and "error_sharpness" in predicted:
        bars = predicted["error_sharpness"].transpose(..., "coverage")
        shares = (np.abs(off)[..., None] <= bars.values)[both].mean(axis=0)
        held = " and ".join(
            f"{share:.0%} in the {cover:.0%} bar" for share, cover in zip(shares, bars["coverage"].values, strict=True)
        )
        text += f"; of the {int(both.sum())} that converge, the sharpness of {held}"
        text += ": errors of one plane are alike, so such shares scatter widely"
    return text
