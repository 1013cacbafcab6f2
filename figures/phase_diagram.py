"""Which runs follow gradient flow and which live at the edge of stability, over both knobs."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from ..sims.status import Status
from ..theory.errors import InputError
from .panels import CRITICAL_LABELS, footnote, log_axis
from .phases import draw_phases, foreseen, phase_codes
from .results import check_prediction, grid, rows, scale_of, subject, value_in
from .statuses import LOOKS, codes, unconverged
from .style import BLACK, COLUMN, GREY, Figure, styled

if TYPE_CHECKING:
    from ..theory.predict import Prediction

LINES = {"lr_critical": "-", "lr_critical_final": (0, (2.5, 1.5))}


@styled
def phase_diagram(ds: xr.Dataset, pred: "Prediction | None" = None, by: str = "sharpness") -> Figure:
    """How every run of a sweep ended, over the learning rate and the scale of the start.

    Converged runs are coloured by ``lr * sharpness / 2``: 1 at the edge of stability. Other runs have a
    flat colour by status. With ``by="phase"`` every run has the colour of its phase, and a remark says how many runs
    have a phase that ``pred`` allows (:func:`gdbias.figures.phases.foreseen`). The lines are
    ``lr_critical = 2 / max_t S(flow(t))`` and ``lr_critical_final = 2 / S(flow's end)`` over ``init_scale``
    (arXiv 2505.21423).

    Args:
        ds: a result with dimension ``lr`` and perhaps ``init_scale``, on any grid of positive values.
        pred: :func:`gdbias.theory.predict` of the same problem, for one init_scale or an array of them.
        by: sharpness or phase.

    Raises:
        InputError: not a result, no phases to draw, or several entries along another dimension.
    """
    if by not in ("sharpness", "phase"):
        raise InputError(f"by = {by!r}: use sharpness or phase")
    if not {"lr", "init_scale"} & set(ds.dims):
        raise InputError("a phase diagram draws a sweep, this result is one run: use trajectory")
    ds = grid(ds, "init_scale", "lr")
    check_prediction(ds, pred)
    scale = scale_of(ds)
    if "init_scale" not in ds.dims:
        ds = ds.drop_vars("init_scale", errors="ignore").expand_dims(init_scale=[scale or 1.0])
    ds = ds.transpose("init_scale", "lr", ...)
    lr, scales, status = ds["lr"].values, ds["init_scale"].values, codes(ds)
    edges = log_edges(lr), log_edges(scales)

    figure = Figure(figsize=(COLUMN, 2.0 if len(scales) == 1 else 3.1))
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlabel=r"learning rate $\eta$", ylabel=r"init_scale $\alpha$")
    notes: list[str] = []
    patches: list[Patch] = []
    if by == "phase":
        patches = draw_phases(axes, edges, phase_codes(ds))
        if pred is not None and _is_of(pred, scales):
            right, cells = foreseen(ds, pred, notes)
            notes.append(f"theory allows the phase of {right} of {cells} runs that have a phase and a prediction")
    else:
        _draw_stability(figure, axes, edges, ds, status)
    for name in LINES:
        _draw_critical(axes, ds, pred, name, notes)
    axes.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    log_axis(axes.xaxis, lr)
    log_axis(axes.yaxis, scales)
    if len(scales) == 1:
        axes.set_yticks([] if scale is None else [scale], [] if scale is None else [f"{scale:.3g}"])
        axes.set_ylabel("" if scale is None else r"init_scale $\alpha$")
    _legend(axes, patches or _patches(status))
    figure.suptitle(subject(ds), fontsize=8)
    footnote(figure, notes)
    return figure


def _is_of(pred: "Prediction", scales: np.ndarray) -> bool:
    """Whether the prediction has one row for each row of the result."""
    at = None if pred.init_scale is None else np.atleast_1d(pred.init_scale)
    return len(pred.starts) == len(scales) and (at is None or np.allclose(at, scales, rtol=1e-6))


def _draw_stability(
    figure: Figure, axes: Axes, edges: tuple[np.ndarray, np.ndarray], ds: xr.Dataset, status: np.ndarray
) -> None:
    lr, many = ds["lr"].values, len(status) > 1
    stability = np.where(status == Status.CONVERGED, lr * ds["sharpness"].values / 2, np.nan)
    mesh = axes.pcolormesh(
        *edges, np.ma.masked_invalid(stability), vmin=0, vmax=1, cmap="viridis", rasterized=True, gid="stability"
    )
    _draw_unconverged(axes, edges, status)
    beyond = "max" if np.nanmax(stability, initial=0.0) > 1.001 else "neither"
    bar = figure.colorbar(mesh, ax=axes, extend=beyond, aspect=28 if many else 10, pad=0.02)
    bar.set_label(r"$\eta\,S/2$   (1: edge of stability)" if many else r"$\eta\,S/2$")
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]


def log_edges(centers: np.ndarray) -> np.ndarray:
    """Cell edges, one more than there are increasing positive centers, half-way between them in the logarithm."""
    x = np.log(centers)
    if len(x) == 1:
        return np.exp(x[0] + np.array([-0.2, 0.2]))
    middle = (x[1:] + x[:-1]) / 2
    return np.exp(np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]]))


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
            cells = _outline(edges, status == code)
            axes.add_patch(PathPatch(cells, fill=False, lw=0, edgecolor=GREY, hatch=look.hatch, gid=f"hatch {code}"))


def _outline(edges: tuple[np.ndarray, np.ndarray], where: np.ndarray) -> Path:
    x, y = edges
    i, j = np.nonzero(where)
    corners = np.stack([x[[j, j + 1, j + 1, j, j]], y[[i, i, i + 1, i + 1, i]]], axis=-1)  # (corner, cell, 2)
    pen = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(corners.swapaxes(0, 1).reshape(-1, 2), np.tile(pen, len(i)))


def _draw_critical(axes: Axes, ds: xr.Dataset, pred: "Prediction | None", name: str, notes: list[str]) -> None:
    scales = ds["init_scale"].values
    if pred is not None:
        values, at = rows(pred, name, notes), pred.init_scale
    else:
        found = value_in(ds, name)
        if found is None:
            return
        values, at = np.atleast_1d(np.asarray(found, dtype=float)).ravel(), scales
    at = None if at is None else np.atleast_1d(at)
    outlined: dict[str, Any] = dict(
        color="white",
        ls=LINES[name],
        lw=1.2,
        label=CRITICAL_LABELS[name],
        gid=name,
        path_effects=[withStroke(linewidth=2.4, foreground=BLACK)],
    )
    if not np.isfinite(values).any():
        return
    if len(values) > 1 and at is not None:
        order = np.argsort(at)
        axes.plot(values[order], at[order], **outlined)
    elif at is None or len(scales) == 1:
        axes.axvline(values[0], **outlined)
    else:  # one prediction belongs to one row
        edges = log_edges(scales)
        row = int(np.clip(np.searchsorted(edges, at[0]) - 1, 0, len(scales) - 1))
        axes.plot([values[0]] * 2, edges[[row, row + 1]], **outlined)


def _patches(status: np.ndarray) -> list[Patch]:
    return [
        Patch(facecolor=look.color, edgecolor=GREY, lw=0.4, hatch=look.hatch, label=look.label)
        for _, look in unconverged(status)
    ]


def _legend(axes: Axes, patches: list[Patch]) -> None:
    lines, labels = axes.get_legend_handles_labels()
    if lines or patches:
        axes.legend(
            [*lines, *patches], [*labels, *(str(p.get_label()) for p in patches)],
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2,
        )  # fmt: skip
