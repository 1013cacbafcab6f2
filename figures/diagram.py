"""Which runs follow gradient flow and which live at the edge of stability, over both knobs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from .. import theory
from ..sims.status import Status
from ..theory.validate import one_of
from .look import BLACK, COLUMN, GREY, PAGE, Figure, styled
from .parts.axes import Plane, plane
from .parts.beside import draw_difference, predicted_plane
from .parts.edge import edge_times_lr, limit_label, rate_at_edge, sharpness_limit
from .parts.legends import legend_above
from .parts.panels import CRITICAL_SYMBOLS, critical_label, footnote, headline
from .parts.phases import draw_phases, foreseen, phase_codes
from .parts.rate_lines import why_no_lr_max
from .parts.results import boundary, is_predicted, momenta_of, spec_of, value_in
from .parts.statuses import LOOKS, codes, end, hatch_cells, unconverged
from .parts.titles import joined, start, subject

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
    """How every run of a sweep ended, over the learning rate and the scale of the start, the model, n/d or the rule.

    Converged runs are coloured by ``lr * sharpness / 2``: 1 at the edge of stability. Other runs have a
    flat colour by status, and so have all runs of a map of divergence. With ``by="phase"`` every run has the colour of
    its phase. The lines, predicted without any run: ``lr_critical = 2 / max_t S(flow(t))``, ``lr_critical_final = 2 /
    S(flow's end)``, ``lr_max``, above which no interpolator is stable, and ``lr_divergence``, above which most
    runs diverge on their way (arXiv 2505.21423).

    Over update rules, such as heavy ball with several momenta b, colour is ``sharpness_effective``, and each line is
    where the rule's edge meets the same sharpness: ``(2 + 2 b) / S``, for Nesterov's step
    ``(2 + 2 b) / (1 + 2 b) / S``; none where the edge hangs on a run's own state.

    A remark says how many runs are in a phase that theory allows by these lines: flow aligned or catapult below
    ``lr_critical``, converged up to ``lr_critical_final``, catapult or edge of stability from there to ``lr_max``, no
    converged run above, and diverged above ``lr_divergence``; converging wherever runs converge. Not counted are
    runs that are undecided, and those without a prediction.

    With ``predicted``, what :func:`gdbias.sims.predicted` gives for the same cells, three panels show what was
    measured, what was predicted without a run, and ``lr (S - S_predicted) / 2``, with the runs that end otherwise. A
    remark says how many end alike, and the share of sharpnesses within their bars.

    Args:
        ds: a result with dimension ``lr`` and perhaps one of ``init_scale``, ``model``, ``seed`` (problems, by n/d
            where they differ in n) and ``rule`` (by momentum where they differ in that alone), on any grid of positive
            values.
        pred: :func:`gdbias.theory.predict` of the same problem, for one init_scale or an array of them; for
            several models or problems a list of predictions, one each; for several rules that of plain descent.
        by: sharpness or phase.
        predicted: a predicted plane over the same cells.

    Raises:
        InputError: not a result, no phases to draw, several entries along another dimension, predictions that are
            not for its rows, or a predicted plane of other cells.
    """
    by = one_of("by =", by, ("sharpness", "phase"))
    found = plane(ds, pred)
    notes: list[str] = []
    height = 1.3 if len(found.at) == 1 else 2.4
    if predicted is None:
        figure = Figure(figsize=(COLUMN, height))
        axes = figure.subplots()
        patches = draw_plane(figure, axes, found, pred, by, notes)
        legend_above(axes, patches, flush=True)
    else:
        figure = Figure(figsize=(PAGE, height))
        _draw_beside(figure, found, pred, predicted_plane(found, predicted), by, notes)
    headline(figure, joined(subject(ds), start(ds)))
    footnote(figure, notes)
    return figure


def _draw_beside(
    figure: Figure,
    found: Plane,
    pred: "theory.Prediction | Sequence[theory.Prediction] | None",
    other: Plane,
    by: str,
    notes: list[str],
) -> None:
    """Measured, predicted, and the difference in three panels, all three named; the first two share what tells them."""
    panels = list(figure.subplots(1, 3, sharey=True))
    patches = draw_plane(figure, panels[0], found, pred, by, notes, bar=False)
    patches = _together(patches + draw_plane(figure, panels[1], other, None, by, notes))
    lines = [line for axes in panels[:2] for line in axes.get_legend_handles_labels()[0]]
    legend_above(panels[0], {str(one.get_label()): one for one in (*lines, *patches)}.values(), span=2, flush=True)
    legend_above(panels[2], draw_difference(figure, panels[2], found, other, notes))
    found.prepare(panels[2])
    for axes, name in zip(panels, ("measured", "predicted", "difference"), strict=True):
        axes.text(
            0.03, 0.03, name, transform=axes.transAxes, va="bottom", bbox=dict(fc="white", ec=GREY, lw=0.4, pad=2)
        )
        axes.set_ylabel(axes.get_ylabel() if axes is panels[0] else "")


def _together(patches: list[Patch]) -> list[Patch]:
    """The patches of a measured and a predicted plane, with one entry for what both call otherwise and draw alike."""
    measured, foretold = (end(Status.STEP_LIMIT, predicted) for predicted in (False, True))
    by_label = {str(patch.get_label()): patch for patch in patches}
    if measured in by_label and foretold in by_label:
        del by_label[foretold]
        by_label[measured].set_label(f"{measured} (predicted: {foretold})")
    return list(by_label.values())


def draw_plane(
    figure: Figure,
    axes: Axes,
    found: Plane,
    pred: "theory.Prediction | Sequence[theory.Prediction] | None",
    by: str,
    notes: list[str],
    bar: bool = True,
) -> list[Patch]:
    """Cells and predicted lines in the axes, with a bar of colours; returns the patches of a legend."""
    pred, ds, status = found.predictions(pred), found.ds, codes(found.ds)
    patches = _patches(status, ds)
    if by == "phase":
        patches = draw_phases(axes, found.edges, phase_codes(ds))
    elif "sharpness" not in ds:
        _draw_unconverged(axes, found.edges, status)
    else:
        _draw_stability(figure, axes, found.edges, ds, status, bar)
    for name in LINES:
        _draw_critical(axes, found, pred, name, notes)
    if pred is not None and "phase" in ds and not found.rules and _is_of(pred, found):
        notes.append(_judged(*foreseen(ds, pred)))
    found.prepare(axes)
    return patches


def _judged(right: int, cells: int, others: int) -> str:
    """How many runs are where theory has them."""
    rest = f"{others} are undecided, not run or without a prediction"
    if not cells:
        return f"no run can be held against theory: {rest}"
    nearly = right < cells and right / cells > 0.995  # which is not 100 %
    share = f"{right} of {cells} runs ({right / cells:.{2 if nearly else 0}%}) are in a phase that theory allows"
    return f"{share}; {rest}" if others else share


def _is_of(pred: "theory.Prediction | Sequence[theory.Prediction]", found: Plane) -> bool:
    """Whether the prediction has one row for each row of the result."""
    if isinstance(pred, Sequence):
        return True  # was looked at
    at = None if pred.init_scale is None else np.atleast_1d(pred.init_scale)
    return len(pred.starts) == len(found.at) and (
        at is None or found.labels is not None or np.allclose(at, found.at, rtol=1e-6)
    )


def _draw_stability(
    figure: Figure, axes: Axes, edges: tuple[np.ndarray, np.ndarray], ds: xr.Dataset, status: np.ndarray, bar: bool
) -> None:
    lr, many = ds["lr"].values, len(status) > 1
    limit = sharpness_limit(ds, lr)
    if limit is None and "sharpness_effective" in ds:  # an edge that hangs on more than lr
        limit, name = ds["sharpness"].values / ds["sharpness_effective"].values, "sharpness / edge"
    elif limit is None:  # a step of one's own: nothing tells its edge
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
    if not bar:
        return
    beyond = "max" if known and np.nanmax(stability, initial=0.0) > 1.001 else "neither"
    scale = figure.colorbar(mesh, ax=axes, extend=beyond, aspect=28 if many else 10, pad=0.02)
    scale.set_label(f"{name}   (1: edge of stability)" if many and known else name)
    scale.outline.set_linewidth(0.5)  # type: ignore[operator]


def _draw_unconverged(axes: Axes, edges: tuple[np.ndarray, np.ndarray], status: np.ndarray) -> None:
    flat = ListedColormap([look.color for look in LOOKS.values()])
    index = np.full(status.shape, np.nan)
    for k, code in enumerate(LOOKS):
        index[status == code] = k
    axes.pcolormesh(
        *edges, np.ma.masked_invalid(index), cmap=flat, vmin=-0.5, vmax=len(LOOKS) - 0.5, rasterized=True, gid="status"
    )
    for code, look in unconverged(status):
        if look.hatch:
            hatch_cells(axes, edges, status == code, look.hatch, f"hatch {int(code)}")


def _draw_critical(
    axes: Axes,
    found: Plane,
    pred: "theory.Prediction | Sequence[theory.Prediction] | None",
    name: str,
    notes: list[str],
) -> None:
    ds, edges = found.ds, found.edges[1]
    at: np.ndarray | None = found.at
    if found.rules and name == "lr_divergence":  # known of plain descent alone
        return
    if pred is not None:
        further = name in ("lr_max", "lr_divergence")  # lines that need not exist
        values = boundary(pred, name, [] if further else notes)
        if name == "lr_max" and not np.isfinite(values).any() and not notes:
            notes.append(f"no lr_max: {why_no_lr_max(pred)}")
        if not isinstance(pred, Sequence) and found.labels is None:
            at = None if pred.init_scale is None else np.atleast_1d(pred.init_scale)
    else:
        stored = value_in(ds, name)
        if stored is None:
            return
        values = np.atleast_1d(np.asarray(stored, dtype=float)).ravel()
    if found.rules:
        values = np.array([rate_at_edge(rule, 2 / float(values[0])) for rule in found.rules])
    outlined: dict[str, Any] = dict(
        color="white",
        ls=LINES[name],
        lw=1.2,
        solid_capstyle="butt",
        label=critical_label(name, edge_times_lr(found.rules) if found.rules else "2"),
        gid=name,
        path_effects=[withStroke(linewidth=3.6, foreground="white"), withStroke(linewidth=2.4, foreground=BLACK)],
    )
    known, (low, high) = values[np.isfinite(values)], found.edges[0][[0, -1]]
    if not len(known) or name == "lr_divergence" and not ((known > low) & (known < high)).any():
        return
    if (known < low).all() or (known > high).all():
        side, nearest = ("left", known.max()) if (known < low).all() else ("right", known.min())
        label = f"{CRITICAL_SYMBOLS[name]} = {nearest:.3g}{' ...' if np.ptp(known) else ''}, {side} of the plane"
        outlined |= dict(label=label, gid=f"{name} beyond")
        axes.plot([], [], **outlined)
        return
    if momenta_of(found.rules):
        axes.plot(values, found.at, **outlined)
    elif len(values) > 1 and found.labels is not None:  # a piece a row
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


def _patches(status: np.ndarray, ds: xr.Dataset) -> list[Patch]:
    return [
        Patch(facecolor=look.color, edgecolor=GREY, lw=0.4, hatch=look.hatch, label=end(code, is_predicted(ds)))
        for code, look in unconverged(status)
    ]
