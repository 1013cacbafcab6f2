"""One run over time."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..sims.status import Status
from ..theory.errors import InputError
from .look import BLACK, BLUE, ORANGE, Figure, styled
from .parts.edge import limit_label, sharpness_limit
from .parts.legends import legend_above
from .parts.panels import (
    BLOT,
    NORMS,
    band_note,
    choose_panels,
    choose_scale,
    draw_path,
    footnote,
    headline,
    log_axis,
    stack,
)
from .parts.titles import joined, start, subject

EFFECTIVE = "sharpness_effective"
PANELS = {
    "loss": "loss", "sharpness": "sharpness $S$", EFFECTIVE: "sharpness / edge", "norms": "norm",
    "test_risk": "test risk",
}  # fmt: skip


@styled
def trajectory(run: xr.Dataset, panels: Sequence[str] | None = None) -> Figure:
    """Loss, sharpness and norms along one run: over steps for descent, over time for gradient flow.

    The line in the panel of the sharpness is the edge of stability, ``S = 2 / lr`` for plain descent (2103.00065), and
    beside it the sharpness of batches where steps draw them (2412.20553). A rule whose edge hangs on its own state,
    such as Adam, has none there, but a panel of its effective sharpness, which is 1 at the edge.
    A long curve is drawn as its mean and the band between its extremes over a few steps; a remark says
    over how many.

    Args:
        run: a result of ``sims.descend(..., record_every=k)`` or ``sims.flow``, whose variables ``path_*`` have
            the dimension ``step`` or ``time``.
        panels: which of loss, sharpness, sharpness_effective, norms and test_risk to draw; all that were recorded
            unless given, the effective sharpness where it is not the sharpness over the edge.

    Raises:
        InputError: nothing was recorded, more than one run, or a panel that there is not.
    """
    x = next((dim for dim in ("step", "time") if dim in run.dims), None)
    paths = {str(name).removeprefix("path_"): run[name] for name in run.data_vars if str(name).startswith("path_")}
    if x is None or not paths:
        raise InputError(
            "nothing was recorded (record_every = 0, or a sweep): use gdbias run --lr 0.1 --store run.zarr, "
            "sims.descend(..., record_every=1), or sims.flow"
        )
    for name, path in paths.items():
        others = [dim for dim in path.dims if dim != x and path.sizes[dim] > 1 and name in ("loss", "sharpness")]
        if others:
            raise InputError(
                f"{path.sizes[others[0]]} runs along {others[0]!r}: draw one, selected with run.isel({others[0]}=0)"
            )
    at = run[x].values
    curves = {name: np.ravel(path.values) for name, path in paths.items() if path.size == at.size}
    norms = {name: curves[name] for name in NORMS if name in curves}
    known = {**curves, "norms": norms} if norms else curves
    there = [name for name in PANELS if name in known]
    told = EFFECTIVE in there and np.isfinite(curves[EFFECTIVE]).any() and _edge(run) is None
    drawn = choose_panels([n for n in there if n != EFFECTIVE or told] if panels is None else panels, there)
    figure, every = stack(len(drawn))
    sizes = [1]  # points of one on each curve
    where = dict(zip(drawn, every, strict=True))

    for name in drawn:
        if name == "norms":
            continue
        sizes.append(draw_path(where[name], at, curves[name], color=BLUE, lw=0.8, long=BLOT, gid=name))
        where[name].set_ylabel(PANELS[name])
        choose_scale(where[name], curves[name])
    if "loss" in where and (curves["loss"] > 0).any():
        where["loss"].set_yscale("log")
        log_axis(where["loss"].yaxis, curves["loss"])
    if "sharpness" in where:
        _draw_edge(where["sharpness"], run)
    if EFFECTIVE in where:
        where[EFFECTIVE].axhline(1.0, color=BLACK, ls="--", lw=0.8, label="edge of stability", gid="edge_effective")
        legend_above(where[EFFECTIVE])
    if "sharpness" in where and "batch_sharpness" in curves:
        values = curves["batch_sharpness"]
        draw_path(where["sharpness"], at, values, BLOT, color=ORANGE, lw=0.8, label="of batches", gid="batch_sharpness")
    if "sharpness" in where and "gfs_sharpness" in curves:
        label = "of the flow's endpoint from there"
        draw_path(
            where["sharpness"],
            at,
            curves["gfs_sharpness"],
            BLOT,
            color=ORANGE,
            lw=0.9,
            label=label,
            gid="gfs_sharpness",
        )
    if "sharpness" in where:
        legend_above(where["sharpness"])
    if "norms" in where:
        for name, values in norms.items():
            label, color, line = NORMS[name]
            draw_path(where["norms"], at, values, BLOT, color=color, ls=line, lw=0.9, label=label, gid=name)
        choose_scale(where["norms"], *norms.values())
        where["norms"].set_ylabel(PANELS["norms"])
        legend_above(where["norms"])
    every[-1].set_xlabel({"step": "step", "time": "time of gradient flow"}[x])
    late = at[at > 0]
    if x == "time" and len(late) > 1:  # flow slows down by orders of magnitude
        every[-1].set_xscale("log")
        log_axis(every[-1].xaxis, late)
        every[-1].set_xlim(late.min(), late.max())
    else:
        every[-1].xaxis.set_major_locator(MaxNLocator(6, integer=x == "step"))
        every[-1].set_xlim(at.min(), at.max() if at.max() > at.min() else None)
    headline(figure, joined(subject(run), start(run), *_ended(run)))
    footnote(figure, band_note(sizes))
    return figure


def _edge(run: xr.Dataset) -> float | None:
    """The sharpness at the edge of a run; None of a flow, and where it hangs on the run's own state."""
    limit = sharpness_limit(run, float(run["lr"])) if "lr" in run and run["lr"].ndim == 0 else None
    return None if limit is None else float(limit)


def _draw_edge(axes: Axes, run: xr.Dataset) -> None:
    limit = _edge(run)
    if limit is not None:
        label = f"edge of stability ${limit_label(run)}$"
        axes.axhline(limit, color=BLACK, ls="--", lw=0.8, label=label, gid="edge")


def _ended(run: xr.Dataset) -> Iterator[str]:
    """The learning rate of a run, and how it ended."""
    if "lr" in run and run["lr"].ndim == 0:
        yield f"learning rate {float(run['lr']):.3g}"
    if "status" in run and run["status"].ndim == 0:
        yield Status(int(run["status"])).label
