"""Predictors beside runs: how far the endpoint that theory predicts lies from the one that descent finds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, Unpack, get_args

import numpy as np
import xarray as xr

from ...theory import (
    GdbiasError,
    InputError,
    Parameterization,
    Prediction,
    Problem,
    UpdateRule,
    gradient_descent,
    predict,
)
from ...theory.prediction.endpoints import Endpoint, Method
from ...theory.prediction.swings import followed_in_steps
from ...theory.validate import one_of, texts, truth_or_none, whole
from ..grid import Grid, learning_rates, one_value
from ..options import BackendName, Deciding, Options, RunOptions, SweepOptions, options_of
from ..parallel.progress import progress_bar
from ..schema import VARIABLES, attributes, measured
from ..status import Status
from ..store.provenance import result_attributes, result_spec
from ..sweeps import sweep

METHODS: tuple[Method, ...] = ("flow", "frontier", "bregman", "constrained_flow")
NEARBY = 1.003  # times lr: what descent itself changes by is the floor of every error


@dataclass(frozen=True)
class CompareOptions(Deciding):
    """When the runs end that predictors are compared with, and how they are computed, as of a sweep."""

    max_steps: int = 400_000
    tol: float = RunOptions.tol
    hold: int = RunOptions.hold
    backend: BackendName = Options.backend
    threads: int | None = field(default=None, metadata={"result": False})

    def sweep(self) -> SweepOptions:
        """The same of a sweep, without looks at the sharpness; raises InputError."""
        return SweepOptions(track_every=0, **vars(self))


class CompareChanges(TypedDict, total=False):
    """Keywords of :func:`compare` for :class:`CompareOptions`."""

    max_steps: int
    tol: float
    hold: int
    backend: BackendName
    threads: int | None


def compare(
    model: Parameterization,
    problem: Problem,
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float = 0.1,
    *,
    rule: UpdateRule = gradient_descent,
    methods: Sequence[Method] = METHODS,
    warmup: int = 0,
    steps: int | None = None,
    progress: bool | None = None,
    options: CompareOptions | None = None,
    **changes: Unpack[CompareChanges],
) -> xr.Dataset:
    """Run descent at every learning rate, and put the predictors of its endpoint beside it.

    ``beta_error = ||beta_predicted - beta_found|| / ||beta_found||``, and alike the errors of the l1 norm, the
    sharpness and the test risk: NaN where the run did not converge or the predictor does not apply.
    ``sensitivity`` is what ``beta_found`` itself changes by at 1.003 lr, the floor of every error.

    Runs and predictors move by ``rule``; ``warmup`` is the constrained flow's, see
    :meth:`gdbias.theory.Prediction.endpoint`, which momentum needs. Of a rule that does not rest, both are where it is
    after ``steps``, or when it arrives by its prediction; its runs have their swings, and status STEP_LIMIT.

    Further keywords, ``max_steps``, ``tol``, ``hold``, ``backend`` and ``threads``, change single
    options of :class:`gdbias.sims.predictions.comparison.CompareOptions`, or of those given together as ``options``.

    Returns a dataset over (predictor, lr): errors and predicted values; over lr: the run's status, steps, loss,
    sharpness, l1 norm, beta, test risk, theta. ``attrs["not_predicted"]`` lists (predictor, lr, reason) as JSON.

    Raises:
        InputError: a value outside its limits, an unknown option or method, ``steps`` of descent.
        NoClosedForm: a rule with batches, label noise without an end or a step of which no law is known.
    """
    options, warmup = options_of("compare", CompareOptions(), options, changes), whole("warmup", warmup, 0)
    truth_or_none("progress", progress)
    for method in texts("methods", methods):
        one_of("method", method, get_args(Method))
    if steps is not None and not followed_in_steps(rule):
        raise InputError(
            f"steps = {steps} is of rules that do not rest and are followed in steps, which {rule.step.name} is not: "
            "leave it out"
        )
    steps = None if steps is None else whole("steps", steps, 1, options.max_steps)
    scale, lrs = one_value(init_scale, "init_scale"), np.atleast_1d(learning_rates(lr))
    pred, missing = predict(model, problem, scale, rule=rule), []
    told = dict(methods=list(methods)) | (dict(warmup=warmup) if warmup else {}) | (dict(steps=steps) if steps else {})
    spec = result_spec("compare", model, problem, options, rule=rule, lr=lrs, init_scale=scale, **told)
    attrs = result_attributes(spec, [problem])

    values: dict[str, np.ndarray] = {
        name: np.full((len(methods), len(lrs), *size), np.nan)
        for name, size in {"beta_l1": (), "sharpness": (), "test_risk": (), "beta": (problem.d,)}.items()
    }
    lasting = np.full(len(lrs), steps or 0)  # steps of rules that do not rest
    with progress_bar("predictions", len(methods) * len(lrs), progress) as add:
        for i, method in enumerate(methods):
            for j, rate in enumerate(lrs.tolist()):
                end = _endpoint(pred, rate, method, warmup, steps, missing)
                add(1, method)
                if end is not None:
                    values["beta"][i, j], values["beta_l1"][i, j] = end.beta, end.l1_norm
                    values["sharpness"][i, j] = end.sharpness
                    values["test_risk"][i, j] = np.nan if end.test_risk is None else end.test_risk
                    unknown = options.max_steps if followed_in_steps(rule) else 0  # of a linear model
                    lasting[j] = max(lasting[j], int(np.ceil(unknown if end.steps is None else end.steps)))
    given = dict(model=model, problem=problem, init_scale=scale, rule=rule, progress=progress)
    found, near = _runs(lrs, lasting, options, **given)

    converged = _there(found, lasting)
    beta = np.where(converged[:, None], found["beta"].values, np.nan)
    size = np.linalg.norm(beta, axis=-1)
    both = converged & _there(near, lasting)
    table = {name: (found[name].dims, found[name].values) for name in measured("compared") if name in found}
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.linalg.norm(near["beta"].values - beta, axis=-1) / size
        table["sensitivity"] = ("lr",), np.where(both, moved, np.nan)
        table["beta_error"] = ("predictor", "lr"), np.linalg.norm(values["beta"] - beta, axis=-1) / size
        for name, error in (
            ("beta_l1", "l1_error"),
            ("sharpness", "sharpness_error"),
            ("test_risk", "test_risk_error"),
        ):
            if name in found:
                true = np.where(converged, found[name].values, np.nan)
                table[error] = ("predictor", "lr"), np.abs(values[name] - true) / np.abs(true)
    for name, value in values.items():
        if name in found:
            table[f"predicted_{name}"] = ("predictor", "lr", *VARIABLES[name].dims), value
    coordinates = {"predictor": ("predictor", list(methods)), "lr": ("lr", lrs), "init_scale": ((), scale)}
    return xr.Dataset(
        {name: (*variable, attributes(name)) for name, variable in table.items()},
        {name: (*coordinate, attributes(name)) for name, coordinate in coordinates.items()},
        attrs | {"not_predicted": json.dumps(missing)},
    )


def _runs(lrs: np.ndarray, lasting: np.ndarray, options: CompareOptions, **given: Any) -> tuple[xr.Dataset, xr.Dataset]:
    """Runs at the learning rates and at 1.003 of them: to their ends, or for the steps that they last."""

    def runs(every: np.ndarray, asked: SweepOptions) -> xr.Dataset:
        return sweep(lr=every, keep=["beta", "theta"], options=asked, **given).isel(init_scale=0)

    parts: dict[tuple[float, int], xr.Dataset] = {}
    counts = np.minimum(lasting, options.max_steps)
    for count in np.unique(counts).tolist():
        chosen = lrs[counts == count]
        asked = options.sweep() if not count else replace(options.sweep(), max_steps=count, tol=0.0)
        ds = runs(np.unique(np.concatenate([chosen, NEARBY * chosen])), asked)
        parts |= {(rate, count): ds.isel(lr=[k]) for k, rate in enumerate(ds["lr"].values.tolist())}
    rows = [[parts[key] for key in zip(rates.tolist(), counts.tolist(), strict=True)] for rates in (lrs, NEARBY * lrs)]
    return xr.concat(rows[0], "lr"), xr.concat(rows[1], "lr")


def _there(runs: xr.Dataset, lasting: np.ndarray) -> np.ndarray:
    """Which runs are where predictors tell: at their ends, or at the last of the steps that they were to last."""
    status = runs["status"].values
    arrived = (lasting > 0) & (status == Status.STEP_LIMIT) & (runs["steps"].values >= lasting)
    return (status == Status.CONVERGED) | arrived


def _endpoint(
    pred: Prediction, lr: float, method: Method, warmup: int, steps: int | None, missing: list
) -> Endpoint | None:
    try:
        return pred.endpoint(
            lr, method, warmup if method == "constrained_flow" else 0, None if method == "flow" else steps
        )
    except GdbiasError as error:
        missing.append((method, lr, str(error)))
        return None
