"""Panels stacked in one column over a common x axis, and the axes and legends that figures share."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, MaxNLocator, NullFormatter, NullLocator

from ..look import BLUE, COLUMN, GREY, ORANGE, SKY, VERMILLION, Figure

NORMS = {  # name: label, colour, line style
    "beta_l1": (r"$\|\beta\|_1$", BLUE, "-"),
    "beta_l2": (r"$\|\beta\|_2$", SKY, (0, (4, 1.2))),
    "theta_l1": (r"$\|\theta\|_1$", VERMILLION, "-"),
    "theta_l2": (r"$\|\theta\|_2$", ORANGE, (0, (4, 1.2))),
}
CRITICAL_LABELS = {
    "lr_critical": r"$\eta_c = 2\,/\,\mathrm{max}\,S(\mathrm{flow})$",
    "lr_critical_final": r"$2\,/\,S(\mathrm{flow\ end})$",
    "lr_max": r"$\eta_{\mathrm{max}} = 2\,/\,\mathrm{min}\,S$",
    "lr_divergence": r"divergence",
}
LONG = 2000  # points of a curve that is drawn point by point
BLOT = 600  # the same of one column over a linear axis
DECADES = 1.3  # of positive values from which a y axis is logarithmic


def stack(count: int) -> tuple[Figure, list[Axes]]:
    """A figure one column wide with ``count`` panels over a common x axis."""
    figure = Figure(figsize=(COLUMN, 0.5 + 1.45 * count))
    axes = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    return figure, list(axes)


def legend_above(axes: Axes, columns: int) -> None:
    """The legend of a panel, outside it."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(-0.14, 1), ncols=columns)


def log_axis(axis: Axis, values: np.ndarray) -> None:
    """Ticks for a logarithmic axis over ``values``: legible for half a decade as well as for ten."""
    decades = np.ptp(np.log10(values)) if len(values) else 0.0
    if decades > 2:
        axis.set_major_locator(LogLocator(numticks=9))
        axis.set_major_formatter(LogFormatterMathtext())
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=99))
        axis.set_minor_formatter(NullFormatter())
        return
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if decades > 0.6 else MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def widen(axes: Axes) -> None:
    """Widen a linear y axis to 2% on both sides of its middle: a difference in the fourth digit is none."""
    if axes.get_yscale() == "linear":
        bottom, top = axes.get_ylim()
        middle = (bottom + top) / 2
        axes.set_ylim(min(bottom, 0.98 * middle), max(top, 1.02 * middle))
        axes.ticklabel_format(axis="y", useOffset=False)


def choose_scale(axes: Axes, *series: np.ndarray) -> None:
    """A logarithmic y axis where the values span decades, a linear one elsewhere."""
    values = np.concatenate([np.ravel(s) for s in series]) if series else np.empty(0)
    values = values[np.isfinite(values) & (values > 0)]
    if values.size and np.log10(values.max() / values.min()) > DECADES:
        axes.set_yscale("log")
        log_axis(axes.yaxis, values)


def draw_path(axes: Axes, x: np.ndarray, y: np.ndarray, long: int = LONG, **look) -> None:
    """A curve; one of more than ``long`` points as its mean and the band between its extremes over short stretches.

    At the edge of stability every step lies on the other side: as a curve that is a blot, and a large file. A stretch
    has an even number of points, so that both sides count alike.
    """
    if len(x) > long:
        size = 2 * -(-2 * len(x) // LONG)  # at most LONG / 4 stretches
        stretches = np.split(np.arange(len(x)), np.arange(size, len(x), size))
        pieces = [np.where(np.isfinite(y[part]), y[part], np.nan) for part in stretches]
        seen = [k for k, piece in enumerate(pieces) if np.isfinite(piece).any()]
        x = np.array([x[stretches[k]].mean() for k in seen])
        low, y, high = (np.array([f(pieces[k]) for k in seen]) for f in (np.nanmin, np.nanmean, np.nanmax))
        axes.fill_between(x, low, high, color=look["color"], alpha=0.3, lw=0, gid="extremes")
    axes.plot(x, y, **look)


def headline(figure: Figure, title: str) -> None:
    """What the figure shows, above it, in as many lines as its width asks for, broken at commas."""
    if title:
        whole = title.replace(" ", "\xa0").replace(",\xa0", ", ")
        figure.suptitle(textwrap.fill(whole, int(17 * figure.get_figwidth())).replace("\xa0", " "), fontsize=8)


def footnote(figure: Figure, notes: list[str], width: int = 62) -> None:
    """Short remarks below the figure: what could not be drawn, and why."""
    if notes:
        text = "\n".join(
            line for note in notes for line in textwrap.wrap(f"{note}.", width, max_lines=3, placeholder=" ...")
        )
        figure.supxlabel(text, fontsize=6.5, color=GREY, style="italic", ha="left", x=0.03)
