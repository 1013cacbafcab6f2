"""Predictions that are drawn over measured points: the frontier, and where the constrained flow ends, with bars."""

from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ... import theory
from ...theory.errors import GdbiasError, InputError, NoClosedForm
from ...theory.prediction.rule_terms import spent
from ...theory.prediction.swings import followed_in_steps
from ..look import PURPLE
from .panels import reach
from .results import read

POINTS = 40  # of a frontier that is drawn
LARGE = 4000  # numbers of X above which a frontier takes minutes: only the figure of that name draws it
ENDPOINTS = 48  # learning rates that make a curve
LEAST, SECONDS = 12, 10  # learning rates of a curve however long they take, and how long there may be more
TURNS = ("lr_critical", "lr_critical_final")
FAINT = 0.02  # of a value, what a curve may move by and is drawn as level
INSIDE = 0.999  # of lr_max, and of lr_divergence: the largest learning rate for which an endpoint is drawn
LABEL = "predicted (68, 90 % bars)"
PREDICTED: dict[str, Any] = dict(color=PURPLE, ls=(0, (3, 1)), lw=1.4, zorder=3)
BANDS = {0: 0.22, 1: 0.1}  # opacity of the bars that hold 68 % and 90 % of runs


Found = dict[float, theory.Endpoint | GdbiasError]  # by learning rate, an end or why there is none


@dataclass(frozen=True)
class Ends:
    """Where descent is predicted to end at rising learning rates; ``late`` if time allowed fewer than were asked."""

    ends: list["theory.Endpoint"]
    late: bool = False

    @property
    def lr(self) -> np.ndarray:
        """Shape (ends,)."""
        return np.array([end.lr for end in self.ends])

    def draw(
        self, axes: Axes, name: str, gid: str, label: str | None = None, unit: float | np.ndarray = 1.0, rate: float = 1
    ) -> None:
        """The values over the learning rate, in units of ``unit`` and ``rate``, in bars of 68 % and 90 % of runs."""
        x, values = self.lr / rate, np.array([getattr(end, name) for end in self.ends], dtype=float) / unit
        axes.plot(x, values, **PREDICTED, label=label, gid=gid)
        reach(axes, values)
        unknown = np.full(len(BANDS), np.nan)  # bars of a law that was not scored
        bars = np.array([getattr(end.error, name, unknown) for end in self.ends]) / np.reshape(unit, (-1, 1))
        for k, opacity in BANDS.items():
            low = np.maximum(values - bars[:, k], 0)
            axes.fill_between(
                x, low, values + bars[:, k], color=PURPLE, alpha=opacity, lw=0, zorder=2, gid=f"{gid} bar {k}"
            )


def curve(pred: "theory.Prediction", notes: list[str], points: int) -> "theory.Frontier | None":
    """The frontier of a prediction; None, with the reason in ``notes``, where there is none; raises InputError."""
    try:
        return theory.frontier(pred.dynamics.model, pred.problem, points)
    except InputError:  # of ``points``
        raise
    except GdbiasError as error:
        notes.append(f"no frontier: {told(error, pred)}")
        return None


def told(error: Exception, pred: "theory.Prediction") -> str:
    """What an error says, without the model's name."""
    return str(error).removeprefix(f"{pred.dynamics.model.name}: ")


def predicted_ends(
    pred: "theory.Prediction", lr: np.ndarray, count: int, notes: list[str], steps: int | None = None
) -> Ends | None:
    """Where descent is predicted to end in the range of ``lr``: at ``count`` learning rates and at the boundaries.

    Rules that do not rest are told after the ``steps`` of runs, where theory follows them so far.

    Each splits the longest piece of the curve so far, at a run's learning rate where one lies in it. After
    :data:`SECONDS` it stays at :data:`LEAST` of them. The curve ends below the first learning rate that is refused.
    """
    found: Found = {}
    begun, late = monotonic(), False
    try:
        low, most = float(lr.min()), min(_known(pred, "lr_max"), _known(pred, "lr_divergence"))
        high = min(float(lr.max()), INSIDE * most)
        asked = [low, *_turns(pred, low, high), high] if low < high else []
        warmup = spent(pred.rule)
    except GdbiasError as error:
        asked, warmup, found[0.0] = [], 0, error
    while asked:
        rate = asked.pop()
        try:
            found[rate] = _end(pred, rate, warmup, steps)
        except GdbiasError as error:
            found[rate] = error
        late = len(found) >= LEAST and monotonic() - begun > SECONDS
        if not asked and len(found) < count and not late:
            asked = _next(found, lr)
    ends, refused = _until_refused(found)
    if refused and not notes:  # else it was said of gradient flow
        since = f"from lr = {refused[0]:.3g} on" if ends else "endpoints"
        notes.append(f"no predicted {since}: {told(refused[1], pred)}")
    if late:
        notes.append(f"ends predicted at {len(found)} learning rates, in {SECONDS} s; lines between them are straight")
    return Ends(ends, late) if ends else None


def _end(pred: "theory.Prediction", lr: float, warmup: int, steps: int | None) -> "theory.Endpoint":
    if steps is not None and followed_in_steps(pred.rule):
        try:
            return pred.endpoint(lr, warmup=warmup, steps=steps)
        except (InputError, NoClosedForm):  # fewer than to arrival; or how it goes on is not known
            pass
    return pred.endpoint(lr, warmup=warmup)


def _turns(pred: "theory.Prediction", low: float, high: float) -> list[float]:
    """The boundaries inside the range, where the curve has its kinks."""
    turns = [np.nan if (value := read(pred, name, [])) is None else float(value) for name in TURNS]
    return [turn for turn in turns if low < turn < high]


def _until_refused(found: Found) -> tuple[list, tuple[float, GdbiasError] | None]:
    """Endpoints at rising learning rates, and the first of these without one."""
    ends = []
    for rate, end in sorted(found.items()):
        if isinstance(end, GdbiasError):
            return ends, (rate, end)
        ends.append(end)
    return ends, None


def _next(found: Found, lr: np.ndarray) -> list[float]:
    """The learning rate that splits the longest piece of the curve, none where no curve begins."""
    ends, refused = _until_refused(found)
    if not ends:
        return []
    rates = [end.lr for end in ends]
    values = np.array([[end.sharpness, end.l1_norm] for end in ends], dtype=float)
    span = np.maximum(np.ptp(values, axis=0), FAINT * np.abs(values[0]))
    heights = np.nan_to_num(np.abs(np.diff(values, axis=0)) / span).sum(axis=1)
    if refused:
        rates, heights = [*rates, refused[0]], np.append(heights, 0)
    widths = np.diff(np.log(rates)) / np.log(max(found) / min(found))
    k = int(np.argmax(widths * (widths + heights)))  # the product, since a jump stays as high however it is split
    inside = lr[(rates[k] < lr) & (lr < rates[k + 1])]
    middle = np.sqrt(rates[k] * rates[k + 1])
    return [float(inside[np.argmin(np.abs(np.log(inside / middle)))] if inside.size else middle)]


def _known(pred: "theory.Prediction", name: str) -> float:
    """A learning rate above which nothing is predicted, infinite where there is no law of it."""
    try:
        return float(getattr(pred, name))
    except NoClosedForm:
        return np.inf
