"""The plane of a sweep from theory alone: no run is made."""

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, TypedDict, Unpack

import numpy as np
import xarray as xr

from ...theory import (
    Diverges,
    GdbiasError,
    NoClosedForm,
    NoInterpolator,
    Parameterization,
    Prediction,
    Problem,
    gradient_descent,
    predict,
)
from ...theory.blas import one_thread
from ...theory.prediction.bars import COVERAGE
from ...theory.prediction.coordinates import doubled
from ...theory.prediction.endpoints import Endpoint
from ...theory.prediction.phase_rule import NEAR
from ...theory.validate import real, truth_or_none, whole
from ..grid import Grid
from ..machine import cores
from ..options import LARGEST, Deciding, RunOptions, SweepOptions, options_of
from ..parallel.plan import Plan
from ..parallel.progress import progress_bar
from ..schema import VARIABLES, measured, vectors
from ..status import Phase, Status
from ..store.filling import filled
from ..store.layout import Layout, kept
from ..store.provenance import result_attributes, result_spec

ROW = 64  # learning rates that are predicted, and written, together
BOUNDARIES = ("lr_critical", "lr_critical_final", "lr_divergence")
BARS = tuple(name for name in vectors("predicted") if name.startswith("error_"))


@dataclass(frozen=True)
class PredictedOptions(Deciding):
    """How endpoints are predicted, and when runs end."""

    warmup: int = 0
    """Steps of descent itself beyond the first rise of its loss, from which predictions begin: 20 to 50 halve and halve
    again their error, at a twentieth of a run's cost. 0 for predictions without any run."""
    tol: float = RunOptions.tol
    """Excess loss below which a run has converged, to which its steps are counted."""
    max_steps: int | None = None
    """Steps after which a run is stopped with status STEP_LIMIT: its phase is converging. As many as it takes unless
    given."""
    threads: int | None = field(default=None, metadata={"result": False})
    """Worker threads, all cores unless given; results do not depend on it."""

    def __post_init__(self):
        object.__setattr__(self, "warmup", whole("warmup", self.warmup, 0))
        object.__setattr__(self, "tol", real("tol", self.tol, above=0, hint="use for example 1e-10"))
        if self.max_steps is not None:
            object.__setattr__(self, "max_steps", whole("max_steps", self.max_steps, 0, LARGEST))
        if self.threads is not None:
            object.__setattr__(self, "threads", whole("threads", self.threads, 1))


class PredictedChanges(TypedDict, total=False):
    """Keywords of :func:`predicted` for :class:`PredictedOptions`."""

    warmup: int
    tol: float
    max_steps: int | None
    threads: int | None


@one_thread
def predicted(
    model: Parameterization | Sequence[Parameterization],
    problem: Problem | Sequence[Problem],
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float | np.ndarray | Sequence[float] | Grid = 0.1,
    *,
    keep: Sequence[str] = ("beta",),
    store: str | PathLike | None = None,
    progress: bool | None = None,
    options: PredictedOptions | None = None,
    **changes: Unpack[PredictedChanges],
) -> xr.Dataset:
    """The result that :func:`gdbias.sims.sweep` would have, from theory: where descent ends at every learning rate.

    ``status`` is CONVERGED where the constrained flow ends at an interpolator (see
    :meth:`gdbias.theory.Prediction.endpoint`), DIVERGED above ``lr_divergence``, and STEP_LIMIT where no interpolator
    is stable, so that descent never settles. ``phase`` is flow aligned below ``lr_critical``, edge of stability from
    there on, undecided where descent never settles. NOT_RUN says that nothing is predicted, the flow being too long to
    follow. ``steps`` are those of a run to its end (:meth:`gdbias.theory.Prediction.steps`), -1 where it has none;
    where they are more than ``max_steps`` the status is STEP_LIMIT and the phase converging, and the endpoint is what
    the run would come to. ``error_*`` are half-widths of bars that hold 68 % and 90 % of runs (dimension ``coverage``).

    With ``store`` every row is written when done, and calling again computes only what is missing. ``keep=()`` drops
    the coefficients. Further keywords, ``warmup``, ``tol``, ``max_steps`` and ``threads``, are those of
    :class:`PredictedOptions`.

    Returns a dataset over (model, seed, init_scale, lr), which every figure draws.

    Raises:
        InputError: a value outside its limits, or a store that cannot be used.
        NoClosedForm: a model or loss whose endpoints are not predicted.
        NoInterpolator: data that no coefficients within the model's reach fit.
    """
    options = options_of("predicted", PredictedOptions(), options, changes)
    plan = Plan.of(model, problem, lr, init_scale, gradient_descent, keep, SweepOptions(), store is not None)
    models, problems = list(plan.models), list(plan.problems)
    rows = {
        (at, of): [predict(one, data, float(scale)) for scale in plan.scales]
        for at, one in enumerate(models)
        for of, data in enumerate(problems)
    }
    for preds in rows.values():
        for pred in preds:  # refuses before a store is made
            doubled(pred.dynamics.model).start(pred.starts[0])
        _ = preds[0].flow
    most = {key: _most(preds, plan.lrs) for key, preds in rows.items()}
    spec = result_spec(
        "predicted", models, problems, options, lr=plan.lrs, init_scale=plan.scales, keep=list(plan.keep)
    )
    beside = {"coverage": np.array(COVERAGE)}
    if plan.many_problems:
        beside["n"] = np.array([p.n for p in problems])
    layout = _layout(plan)
    attrs = result_attributes(spec, problems)
    progress = truth_or_none("progress", progress)
    fill = lambda arrays: _fill(plan, layout, rows, most, options, arrays, progress)  # noqa: E731
    return filled(layout, beside, attrs, store, fill)


def _most(preds: Sequence[Prediction], lrs: np.ndarray) -> float:
    """``lr_max``, which no start decides, or inf where every rate is below a stable interpolator's own limit."""
    return preds[0].lr_max if max(lrs) > max(pred.lr_critical_final for pred in preds) else np.inf


def _layout(plan: Plan) -> Layout:
    tested = any(p.X_test is not None for p in plan.problems)
    names = [*kept(measured("predicted"), (*plan.keep, *BARS)), *BOUNDARIES]
    names = [name for name in names if tested or not VARIABLES[name].held_out]
    sides = {"init_scale": 1, "lr": min(len(plan.lrs), ROW)}
    return Layout(plan.layout.axes, names, {"feature": plan.problems[0].d, "coverage": len(COVERAGE)}, sides)


def _fill(
    plan: Plan,
    layout: Layout,
    rows: Mapping,
    most: Mapping,
    options: PredictedOptions,
    arrays: Mapping[str, Any],
    progress: bool | None,
) -> None:
    outer = plan.many_models + plan.many_problems
    missing = []
    for region in layout.regions():
        region = (*(one.start for one in region[:outer]), *region[outer:])
        if (np.asarray(arrays["status"][region]) == Status.NOT_RUN).any():
            missing.append(region)
    with (
        progress_bar("endpoints", layout.runs, progress) as add,
        ThreadPoolExecutor(options.threads or cores()) as pool,
    ):

        def row(region: tuple) -> dict[str, np.ndarray]:
            at = dict(zip(layout.axes, region, strict=True))
            key = at.get("model", 0), at.get("seed", 0)
            pred = rows[key][at["init_scale"].start]
            return _row(pred, plan.lrs[at["lr"]], most[key], options, layout, add)

        tasks = {pool.submit(row, region): region for region in missing}
        try:
            while tasks:
                for task in wait(tasks, return_when=FIRST_COMPLETED).done:
                    found, region = task.result(), tasks.pop(task)
                    for name in layout.variables:
                        whole_row = VARIABLES[name].at == ("flow",)
                        arrays[name][region[:-1] if whole_row else region] = found[name][None]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _row(
    pred: Prediction, lrs: np.ndarray, most: float, options: PredictedOptions, layout: Layout, add
) -> dict[str, np.ndarray]:
    """The outcomes of one start at some learning rates."""
    lines = {name: _line(pred, name) for name in BOUNDARIES}
    found: dict[str, Any] = {name: np.array(lines[name]) for name in BOUNDARIES}
    for name in layout.variables:
        if name not in found:
            shape = [layout.inner[dim] for dim in VARIABLES[name].dims]
            found[name] = np.full((len(lrs), *shape), VARIABLES[name].fill, VARIABLES[name].dtype)
    for j, lr in enumerate(lrs.tolist()):
        end = _endpoint(pred, lr, options.warmup, most, lines["lr_divergence"])
        found["status"][j], found["phase"][j] = _outcome(end, lr, lines["lr_critical"])
        if isinstance(end, Endpoint) and (steps := _steps(pred, lr, options)) is not None:
            found["steps"][j] = steps
            if options.max_steps is not None and steps > options.max_steps:
                found["status"][j], found["phase"][j] = Status.STEP_LIMIT, Phase.CONVERGING
        if isinstance(end, Endpoint) and end.error is not None:
            values = dict(
                sharpness=end.sharpness, beta_l1=end.l1_norm, beta_l2=float(np.linalg.norm(end.beta)),
                beta=end.beta, test_risk=end.test_risk,
                error_beta=end.error.beta, error_beta_l1=end.error.l1_norm, error_sharpness=end.error.sharpness,
                error_test_risk=end.error.test_risk,
            )  # fmt: skip
            for name in values.keys() & found.keys():
                found[name][j] = values[name]
        add(1)
    return found


def _line(pred: Prediction, name: str) -> float:
    try:
        return float(getattr(pred, name))
    except NoClosedForm:
        return np.nan


def _endpoint(pred: Prediction, lr: float, warmup: int, most: float, divergence: float) -> Endpoint | Status:
    if lr >= divergence:
        return Status.DIVERGED
    if lr > most:
        return Status.STEP_LIMIT
    try:
        return pred.endpoint(lr, warmup=warmup)
    except Diverges:
        return Status.DIVERGED
    except NoInterpolator:
        return Status.STEP_LIMIT
    except NoClosedForm:
        if not warmup:
            raise
        return _endpoint(pred, lr, 0, most, divergence)  # a weight changed its sign within the warm-up
    except GdbiasError:  # the integration was not followed to its end: nothing is said
        return Status.NOT_RUN


def _steps(pred: Prediction, lr: float, options: PredictedOptions) -> int | None:
    try:
        return int(min(pred.steps(lr, options.tol, options.warmup), LARGEST)) + RunOptions.hold - 1
    except GdbiasError:
        return None


def _outcome(end: Endpoint | Status, lr: float, critical: float) -> tuple[Status, Phase]:
    if isinstance(end, Status):
        return end, {Status.DIVERGED: Phase.DIVERGED, Status.NOT_RUN: Phase.NOT_RUN}.get(end, Phase.UNDECIDED)
    return Status.CONVERGED, Phase.FLOW_ALIGNED if lr < NEAR * critical else Phase.EDGE_OF_STABILITY
