"""What a figure takes from a result and from a prediction."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ... import sims, theory
from ...sims.store.dataset import seed_labels
from ...theory.errors import GdbiasError, InputError
from ...theory.validate import shown

SELECTORS = {
    "model": " or gdbias plot --model MODEL", "seed": " or gdbias plot --n SAMPLES or --seed SEED",
    "rule": " or gdbias plot --rule RULE",
}  # fmt: skip
LARGE = 100  # samples above which figures do without lr_max: it would take minutes


def grid(ds: xr.Dataset, *dims: str, mapped: bool = False) -> xr.Dataset:
    """The result with increasing learning rates (and scales), over the named dimensions and no other.

    ``mapped`` lets a map of divergence pass, which has no sharpness.

    Raises:
        InputError: not a result, or several entries along a dimension that the figure cannot draw.
    """
    if is_map(ds) and not mapped:
        raise InputError(
            "the result is a map of divergence, drawn by phase_diagram alone: sweep with precision='float64'"
        )
    for name in ("status", "lr", *(() if is_map(ds) else ("sharpness",))):
        if name not in ds:
            raise InputError(f"the dataset has no {name!r}: a figure draws a result of sims.sweep or sims.descend")
    if "lr" not in ds.dims:
        ds = ds.expand_dims("lr")
    others = [dim for dim in ds["status"].dims if dim not in dims]
    for dim in others:
        if ds.sizes[dim] != 1:
            raise InputError(
                f"the result has {ds.sizes[dim]} entries along {dim!r} and the figure draws one: "
                f"select it with ds.isel({dim}=0), ds.sel({dim}=...){SELECTORS.get(str(dim), '')}"
            )
    if not ds.sizes["lr"]:
        raise InputError("the result has 0 learning rates: sweep at least one")
    ds = ds.squeeze(others)
    mixed = [dim for dim in ("init_scale", "lr") if dim in ds.dims and not (np.diff(ds[dim].values) > 0).all()]
    return ds.sortby(mixed) if mixed else ds  # which would copy every variable of a large result


def is_map(ds: xr.Dataset) -> bool:
    """Whether this is a map of divergence, without sharpness and phases."""
    return "sharpness" not in ds and spec_of(ds).get("precision") == "float32"


def _chosen(ds: xr.Dataset, models: list, problems: list) -> tuple[list, list]:
    """The models and problems that are left in a result of which some were selected."""
    if "model" in ds.coords:
        models = [model for model in models if model.name in np.ravel(ds["model"].values)]
    if "seed" in ds.coords:
        seeds = seed_labels(problems)
        problems = [p for p, seed in zip(problems, seeds, strict=True) if seed in np.ravel(ds["seed"].values)]
    return models, problems


def require_prediction(pred: Any, figure: str) -> "theory.Prediction":
    """The prediction; raises InputError where a figure that needs a prediction is given something else."""
    if not isinstance(pred, theory.Prediction):
        raise InputError(
            f"{figure} needs pred = theory.predict(model, problem, init_scale) of one diagonal network, got "
            f"{type(pred).__name__}: a result without one, such as that of a deep linear network, is drawn "
            "by phase_diagram, norm_sharpness or trajectory"
        )
    return pred


def scale_of(ds: xr.Dataset) -> float | None:
    """The init_scale of a result that has one, None where a start was given or the network is deep."""
    scale = ds.coords.get("init_scale")
    return float(scale.item()) if scale is not None and scale.size == 1 else None


def value_in(ds: xr.Dataset, name: str) -> Any:
    """A variable or attribute that results with a gradient-flow reference carry, None elsewhere."""
    return ds[name].values if name in ds else ds.attrs.get(name)


def check_prediction(
    ds: xr.Dataset, pred: "theory.Prediction | Sequence[theory.Prediction] | None", ruled: bool = False
) -> None:
    """Raises InputError where a prediction is for another model, other data or another update rule than the result's.

    The rule is plain descent but in figures that are ``ruled``.
    """
    spec = spec_of(ds)
    if pred is None or not spec.get("problem"):
        return
    if not has_rules(ds) and not ruled:
        require_plain(ds)
    if isinstance(pred, list | tuple) and pred and None not in pred:
        for one in pred:
            check_prediction(ds, one, ruled)
        return
    if isinstance(pred, Sequence) or not hasattr(pred, "dynamics"):
        raise InputError(f"pred = {shown(pred)} is no prediction: use theory.predict(model, problem, init_scale)")
    model = pred.dynamics.model.name
    if model not in spec["model"]:
        raise InputError(
            f"the prediction is for {model}, the result is of {', '.join(spec['model'])}: predict that one"
        )
    if ruled and not has_rules(ds):
        if pred.rule != (rule := sims.rebuild_rule(ds)):
            raise InputError(
                f"the prediction is of {pred.rule.label}, the runs are of {rule.label}: predict with "
                "rule=sims.rebuild_rule(ds)"
            )
    elif pred.rule != theory.gradient_descent:
        runs = "beside several rules it is of plain descent" if has_rules(ds) else "the runs are plain gradient descent"
        raise InputError(f"the prediction has {pred.rule}, {runs}: predict without a rule")
    if pred.problem.fingerprint not in [problem.get("fingerprint") for problem in spec["problem"]]:
        raise InputError(
            "the prediction is for other data than the result's: predict its problem (sims.rebuild gives it)"
        )


def require_plain(ds: xr.Dataset) -> None:
    """Raises InputError where the runs have an update rule."""
    if rule := rule_of(ds):
        raise InputError(
            f"the runs are of {rule}, and this figure's predictions are for plain gradient descent: "
            "phase_diagram, norm_sharpness, bifurcation and trajectory draw the runs alone, rules what others end at"
        )


def has_rules(ds: xr.Dataset) -> bool:
    """Whether the result has several update rules: what is predicted of gradient flow holds beside all of them."""
    return ds.sizes.get("rule", 1) > 1


def momenta_of(rules: "Sequence[theory.UpdateRule]") -> list[float]:
    """The momentum of each rule where they differ in nothing else, plain descent among them; else empty."""
    steps = {rule.step for rule in rules if rule != theory.gradient_descent}
    others = [rule.spec | dict(momentum=0, step=None) for rule in rules]
    alike = len(steps) == 1 and all(other == others[0] for other in others)
    return [rule.momentum for rule in rules] if alike and any(rule.momentum for rule in rules) else []


def rule_of(ds: xr.Dataset) -> str:
    """The update rules of a result by name, of a step of one's own without its equations; empty for plain descent."""
    if "rule" not in spec_of(ds):
        return ""
    try:
        rules = sims.rebuild_rules(ds)
    except InputError:
        return "an update rule of its own"
    if rules == [theory.gradient_descent]:  # of several, the one selected
        return ""
    return " and ".join(rule.step.name if str(rule.step) in rule.label else rule.label for rule in rules)


def spec_of(ds: xr.Dataset) -> dict:
    """The spec of a result; empty for one without."""
    try:
        spec = json.loads(ds.attrs["spec"])
    except (KeyError, TypeError, ValueError):
        return {}
    return spec if isinstance(spec, dict) else {}


def described(value: object) -> str:
    """What a message calls a value that is another than was asked for: a result by its store and its kind."""
    if not isinstance(value, xr.Dataset):
        return shown(value)
    return f"{value.encoding.get('source', 'a result')} (kind: {spec_of(value).get('kind', 'unknown')})"


def is_predicted(ds: xr.Dataset) -> bool:
    """Whether the result is of :func:`gdbias.sims.predicted`, or of that of other networks: no run was made."""
    return spec_of(ds).get("kind") in ("predicted", "linear predicted", "deep predicted")


def stored_prediction(ds: xr.Dataset, ruled: bool = False) -> "theory.Prediction | list[theory.Prediction] | None":
    """The prediction for every start of a stored result, computed when read; None where the result carries its own or
    is of a deep linear network.

    A list, one a model or one a problem, where the result has several of one of them at one init_scale; that of plain
    descent beside several update rules. Of one rule, it is of plain descent but for figures that are ``ruled``.

    Raises:
        InputError: a result that cannot be rebuilt, see :func:`gdbias.sims.rebuild`, or with another update rule.
        NoClosedForm: a rule of which no law is known.
    """
    spec = spec_of(ds)
    if value_in(ds, "lr_critical") is not None or "network" in spec:
        return None
    alone = not has_rules(ds)
    if alone and not ruled:
        require_plain(ds)
    rule = sims.rebuild_rule(ds) if alone else theory.gradient_descent
    models, problems = _chosen(ds, *sims.rebuild(ds))
    if len(models) > 1 or len(problems) > 1:
        if len(models) > 1 and len(problems) > 1 or ds["init_scale"].size > 1:  # no figure draws so many
            return None
        scale = float(ds["init_scale"].item())
        return [theory.predict(model, problem, scale, rule=rule) for model in models for problem in problems]
    if "init_scale" in ds:
        return theory.predict(models[0], problems[0], ds["init_scale"].values, rule=rule)
    return theory.predict(models[0], problems[0], theta0=spec["theta0"], rule=rule)


def entry(pred: "theory.Prediction | None", init_scale: float | None, notes: list[str]) -> "theory.Prediction | None":
    """The prediction for one init_scale, alone, so that reading it computes one row."""
    if pred is not None:
        require_prediction(pred, "a figure of one row")
    if pred is None or pred.init_scale is None or init_scale is None:
        return pred if pred is None or len(pred.starts) == 1 else None
    scales = np.atleast_1d(pred.init_scale)
    match = np.flatnonzero(np.isclose(scales, init_scale, rtol=1e-6, atol=0))
    if not match.size:
        notes.append(f"no prediction: made for other init_scales than {init_scale:.3g}")
        return None
    return pred if len(scales) == 1 and np.ndim(pred.init_scale) == 0 else _row(pred, int(match[0]))


def rows(pred: "theory.Prediction", name: str, notes: list[str]) -> np.ndarray:
    """One number a row of ``init_scale``, NaN in the rows that have no prediction."""
    try:
        return np.atleast_1d(getattr(pred, name)).astype(float)
    except GdbiasError:  # of one row, which need not spoil the others
        values = [read(_row(pred, i), name, notes) for i in range(len(pred.starts))]
        return np.array([np.nan if value is None else value for value in values], dtype=float)


def boundary(pred: "theory.Prediction | Sequence[theory.Prediction]", name: str, notes: list[str]) -> np.ndarray:
    """A predicted learning rate for each row, NaN where it is unknown or takes too long."""
    if isinstance(pred, Sequence):
        return np.concatenate([boundary(one, name, notes) for one in pred])
    if name == "lr_max":  # the same for all starts
        value = read(pred, name, notes) if pred.problem.n <= LARGE else None
        return np.full(len(pred.starts), np.nan if value is None else value, dtype=float)
    return rows(pred, name, notes)


def read(pred: "theory.Prediction | None", name: str, notes: list[str]) -> Any:
    """An attribute of a prediction; None, with the reason in ``notes``, where theory does not give it."""
    try:
        return getattr(pred, name, None)
    except GdbiasError as error:
        note = "no prediction: " + str(error).split(":")[0]
        if note not in notes:
            notes.append(note)
        return None


def _row(pred: "theory.Prediction", index: int) -> "theory.Prediction":
    scale = None if pred.init_scale is None else float(np.atleast_1d(pred.init_scale)[index])
    return replace(pred, init_scale=scale, starts=(pred.starts[index],))
