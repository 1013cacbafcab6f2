"""Diagonal networks beside deep ones: the same measures on the same axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .. import theory
from ..sims.status import Status
from ..theory.errors import InputError
from .look import BLACK, BLUE, GREEN, GREY, PAGE, VERMILLION, Figure, styled
from .parts.flow_reference import Reference, reference
from .parts.panels import CRITICAL_SYMBOLS, NORMS, NOTE, choose_scale, footnote, grow, log_axis, widen, wrapped
from .parts.rate_lines import LINES, rates
from .parts.results import entry, grid, read, require_plain, scale_of, value_in
from .parts.row import choose_row
from .parts.statuses import codes, mark_unconverged
from .parts.titles import joined, subject
from .parts.told import deep_predicted, draw_told

TITLES = ("diagonal network", "deep network")
MOST: dict[str, Any] = dict(color=BLACK, ls=LINES["lr_max"], lw=0.8)


@dataclass(frozen=True)
class Column:
    """What one column draws, over ``x = lr / lr_critical``."""

    x: np.ndarray
    status: np.ndarray
    edge: np.ndarray  # lr * sharpness / 2, of converged runs
    lr_critical: float
    lr_max: float  # NaN where it is not known
    norms: dict[str, np.ndarray]  # relative to the reference
    risk: np.ndarray | None
    flow: Reference
    flow_known: bool


@styled
def contrast(
    diagonal: xr.Dataset,
    deep: xr.Dataset,
    pred: "theory.Prediction | None" = None,
    init_scale: float | None = None,
    predicted: xr.Dataset | None = None,
) -> Figure:
    """Final sharpness, norms and test risk of a diagonal sweep and of a deep one over ``lr / lr_critical``.

    Sharpness is in units of ``2 / lr_critical``, gradient flow's largest: runs that follow flow lie on its line,
    runs at the edge of stability ``S = 2 / lr`` on the hyperbola ``1 / x``, in both columns. Norms are relative to
    gradient flow's endpoint (arXiv 2505.21423).

    Args:
        diagonal: a result of ``sims.sweep``; one row of ``init_scale`` is drawn, as in ``norm_sharpness``.
        deep: a result of ``sims.deep.sweep``.
        pred: :func:`gdbias.theory.predict` of the diagonal problem. Without it, the run at the smallest learning
            rate that converged stands for gradient flow.
        init_scale: the row of the diagonal sweep to draw.
        predicted: what ``sims.deep.predicted`` tells of the deep network, drawn with its brackets.

    Raises:
        InputError: not a result, several entries along another dimension, no converged run and no flow, runs with
            an update rule, or a prediction of another network.
    """
    for ds in (diagonal, deep):
        require_plain(ds)  # 2 / lr is the edge in both columns
    if "flow_sharpness" in diagonal or "flow_sharpness" not in deep:
        wrong = "the first is" if "flow_sharpness" in diagonal else "the second is not"
        raise InputError(
            f"contrast draws a result of sims.sweep beside one of sims.deep.sweep, and {wrong} of a deep network: give "
            "gdbias plot contrast RUNS --deep DEEP"
        )
    notes: list[str] = []
    row, title = choose_row(grid(diagonal, "init_scale", "lr"), pred, init_scale)
    columns = [
        _column(row, entry(pred, scale_of(row), notes), "diagonal", notes),
        _column(grid(deep, "lr"), None, "deep", notes),
    ]
    figure = Figure(figsize=(PAGE, 5.0))
    panels = figure.subplots(3, 2, sharex=True)
    panels[0, 1].sharey(panels[0, 0])
    subjects = joined(subject(diagonal), title), subject(deep)
    titles = [wrapped(joined(*named), PAGE * 0.42) for named in zip(TITLES, subjects, strict=True)]
    grow(figure, NOTE * max(text.count("\n") for text in titles))
    for place, (column, name) in enumerate(zip(columns, titles, strict=True)):
        axes = panels[:, place]
        axes[0].set_title(name)
        _draw_sharpness(axes[0], column)
        _draw_norms(axes[1], column)
        _draw_risk(axes[2], column)
        axes[2].set_xlabel(r"learning rate $\eta\,/\,\eta_c$")
        if predicted is not None and column is columns[1]:
            _draw_told(axes, column, deep_predicted(deep, predicted))
        for panel in axes:
            panel.axvline(1, color=BLACK, ls="--", lw=0.8, zorder=1, gid="lr_critical")
            if np.isfinite(column.lr_max):
                panel.axvline(column.lr_max / column.lr_critical, **MOST, zorder=1, gid="lr_max")
    panels[0, 0].set_ylabel(r"final sharpness $S\,/\,(2\,/\,\eta_c)$")
    panels[1, 0].set_ylabel("norm / gradient flow's")
    panels[2, 0].set_ylabel("test risk")
    reach = np.concatenate([column.x[column.status == Status.CONVERGED] for column in columns])
    panels[0, 0].set_xscale("log")
    log_axis(panels[0, 0].xaxis, reach)
    panels[0, 0].set_ylim(0, 1.35)
    footnote(figure, notes)
    return figure


def _column(ds: xr.Dataset, pred: "theory.Prediction | None", name: str, notes: list[str]) -> Column:
    status = codes(ds)
    good = np.flatnonzero(status == Status.CONVERGED)
    flow = reference(ds, pred, notes)
    critical = read(pred, "lr_critical", notes) if pred is not None else value_in(ds, "lr_critical")
    critical = np.nan if critical is None or np.size(critical) != 1 else float(np.ravel(critical)[0])
    known = flow is not None and bool(np.isfinite(critical))
    if not known:
        if not good.size:
            raise InputError(f"no run of the {name} result converged: nothing to compare")
        first = ds.isel(lr=int(good[0]))
        critical = 2 / float(first["sharpness_max"] if "sharpness_max" in first else first["sharpness"])
        norms = {norm: float(first[norm]) for norm in NORMS if norm in first}
        flow = Reference(float(first["sharpness"]), norms, None)
        notes.append(f"{name}: the smallest learning rate that converged stands for gradient flow")
    assert flow is not None
    lr, converged = ds["lr"].values, status == Status.CONVERGED

    def measured(variable: str) -> np.ndarray:
        return np.where(converged, ds[variable].values, np.nan)

    risk = measured("test_risk") if "test_risk" in ds else np.full(len(lr), np.nan)
    return Column(
        x=lr / critical,
        status=status,
        edge=lr * measured("sharpness") / 2,
        lr_critical=critical,
        lr_max=rates(ds, pred, []).get("lr_max", np.nan),
        norms={norm: measured(norm) / flow.norms[norm] for norm in NORMS if norm in ds and flow.norms.get(norm)},
        risk=risk if np.isfinite(risk).any() else None,
        flow=flow,
        flow_known=known,
    )


def _draw_sharpness(axes: Axes, column: Column) -> None:
    x = np.geomspace(column.x.min(), column.x.max(), 200)
    axes.plot(x, 1 / x, color=GREY, label=r"$2\,/\,\eta$", gid="hyperbola")
    axes.plot(column.x, column.edge / column.x, "o-", color=BLUE, lw=0.7, ms=2.4, label="descent", gid="sharpness")
    if column.flow_known:
        height = column.flow.sharpness * column.lr_critical / 2
        axes.axhline(height, color=GREEN, lw=0.8, label="gradient flow", gid="flow")
    mark_unconverged(axes, column.x, column.status)
    if np.isfinite(column.lr_max):
        label = f"{CRITICAL_SYMBOLS['lr_max']} = {column.lr_max / column.lr_critical:.3g}" r" $\eta_c$"
        axes.plot([], [], **MOST, label=label)
    axes.legend(loc="lower left")


def _draw_told(panels: Sequence[Axes], column: Column, told: xr.Dataset) -> None:
    x = told["lr"].values / column.lr_critical
    draw_told(panels[0], told, "sharpness", x, 2 / column.lr_critical, "predicted")
    panels[0].legend(loc="lower left")
    for name in column.norms:
        draw_told(panels[1], told, name, x, column.flow.norms[name])
    if column.risk is not None:
        draw_told(panels[2], told, "test_risk", x, 1.0)


def _draw_norms(axes: Axes, column: Column) -> None:
    axes.axhline(1, color=GREEN if column.flow_known else GREY, lw=0.8)
    for name, values in column.norms.items():
        label, color, line = NORMS[name]
        axes.plot(column.x, values, color=color, ls=line, label=label, gid=name)
    widen(axes)
    axes.legend(loc="upper left", ncols=2)


def _draw_risk(axes: Axes, column: Column) -> None:
    if column.risk is None:
        axes.text(0.5, 0.5, "no held-out samples", transform=axes.transAxes, ha="center", color=GREY)
        return
    axes.plot(column.x, column.risk, "o-", color=BLUE, lw=0.7, ms=2.4, gid="test_risk")
    shown = [column.risk]
    if column.flow.test_risk is not None:
        axes.axhline(column.flow.test_risk, color=GREEN, lw=0.8)
        shown.append(np.array([column.flow.test_risk]))
    best = int(np.nanargmin(column.risk))
    axes.plot(column.x[best], column.risk[best], "*", color=VERMILLION, ms=7, mew=0, label="smallest", gid="best")
    choose_scale(axes, *shown)
    axes.legend(loc="best")
