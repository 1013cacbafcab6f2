"""What a figure is of, for its title: model, data and the scale of the start."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ... import sims, theory
from ...sims.store.dataset import labels_of
from .results import has_rules, momenta_of, rule_of, scale_of, spec_of

if TYPE_CHECKING:
    from ...theory.prediction.prediction import Prediction

FEW = 3  # models that a title names
SHAPE = ("width", "depth", "activation")  # of a deep network, what a title names


def subject(ds: xr.Dataset) -> str:
    """The model, the data and the update rule of a result; empty for a result without a spec."""
    spec = spec_of(ds)
    models, problems = (one if isinstance(one := spec.get(name, []), list) else [one] for name in ("model", "problem"))
    if not models or not problems:
        return ""
    if "model" in ds.coords and ds["model"].size == 1:
        models = [str(ds["model"].item())]
    if "seed" in ds.coords and ds["seed"].size == 1 and len(problems) > 1:
        labels = labels_of(problems)
        problems = [one for one, label in zip(problems, labels, strict=True) if label == ds["seed"].item()] or problems
    named = ", ".join(map(_network, models)) if len(models) <= FEW else f"{len(models)} models"
    width = {"d": ds.sizes["feature"]} if "feature" in ds.sizes else {}
    rules = _rules(ds) if has_rules(ds) else rule_of(ds)
    return joined(f"{named} on {_data([width | dict(one) for one in problems])}", rules)


def start(ds: xr.Dataset) -> str:
    """The init_scale of a result that has one."""
    scale = scale_of(ds)
    return "" if scale is None else f"init_scale {scale:.3g}"


def start_of(pred: "Prediction | None") -> str:
    """The init_scale of a prediction of one start."""
    scale = None if pred is None else pred.init_scale
    return f"init_scale {float(np.ravel(scale)[0]):.3g}" if scale is not None and np.size(scale) == 1 else ""


def joined(*parts: str) -> str:
    """A title of the parts that are not empty."""
    return ", ".join(filter(None, parts))


def subject_of(pred: "Prediction") -> str:
    """The model and the data of a prediction."""
    made = dict(pred.problem.spec) | {"n": pred.problem.n, "d": pred.problem.d}
    return f"{pred.dynamics.model} on {_data([made])}"


def _rules(ds: xr.Dataset) -> str:
    """How many update rules there are, or momenta of one."""
    rules = sims.rebuild_rules(ds)
    [name, *_] = (rule.step.name for rule in rules if rule != theory.gradient_descent)
    return f"{name} with {len(rules)} momenta" if momenta_of(rules) else f"{len(rules)} update rules"


def _network(model: str | Mapping[str, Any]) -> str:
    """A model by its name; a deep network with what was chosen of it."""
    if isinstance(model, str):
        return model
    shape = [f"{name} {model[name]}".removeprefix("activation ") for name in SHAPE if name in model]
    return " ".join([str(model.get("kind", "network")), *shape])


def _data(problems: Sequence[Mapping[str, Any]]) -> str:
    """Where data come from, and their size as far as a spec tells it and all of them share it."""
    first, *others = [_size(one) for one in problems]
    shared = [f"{name} = {value}" for name, value in first.items() if all(one.get(name) == value for one in others)]
    kinds = " and ".join(dict.fromkeys(_source(one) for one in problems))
    return ", ".join([kinds if not others else f"{len(problems)} x {kinds}", *shared])


def _source(made: Mapping[str, Any]) -> str:
    """The file of a table by its name; of other data what kind they are."""
    return Path(made["path"]).name if "path" in made else str(made.get("kind", "data"))


def _size(made: Mapping[str, Any]) -> dict[str, int]:
    known = {"n": 1 if "x" in made else made.get("n", made.get("train")), "d": made.get("d")}
    return {name: value for name, value in known.items() if value is not None}
