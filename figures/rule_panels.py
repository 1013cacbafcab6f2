"""Update rules beside each other, each over learning rates in units of its own edge."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .. import sims, theory
from ..sims.status import Status
from ..theory.errors import InputError, NoClosedForm
from ..theory.prediction.rule_terms import require_predicted
from ..theory.validate import whole
from .look import BLACK, BLUE, COLUMN, GREEN, GREY, PAGE, Figure, styled
from .parts.edge import rate_at_edge
from .parts.flow_reference import reference
from .parts.legends import legend_above
from .parts.panels import NOTE, choose_panels, choose_scale, footnote, grow, headline, log_axis, widen
from .parts.predicted import ENDPOINTS, SECONDS, Ends, predicted_ends
from .parts.results import check_prediction, entry, grid, has_rules, scale_of, spec_of
from .parts.row import choose_row
from .parts.statuses import codes, mark_unconverged
from .parts.titles import joined, subject

MOST = 6  # rules on a page
LETTERS = 11  # of a panel's title in an inch of the figure
SHARPNESS, NORM, RISK = "sharpness_effective", "beta_l1", "test_risk"
PANELS = {"sharpness": SHARPNESS, "norms": NORM, "test_risk": RISK}
PREDICTED = {SHARPNESS: "sharpness", NORM: "l1_norm", RISK: "test_risk"}  # as predicted ends call them
ENDED = (Status.CONVERGED, Status.STEP_LIMIT, Status.UNSTABLE_MINIMUM, Status.BOUNDED)  # somewhere
POINT: dict[str, Any] = dict(color=BLUE, lw=0.7, ms=2.4)


@dataclass(frozen=True)
class Column:
    """The runs of one rule at learning rates ``lr``, and its predicted ends.

    ``rate`` is where a minimum of the sharpness of reference is at the edge of the rule, or of plain descent where the
    rule has none that is its ``own``.
    """

    rule: theory.UpdateRule
    lr: np.ndarray
    rate: float
    own: bool
    status: np.ndarray
    measured: dict[str, np.ndarray]  # NaN where a run diverged
    told: Ends | None


@styled
def rules(
    ds: xr.Dataset,
    pred: "theory.Prediction | None" = None,
    init_scale: float | None = None,
    endpoints: int = ENDPOINTS,
    panels: Sequence[str] | None = None,
) -> Figure:
    """Sharpness, norm and test risk that several update rules end at, each in units of its own edge.

    The sharpness is ``sharpness_effective``, 1 at the rule's edge of stability at the run's own state. The axis is
    ``lr / lr_edge``: at ``lr_edge`` gradient flow's end, or without a prediction the minimum found at the smallest
    learning rate, is at the rule's edge; ``lr_edge = (2 + 2 b) / S`` for heavy ball with momentum b. The grey line,
    ``min(lr / lr_edge, 1)``, is that end, and the edge from there on. Where a preconditioner sets the edge no learning
    rate is at it, and the axis is in units of ``2 / S``. Circles are runs that did not converge, as they were in the
    end (arXiv 2103.00065, 2207.14484).

    Args:
        ds: a result with the dimensions ``rule`` and ``lr`` and perhaps ``init_scale``, of which one entry is drawn, as
            in ``norm_sharpness``.
        pred: :func:`gdbias.theory.predict` of the same problem, under plain descent.
        init_scale: the scale to draw.
        endpoints: learning rates at which to predict what each rule ends at that has an edge at a minimum, in bars that
            hold 68 % and 90 % of runs where it was scored; 0 for none.
        panels: which of sharpness, norms and test_risk to draw; all that the result has unless given.

    Raises:
        InputError: not a result, one rule or more than six, several entries along another dimension, no run that
            converged and no prediction, one of another problem, or a panel that there is not.
    """
    endpoints = whole("endpoints", endpoints, 0, 1000)
    if not has_rules(ds) or ds.sizes["rule"] > MOST:
        raise InputError(
            f"the result has {ds.sizes.get('rule', 1)} update rules and the figure draws 2 to {MOST}: make it with "
            "gdbias sweep --rule adam,rmsprop, or select some with ds.isel(rule=[0, 1])"
        )
    ds = grid(ds, "rule", "init_scale", "lr")
    check_prediction(ds, pred)
    ds, title = choose_row(ds, pred, init_scale)
    ds, notes = ds.transpose("rule", "lr", ...), list[str]()
    pred = entry(pred, scale_of(ds), notes)
    flow = reference(ds, pred, notes)
    sharpness, norm = _first(ds) if flow is None else (flow.sharpness, flow.norms[NORM])
    columns = [_column(ds.isel(rule=[k]), sharpness, pred, endpoints) for k in range(ds.sizes["rule"])]
    if pred is not None and endpoints and (untold := [c.rule.label for c in columns if c.told is None]):
        notes.append(f"no predicted ends of {', '.join(untold)}, which do not rest at a minimum or have no law")
    if few := [c.rule.label for c in columns if c.told is not None and c.told.late]:
        notes.append(f"ends of {', '.join(few)} are predicted as far as {SECONDS} s allow; lines between are straight")
    units = {SHARPNESS: 1.0, NORM: norm, RISK: 1.0}
    levels = {} if flow is None else {NORM: 1.0, RISK: flow.test_risk}
    shown = [PANELS[name] for name in choose_panels(panels, [name for name, each in PANELS.items() if each in ds])]

    figure = Figure(figsize=(PAGE if len(columns) > 2 else COLUMN, 0.8 + 1.2 * len(shown)))
    every = figure.subplots(len(shown), len(columns), sharex=True, sharey="row", squeeze=False)
    letters = int(LETTERS * figure.get_figwidth() / len(columns))
    names = [_wrapped(column.rule.label, letters) for column in columns]
    whose = "first run's" if flow is None else "flow's"
    edge = f"{whose} end, then edge" if any(column.own for column in columns) else "edge"
    for axes, column, name in zip(every.T, columns, names, strict=True):
        axes[0].set_title(name)
        for panel in axes if column.own else ():
            panel.axvline(1, color=BLACK, ls=":", lw=0.8, zorder=1, label=r"$\eta_{\mathrm{edge}}$", gid="lr_edge")
        for panel, measure in zip(axes, shown, strict=True):
            _draw(panel, column, measure, units[measure], edge)
            if levels.get(measure) is not None:
                panel.axhline(levels[measure], color=GREEN, lw=0.8, label="gradient flow", gid="flow")
        gone = np.where(np.isin(column.status, ENDED), Status.CONVERGED, column.status)
        mark_unconverged(axes[0], column.lr / column.rate, gone)
        axes[-1].set_xlabel(r"$\eta\,/\,\eta_{\mathrm{edge}}$" if column.own else r"$\eta\,/\,(2\,/\,S)$")
    told = {SHARPNESS: "sharpness / edge", NORM: rf"$\|\beta\|_1$ / {whose}", RISK: "test risk"}
    for row, measure in zip(every, shown, strict=True):
        choose_scale(row[0], *(column.measured[measure] / units[measure] for column in columns))
        widen(row[0])
        row[0].set_ylabel(told[measure])
        for axes, column in zip(row, columns, strict=True):
            _draw_told(axes, column, measure, units[measure])
    every[0, 0].set_xscale("log")
    log_axis(every[0, 0].xaxis, np.concatenate([column.lr / column.rate for column in columns]))
    named = {str(one.get_label()): one for axes in every.flat for one in axes.get_legend_handles_labels()[0]}
    second = every[min(1, len(shown) - 1)]  # below the names of the rules; of one row they stand over the legend
    legend_above(second[0], named.values(), span=len(columns))
    if len(shown) == 1 and (legend := second[0].get_legend()) is not None:
        for axes in second:
            axes.set_title(axes.get_title(), pad=72 * legend.get_window_extent().height / figure.dpi + 9)
    grow(figure, NOTE * max(name.count("\n") for name in names))
    headline(figure, joined(subject(ds), title))
    footnote(figure, notes)
    return figure


def _wrapped(label: str, letters: int) -> str:
    """A rule's name in lines of so many letters, as far as it has words."""
    words = label.replace("_", " ").replace("(", " (")
    return textwrap.fill(words, letters, break_long_words=False, break_on_hyphens=False)


def _first(ds: xr.Dataset) -> tuple[float, float]:
    """Sharpness and norm of the converged run with the smallest learning rate, of the first rule that has one."""
    for rule, lr in np.argwhere(codes(ds) == Status.CONVERGED)[:1]:
        cell = ds.isel(rule=rule, lr=lr)
        return float(cell["sharpness"]), float(cell[NORM])
    remedy = "more max_steps" if (codes(ds) == Status.STEP_LIMIT).any() else "smaller lr"
    raise InputError(f"no run of the result converged, so no sharpness is at hand: sweep with {remedy}")


def _column(ds: xr.Dataset, sharpness: float, pred: "theory.Prediction | None", endpoints: int) -> Column:
    """Of a result over (rule, lr) with one rule."""
    rule, lr, status = sims.rebuild_rule(ds), ds["lr"].values, codes(ds)[0]
    rate = rate_at_edge(rule, sharpness)
    own = bool(np.isfinite(rate))
    ended = np.isin(status, ENDED)
    measured = {name: np.where(ended, ds[name].values[0], np.nan) for name in PREDICTED if name in ds}
    under = None if pred is None or not endpoints else _under(rule, pred)
    told = None if under is None else predicted_ends(under, lr, endpoints, [], spec_of(ds).get("max_steps"))
    return Column(rule, lr, rate if own else 2 / sharpness, own, status, measured, told)


def _under(rule: "theory.UpdateRule", pred: "theory.Prediction") -> "theory.Prediction | None":
    """The prediction of the same problem and start under another rule; None where theory has no law of it."""
    try:
        return replace(pred, rule=require_predicted(rule))
    except NoClosedForm:
        return None


def _draw(axes: Axes, column: Column, name: str, unit: float, edge: str) -> None:
    x, values, converged = column.lr / column.rate, column.measured[name] / unit, column.status == Status.CONVERGED
    if name == SHARPNESS:
        at = np.geomspace(x.min(), x.max(), 100)
        axes.plot(at, np.minimum(at, 1) if column.own else np.ones(len(at)), color=GREY, label=edge, gid="edge")
    axes.plot(x, np.where(converged, values, np.nan), "o-", **POINT, label="converged", gid=name)
    if (~converged & np.isfinite(values)).any():
        other = np.where(converged, np.nan, values)
        hollow: dict[str, Any] = POINT | dict(fillstyle="none", mew=0.6)
        axes.plot(x, other, "o", **hollow, label="at the last step", gid=f"{name} unconverged")


def _draw_told(axes: Axes, column: Column, name: str, unit: float) -> None:
    told = column.told
    if told is None or getattr(told.ends[0], PREDICTED[name]) is None:
        return
    limit = np.asarray(column.rule.sharpness_limit(told.lr))
    if name != SHARPNESS or np.isfinite(limit).all():
        units = limit if name == SHARPNESS else unit
        told.draw(axes, PREDICTED[name], f"predicted_{name}", "predicted", units, column.rate)
