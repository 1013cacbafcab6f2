"""The orbit diagram: where runs are in the end, over the learning rate, and whether nearby runs part."""

import numpy as np
import xarray as xr

from ..theory.errors import InputError
from ..theory.validate import shown, whole
from .look import COLUMN, GREY, Figure, styled
from .parts.iterates import next_iterates
from .parts.panels import footnote, headline, legend_above
from .parts.phases import PHASE_COLORS, phase_codes
from .parts.results import grid, subject
from .parts.row import choose_row

ITERATES = 64
DEEPEST = -1.0  # exponent drawn; superstable cycles have much smaller ones


@styled
def bifurcation(
    ds: xr.Dataset, variable: str | None = None, init_scale: float | None = None, iterates: int = ITERATES
) -> Figure:
    """The orbit of every run over the learning rate, coloured by phase, with the Lyapunov exponent below.

    A run of plain descent whose weights were kept is followed for ``iterates`` steps more, so that all points of a
    cycle are there, and many of a chaotic set. Of others, and of a ``variable`` that is named, one point a run is
    drawn: many init_scales visit the points of a cycle in turn.

    Args:
        ds: a result of :func:`gdbias.sims.sweep` with a ``window``.
        variable: what to draw, a number a run such as theta_l2, loss or sharpness. Unless given it is the weight
            itself where there is only one, else theta_l2.
        init_scale: the one to draw; all together unless given.
        iterates: points of each orbit; 1 draws the last weights alone.

    Raises:
        InputError: no phases, iterates below 1, an init_scale that the result has not, several entries along another
            dimension, or a variable that is not a number a run.
    """
    ds = grid(ds, "init_scale", "lr", *(("weight", "feature") if variable is None else ()))
    title = ""
    if init_scale is not None:
        ds, title = choose_row(ds, None, init_scale)
    if "init_scale" not in ds.dims:
        ds = ds.expand_dims("init_scale")
    ds = ds.transpose("init_scale", "lr", ...)
    phase = phase_codes(ds)
    if "lyapunov" not in ds:
        raise InputError(
            "the result has no Lyapunov exponents: bifurcation draws a sims.sweep of a diagonal network, a deep linear "
            "one is drawn by phase_diagram, norm_sharpness or trajectory"
        )
    values, label = _values(ds, variable, whole("iterates", iterates, 1, 10_000))
    lr = np.broadcast_to(ds["lr"].values, phase.shape)

    figure = Figure(figsize=(COLUMN, 3.4))
    orbit, strip = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    small = dict(ls="none", marker=".", ms=1.6 if values.size > 2000 else 2.5, mew=0, rasterized=values.size > 5000)
    drawn = np.zeros(phase.shape, dtype=bool)
    for one, color in PHASE_COLORS.items():
        where = (phase == one) & np.isfinite(values[..., 0])
        if where.any():
            points = np.broadcast_to(lr[..., None], values.shape)[where]
            orbit.plot(
                points.ravel(), values[where].ravel(), color=color, label=one.label, gid=f"orbit {one.label}", **small
            )
            drawn |= where
        seen = (phase == one) & ~np.isnan(ds["lyapunov"].values)
        if seen.any():
            exponent = np.maximum(ds["lyapunov"].values[seen], DEEPEST)
            strip.plot(lr[seen], exponent, color=color, gid=f"lyapunov {one.label}", **small)
    orbit.set_ylabel(label)
    orbit.ticklabel_format(axis="y", useOffset=False)
    legend_above(orbit, 3)
    for handle in orbit.get_legend().legend_handles if orbit.get_legend() else ():
        handle.set_markersize(6)  # type: ignore[union-attr]
    strip.axhline(0, color=GREY, lw=0.5)
    strip.set(xlabel=r"learning rate $\eta$", ylabel="Lyapunov\nexponent")
    if len(phase) > 1:
        scales = ds["init_scale"].values
        title = f"{len(phase)} init_scales together, {scales.min():.3g} to {scales.max():.3g}"
    headline(figure, ", ".join(part for part in (subject(ds), title) if part))
    notes = [] if np.isfinite(ds["lyapunov"].values).any() else ["no exponents: sweep with window=2000"]
    if (ds["lyapunov"].values < DEEPEST).any():
        notes.append(f"exponents below {DEEPEST:g} are drawn there")
    footnote(figure, notes)
    return figure


def _values(ds: xr.Dataset, variable: str | None, count: int) -> tuple[np.ndarray, str]:
    """What is drawn, (init_scale, lr, point), and its label."""
    shape = ds["phase"].shape
    if variable is None:
        orbit = next_iterates(ds, count) if count > 1 else None
        if "theta" in ds and ds["theta"].size == ds["phase"].size:
            return (ds["theta"].values if orbit is None else orbit).reshape(*shape, -1), "weight"
        if orbit is not None:
            return np.linalg.norm(orbit, axis=(-2, -1)), "l2 norm of the weights"
        variable = "theta_l2"
    if not isinstance(variable, str) or variable not in ds or ds[variable].dims != ds["phase"].dims:
        raise InputError(
            f"{shown(variable)} is not one number a run of the result: use for example theta_l2, beta_l1 or loss"
        )
    return ds[variable].values.astype(float)[..., None], str(ds[variable].attrs.get("long_name", variable))
