"""Panels stacked in one column over a common x axis, and the axes and legends that figures share."""

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FuncFormatter,
    Locator,
    LogFormatterMathtext,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from ...theory.errors import InputError
from ...theory.validate import meant, shown
from ..look import BLUE, COLUMN, GREY, ORANGE, SKY, VERMILLION, Figure
from .legends import grow

NORMS = {  # name: label, colour, line style
    "beta_l1": (r"$\|\beta\|_1$", BLUE, "-"),
    "beta_l2": (r"$\|\beta\|_2$", SKY, (0, (4, 1.2))),
    "theta_l1": (r"$\|\theta\|_1$", VERMILLION, "-"),
    "theta_l2": (r"$\|\theta\|_2$", ORANGE, (0, (4, 1.2))),
}
CRITICAL_LABELS = {  # with what the largest stable lr S is
    "lr_critical": r"$\eta_c = %s\,/\,\mathrm{max}\,S(\mathrm{flow})$",
    "lr_critical_final": r"$%s\,/\,S(\mathrm{flow\ end})$",
    "lr_max": r"$\eta_{\mathrm{max}} = %s\,/\,\mathrm{min}\,S$",
    "lr_divergence": r"divergence",
}
CRITICAL_SYMBOLS = {  # where there is no room for a formula, or another panel has it
    "lr_critical": r"$\eta_c$",
    "lr_critical_final": r"$2\,/\,S(\mathrm{flow\ end})$",
    "lr_max": r"$\eta_{\mathrm{max}}$",
    "lr_divergence": r"divergence above $\eta$",
}
EDGE_LABELS = {  # of rules that have no such number in common
    "lr_critical": r"edge at $\mathrm{max}\,S(\mathrm{flow})$",
    "lr_critical_final": r"edge at $S(\mathrm{flow\ end})$",
    "lr_max": r"edge at $\mathrm{min}\,S$",
}
LONG = 2000  # points of a curve that is drawn point by point
BLOT = 600  # the same of one column over a linear axis
DECADES = 1.3  # of positive values from which a y axis is logarithmic
CROWDED = 0.17  # of an axis: two round values that are nearer have labels that meet
MINOR = 7  # decades of an axis up to which it has ticks between them
LINES = 3  # of a remark
MARGIN = 0.05  # of an axis, beyond the values that it is widened to
NOTE = 0.12  # inches, a line below a figure


def critical_label(name: str, stable: str | None = "2") -> str:
    """A predicted learning rate as a formula, of the largest stable ``lr S``; in words where that is None."""
    return EDGE_LABELS[name] if stable is None else CRITICAL_LABELS[name].replace("%s", stable)


def stack(count: int) -> tuple[Figure, list[Axes]]:
    """A figure one column wide with ``count`` panels over a common x axis; legends make it higher."""
    figure = Figure(figsize=(COLUMN, 0.5 + 1.2 * count))
    axes = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    return figure, list(axes)


def choose_panels(asked: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """The panels asked for, in the figure's order; all unless asked.

    Raises:
        InputError: none, or a name that is not among those known.
    """
    if not isinstance(asked, str | Iterable | None):
        raise InputError(f"panels = {shown(asked)} are no names: use some of {', '.join(known)}")
    names = [asked] if isinstance(asked, str) else known if asked is None else list(asked)
    strange = [name for name in names if name not in known]
    if strange or not names:
        told = f"no panel is {strange[0]!r}: {meant(str(strange[0]), known)}" if strange else "panels is empty: "
        raise InputError(f"{told}use some of {', '.join(known)}")
    return [name for name in known if name in names]


class RoundValues(Locator):
    """Evenly spaced round values on a logarithmic axis, as many as stand apart there."""

    def __call__(self) -> list[float]:
        assert self.axis is not None
        return self.tick_values(*sorted(self.axis.get_view_interval()))

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        for count in (5, 4, 3, 2, 1):
            ticks = np.asarray(MaxNLocator(count).tick_values(vmin, vmax))
            ticks = ticks[(vmin <= ticks) & (ticks <= vmax) & (ticks > 0)]
            apart = np.diff(np.log(ticks)) / np.log(vmax / vmin)
            if len(ticks) and (apart > CROWDED).all():
                return ticks.tolist()
        return [float(np.sqrt(vmin * vmax))]


def log_axis(axis: Axis, values: np.ndarray) -> None:
    """Ticks for a logarithmic axis over ``values``: legible for one value, for half a decade, and for thirty."""
    values = values[np.isfinite(values) & (values > 0)]
    decades = np.ptp(np.log10(values)) if len(values) else 0.0
    if decades > 2:
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_major_formatter(LogFormatterMathtext())
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=99) if decades < MINOR else NullLocator())
        axis.set_minor_formatter(NullFormatter())
        return
    subs = (1, 2, 5) if decades > 1 else (1, 2, 3, 5)
    axis.set_major_locator(LogLocator(subs=subs) if decades > 0.6 else RoundValues())
    axis.set_major_formatter(plain)
    axis.set_minor_locator(NullLocator())


def one_tick(axis: Axis, value: float) -> None:
    """The tick of an axis that has one value alone."""
    axis.set_ticks([value], [f"{value:.3g}"])
    axis.set_minor_locator(NullLocator())


def widen(axes: Axes) -> None:
    """Widen a linear y axis to 2% on both sides of its middle: a difference in the fourth digit is none."""
    if axes.get_yscale() == "linear":
        bottom, top = axes.get_ylim()
        middle = (bottom + top) / 2
        axes.set_ylim(min(bottom, 0.98 * middle), max(top, 1.02 * middle))
        axes.yaxis.set_major_formatter(plain)


def reach(axes: Axes, values: np.ndarray) -> None:
    """Widen a linear y axis to finite values that are drawn over its curves."""
    if axes.get_yscale() == "linear" and np.isfinite(values).any():
        bottom, top = axes.get_ylim()
        rest = MARGIN * (top - bottom)
        axes.set_ylim(min(bottom, np.nanmin(values) - rest), max(top, np.nanmax(values) + rest))


@FuncFormatter
def plain(value: float, position: int | None) -> str:
    """A tick's number in full: a common factor above the axis would lie under the legend."""
    return f"{value:.8g}"


def choose_scale(axes: Axes, *series: np.ndarray) -> None:
    """A logarithmic y axis where the values span decades, a linear one elsewhere."""
    values = np.concatenate([np.ravel(s) for s in series]) if series else np.empty(0)
    values = values[np.isfinite(values) & (values > 0)]
    if values.size and np.log10(values.max() / values.min()) > DECADES:
        axes.set_yscale("log")
        log_axis(axes.yaxis, values)
    else:
        axes.yaxis.set_major_formatter(plain)


def draw_path(axes: Axes, x: np.ndarray, y: np.ndarray, long: int = LONG, **look) -> int:
    """A curve; one of more than ``long`` points as its mean and the band between its extremes over short stretches.

    At the edge of stability every step lies on the other side: as a curve that is a blot, and a large file. A stretch
    has an even number of points, so that both sides count alike. Returns the points of a stretch, 1 for a plain curve.
    """
    size = 1
    if len(x) > long:
        size = 2 * -(-2 * len(x) // LONG)  # at most LONG / 4 stretches
        stretches = np.split(np.arange(len(x)), np.arange(size, len(x), size))
        pieces = [np.where(np.isfinite(y[part]), y[part], np.nan) for part in stretches]
        seen = [k for k, piece in enumerate(pieces) if np.isfinite(piece).any()]
        x = np.array([x[stretches[k]].mean() for k in seen])
        low, y, high = (np.array([f(pieces[k]) for k in seen]) for f in (np.nanmin, np.nanmean, np.nanmax))
        axes.fill_between(x, low, high, color=look["color"], alpha=0.3, lw=0, gid="extremes")
    axes.plot(x, y, **look)
    return size


def band_note(sizes: Iterable[int]) -> list[str]:
    """What the bands of long curves mean, from the points of their stretches."""
    size = max(sizes, default=1)
    return [f"lines are means over {size} recorded points, bands reach from the least to the largest of them"][
        : size > 1
    ]


def headline(figure: Figure, title: str) -> None:
    """What the figure shows, above it, in as many lines as its width asks for, broken at commas."""
    if title:
        text = wrapped(title, figure.get_figwidth())
        figure.suptitle(text, fontsize=8)
        grow(figure, NOTE * text.count("\n"))


def wrapped(title: str, inches: float) -> str:
    """A title in as many lines as a width asks for, broken at commas."""
    whole = title.replace(" ", "\xa0").replace(",\xa0", ", ")
    return textwrap.fill(whole, int(17 * inches)).replace("\xa0", " ")


def _fitting(note: str, width: int) -> list[str]:
    """The lines of a remark; of one that is too long the clauses that fit."""
    lines = textwrap.wrap(f"{note}.", width)
    if len(lines) <= LINES:
        return lines
    kept = " ".join(lines[:LINES])
    ends = [kept.rfind(mark) for mark in ("; ", ": ", ", ")]
    return textwrap.wrap(f"{kept[: max(ends)]}.", width) if max(ends) > 0 else lines


def footnote(figure: Figure, notes: list[str]) -> None:
    """Remarks below the figure, which makes it higher: what is not drawn, and why; whole in ``figure.remarks``."""
    if notes:
        width = int(18.5 * figure.get_figwidth())
        figure.remarks = notes
        lines = [line for note in notes for line in _fitting(note, width)]
        figure.supxlabel("\n".join(lines), fontsize=6.5, color=GREY, style="italic", ha="left", x=0.03)
        grow(figure, NOTE * len(lines))
