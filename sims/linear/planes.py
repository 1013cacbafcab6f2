"""The plane of a sweep of a deep linear network from theory alone, after a short warm-up of every run."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from os import PathLike
from typing import TypedDict, Unpack

import numpy as np
import xarray as xr

from ...theory import GdbiasError, LinearPrediction, predict_linear
from ...theory.linear.network import LinearNetwork, require_network
from ...theory.linear.prediction import WARMUP, Fate, LinearEndpoints
from ...theory.validate import real, truth_or_none, whole
from ..measure.phase import FEW
from ..options import LARGEST, Deciding, RunOptions, options_of
from ..status import Phase, Status
from ..store.filling import filled
from ..store.provenance import result_attributes
from .grid import Values, filler, layout_of
from .outcome import measure, spec_of

BOUNDARIES = ("lr_critical", "lr_critical_final")
STATUSES = {Fate.ENDS: Status.CONVERGED, Fate.UNSTABLE: Status.STEP_LIMIT, Fate.DIVERGES: Status.DIVERGED}
PHASES = {Fate.UNSTABLE: Phase.UNDECIDED, Fate.DIVERGES: Phase.DIVERGED}


@dataclass(frozen=True)
class LinearPredictedOptions(Deciding):
    """How endpoints of a deep linear network are predicted, and when runs end."""

    warmup: int = WARMUP
    """Steps of descent itself, from which the constrained flow begins."""
    tol: float = RunOptions.tol
    """Excess loss below which a run has converged, to which its steps are counted."""
    max_steps: int | None = None
    """Steps after which a run is stopped with status STEP_LIMIT, undecided. As many as it takes unless given."""

    def __post_init__(self):
        object.__setattr__(self, "warmup", whole("warmup", self.warmup, 0))
        object.__setattr__(self, "tol", real("tol", self.tol, above=0, hint="use for example 1e-10"))
        if self.max_steps is not None:
            object.__setattr__(self, "max_steps", whole("max_steps", self.max_steps, 0, LARGEST))


class LinearPredictedChanges(TypedDict, total=False):
    """Keywords of :func:`predicted` for :class:`LinearPredictedOptions`."""

    warmup: int
    tol: float
    max_steps: int | None


def predicted(
    net: LinearNetwork,
    lr: Values,
    init_scale: Values = 0.1,
    start: str = "spectral",
    seed: int = 0,
    *,
    keep: Sequence[str] = ("modes", "parameters"),
    store: str | PathLike | None = None,
    progress: bool | None = None,
    options: LinearPredictedOptions | None = None,
    **changes: Unpack[LinearPredictedChanges],
) -> xr.Dataset:
    """The result that :func:`gdbias.sims.linear.sweep` would have, from theory: where descent ends at every rate.

    ``status`` is CONVERGED where the constrained flow ends (see :class:`gdbias.theory.LinearPrediction`), DIVERGED
    where descent diverges within the warm-up, STEP_LIMIT above ``lr_max``, where no run settles, and NOT_RUN where
    nothing is predicted. ``phase`` is edge of stability where the edge held the flow, catapult where the loss only
    rose in the warm-up, flow aligned elsewhere, undecided above ``lr_max``. ``steps`` are those of a run to its end,
    -1 where it has none.

    With ``store`` every row is written when done, and calling again computes only what is missing. Further keywords,
    ``warmup``, ``tol`` and ``max_steps``, are those of :class:`LinearPredictedOptions`.

    Returns a dataset over (init_scale, lr), which ``phase_diagram(ds, predicted=...)`` draws beside the sweep.

    Raises:
        InputError: a value outside its limits, or a store that cannot be used.
        NoInterpolator: the width is below the target's rank.
        NoClosedForm: a target of more than 400 entries.
    """
    options = options_of("linear.predicted", LinearPredictedOptions(), options, changes)
    progress = truth_or_none("progress", progress)
    layout = layout_of(require_network(net), lr, init_scale, keep, "linear_predicted", net.target.size**2)
    layout = replace(layout, names=[*layout.names, *BOUNDARIES])
    scales, lrs = layout.axes["init_scale"], layout.axes["lr"]
    preds = [predict_linear(net, scale, start, seed) for scale in scales.tolist()]
    told = dict(lr=lrs.tolist(), init_scale=scales.tolist(), start=start, seed=int(seed), keep=list(keep))
    attrs = result_attributes(spec_of("predicted", net, options, **told), []) | {"lr_max": net.lr_max}

    def foretell(row: int, rates: np.ndarray) -> dict[str, np.ndarray]:
        return _outcomes(preds[row], rates, options)

    return filled(layout, {}, attrs, store, filler(layout, "endpoints", progress, foretell))


def _outcomes(pred: LinearPrediction, lr: np.ndarray, options: LinearPredictedOptions) -> dict[str, np.ndarray]:
    """Every outcome variable at some learning rates, and the boundaries of the start."""
    ends = pred.endpoints(lr, options.warmup, options.tol)
    with np.errstate(invalid="ignore", over="ignore"):
        found = measure(pred.net, ends.parameters)
    steps = np.where(np.isnan(ends.steps), -1, np.minimum(ends.steps, LARGEST - RunOptions.hold)).astype(np.int64)
    found["steps"] = np.where(steps < 0, -1, steps + RunOptions.hold - 1)
    found["status"] = np.array([STATUSES.get(Fate(fate), Status.NOT_RUN) for fate in ends.fate], dtype=np.int8)
    found["phase"] = np.array([_phase(ends, i) for i in range(len(lr))], dtype=np.int8)
    if options.max_steps is not None:
        late = found["steps"] > options.max_steps
        found["status"][late], found["phase"][late] = Status.STEP_LIMIT, Phase.UNDECIDED
    for name in BOUNDARIES:
        found[name] = np.array(np.nan)
        with suppress(GdbiasError):
            found[name] = np.array(getattr(pred, name))
    return found


def _phase(ends: LinearEndpoints, i: int) -> Phase:
    if ends.fate[i] != Fate.ENDS:
        return PHASES.get(Fate(ends.fate[i]), Phase.NOT_RUN)
    if ends.on_edge[i] or ends.rising[i] > FEW:
        return Phase.EDGE_OF_STABILITY
    return Phase.CATAPULT if ends.rising[i] else Phase.FLOW_ALIGNED
