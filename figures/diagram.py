"""Which runs follow gradient flow and which live at the edge of stability, over both knobs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from .. import theory
from ..sims.status import Status
from ..theory.errors import GdbiasError
from ..theory.validate import one_of
from .look import BLACK, COLUMN, GREY, Figure, styled
from .parts.axes import Plane, plane
from .parts.beside import draw_difference, predicted_plane
from .parts.edge import limit_label, sharpness_limit
from .parts.panels import CRITICAL_LABELS, footnote, headline
from .parts.phases import draw_phases, foreseen, phase_codes
from .parts.predicted import told
from .parts.results import LARGE, boundary, is_predicted, spec_of, subject, value_in
from .parts.statuses import LOOKS, codes, end, unconverged

WIDE = 10.0  # inches, of three panels
LINES = {  # line styles
    "lr_critical": "-",
    "lr_critical_final": (0, (2.5, 1.5)),
    "lr_max": (0, (5, 1.2, 1, 1.2)),
    "lr_divergence": (0, (1, 1)),
}


@styled
def phase_diagram(
    ds: xr.Dataset,
    pred: "theory.Prediction | Sequence[theory.Prediction] | None" = None,
    by: str = "sharpness",
    predicted: xr.Dataset | None = None,
) -> Figure:
    """How every run of a sweep ended, over the learning rate and the scale of the start, the model or n/d.

    Converged runs are coloured by ``lr * sharpness / 2``: 1 at the edge of stability. Other runs have a
    flat colour by status, and so have all runs of a map of divergence. With ``by="phase"`` every run has the colour of
    its phase. The lines, predicted without any run: ``lr_critical = 2 / max_t S(flow(t))``, ``lr_critical_final = 2 /
    S(flow's end)``, ``lr_max``, above which no interpolator is stable, and ``lr_divergence``, above which descent
    diverges on its way (arXiv 2505.21423).

    A remark says how many runs are in a phase that theory allows by these lines: flow aligned or catapult below
    ``lr_critical``, converged up to ``lr_critical_final``, catapult or edge of stability from there to ``lr_max``, no
    converged run above, and diverged above ``lr_divergence``; converging wherever runs converge. Not counted are
    runs that are undecided, and those without a prediction.

    With ``predicted``, what :func:`gdbias.sims.predicted` gives for the same cells, three panels show what was
    measured, what was predicted without a run, and ``lr (S - S_predicted) / 2``, with the runs that end otherwise. A
    remark says how many end alike, and the share of sharpnesses within their bars.

    Args:
        ds: a result with dimension ``lr`` and perhaps one of ``init_scale``, ``model`` and ``seed`` (problems,
            by n/d where they differ in n), on any grid of positive values.
        pred: :func:`gdbias.theory.predict` of the same problem, for one init_scale or an array of them; for
            several models or problems a list of predictions, one each.
        by: sharpness or phase.
        predicted: a predicted plane over the same cells.

    Raises:
        InputError: not a result, no phases to draw, several entries along another dimension, predictions that are
            not for its rows, or a predicted plane of other cells.
    """
    by = one_of("by =", by, ("sharpness", "phase"))
    found = plane(ds, pred)
    notes: list[str] = []
    height = 2.0 if len(found.at) == 1 else 3.1
    figure = Figure(figsize=(COLUMN if predicted is None else WIDE, height))
    first, *others = np.ravel(figure.subplots(1, 1 if predicted is None else 3, sharey=True)).tolist()
    legend_of_plane(first, draw_plane(figure, first, found, pred, by, notes))
    if predicted is not None:
        _draw_beside(figure, [first, *others], found, predicted_plane(found, predicted), by, notes)
    headline(figure, subject(ds))
    footnote(figure, notes, 62 if predicted is None else 150)
    return figure


def _draw_beside(figure: Figure, panels: list[Axes], found: Plane, other: Plane, by: str, notes: list[str]) -> None:
    """The predicted plane and the difference in the last two of three panels, and all three named."""
    legend_of_plane(panels[1], draw_plane(figure, panels[1], other, None, by, notes))
    legend_of_plane(panels[2], draw_difference(figure, panels[2], found, other, notes))
    found.prepare(panels[2])
    for axes, name in zip(panels, ("measured", "predicted", "difference"), strict=True):
        axes.text(
            0.03, 0.03, name, transform=axes.transAxes, va="bottom", bbox=dict(fc="white", ec=GREY, lw=0.4, pad=2)
        )
        axes.set_ylabel(axes.get_ylabel() if axes is panels[0] else "")


def draw_plane(
    figure: Figure,
    axes: Axes,
    found: Plane,
    pred: "theory.Prediction | Sequence[theory.Prediction] | None",
    by: str,
    notes: list[str],
) -> list[Patch]:
    """Cells and predicted lines in the axes; returns the patches of a legend."""
    pred, ds, status = found.predictions(pred), found.ds, codes(found.ds)
    patches = _patches(status, ds)
    if by == "phase":
        patches = draw_phases(axes, found.edges, phase_codes(ds))
    elif "sharpness" not in ds:
        _draw_unconverged(axes, found.edges, status)
    else:
        _draw_stability(figure, axes, found.edges, ds, status)
    for name in LINES:
        _draw_critical(axes, found, pred, name, notes)
    if pred is not None and "phase" in ds and _is_of(pred, found):
        right, cells, others = foreseen(ds, pred)
        nearly = right < cells and right / cells > 0.995  # which is not 100 %
        share = f" ({right / cells:.{2 if nearly else 0}%})" if cells else ""
        rest = f"; {others} are undecided, not run or without a prediction" if others else ""
        notes.append(f"{right} of {cells} runs{share} are in a phase that theory allows{rest}")
    found.prepare(axes)
    return patches


def _is_of(pred: "theory.Prediction | Sequence[theory.Prediction]", found: Plane) -> bool:
    """Whether the prediction has one row for each row of the result."""
    if isinstance(pred, Sequence):
        return True  # was looked at
    at = None if pred.init_scale is None else np.atleast_1d(pred.init_scale)
    return len(pred.starts) == len(found.at) and (
        at is None or found.labels is not None or np.allclose(at, found.at, rtol=1e-6)
    )


def _draw_stability(
    figure: Figure, axes: Axes, edges: tuple[np.ndarray, np.ndarray], ds: xr.Dataset, status: np.ndarray
) -> None:
    lr, many = ds["lr"].values, len(status) > 1
    limit = sharpness_limit(ds, lr)
    if limit is None:  # a step of one's own: nothing tells its edge
        limit, name = np.ones(len(lr)), "$S$"
    else:
        name = r"$\eta\,S/2$" if "rule" not in spec_of(ds) else f"$S\\;/\\;({limit_label(ds)})$"
    stability = np.where(status == Status.CONVERGED, ds["sharpness"].values / limit, np.nan)
    known = name != "$S$"
    mesh = axes.pcolormesh(
        *edges, np.ma.masked_invalid(stability), vmin=0, vmax=1 if known else None, cmap="viridis", rasterized=True,
        gid="stability",
    )  # fmt: skip
    _draw_unconverged(axes, edges, status)
    beyond = "max" if known and np.nanmax(stability, initial=0.0) > 1.001 else "neither"
    bar = figure.colorbar(mesh, ax=axes, extend=beyond, aspect=28 if many else 10, pad=0.02)
    bar.set_label(f"{name}   (1: edge of stability)" if many and known else name)
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]


def _draw_unconverged(axes: Axes, edges: tuple[np.ndarray, np.ndarray], status: np.ndarray) -> None:
    flat = ListedColormap([look.color for look in LOOKS.values()])
    index = np.full(status.shape, np.nan)
    for k, code in enumerate(LOOKS):
        index[status == code] = k
    axes.pcolormesh(
        *edges, np.ma.masked_invalid(index), cmap=flat, vmin=-0.5, vmax=len(LOOKS) - 0.5, rasterized=True, gid="status"
    )
    for code, look in unconverged(status):
        if look.hatch:  # one patch of all its cells
            cells, gid = _outline(edges, status == code), f"hatch {int(code)}"
            axes.add_patch(PathPatch(cells, fill=False, lw=0, edgecolor=GREY, hatch=look.hatch, gid=gid))


def _outline(edges: tuple[np.ndarray, np.ndarray], where: np.ndarray) -> Path:
    x, y = edges
    i, j = np.nonzero(where)
    corners = np.stack([x[[j, j + 1, j + 1, j, j]], y[[i, i, i + 1, i + 1, i]]], axis=-1)  # (corner, cell, 2)
    pen = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(corners.swapaxes(0, 1).reshape(-1, 2), np.tile(pen, len(i)))


def _draw_critical(
    axes: Axes,
    found: Plane,
    pred: "theory.Prediction | Sequence[theory.Prediction] | None",
    name: str,
    notes: list[str],
) -> None:
    ds, edges = found.ds, found.edges[1]
    at: np.ndarray | None = found.at
    if pred is not None:
        further = name in ("lr_max", "lr_divergence")  # lines that need not exist
        values = boundary(pred, name, [] if further else notes)
        if name == "lr_max" and not np.isfinite(values).any() and not notes:
            notes.append(f"no lr_max: {_why_no_lr_max(pred)}")
        if not isinstance(pred, Sequence) and found.labels is None:
            at = None if pred.init_scale is None else np.atleast_1d(pred.init_scale)
        low, high = found.edges[0][[0, -1]]
        if further and not ((values > low) & (values < high)).any():
            return
    else:
        stored = value_in(ds, name)
        if stored is None:
            return
        values = np.atleast_1d(np.asarray(stored, dtype=float)).ravel()
    outlined: dict[str, Any] = dict(
        color="white",
        ls=LINES[name],
        lw=1.2,
        solid_capstyle="butt",
        label=CRITICAL_LABELS[name],
        gid=name,
        path_effects=[withStroke(linewidth=2.4, foreground=BLACK)],
    )
    if not np.isfinite(values).any():
        return
    if len(values) > 1 and found.labels is not None:  # a piece a row
        pieces = np.stack([edges[:-1], edges[1:], np.full(len(values), np.nan)], axis=1)
        axes.plot(np.repeat(values, 3), pieces.ravel(), **outlined)
    elif len(values) > 1 and at is not None:
        order = np.argsort(at)
        axes.plot(values[order], at[order], **outlined)
    elif at is None or pred is None or len(found.at) == 1:
        axes.axvline(values[0], **outlined)
    else:  # one prediction belongs to one row
        row = int(np.clip(np.searchsorted(edges, at[0]) - 1, 0, len(found.at) - 1))
        axes.plot([values[0]] * 2, edges[[row, row + 1]], **outlined)


def _why_no_lr_max(pred: "theory.Prediction | Sequence[theory.Prediction]") -> str:
    one = pred[0] if isinstance(pred, Sequence) else pred
    if one.problem.n > LARGE:
        return f"for {one.problem.n} samples it takes minutes, pred.lr_max computes it"
    try:
        return f"{one.lr_max}"
    except GdbiasError as error:
        return told(error, one).split(": ")[0]


def _patches(status: np.ndarray, ds: xr.Dataset) -> list[Patch]:
    return [
        Patch(facecolor=look.color, edgecolor=GREY, lw=0.4, hatch=look.hatch, label=end(code, is_predicted(ds)))
        for code, look in unconverged(status)
    ]


def legend_of_plane(axes: Axes, patches: list[Patch]) -> None:
    lines, labels = axes.get_legend_handles_labels()
    if lines or patches:
        axes.legend(
            [*lines, *patches], [*labels, *(str(p.get_label()) for p in patches)],
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2,
        )  # fmt: skip
