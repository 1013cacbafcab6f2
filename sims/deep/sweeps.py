"""Deep runs: one, many over learning rates, and the gradient flow they are compared with."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import xarray as xr

from ...theory.errors import InputError
from ...theory.validate import one_or_more, real, real_array, truth
from ..grid import Grid, learning_rates
from ..options import options_of
from ..parallel.progress import progress_bar
from ..schema import measured
from ..status import Status
from ..store.filling import filled
from ..store.group import check_store, readable_values
from ..store.provenance import result_attributes
from .architecture import Network
from .backend import jax
from .checkpoint import Checkpoint
from .data import Data
from .gradient_flow import FlowPath
from .one_run import flow_to_its_end, in_precision, run
from .options import DeepOptions, DeepSweepChanges
from .plan import DeepPlan
from .training_loss import Objective, check_network


def sweep(
    net: Network | Sequence[Network],
    data: Data | Sequence[Data],
    lr: float | np.ndarray | Sequence[float] | Grid,
    *,
    relative: bool = False,
    store: str | PathLike | None = None,
    progress: bool = False,
    options: DeepOptions | None = None,
    **changes: Unpack[DeepSweepChanges],
) -> xr.Dataset:
    """Full-batch gradient descent from one start at every learning rate, and gradient flow from the same start.

    ``theta <- theta - lr grad L(theta)`` until the training loss has been below ``tol`` for ``hold`` steps in a
    row, is not below ``1e6 max(1, L_0)``, or ``max_steps`` are taken (the protocol of arXiv 2505.21423).
    ``L`` is a mean over samples of ``|f - y|^2 / 2`` with one-hot y (``squared``) or of the cross-entropy.
    Lists of networks, data, losses and thresholds add the dimensions ``model``, ``seed``, ``objective``, ``tol``.
    With ``relative`` the learning rates are given as multiples of ``lr_critical``.

    With ``store`` every run is written when done (Zarr), and calling again with the same arguments computes only
    what is missing; a run under way is saved every minute in ``<store>.checkpoint`` and goes on from there. Gradient
    flow, which takes about as long as one run, starts again if it is interrupted. Options are those of
    :func:`gdbias.sims.deep.descend`.

    Returns a dataset over lr in the schema of :func:`gdbias.sims.sweep`: status, steps, loss, sharpness with its
    residual and its maximum along the path, adaptive sharpness, norms, test risk, accuracies; ``averaged_*`` of the
    mean of the next ``average`` weights and ``cooled_*`` after gradient flow for the time of as many steps;
    ``flow_*`` and ``lr_critical = 2 / flow_sharpness_max`` of gradient flow.

    Raises:
        InputError: an unknown option, a value outside its limits, or a store that cannot be used, which stays as it
            is.
    """
    common = {name: value for name, value in changes.items() if name not in ("loss", "tol")}
    options = options_of("deep.sweep", DeepOptions(), options, common)
    relative, progress = truth("relative", relative), truth("progress", progress)
    nets, datasets = one_or_more(net, Network, "sims.deep.network"), one_or_more(data, Data, "sims.deep.load")
    loss, tol = changes.get("loss", options.loss), changes.get("tol", options.tol)
    given = {"model": net, "seed": data, "objective": loss, "tol": tol}
    one = Network | Data | str
    several = tuple(name for name, value in given.items() if not isinstance(value, one) and np.ndim(value))
    losses = [str(name) for name in np.ravel(loss)]  # type: ignore[arg-type]
    tols = [real("tol", t, above=0) for t in np.ravel(real_array("tol", tol, "give one number, or several").tolist())]
    each = [replace(options, loss=one, tol=threshold) for one in losses for threshold in tols]
    if not each:
        raise InputError("a sweep needs at least one loss and one tol, got an empty list")
    plan = DeepPlan(nets, datasets, losses, tols, np.atleast_1d(learning_rates(lr)), several, each[0])
    store = None if store is None else _local(store)
    for case in plan.cases():
        check_network(case.net, case.data.X.shape[1:], case.data.classes)
    known = None
    if relative:
        if several:
            raise InputError(f"relative learning rates differ along {several[0]!r}: sweep its entries one by one")
        plan, known = _absolute(plan, store, progress)
    attrs = result_attributes(json.loads(json.dumps(plan.spec())), [])
    saved = None if store is None else _beside(store)
    ds = filled(plan.layout, {}, attrs, store, lambda arrays: _compute(plan, arrays, progress, saved, known))
    ds.attrs["lr_critical"] = ds.lr_critical.values.tolist()
    return ds


def _local(store: str | PathLike) -> Path:
    place = check_store(store)
    if not isinstance(place, Path):
        raise InputError(f"store {store} is a URL, and a deep sweep is stored on this machine: choose a local path")
    return place


def _beside(store: Path) -> Path:
    return store.with_name(f"{store.name}.checkpoint")


def _compute(plan: DeepPlan, arrays: Mapping[str, Any], progress: bool, saved: Path | None, known: dict | None) -> None:
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
                found = known or _flow(target, theta0, case.options, add)
                flow = {name: found.get(name.removeprefix("flow_")) for name in measured("deep", ("flow",))}
                _write(arrays, case.index, flow, "flow_status")
            for i in sorted(missing, key=lambda i: -plan.lrs[i]):
                checkpoint = saved and Checkpoint(saved, plan.spec() | {"run": [*case.index, int(i)]})
                found, _ = run(target, theta0, float(plan.lrs[i]), case.options, 0, partial(add, 0), checkpoint or None)
                _write(arrays, (*case.index, int(i)), found, "status")
                if checkpoint:
                    checkpoint.drop()
                add(1)


def _absolute(plan: DeepPlan, store: Path | None, progress: bool) -> tuple[DeepPlan, dict | None]:
    """The plan with its multiples of lr_critical as learning rates: a store's own, or found from gradient flow."""
    known = {} if store is None else readable_values(store, "lr", "lr_critical")
    if len(known) == 2 and known["lr_critical"].ndim == 0:
        multiples = known["lr"] / known["lr_critical"]
        if multiples.shape == plan.lrs.shape and np.allclose(multiples, plan.lrs, rtol=1e-3):
            return replace(plan, lrs=known["lr"]), None
    [case] = plan.cases()
    with in_precision(plan.options.precision), progress_bar("gradient flow", 1, progress) as add:
        theta0, target = case.objective()
        found = _flow(target, theta0, case.options, add)
    if found["status"] != Status.CONVERGED or not 0 < found["lr_critical"] < np.inf:
        raise InputError(
            f"gradient flow did not reach tol = {case.options.tol:g} (lr_critical {found['lr_critical']:.3g}), so "
            "nothing is relative to it: raise tol, or give absolute learning rates"
        )
    rates = [float(f"{multiple * found['lr_critical']:.4g}") for multiple in plan.lrs]
    return replace(plan, lrs=np.array(rates)), found


def _flow(target: Objective, theta0: jax.Array, options: DeepOptions, add: Callable) -> dict:
    def tell(path: FlowPath) -> None:
        add(0, f"gradient flow: loss {path.loss:.3g}, sharpness {path.states[-1]['sharpness']:.3g}")

    return flow_to_its_end(target, theta0, options, tell=tell)[0]


def _write(arrays: Mapping[str, Any], index: tuple[int, ...], found: dict, last: str) -> None:
    for name in [n for n in found if n in arrays and n != last] + [last]:
        if found[name] is not None:
            arrays[name][index if index else ...] = found[name]
