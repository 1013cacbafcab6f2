"""The norm-sharpness plane: what interpolators exist there, and where descent ends."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..sims.status import Status
from ..theory.validate import real, whole
from .look import BLACK, BLUE, COLUMN, GREEN, GREY, ORANGE, Figure, styled
from .parts.legends import legend_above
from .parts.panels import choose_scale, footnote, headline, log_axis, widen
from .parts.predicted import ENDPOINTS, PREDICTED, Ends, curve, predicted_ends
from .parts.rate_lines import mark_rates
from .parts.results import check_prediction, entry, grid, read, require_prediction, scale_of
from .parts.risk import mark_best
from .parts.row import choose_row
from .parts.statuses import codes
from .parts.titles import joined, start_of, subject_of

if TYPE_CHECKING:
    from ..theory.prediction.flow_endpoint import FlowEndpoint
    from ..theory.prediction.frontiers import Frontier as Curve
    from ..theory.prediction.prediction import Prediction


@styled
def frontier(
    pred: "Prediction",
    ds: xr.Dataset | None = None,
    init_scale: float | None = None,
    points: int = 40,
    endpoints: int = ENDPOINTS,
) -> Figure:
    """The least l1 norm of an interpolator at each sharpness, with the endpoints of descent and of gradient flow.

    The curve ``min ||beta||_1, X beta = y, S <= s`` runs from the norm minimiser to the sharpness minimiser, beyond
    which nothing fits: ``lr_max = 2 / sharpness_min``. Points: converged runs, coloured by the learning rate. A second
    panel has the test risk against the learning rate, the curve's at ``lr = 2 / s`` (arXiv 2505.21423).

    Args:
        pred: :func:`gdbias.theory.predict` for one init_scale, or for all of the result's.
        ds: a result with dimension ``lr`` and perhaps ``init_scale``, of which one entry is drawn, as by
            ``norm_sharpness``; without it the curve alone.
        init_scale: the scale to draw.
        points: of the curve.
        endpoints: learning rates in the result's range at which to predict what descent ends at, 0 for none.

    Raises:
        InputError: not a result; several entries along another dimension; an init_scale that the result has not.
    """
    full = None if ds is None else grid(ds, "init_scale", "lr")
    require_prediction(pred, "frontier")
    notes: list[str] = []
    title, row = "", None
    if full is not None:
        check_prediction(full, pred)
        row, title = choose_row(full, pred, init_scale)
        init_scale = scale_of(row)
    elif init_scale is not None:
        init_scale = real("init_scale", init_scale, above=0)
    problem = pred.problem
    line = curve(pred, notes, points)
    alone = entry(pred, init_scale, notes)
    flow: FlowEndpoint | None = read(alone, "flow", notes)
    lr, ends = measured_ends(row)
    endpoints = whole("endpoints", endpoints, 0, 1000)
    rates = np.empty(0) if row is None else row["lr"].values
    told = predicted_ends(alone, rates, endpoints, notes) if alone is not None and endpoints and len(rates) else None

    risk = ends.get("test_risk")
    second = bool(problem.X_test is not None and risk is not None and np.isfinite(risk).any())
    figure = Figure(figsize=(COLUMN, 2.5 + 1.3 * second))
    panels = np.ravel(figure.subplots(1 + second, 1, height_ratios=[1.6, 1][: 1 + second]))
    draw_norm_plane(figure, panels[0], lr, ends, line, flow, told)
    if second and risk is not None:
        _draw_risk(panels[1], lr, risk, line, flow)
    headline(figure, joined(subject_of(pred), title or start_of(alone)))
    footnote(figure, notes)
    return figure


def measured_ends(row: xr.Dataset | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Learning rates of the converged runs, and their sharpness, l1 norm and test risk."""
    if row is None:
        return np.empty(0), {}
    good = codes(row) == Status.CONVERGED
    found = {name: row[name].values[good] for name in ("sharpness", "beta_l1", "test_risk") if name in row}
    return row["lr"].values[good], found


def draw_norm_plane(
    figure: Figure,
    axes: Axes,
    lr: np.ndarray,
    ends: dict[str, np.ndarray],
    line: "Curve | None",
    flow: "FlowEndpoint | None",
    told: Ends | None = None,
) -> None:
    """Frontier, its ends, gradient flow and the endpoints of descent in the axes, measured and predicted."""
    sharpness, norms = [ends.get("sharpness", np.empty(0))], [ends.get("beta_l1", np.empty(0))]
    if line is not None:
        sharpness.append(line.sharpness)
        norms.append(line.l1_norm)
    if flow is not None:
        sharpness.append(np.ravel(flow.sharpness))
        norms.append(np.ravel(flow.l1_norm))
    shown = np.concatenate(sharpness), np.concatenate(norms)
    if line is not None:
        axes.plot(line.sharpness, line.l1_norm, color=BLACK, lw=1.0, label="least norm", gid="frontier", zorder=2)
        flattest = rf"sharpness minimiser, $2\,/\,S = \eta_{{\mathrm{{max}}}}$ = {line.lr_max:.3g}"
        for index, marker, label, gid in ((0, "s", "norm minimiser", "norm"), (-1, "^", flattest, "flat")):
            axes.plot(
                line.sharpness[index], line.l1_norm[index], marker, color=ORANGE, ms=5, mec=BLACK, mew=0.5, ls="none",
                label=label, gid=f"{gid} minimiser", zorder=5,
            )  # fmt: skip
    if flow is not None:
        axes.plot(
            float(flow.sharpness), float(flow.l1_norm), "D", color=GREEN, ms=5, mec=BLACK, mew=0.5, ls="none",
            label="gradient flow", gid="flow", zorder=5,
        )  # fmt: skip
    if told is not None:
        ends_at = [[getattr(end, name) for end in told.ends] for name in ("sharpness", "l1_norm")]
        axes.plot(*ends_at, **PREDICTED, label="predicted ends of descent", gid="predicted")
    if len(lr) and "beta_l1" in ends:
        dots = axes.scatter(
            ends["sharpness"], ends["beta_l1"], c=lr, cmap="viridis", s=12, lw=0,
            zorder=4, gid="descent", label="gradient descent",
        )  # fmt: skip
        bar = figure.colorbar(dots, ax=axes, pad=0.02, aspect=24)
        bar.set_label(r"descent: learning rate $\eta$")
        bar.outline.set_linewidth(0.5)  # type: ignore[operator]
    axes.set(xscale="log", xlabel="sharpness $S$", ylabel=r"$\|\beta\|_1$")
    log_axis(axes.xaxis, shown[0][np.isfinite(shown[0]) & (shown[0] > 0)])
    left, right = axes.get_xlim()
    middle = np.sqrt(left * right)
    axes.set_xlim(min(left, 0.99 * middle), max(right, 1.01 * middle))  # a difference in the fourth digit is none
    widen(axes)
    if line is not None:
        _shade(axes, line)
    legend_above(axes)


def _shade(axes: Axes, line: "Curve") -> None:
    """Where no interpolator is: below the curve, and left of its end."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    low = max(0.0, low - 0.1 * (high - low))
    axes.fill_between(
        np.concatenate([[left, line.sharpness[-1]], line.sharpness[::-1], [right]]),
        low,
        np.concatenate([[high, high], line.l1_norm[::-1], [line.l1_norm[0]]]),
        color=GREY, alpha=0.15, lw=0, zorder=0,
    )  # fmt: skip
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.text(0.04, 0.05, "no interpolator", transform=axes.transAxes, color=GREY, style="italic", fontsize=7)


def _draw_risk(axes: Axes, lr: np.ndarray, risk: np.ndarray, line: "Curve | None", flow: "FlowEndpoint | None") -> None:
    shown = [risk]
    axes.plot(lr, risk, "o-", color=BLUE, lw=0.7, ms=2.4, label="descent", gid="test_risk")
    mark_best(axes, lr, risk)
    if line is not None and line.test_risk is not None:
        at = 2 / line.sharpness
        axes.plot(at, line.test_risk, color=BLACK, lw=1.0, label="least norm", gid="frontier_risk")
        mark_rates([axes], np.append(lr, at), {"lr_max": line.lr_max}, full=False)
    if flow is not None and flow.test_risk is not None:
        axes.axhline(float(flow.test_risk), color=GREEN, lw=0.8, label="gradient flow", gid="flow_risk")
        shown.append(np.ravel(flow.test_risk))
    choose_scale(axes, *shown)
    values = np.concatenate(shown)
    low, high = np.nanmin(values), np.nanmax(values)  # without noise the least norm may have no risk at all
    axes.set_ylim(*((low / 2, 2 * high) if axes.get_yscale() == "log" else (0, 1.15 * high)))
    axes.set(xscale="log", xlabel=r"learning rate $\eta$", ylabel="test risk")
    log_axis(axes.xaxis, np.concatenate([lr, 2 / line.sharpness]) if line is not None else lr)
    legend_above(axes)
