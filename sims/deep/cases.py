"""The cases of a plan, computed into a result: gradient flow first, then one outcome for each learning rate."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...theory.errors import InputError, Unreached
from ..parallel.progress import progress_bar
from ..schema import measured
from ..status import Status
from ..store.filling import filled
from ..store.group import check_store, readable_values
from ..store.provenance import result_attributes
from .backend import jax
from .checkpoint import Checkpoint
from .gradient_flow import FlowPath
from .one_run import Tell, flow_to_its_end, in_precision
from .plan import Case, DeepPlan, places
from .threads import at_once, side_by_side
from .training_loss import Objective, check_network

One = Callable[[Case, Objective, jax.Array, float, Mapping[str, float], Tell, Checkpoint | None], dict]


def computed(
    plan: DeepPlan, one: One, relative: bool, store: str | PathLike | None, progress: bool | None
) -> xr.Dataset:
    """The result of a plan, of which a store has what is there already.

    ``one`` finds the outcome of a case at a learning rate from its objective, its start and what is known of its
    gradient flow.

    Raises:
        InputError: a network that does not fit its samples, a store that cannot be used, or no flow to be relative to.
    """
    local = None if store is None else _local(store)
    for case in plan.cases():
        check_network(case.net, case.data.X.shape[1:], case.data.classes)
    known = None
    if relative:
        if plan.several:
            raise InputError(f"relative learning rates differ along {plan.several[0]!r}: sweep its entries one by one")
        plan, known = _absolute(plan, local, progress)
    attrs = result_attributes(json.loads(json.dumps(plan.spec())), [])
    saved = None if local is None else local.with_name(f"{local.name}.checkpoint")
    beside = {name: places(length) for name, length in plan.inner.items()}
    ds = filled(plan.layout, beside, attrs, local, lambda arrays: _compute(plan, one, arrays, progress, saved, known))
    ds.attrs["lr_critical"] = ds.lr_critical.values.tolist()
    return ds


def _local(store: str | PathLike) -> Path:
    place = check_store(store)
    if not isinstance(place, Path):
        raise InputError(f"store {store} is a URL, and a deep sweep is stored on this machine: choose a local path")
    return place


def _compute(
    plan: DeepPlan, one: One, arrays: Mapping[str, Any], progress: bool | None, saved: Path | None, known: dict | None
) -> None:
    """Compute what is missing, case by case: gradient flow first, then the largest learning rates, the quickest."""
    with in_precision(plan.options.precision), progress_bar("runs", plan.layout.runs, progress) as add:
        for case in plan.cases():
            status = np.array([int(arrays["status"][(*case.index, i)]) for i in range(len(plan.lrs))])
            missing = np.flatnonzero(status == Status.NOT_RUN)
            add(len(status) - len(missing))
            flowed = int(np.asarray(arrays["flow_status"][case.index])) != Status.NOT_RUN
            if flowed and not len(missing):
                continue
            theta0, target = case.objective()
            if not flowed:
                found = known or _flow(target, theta0, case, add)
                names = measured("deep", ("flow",), case.options.changed)
                flow = {name: found.get(name.removeprefix("flow_")) for name in names}
                _write(arrays, case.index, flow, "flow_status")
            flow = {name: float(np.asarray(arrays[name][case.index])) for name in measured("deep", ("flow",))}

            quickest_first = sorted(missing.tolist(), key=lambda i: -plan.lrs[i])
            checkpoints = {i: _checkpoint(saved, plan, (*case.index, i)) for i in quickest_first} if saved else {}
            find = partial(_run, one, case, target, theta0, plan.lrs, flow, checkpoints)
            for i, found in side_by_side(find, quickest_first, at_once(target), partial(add, 0)):
                _write(arrays, (*case.index, i), found, "status")
                if i in checkpoints:
                    checkpoints[i].drop()
                add(1)


def _run(
    one: One,
    case: Case,
    target: Objective,
    theta0: jax.Array,
    lrs: np.ndarray,
    flow: Mapping[str, float],
    checkpoints: Mapping[int, Checkpoint],
    i: int,
    tell: Tell,
) -> dict:
    with in_precision(case.options.precision):  # which is a thread's own
        return one(case, target, theta0, float(lrs[i]), flow, tell, checkpoints.get(i))


def _checkpoint(saved: Path, plan: DeepPlan, run: tuple[int, ...]) -> Checkpoint:
    return Checkpoint(saved.with_name(f"{saved.name}-{run[-1]}"), plan.spec() | {"run": run})


def _absolute(plan: DeepPlan, store: Path | None, progress: bool | None) -> tuple[DeepPlan, dict | None]:
    """The plan with its multiples of lr_critical as learning rates: a store's own, or found from gradient flow."""
    known = {} if store is None else readable_values(store, "lr", "lr_critical")
    if len(known) == 2 and known["lr_critical"].ndim == 0:
        multiples = known["lr"] / known["lr_critical"]
        if multiples.shape == plan.lrs.shape and np.allclose(multiples, plan.lrs, rtol=1e-3):
            return replace(plan, lrs=known["lr"]), None
    [case] = plan.cases()
    with in_precision(plan.options.precision), progress_bar("gradient flow", 1, progress) as add:
        theta0, target = case.objective()
        found = _flow(target, theta0, case, add)
    if found["status"] != Status.CONVERGED or not 0 < found["lr_critical"] < np.inf:
        raise Unreached(
            f"gradient flow did not reach tol = {case.options.tol:g} (lr_critical {found['lr_critical']:.3g}), so "
            "nothing is relative to it: raise tol, or give absolute learning rates"
        )
    rates = [float(f"{multiple * found['lr_critical']:.4g}") for multiple in plan.lrs]
    return replace(plan, lrs=np.array(rates)), found


def _flow(target: Objective, theta0: jax.Array, case: Case, add: Callable) -> dict:
    def tell(path: FlowPath) -> None:
        add(0, f"gradient flow: loss {path.loss:.3g}, sharpness {path.states[-1]['sharpness']:.3g}")

    return flow_to_its_end(target, theta0, case.options, tell=tell)[0]


def _write(arrays: Mapping[str, Any], index: tuple[int, ...], found: dict, last: str) -> None:
    for name in [n for n in found if n in arrays and n != last] + [last]:
        if found[name] is not None:
            arrays[name][index if index else ...] = found[name]
