"""One cell looked at: what is stored of it, its run made again, and where theory has it end."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from ... import sims, theory
from ...sims.options import Options
from ...sims.status import Phase, Status
from ...theory.errors import GdbiasError, NoClosedForm
from ...theory.prediction.bars import NONE
from ..parts.axes import Plane
from ..parts.edge import sharpness_limit
from ..parts.results import LARGE
from ..parts.statuses import end
from .explored import Explored
from .python_text import options_of_run, python_of_run

POINTS = 400  # of a path
FAR = 3  # half-widths that hold 68 % of runs
MANY = 2  # times the predicted steps
FEW = 100  # points that are too few of one
BEYOND = {"window": 0, "average": 0, "cool": False}  # what is measured after the end of a run, and is stored
NORMS = {
    "beta_l1": "l1 norm of beta", "beta_l2": "l2 norm of beta", "theta_l1": "l1 norm of the weights",
    "theta_l2": "l2 norm of the weights", "product_nuclear": "nuclear norm of the product",
}  # fmt: skip
MEASURED = ("steps", "loss", "sharpness", *NORMS, "test_risk", "accuracy", "test_accuracy", "rising_steps")


@dataclass(frozen=True)
class Seen:
    """What is known of one cell.

    Attributes:
        at: its coordinates by name.
        status, phase: how the stored run ended; the phase is None where none is stored.
        edge: the largest sharpness of a stable minimum there, None where no theory gives it.
        measured: what is stored of the end of its run, by variable.
        python: text that makes the run again.
        path: along the run made again, by name, with ``step``; empty where it was not made.
        ends: "found" coefficients, or modes, of the run; "teacher" and "predicted" beside it.
        flow: where gradient flow from the same start ends, by variable.
        predicted: where theory has it end, by variable, with the half-width that holds 68 % of runs, NaN without bars.
        notes: what was not made or predicted, and why.
    """

    at: dict[str, float | str]
    status: Status
    phase: Phase | None
    edge: float | None
    measured: dict[str, float]
    python: str
    path: dict[str, np.ndarray] = field(default_factory=dict)
    ends: dict[str, np.ndarray] = field(default_factory=dict)
    flow: dict[str, float] = field(default_factory=dict)
    predicted: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def lr(self) -> float:
        return float(self.at["lr"])

    def but(self, note: str) -> "Seen":
        """The same with a note."""
        return replace(self, notes=(*self.notes, note))


def stored(explored: Explored, found: Plane, row: int, column: int) -> Seen:
    """What the store says of a cell of a plane."""
    cell = cell_of(found, row, column)
    at = {name: cell[name].item() for name in ("rule", "model", "seed", "init_scale", "lr") if name in cell.coords}
    if "init_scale" not in explored.ds.coords:
        at.pop("init_scale", None)  # a height alone
    known = {name: float(cell[name].item()) for name in MEASURED if name in cell and cell[name].ndim == 0}
    status, phase = cell["status"].item(), cell["phase"].item() if "phase" in cell else np.nan
    limit = sharpness_limit(found.ds, at["lr"])
    return Seen(
        at,
        Status.NOT_RUN if np.isnan(status) else Status(int(status)),
        None if np.isnan(phase) else Phase(int(phase)),
        None if limit is None else float(limit),
        {name: value for name, value in known.items() if np.isfinite(value) and (value >= 0 or "steps" not in name)},
        python_of_run(explored.spec, explored.ds, explored.store, at),
        flow={
            name: float(cell[f"flow_{name}"].item()) for name in MEASURED if f"flow_{name}" in cell and name != "steps"
        },
    )


def cell_of(found: Plane, row: int, column: int) -> xr.Dataset:
    """One cell of a plane."""
    return found.ds.isel({str(found.ds["status"].dims[0]): row, "lr": column})


def with_run(explored: Explored, found: Plane, row: int, column: int) -> Seen:
    """The cell with its run made again from the store's spec, recorded at some hundred steps."""
    seen = stored(explored, found, row, column)
    try:
        cell = cell_of(found, row, column)
        model, problem = explored.setting_at(cell)
        taken, rule = int(seen.measured.get("steps", FEW * FEW)), sims.rebuild_rule(cell)
        every = taken // POINTS | 1  # odd: both sides of an oscillation are seen
        run = _descend(explored, model, problem, rule, seen, every)
        if run.sizes["step"] < FEW and run.steps > run.sizes["step"]:
            run = _descend(explored, model, problem, rule, seen, int(run.steps) // POINTS | 1)
    except GdbiasError as error:
        return seen.but(str(error))
    path = {name: run[f"path_{name}"].values for name in ("loss", "sharpness", *NORMS) if f"path_{name}" in run}
    path["step"] = run["step"].values
    if seen.edge is not None:
        path["stability"] = path["sharpness"] / seen.edge
    ends = {"found": run["beta" if "beta" in run else "modes"].values}
    teacher = model.singular_values if problem is None else problem.beta_star
    ends |= {} if teacher is None else {"teacher": np.asarray(teacher)}
    again = replace(seen, path=path, ends=ends)
    if seen.status not in (Status.NOT_RUN, Status.BOUNDED) and explored.is_of_runs:
        same = int(run.status) == seen.status and int(run.steps) == seen.measured.get("steps", int(run.steps))
        again = again if same else again.but("made again here the run took another course than the stored one")
    return again


def _descend(explored: Explored, model, problem, rule, seen: Seen, record_every: int) -> xr.Dataset:
    spec, scale = explored.spec, float(seen.at["init_scale"])
    options = options_of_run(spec)
    if problem is None:
        return sims.linear.descend(
            model, seen.lr, scale, spec["start"], spec["seed"], record_every=record_every, **options
        )
    options |= {name: value for name, value in BEYOND.items() if name in options}
    if options.get("backend") == "cupy":
        del options["backend"]
    return sims.descend(model, problem, seen.lr, scale, rule=rule, record_every=record_every, **options)


def with_prediction(explored: Explored, found: Plane, row: int, column: int, seen: Seen) -> Seen:
    """The same with the endpoint that theory predicts without any run."""
    try:
        if explored.kind.startswith("deep"):
            return _with_plane(seen, _by_central_flow(explored, seen))
        cell = cell_of(found, row, column)
        model, problem = explored.setting_at(cell)
        scale = float(seen.at["init_scale"])
        if problem is not None:
            pred = theory.predict(model, problem, scale, rule=sims.rebuild_rule(cell))
            tol, hold = (explored.spec.get(name, getattr(Options, name)) for name in ("tol", "hold"))
            return _with_endpoint(seen, pred, float(tol), hold)
        start = {name: explored.spec[name] for name in ("start", "seed")}
        return _with_plane(seen, sims.linear.predicted(model, seen.lr, scale, **start).isel(init_scale=0, lr=0))
    except GdbiasError as error:
        return seen.but(f"not predicted: {error}")


def _with_endpoint(seen: Seen, pred: theory.Prediction, tol: float, hold: int) -> Seen:
    ended = pred.endpoint(seen.lr)
    values = {"sharpness": ended.sharpness, "beta_l1": ended.l1_norm, "test_risk": ended.test_risk}
    error = ended.error or NONE
    bars = {"sharpness": error.sharpness, "beta_l1": error.l1_norm, "test_risk": error.test_risk}
    predicted = {name: (float(v), _half_width(bars[name])) for name, v in values.items() if v is not None}
    with suppress(GdbiasError):  # a linear model has no number of steps
        predicted["steps"] = float(np.ceil(pred.steps(seen.lr, tol)) + hold - 1), np.nan
    flow = {"sharpness": pred.flow.sharpness, "beta_l1": pred.flow.l1_norm, "test_risk": pred.flow.test_risk}
    flow = {name: float(value) for name, value in flow.items() if value is not None}
    told = replace(seen, flow=flow, predicted=predicted, ends=seen.ends | {"predicted": ended.beta})
    return replace(told, notes=(*seen.notes, *_doubts(told, pred, ended, tol)))


def _doubts(seen: Seen, pred: theory.Prediction, ended: theory.Endpoint, tol: float) -> Iterator[str]:
    """What speaks against a predicted endpoint."""
    if ended.note:
        yield ended.note
    if pred.problem.n <= LARGE and ended.error is not None:
        reachable, w0 = pred.reachable(seen.lr)
        if seen.lr * reachable.sharpness_of(w0**reachable.coordinates.degree) > 2:
            yield "it starts beyond the edge, where the first steps throw descent off: bars are wide"
    steps, foreseen = seen.measured.get("steps", 0), seen.predicted.get("steps", (0,))[0]
    if seen.status == Status.CONVERGED and steps and foreseen and abs(np.log(steps / foreseen)) > np.log(MANY):
        why = pred.steps_note(seen.lr, tol)
        yield f"the run took {steps / foreseen:.2g} times the steps that are predicted{why and f': {why}'}"
    off = {name: abs(seen.measured.get(name, value) - value) / bar for name, (value, bar) in seen.predicted.items()}
    far = [name for name, widths in off.items() if widths > FAR]
    if far and seen.status == Status.CONVERGED:
        yield f"the run ended more than {FAR} times its bar away from what is predicted ({', '.join(far)})"


def _half_width(bar: np.ndarray | None) -> float:
    return np.nan if bar is None or not bar.any() else float(bar[0])


def _with_plane(seen: Seen, cell: xr.Dataset) -> Seen:
    """The endpoint as a predicted plane has it, and gradient flow's."""
    if "lr_critical_final" in cell:
        seen = replace(seen, flow={"sharpness": 2 / float(cell["lr_critical_final"])})
    if int(cell["status"]) != Status.CONVERGED:
        return seen.but(f"predicted: {end(Status(int(cell['status'])), True)}")
    values = {name: float(cell[name]) for name in MEASURED if name in cell}
    predicted = {name: (value, np.nan) for name, value in values.items() if np.isfinite(value) and value >= 0}
    ends = {"predicted": cell["modes"].values} if "modes" in cell else {}
    return replace(seen, predicted=predicted, ends=seen.ends | ends)


def _by_central_flow(explored: Explored, seen: Seen) -> xr.Dataset:
    if explored.foretold is None:
        raise NoClosedForm("for the central flow's endpoint give --predicted, which gdbias deep STORE --predict makes")
    return explored.foretold.sel({name: value for name, value in seen.at.items() if name in explored.foretold.dims})
