"""The models and problems of a result, made again from what is stored with it."""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from ..theory import GdbiasError, InputError, Parameterization, Problem, UpdateRule, parse
from ..theory.datasets import MADE_BY_SPEC
from ..theory.loss import LOSSES
from ..theory.validate import shown


def rebuild(ds: xr.Dataset) -> tuple[list[Parameterization], list[Problem]]:
    """The models and problems of a result of ``sweep``, ``descend`` or ``flow``, by its attributes alone.

    Synthetic data are drawn anew from their seed, a user's data are stored in the result; both must have the
    stored fingerprint, so that a prediction for them is one for the runs.

    Raises:
        InputError: no spec or one of another kind, a model without a name that reads back, or other data.
    """
    if not isinstance(ds, xr.Dataset):
        raise InputError(
            f"ds = {shown(ds)} is not a result: use sims.rebuild(sims.store.open_result(path)) for a store"
        )
    try:
        spec = json.loads(ds.attrs["spec"])
        names, problems = list(spec["model"]), list(spec["problem"])
        data = json.loads(ds.attrs.get("data", "[]")) or [None] * len(problems)
        return (
            [parse(name) for name in names],
            [_problem(*stored) for stored in zip(problems, data, strict=True)],
        )
    except GdbiasError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the result cannot be rebuilt from its spec ({error!r}): give one of sims.sweep, sims.descend or sims.flow"
        ) from None


def rebuild_rule(ds: xr.Dataset) -> UpdateRule:
    """The update rule of a result of ``sweep`` or ``descend``; raises InputError for several, or none to read."""
    rules = rebuild_rules(ds)
    if len(rules) != 1:
        raise InputError(f"the result has {len(rules)} update rules: select one with ds.sel(rule={rules[0].label!r})")
    return rules[0]


def rebuild_rules(ds: xr.Dataset) -> list[UpdateRule]:
    """The update rules of a result of ``sweep``, those selected.

    Raises:
        InputError: a spec without rules to read, or a selected one that is not among them.
    """
    try:
        stored = json.loads(ds.attrs["spec"]).get("rule", {})
        rules = [UpdateRule(**spec) for spec in (stored if isinstance(stored, list) else [stored])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the rule of the result cannot be rebuilt from its spec ({error!r}): give it yourself"
        ) from None
    if "rule" not in ds.coords:
        return rules
    known, labels = {rule.label: rule for rule in rules}, np.ravel(ds["rule"].values).tolist()
    if strange := [label for label in labels if label not in known]:
        raise InputError(
            f"the rule {shown(strange[0])} of the result is not among those of its spec ({shown(', '.join(known))}): "
            "give it yourself"
        )
    return [known[label] for label in labels]


def _problem(spec: Mapping, data: Mapping | None) -> Problem:
    made = dict(spec)
    wanted = made.pop("fingerprint")
    for problem in _candidates(made, data):
        if problem.fingerprint == wanted:
            return problem
    raise InputError(
        f"the {made['kind']} problem of the result cannot be rebuilt: its data are not stored, or differ from those "
        f"of the runs (fingerprint {wanted[:12]}): use the versions of gdbias and NumPy that made it"
    )


def _candidates(spec: dict, data: Mapping | None) -> Iterator[Problem]:
    if spec["kind"] in MADE_BY_SPEC:
        yield MADE_BY_SPEC[spec["kind"]](**{name: value for name, value in spec.items() if name != "kind"})
    elif data:
        for loss in LOSSES.values():  # not every spec names it; the fingerprint tells
            try:
                yield Problem(**data, loss=loss, spec=spec)
            except InputError:  # labels of another loss
                continue
