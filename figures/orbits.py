"""The orbit diagram: where runs are in the end, over the learning rate, and whether nearby runs part."""

import numpy as np
import xarray as xr

from .. import theory
from ..theory.errors import InputError
from ..theory.validate import shown, whole
from .look import COLUMN, GREY, Figure, styled
from .parts.iterates import next_iterates
from .parts.legends import legend_above
from .parts.panels import choose_scale, footnote, headline, plain
from .parts.phases import PHASE_COLORS, phase_codes
from .parts.rate_lines import mark_rates, note_lr_max, rates
from .parts.results import boundary, check_prediction, entry, grid, scale_of
from .parts.row import choose_row
from .parts.titles import joined, start, subject

ITERATES = 64
DEEPEST = -1.0  # exponent drawn; superstable cycles have much smaller ones


@styled
def bifurcation(
    ds: xr.Dataset,
    variable: str | None = None,
    init_scale: float | None = None,
    iterates: int = ITERATES,
    pred: "theory.Prediction | None" = None,
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
        pred: :func:`gdbias.theory.predict` of the same problem, for vertical lines at ``lr_critical`` and
            ``lr_critical_final`` of a single init_scale, and at ``lr_max``, which all share.

    Raises:
        InputError: a prediction of other data, no phases, iterates below 1, an init_scale that the result has not,
            several entries along another dimension, or a variable that is not a number a run.
    """
    ds = grid(ds, "init_scale", "lr", *(("weight", "feature") if variable is None else ()))
    check_prediction(ds, pred)
    title, notes = "", list[str]()
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
    lr, known = np.broadcast_to(ds["lr"].values, phase.shape), _known(ds, pred, notes)

    figure = Figure(figsize=(COLUMN, 3.0))
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
    orbit.yaxis.set_major_formatter(plain)
    if (values[np.isfinite(values)] > 0).all():
        choose_scale(orbit, values)
    mark_rates([orbit, strip], ds["lr"].values, known, full=False, near=1.0)
    legend_above(orbit)
    for handle in orbit.get_legend().legend_handles if orbit.get_legend() else ():
        handle.set_markersize(6 if handle.get_marker() == "." else 0)  # type: ignore[union-attr]
    strip.axhline(0, color=GREY, lw=0.5)
    strip.set(xlabel=r"learning rate $\eta$", ylabel="Lyapunov\nexponent")
    if len(phase) > 1:
        scales = ds["init_scale"].values
        title = f"{len(phase)} init_scales together, {scales.min():.3g} to {scales.max():.3g}"
    headline(figure, joined(subject(ds), title or start(ds)))
    note_lr_max(pred, known, notes)
    notes += [] if np.isfinite(ds["lyapunov"].values).any() else ["no exponents: sweep with window=2000"]
    if (ds["lyapunov"].values < DEEPEST).any():
        notes.append(f"exponents below {DEEPEST:g} are drawn there")
    footnote(figure, notes)
    return figure


def _known(ds: xr.Dataset, pred: "theory.Prediction | None", notes: list[str]) -> dict[str, float]:
    """The predicted learning rates of what is drawn: of one init_scale all, of several together the shared one."""
    if pred is None or scale_of(ds) is not None:
        return rates(ds, entry(pred, scale_of(ds), notes), notes)
    value = boundary(pred, "lr_max", [])[0]
    return {"lr_max": float(value)} if np.isfinite(value) else {}


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
