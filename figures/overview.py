"""The whole story in one figure: phases, the norm-sharpness plane, endpoints over the learning rate, three runs."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .. import sims, theory
from ..sims.status import Status
from ..theory.errors import InputError
from ..theory.validate import one_or_more, whole
from .diagram import draw_plane
from .frontier_plane import draw_norm_plane, measured_ends
from .look import BLACK, BLUE, GREEN, GREY, PAGE, VERMILLION, Figure, styled
from .parts.axes import plane
from .parts.flow_reference import reference
from .parts.legends import legend_above
from .parts.panels import band_note, choose_scale, draw_path, footnote, headline, log_axis
from .parts.predicted import ENDPOINTS, LABEL, POINTS, curve, predicted_ends
from .parts.rate_lines import mark_rates, note_lr_max, rates
from .parts.results import entry, grid, is_predicted, read, require_prediction, scale_of
from .parts.risk import mark_best
from .parts.row import choose_row
from .parts.statuses import codes, mark_unconverged
from .parts.titles import joined, subject
from .trade_off import draw_sharpness

BELOW, ABOVE, STEPS = 0.8, 1.1, 3000  # of lr_critical and of lr_max, and the steps of the three runs
LEFT = 24  # points from a panel to its letter
RUN_COLORS = (BLUE, GREEN, VERMILLION)


@styled
def regimes(
    ds: xr.Dataset,
    pred: "theory.Prediction | None" = None,
    init_scale: float | None = None,
    endpoints: int = ENDPOINTS,
    runs: Sequence[xr.Dataset] = (),
) -> Figure:
    """Where descent follows gradient flow, where it lives at the edge of stability, and what that does to norms.

    (a) The phase of every run under the predicted boundaries, as :func:`gdbias.figures.phase_diagram`. (b) The least
    ``||beta||_1`` of an interpolator at each sharpness, with the endpoints of one row. (c) Sharpness and
    ``||beta||_1`` of that row against the learning rate, with the predicted endpoints in bars that hold 68 % and 90 %
    of runs; runs that did not converge are marks at its top, by status. (d) Loss and ``lr S / 2`` along the given
    runs, or without any the test risk against the learning rate (arXiv 2505.21423).

    Args:
        ds: a result over lr and perhaps init_scale.
        pred: :func:`gdbias.theory.predict` of the same problem, for all init_scales of the result.
        init_scale: the row of (b) to (d), chosen as by ``norm_sharpness``.
        endpoints: learning rates at which to predict what descent ends at, 0 for none.
        runs: of ``sims.descend(..., record_every=1)``, as :func:`regime_runs` makes.

    Raises:
        InputError: as the figures of the single panels do.
    """
    full = grid(ds, "init_scale", "lr")
    pred = require_prediction(pred, "regimes")
    endpoints, runs = whole("endpoints", endpoints, 0, 1000), one_or_more(runs, xr.Dataset, "sims.descend")
    if len(runs) > len(RUN_COLORS):
        raise InputError(f"regimes draws at most {len(RUN_COLORS)} runs, got {len(runs)}")
    if not all("path_loss" in run and "path_sharpness" in run for run in runs):
        raise InputError("regimes draws runs along their steps: make them with sims.descend(..., record_every=1)")
    found, notes = plane(ds, pred), []
    row, title = choose_row(full, pred, init_scale)
    alone = entry(pred, scale_of(row), notes)
    lr, good = row["lr"].values, codes(row) == Status.CONVERGED
    measured = {n: np.where(good, row[n].values, np.nan) for n in ("sharpness", "beta_l1", "test_risk") if n in row}
    line = curve(pred, notes, POINTS)
    told = predicted_ends(alone, lr, endpoints, notes) if alone is not None and endpoints else None
    flow = reference(row, alone, notes)

    figure = Figure(figsize=(PAGE, 5.2))
    cells = figure.add_gridspec(4, 2, height_ratios=[1.15, 1.15, 1, 1])
    first, second = figure.add_subplot(cells[:2, 0]), figure.add_subplot(cells[:2, 1])
    over = [figure.add_subplot(cells[2, 0])]
    over.append(figure.add_subplot(cells[3, 0], sharex=over[0]))
    last = [figure.add_subplot(cells[2, 1]), figure.add_subplot(cells[3, 1])] if runs else []
    last = last or [figure.add_subplot(cells[2:, 1])]

    patches = draw_plane(figure, first, found, pred, "phase" if "phase" in ds else "sharpness", notes)
    legend_above(first, patches)
    draw_norm_plane(figure, second, *measured_ends(row), line, read(alone, "flow", notes))

    draw_sharpness(over[0], row, measured["sharpness"], flow)
    mark_unconverged(over[0], lr, codes(row), is_predicted(row))
    if told is not None:
        told.draw(over[0], "sharpness", "predicted_sharpness", LABEL)
    _draw_norm(over[1], lr, measured.get("beta_l1"), flow.norms.get("beta_l1") if flow is not None else None)
    if told is not None:
        told.draw(over[1], "l1_norm", "predicted_beta_l1")
    over[0].set_ylabel("sharpness $S$")
    known = rates(row, alone, notes)
    mark_rates(over, lr, known, full=False)
    over[1].set(xscale="log", xlabel=r"learning rate $\eta$")
    log_axis(over[1].xaxis, lr)
    over[0].tick_params(labelbottom=False)
    if runs:
        notes += band_note(_draw_runs(last, runs))
    elif "test_risk" in measured:
        _draw_risk(last[0], lr, measured["test_risk"], flow.test_risk if flow is not None else None)
        if told is not None:
            told.draw(last[0], "test_risk", "predicted_test_risk", LABEL)
    else:
        last[0].text(0.5, 0.5, "no held-out samples", transform=last[0].transAxes, ha="center", color=GREY)
        last[0].set_axis_off()
    for axes in (over[0], last[0]):
        legend_above(axes)
    for letter, axes in zip("abcd", (first, second, over[0], last[0]), strict=True):
        axes.annotate(f"({letter})", (0, 1), (-LEFT, 5), "axes fraction", "offset points", ha="right", weight="bold")
    note_lr_max(alone, known, notes)
    headline(figure, joined(subject(ds), f"(b) to (d): {title}"))
    footnote(figure, notes)
    return figure


def regime_runs(pred: "theory.Prediction", init_scale: float) -> list[xr.Dataset]:
    """Three recorded runs: below lr_critical, between lr_critical_final and lr_max, and above lr_max.

    Raises:
        NoClosedForm, NoInterpolator: a problem without one of these learning rates.
    """
    model, problem = pred.dynamics.model, pred.problem
    one = theory.predict(model, problem, init_scale)
    middle = float(np.sqrt(float(one.lr_critical_final) * one.lr_max))
    rates = (BELOW * float(one.lr_critical), middle, ABOVE * one.lr_max)
    return [sims.descend(model, problem, rate, init_scale, max_steps=STEPS, record_every=1) for rate in rates]


def _draw_norm(axes: Axes, lr: np.ndarray, norm: np.ndarray | None, flow: float | None) -> None:
    if flow is not None:
        axes.axhline(flow, color=GREEN, lw=0.8, gid="flow")
    if norm is not None:
        axes.plot(lr, norm, "o-", color=BLUE, lw=0.7, ms=2.4, gid="beta_l1")
    axes.set_ylabel(r"$\|\beta\|_1$")


def _draw_risk(axes: Axes, lr: np.ndarray, risk: np.ndarray, flow: float | None) -> None:
    if flow is not None:
        axes.axhline(flow, color=GREEN, lw=0.8, label="gradient flow", gid="flow_risk")
    axes.plot(lr, risk, "o-", color=BLUE, lw=0.7, ms=2.4, label="gradient descent", gid="test_risk")
    mark_best(axes, lr, risk)
    choose_scale(axes, risk)
    axes.set(xscale="log", xlabel=r"learning rate $\eta$", ylabel="test risk")
    log_axis(axes.xaxis, lr)


def _draw_runs(panels: list[Axes], runs: Sequence[xr.Dataset]) -> list[int]:
    """Loss and stability along the runs; returns the points of each stretch that is drawn as one."""
    sizes, (loss, stability) = [], panels
    for run, color in zip(runs, RUN_COLORS[: len(runs)], strict=True):
        lr, step = float(run["lr"]), run["step"].values
        status = Status(int(run["status"])).label
        draw_path(
            loss, step, run["path_loss"].values, color=color, lw=0.8, gid="loss", label=f"$\\eta$ = {lr:.3g}: {status}"
        )
        sizes.append(
            draw_path(stability, step, lr * run["path_sharpness"].values / 2, color=color, lw=0.8, gid="stability")
        )
    stability.axhline(1, color=BLACK, ls="--", lw=0.8, gid="edge")
    loss.set(xscale="log", yscale="log", ylabel="loss")
    log_axis(loss.yaxis, np.concatenate([run["path_loss"].values for run in runs]))
    loss.tick_params(labelbottom=False)
    stability.set(xscale="log", xlabel="step", ylabel=r"$\eta\,S/2$")
    stability.sharex(loss)
    stability.set_ylim(0, max(1.6, min(4.0, stability.get_ylim()[1])))
    return sizes
