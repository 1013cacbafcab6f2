"""Predictors beside runs: how far the endpoint that theory predicts lies from the one that descent finds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack, get_args

import numpy as np
import xarray as xr

from ...theory import GdbiasError, Parameterization, Prediction, Problem, UpdateRule, gradient_descent, predict
from ...theory.prediction.endpoints import Endpoint, Method
from ...theory.validate import one_of, texts, whole
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
    progress: bool | None = None,
    options: CompareOptions | None = None,
    **changes: Unpack[CompareChanges],
) -> xr.Dataset:
    """Run descent at every learning rate, and put the predictors of its endpoint beside it.

    ``beta_error = ||beta_predicted - beta_found|| / ||beta_found||``, and alike the errors of the l1 norm, the
    sharpness and the test risk: NaN where the run did not converge or the predictor does not apply.
    ``sensitivity`` is what ``beta_found`` itself changes by at 1.003 lr, the floor of every error.

    Runs and predictors move by ``rule``; ``warmup`` is the constrained flow's, see
    :meth:`gdbias.theory.Prediction.endpoint`, which momentum needs.

    Further keywords, ``max_steps``, ``tol``, ``hold``, ``backend`` and ``threads``, change single
    options of :class:`gdbias.sims.predictions.comparison.CompareOptions`, or of those given together as ``options``.

    Returns a dataset over (predictor, lr): errors and predicted values; over lr: the run's status, steps, loss,
    sharpness, l1 norm, beta, test risk, theta. ``attrs["not_predicted"]`` lists (predictor, lr, reason) as JSON.

    Raises:
        InputError: a value outside its limits, an unknown option or method.
        NoClosedForm: a rule with batches, label noise without an end or a step of which no law is known.
    """
    options, warmup = options_of("compare", CompareOptions(), options, changes), whole("warmup", warmup, 0)
    asked = options.sweep()
    for method in texts("methods", methods):
        one_of("method", method, get_args(Method))
    scale, lrs = one_value(init_scale, "init_scale"), np.atleast_1d(learning_rates(lr))
    every, place = np.unique(np.concatenate([lrs, NEARBY * lrs]), return_inverse=True)
    pred, missing = predict(model, problem, scale, rule=rule), []
    runs = sweep(model, problem, every, scale, rule=rule, keep=["beta", "theta"], progress=progress, options=asked)
    runs = runs.isel(init_scale=0)
    found, near = (runs.isel(lr=place[part]) for part in (slice(None, len(lrs)), slice(len(lrs), None)))
    told = dict(methods=list(methods)) | (dict(warmup=warmup) if warmup else {})
    spec = result_spec("compare", model, problem, options, rule=rule, lr=lrs, init_scale=scale, **told)
    attrs = result_attributes(spec, [problem])

    values: dict[str, np.ndarray] = {
        name: np.full((len(methods), len(lrs), *size), np.nan)
        for name, size in {"beta_l1": (), "sharpness": (), "test_risk": (), "beta": (problem.d,)}.items()
    }
    with progress_bar("predictions", len(methods) * len(lrs), progress) as add:
        for i, method in enumerate(methods):
            for j, rate in enumerate(lrs.tolist()):
                end = _endpoint(pred, rate, method, warmup, missing)
                add(1, method)
                if end is not None:
                    values["beta"][i, j], values["beta_l1"][i, j] = end.beta, end.l1_norm
                    values["sharpness"][i, j] = end.sharpness
                    values["test_risk"][i, j] = np.nan if end.test_risk is None else end.test_risk

    converged = found["status"].values == Status.CONVERGED
    beta = np.where(converged[:, None], found["beta"].values, np.nan)
    size = np.linalg.norm(beta, axis=-1)
    both = converged & (near["status"].values == Status.CONVERGED)
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


def _endpoint(pred: Prediction, lr: float, method: Method, warmup: int, missing: list) -> Endpoint | None:
    try:
        return pred.endpoint(lr, method, warmup if method == "constrained_flow" else 0)
    except GdbiasError as error:
        missing.append((method, lr, str(error)))
        return None
