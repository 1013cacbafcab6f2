"""One sample: which interpolators have the least norm, sharpness and expected error, and where descent ends."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .. import theory
from ..sims.status import Status
from ..theory.errors import InputError
from .frontier_plane import draw_norm_plane, measured_ends
from .look import BLACK, BLUE, COLUMN, GREEN, GREY, ORANGE, VERMILLION, Figure, styled
from .parts.legends import legend_above
from .parts.panels import choose_scale, footnote, headline, log_axis
from .parts.predicted import curve
from .parts.results import check_prediction, entry, grid, read, require_prediction, scale_of
from .parts.row import choose_row
from .parts.statuses import codes
from .parts.titles import joined, start_of, subject_of

if TYPE_CHECKING:
    from ..theory.prediction.one_sample import Minimisers
    from ..theory.prediction.prediction import Prediction

THREE = {  # attribute: marker, colour
    "norm": ("s", ORANGE),
    "sharpness": ("^", ORANGE),
    "generalisation": ("*", VERMILLION),
}


@styled
def minimisers(
    pred: "Prediction", ds: xr.Dataset | None = None, init_scale: float | None = None, points: int = 40
) -> Figure:
    """The interpolators of one sample with least norm, sharpness and expected error, and where descent ends.

    Panels: the share ``beta_i x_i / y`` that each feature has of the fit, over ``|x_i|``; the plane of sharpness and
    ``||beta||_1`` with the frontier between the first two; the expected error against the sharpness, of the frontier
    (black) and of converged runs, coloured in the plane by the learning rate (arXiv 2505.21423).

    Args:
        pred: :func:`gdbias.theory.predict` of a problem with one sample, for one init_scale or for all of the result's.
        ds: a result with dimension ``lr`` and perhaps ``init_scale``, of which one entry is drawn, as by
            ``norm_sharpness``; without it no runs.
        init_scale: the scale to draw.
        points: of the frontier.

    Raises:
        InputError: not a result, several samples, or an init_scale that the result has not.
    """
    require_prediction(pred, "minimisers")
    problem, model, notes = pred.problem, pred.dynamics.model, []
    if problem.n != 1:
        raise InputError(f"minimisers draws one sample, the problem has {problem.n}: use figures.frontier")
    x, y = problem.X[0], float(problem.y[0])
    found, row, title = theory.minimisers(model, x, y), None, ""
    if ds is not None:
        full = grid(ds, "init_scale", "lr", "feature", "weight")
        check_prediction(full, pred)
        row, title = choose_row(full, pred, init_scale)
        init_scale = scale_of(row)
    alone = entry(pred, init_scale, notes)
    line, flow = curve(pred, notes, points), read(alone, "flow", notes)

    figure = Figure(figsize=(COLUMN, 5.0))
    shares, plane, error = figure.subplots(3, 1, height_ratios=(1, 1.5, 1.1))
    _draw_shares(shares, x, found)
    lr, ends = measured_ends(row)
    draw_norm_plane(figure, plane, lr, ends, line, flow)
    (marker, color), best = THREE["generalisation"], found.generalisation
    plane.plot(best.sharpness, best.l1_norm, marker, color=color, ms=8, mec=BLACK, mew=0.5, gid="best", zorder=6)
    _draw_error(error, found, line, flow, ends.get("sharpness", np.empty(0)), _coefficients(row, notes))
    headline(figure, joined(subject_of(pred), title or start_of(alone)))
    footnote(figure, notes)
    return figure


def _coefficients(row: xr.Dataset | None, notes: list[str]) -> np.ndarray | None:
    """Of the converged runs, (run, d)."""
    if row is None:
        return None
    if "beta" not in row:
        notes.append("no expected error of runs: sweep with keep=('beta',)")
        return None
    return row["beta"].transpose("lr", "feature").values[codes(row) == Status.CONVERGED]


def _draw_shares(axes: Axes, x: np.ndarray, found: "Minimisers") -> None:
    order = np.argsort(np.abs(x))
    for name, (marker, color) in THREE.items():
        share = getattr(found, name).share[order]
        axes.plot(
            np.abs(x)[order], share, marker, color=color, mec=BLACK, mew=0.4, ms=4.5, label=name, gid=f"share {name}"
        )
    axes.axhline(0, color=GREY, lw=0.5)
    axes.set(xlabel=r"$|x_i|$", ylabel=r"share of the fit $\beta_i x_i / y$", ylim=(-0.05, 1.1))
    legend_above(axes, title="minimiser of")


def _draw_error(axes: Axes, found: "Minimisers", line, flow, sharpness: np.ndarray, beta: np.ndarray | None) -> None:
    shown = []
    if line is not None:
        shown.append(found.expected_error(line.beta))
        axes.plot(line.sharpness, shown[-1], color=BLACK, lw=1.0, label="least norm", gid="frontier error")
    if beta is not None and len(beta):
        shown.append(found.expected_error(beta))
        axes.plot(sharpness, shown[-1], "o", color=BLUE, ms=2.4, label="descent", gid="descent error")
    if flow is not None:
        shown.append(np.atleast_1d(found.expected_error(flow.beta)))
        axes.plot(flow.sharpness, shown[-1], "D", color=GREEN, ms=5, mec=BLACK, mew=0.5, label="gradient flow")
    for name, (marker, color) in THREE.items():
        one = getattr(found, name)
        shown.append(np.array([one.expected_error]))
        axes.plot(one.sharpness, one.expected_error, marker, color=color, ms=8 if marker == "*" else 5, mec=BLACK,
                  mew=0.5, gid=f"error {name}", zorder=6)  # fmt: skip
    choose_scale(axes, *shown)
    at = np.array([getattr(found, name).sharpness for name in THREE])
    axes.set(xscale="log", xlabel="sharpness $S$", ylabel="expected error")
    log_axis(axes.xaxis, np.concatenate([at, sharpness]))
    legend_above(axes)
