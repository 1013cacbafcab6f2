"""The top of a deep network's spectrum in units of its edge, and how far its runs are from gradient flow."""

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..sims.status import Status
from ..theory.errors import InputError
from .look import BLACK, BLUE, ORANGE, Figure, styled
from .parts.edge import limit_label, sharpness_limit
from .parts.legends import legend_above
from .parts.panels import choose_scale, headline, log_axis, stack
from .parts.results import grid
from .parts.statuses import codes, mark_unconverged
from .parts.titles import subject

ALONG = {"step": "step", "time": "time of gradient flow", "lr": r"learning rate $\eta$"}
ASKED = ("spectrum", "batch_sharpness", "layer_sharpness", "distance")
NAMED = 8  # lines of one kind, up to which a legend names each


@styled
def spectrum(ds: xr.Dataset) -> Figure:
    """Largest eigenvalues of the Hessian and of its blocks by layer, and the distance to gradient flow.

    What was measured is drawn, over the learning rate or along the steps that were recorded. Eigenvalues are in units
    of the edge of stability, ``lambda / [2 (1 + b) / lr]`` with momentum b, those of gradient flow in their own. Above
    lr_critical the first sits at 1; with mini-batches it may stay below, and the batch sharpness ``E g' H g / |g|^2``
    sits there (2412.20553).

    Args:
        ds: a result of ``sims.deep.sweep`` or ``sims.deep.descend`` with ``top=``, ``layers=True``, ``distance=True``
            or ``batch=``, or of ``sims.deep.flow`` with one of the first two.

    Raises:
        InputError: nothing of it was measured, or several entries along another dimension.
    """
    dim = next(name for name in ALONG if name in ds.dims or name == "lr")
    prefix = "" if dim == "lr" else "path_"
    if not any(f"{prefix}{name}" in ds for name in ASKED):
        raise InputError(
            "the result has no spectrum: use top=5, layers=True, distance=True or batch=20 of sims.deep.sweep, or "
            "gdbias deep STORE --top 5"
        )
    ds = grid(ds, "lr") if dim == "lr" else ds
    shown = np.where(codes(ds) == Status.CONVERGED, 1.0, np.nan) if dim == "lr" else 1.0
    limit = sharpness_limit(ds, ds["lr"].values) if "lr" in ds else None
    unit, label = (1.0, r"\lambda") if limit is None else (limit, rf"\lambda\,/\,[{limit_label(ds)}]")
    values = {
        name: ds[f"{prefix}{name}"].transpose(..., dim).values * shown / (1.0 if name == "distance" else unit)
        for name in ("sharpness", *ASKED)
        if f"{prefix}{name}" in ds
    }
    figure, panels = stack(1 + ("layer_sharpness" in values) + ("distance" in values))
    remaining, x = iter(panels), ds[dim].values

    axes = next(remaining)
    if limit is not None:
        axes.axhline(1, color=BLACK, ls="--", lw=0.8, label="edge of stability", gid="edge")
    _draw_each(axes, x, values.get("spectrum", values["sharpness"][None]), "spectrum", r"$\lambda_{%d}$")
    if "batch_sharpness" in values:
        [line] = axes.plot(x, values["batch_sharpness"], "s-", color=ORANGE, lw=0.7, ms=2.4, label="of batches")
        line.set_gid("batch_sharpness")
    axes.set_ylabel(f"${label}$")
    if dim == "lr":
        mark_unconverged(axes, x, codes(ds))
    legend_above(axes)
    if "layer_sharpness" in values:
        axes = next(remaining)
        _draw_each(axes, x, values["layer_sharpness"], "layer_sharpness", "layer %d")
        axes.set_ylabel(f"${label}$ of layers")
        legend_above(axes)
    if "distance" in values:
        axes = next(remaining)
        axes.plot(x, values["distance"], "o-", color=BLUE, lw=0.7, ms=2.4, gid="distance")
        choose_scale(axes, values["distance"])
        axes.set_ylabel("distance to flow\n/ its way")
    axes.set_xlabel(ALONG[dim])
    if dim == "lr":
        axes.set_xscale("log")
        log_axis(axes.xaxis, x)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=dim == "step"))
    headline(figure, subject(ds))
    return figure


def _draw_each(axes: Axes, x: np.ndarray, rows: np.ndarray, name: str, label: str) -> None:
    """A line for each of several values, the first the darkest."""
    for i, (row, color) in enumerate(zip(rows, colormaps["viridis"](np.linspace(0, 0.85, len(rows))), strict=True), 1):
        axes.plot(x, row, "o-", color=color, lw=0.7, ms=2.0, label=label % i if i <= NAMED else None, gid=f"{name} {i}")
