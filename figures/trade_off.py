"""The trade-off of arXiv 2505.21423: what descent ends at, against the learning rate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .. import sims, theory
from ..sims.status import Status
from ..theory.errors import InputError
from ..theory.prediction.rule_terms import signs
from ..theory.prediction.swings import followed_in_steps
from ..theory.validate import whole
from .look import BLUE, GREEN, GREY, Figure, styled
from .parts.edge import limit_label, sharpness_limit
from .parts.flow_reference import Reference, reference
from .parts.legends import legend_above
from .parts.panels import NORMS, choose_panels, choose_scale, footnote, headline, log_axis, reach, stack, widen
from .parts.predicted import ENDPOINTS, LABEL, LARGE, POINTS, curve, predicted_ends
from .parts.rate_lines import mark_rates, note_lr_max, rates
from .parts.results import check_prediction, entry, grid, is_predicted, rule_of, scale_of, spec_of
from .parts.risk import mark_best
from .parts.row import choose_row
from .parts.statuses import codes, mark_unconverged
from .parts.titles import joined, subject
from .parts.told import deep_predicted, draw_told

HOLLOW: dict[str, Any] = dict(color=BLUE, ms=2.4, fillstyle="none", mew=0.6)
LEAST = 0.1  # of the largest sharpness, that its axis spans


@styled
def norm_sharpness(
    ds: xr.Dataset,
    pred: "theory.Prediction | None" = None,
    init_scale: float | None = None,
    endpoints: int = ENDPOINTS,
    predicted: xr.Dataset | None = None,
    panels: Sequence[str] | None = None,
) -> Figure:
    """Final sharpness, norms and test risk of the converged runs against the learning rate.

    Drawn beside them: the edge of stability, ``S = 2 / lr`` or that of the result's update rule, gradient flow's
    endpoint (green), and vertical lines at ``lr_critical = 2 / max_t S(flow(t))``, ``lr_critical_final = 2 / S(flow's
    end)`` and ``lr_max``, above which no interpolator is stable; one that is far off the axis is told in the legend
    alone. Norms are relative to gradient flow's, or where neither ``pred`` nor a deep result gives it
    to those of the smallest learning rate that converged. Runs that did not converge are marks at the top of the
    first panel, by status (arXiv 2505.21423); of a rule that need not rest hollow points as well, of their last step.

    Args:
        ds: a result with dimension ``lr`` and perhaps ``init_scale``, of which one entry is drawn: the one
            at ``init_scale``, or else nearest to ``pred.init_scale`` if that is one number, or else the
            middle one of those with most converged runs.
        pred: :func:`gdbias.theory.predict` of the same problem and update rule, for one init_scale or for all.
        init_scale: the scale to draw.
        endpoints: learning rates at which to predict what descent ends at, the runs' and the boundaries first, fewer
            where they take long, 0 for none: the endpoint of the constrained flow, in bars that hold 68 % and 90 % of
            runs, and on small data the least ``||beta||_1`` with ``S <= 2 / lr``.
        predicted: what :func:`gdbias.sims.deep.predicted` tells of the same deep network, drawn with its brackets.
        panels: which of sharpness, norms and test_risk to draw; all that the result has unless given.

    Raises:
        InputError: not a result; several entries along another dimension; an init_scale that is not positive or not
            within 5% of one of the result's; a prediction of another network or rule; a panel that there is not.
    """
    endpoints = whole("endpoints", endpoints, 0, 1000)
    ds = grid(ds, "init_scale", "lr")
    check_prediction(ds, pred, ruled=True)
    ds, title = choose_row(ds, pred, init_scale)
    title = joined(subject(ds), title)
    notes: list[str] = []
    pred = entry(pred, scale_of(ds), notes)
    flow = reference(ds, pred, notes)
    known = rates(ds, pred, notes)
    deep = None if predicted is None else deep_predicted(ds, predicted)

    told = (
        predicted_ends(pred, ds["lr"].values, endpoints, notes, spec_of(ds).get("max_steps"))
        if pred is not None and endpoints and not is_predicted(ds)
        else None
    )
    small = pred is not None and pred.problem.n * pred.problem.d <= LARGE
    plain = pred is not None and pred.rule == theory.gradient_descent  # the frontier is at 2 / S
    line = curve(pred, notes, POINTS) if told is not None and pred is not None and plain and small else None

    lr, converged = ds["lr"].values, codes(ds) == Status.CONVERGED
    names = [name for name in ("sharpness", *NORMS, "test_risk") if name in ds]
    measured = {name: np.where(converged, ds[name].values, np.nan) for name in names}
    hovers = (codes(ds) == Status.STEP_LIMIT) & _hovers(ds)
    last = {name: np.where(hovers, ds[name].values, np.nan) for name in names} if hovers.any() else {}
    norms = {name: measured[name] for name in NORMS if name in measured}
    risk = measured.get("test_risk")
    risk = risk if risk is not None and np.isfinite([risk, last.get("test_risk", risk)]).any() else None
    there = {"sharpness": True, "norms": bool(norms), "test_risk": risk is not None}
    drawn = choose_panels(panels, [name for name in there if there[name]])
    figure, every = stack(len(drawn))
    where = dict(zip(drawn, every, strict=True))

    if axes := where.get("sharpness"):
        draw_sharpness(axes, ds, measured["sharpness"], flow, last.get("sharpness"))
        if told is not None:
            told.draw(axes, "sharpness", "predicted_sharpness", LABEL if plain else "predicted")
        if deep is not None:
            draw_told(axes, deep, "sharpness", deep["lr"].values, 1.0, "predicted")
    mark_unconverged(every[0], lr, codes(ds), is_predicted(ds))
    mark_rates(every, lr, known, full=False)
    if axes := where.get("norms"):
        units = _draw_norms(axes, lr, norms, flow)
        if "beta_l1" in last and units.get("beta_l1"):
            _draw_last(axes, lr, last["beta_l1"] / units["beta_l1"], "beta_l1")
        unit = units.get("beta_l1", 0.0)
        if told is not None and unit:
            told.draw(axes, "l1_norm", "predicted_beta_l1", r"predicted $\|\beta\|_1$", unit)
        for name in norms if deep is not None else ():
            draw_told(axes, deep, name, deep["lr"].values, units[name])  # type: ignore[arg-type]
        if line is not None and unit:
            at = 2 / line.sharpness
            seen = (lr.min() <= at) & (at <= lr.max())
            axes.plot(
                at[seen], line.l1_norm[seen] / unit, color=GREY, ls=":", label=r"least $\|\beta\|_1$", gid="frontier"
            )
    if risk is not None and (axes := where.get("test_risk")):
        _draw_risk(axes, lr, risk, flow)
        if "test_risk" in last:
            _draw_last(axes, lr, last["test_risk"], "test_risk")
        if told is not None and told.ends[0].test_risk is not None:
            told.draw(axes, "test_risk", "predicted_test_risk")
        if deep is not None:
            draw_told(axes, deep, "test_risk", deep["lr"].values, 1.0)
    for axes in every:
        legend_above(axes, flush=axes is every[0])
    every[-1].set_xlabel(r"learning rate $\eta$")
    every[-1].set_xscale("log")
    log_axis(every[-1].xaxis, lr)
    headline(figure, title)
    note_lr_max(pred, known, notes)
    footnote(figure, notes)
    return figure


def _hovers(ds: xr.Dataset) -> bool:
    """Whether the runs are of a rule that need not rest."""
    try:
        rule = sims.rebuild_rule(ds)
    except InputError:  # several, none to read back, or another kind
        return False
    return followed_in_steps(rule) or signs(rule)


def _draw_last(axes: Axes, lr: np.ndarray, values: np.ndarray, name: str) -> None:
    axes.plot(lr, values, "o", **HOLLOW, gid=f"{name} last")
    reach(axes, values)


def draw_sharpness(
    axes: Axes, ds: xr.Dataset, sharpness: np.ndarray, flow: Reference | None, last: np.ndarray | None = None
) -> None:
    """Sharpness of the runs, with the edge of stability and gradient flow's; ``last`` is of those that hover."""
    lr = ds["lr"].values
    rates = np.geomspace(lr.min(), lr.max(), 200) if len(lr) > 1 else lr[0] * np.geomspace(0.8, 1.25, 50)
    limit = sharpness_limit(ds, rates)
    if limit is not None:
        axes.plot(rates, limit, color=GREY, label=f"stable below ${limit_label(ds)}$", gid="hyperbola")
    heights = sharpness[np.isfinite(sharpness)]
    if flow is not None:
        axes.axhline(flow.sharpness, color=GREEN, lw=0.8, label="gradient flow", gid="flow")
        heights = np.append(heights, flow.sharpness)
    label = "predicted" if is_predicted(ds) else rule_of(ds) or "gradient descent"
    axes.plot(lr, sharpness, "o-", color=BLUE, lw=0.7, ms=2.4, label=label, gid="sharpness")
    if last is not None:
        axes.plot(lr, last, "o", **HOLLOW, label="at the last step", gid="sharpness last")
        heights = np.append(heights, last[np.isfinite(last)])
    top = heights.max() if heights.size else 1.0 if limit is None else np.median(limit)
    span = max(np.ptp(heights), LEAST * top) if heights.size else top  # zero is no value of theirs
    axes.set_ylim(max(0.0, top - 1.15 * span), top + 0.3 * span)
    axes.set_ylabel("final sharpness $S$")


def _draw_norms(axes: Axes, lr: np.ndarray, norms: dict[str, np.ndarray], flow: Reference | None) -> dict[str, float]:
    """Draws, and returns the units."""
    first = {name: values[np.isfinite(values)][:1] for name, values in norms.items()}
    unit = {name: float(value[0]) for name, value in first.items() if value.size}
    if flow is not None:
        unit = dict(flow.norms)
    axes.axhline(1.0, color=GREEN if flow is not None else GREY, lw=0.8)
    for name, values in norms.items():
        if unit.get(name, 0.0) > 0:
            label, color, line = NORMS[name]
            alone = _alone(values)
            dots: dict[str, Any] = dict(marker="o", ms=1.8, markevery=alone) if alone.any() else {}
            axes.plot(lr, values / unit[name], color=color, ls=line, **dots, label=label, gid=name)
    widen(axes)
    axes.set_ylabel("norm / flow's" if flow is not None else "norm / first run's")
    return unit


def _alone(values: np.ndarray) -> np.ndarray:
    """Where a value stands between two that are NaN, or at an end beside one: no line leads there."""
    gone = np.isnan(np.pad(values, 1, constant_values=np.nan))
    return ~gone[1:-1] & gone[:-2] & gone[2:]


def _draw_risk(axes: Axes, lr: np.ndarray, risk: np.ndarray, flow: Reference | None) -> None:
    axes.plot(lr, risk, "o-", color=BLUE, lw=0.7, ms=2.4, gid="test_risk")
    shown = [risk]
    if flow is not None and flow.test_risk is not None:
        axes.axhline(flow.test_risk, color=GREEN, lw=0.8)
        shown.append(np.array([flow.test_risk]))
    mark_best(axes, lr, risk)
    choose_scale(axes, *shown)
    widen(axes)
    axes.set_ylabel("test risk")
