"""One run of gradient descent, optionally with its history."""

from dataclasses import replace
from typing import Unpack

import numpy as np
import xarray as xr

from ..theory import InputError, Parameterization, derive
from ..theory.blas import one_thread
from ..theory.derivation.landscape import Landscape
from ..theory.problem import Problem, require_problem
from ..theory.rules.update_rule import UpdateRule, gradient_descent, require_rule
from ..theory.validate import truth, whole
from .engine.backends import backend
from .engine.job import Job
from .grid import one_value
from .measure.batches import batch_sharpness
from .measure.block import advance_block, measure_block
from .measure.effective import sharpness_effective
from .measure.outcome import largest, measure
from .measure.settled import flow_ends
from .measure.sharpness import sharpness_at
from .options import LARGEST, Changes, Options, options_of
from .store.dataset import add_path, single_result
from .store.provenance import result_attributes, result_spec

LARGEST_HISTORY = 1 << 28  # numbers


def descend(
    model: Parameterization,
    problem: Problem,
    lr: float,
    init_scale: float = 0.1,
    *,
    theta0: np.ndarray | None = None,
    rule: UpdateRule = gradient_descent,
    record_every: int = 0,
    gfs_sharpness: bool = False,
    options: Options | None = None,
    **changes: Unpack[Changes],
) -> xr.Dataset:
    """Run ``theta <- theta - lr grad L(theta)`` until the excess loss holds ``tol``, blows up, or ``max_steps``.

    A run that :func:`gdbias.sims.sweep` makes with the same arguments is bitwise the same. With
    ``record_every = k`` the state at every k-th step is kept: variables ``path_*`` over the dimension
    ``step`` (the last step is among the plain variables). With ``gfs_sharpness`` the recorded path has the sharpness
    of the endpoint of gradient flow from each of its states, ``path_gfs_sharpness`` (arXiv 2305.13064).

    Further keywords change single options of :class:`gdbias.sims.options.Options`, or of those given together as
    ``options``: when the run ends (``max_steps``, ``tol``, ``hold``), what is watched (``track_every``), what is
    measured beyond its end as in :func:`gdbias.sims.sweep` (``window``, ``average``, ``cool``), and what computes it
    (``backend``, ``threads``).

    Returns a dataset in the common schema: status, steps, loss, sharpness, norms, beta (feature),
    theta (weight, feature), with how to make it again in ``attrs``.

    Raises:
        InputError: an unknown option, or a value outside its limits.
    """
    landscape = Landscape(derive(model, require_problem(problem).loss, rule), problem)
    options = replace(options_of("descend", Options(), options, changes), threads=1)
    require_rule(rule).check(problem.n, problem.loss)
    options.check(rule)
    backend(options).check(problem, here=True)
    lr = one_value(lr, "lr")
    scale = one_value(init_scale, "init_scale") if theta0 is None else None
    start = model.check_theta(theta0, problem.d) if scale is None else model.theta0(scale, problem.d)
    record_every, gfs_sharpness = whole("record_every", record_every, 0, LARGEST), truth("gfs_sharpness", gfs_sharpness)
    check_history(
        options.max_steps, record_every, start.size * (1 + len(rule.step.memory) + (rule.step.ascent is not None))
    )
    if gfs_sharpness and not record_every:
        raise InputError("gfs_sharpness is of the states of a recorded path: give record_every, for example 1")
    if gfs_sharpness and rule.weight_decay:
        raise InputError(
            "gfs_sharpness follows gradient flow of the loss alone, and the run has weight_decay = "
            f"{rule.weight_decay:g}: leave one of them out"
        )
    spec = result_spec(
        "descend", model, problem, options, lr=lr, init_scale=scale, theta0=start if scale is None else None,
        record_every=record_every, rule=rule,
        **({"gfs_sharpness": True} if gfs_sharpness else {}),
    )  # fmt: skip
    attrs = result_attributes(spec, [problem])  # before the run, which nothing may spoil afterwards
    job = Job(landscape, options, np.zeros(1, dtype=np.int64), record_every=record_every)
    run = _run if options.backend == "numpy" else one_thread(_run)  # as sweeps have it
    return run(job, start, lr, {"lr": lr} | ({} if scale is None else {"init_scale": scale}), gfs_sharpness, attrs)


def _run(
    job: Job, start: np.ndarray, lr: float, coordinates: dict[str, float], gfs_sharpness: bool, attrs: dict
) -> xr.Dataset:
    landscape, record_every = job.landscape, job.record_every
    model, rule = landscape.dynamics.model, landscape.dynamics.rule
    runs = advance_block(job, start[None], np.array([lr]))
    found = measure_block(job, runs)
    if rule == gradient_descent:  # of which lr S / 2 says the same
        del found["sharpness_effective"]
    if not record_every:
        return single_result(found, model, coordinates, attrs)
    kept = int(runs.steps[0]) // record_every + 1
    history, states = runs.recorded[0, :kept], runs.history[0, :kept]
    path = measure(landscape, history)
    if gfs_sharpness:
        ends = flow_ends(landscape, history, np.repeat(runs.loss_min, kept))
        path["gfs_sharpness"] = sharpness_at(landscape, ends).value
    step = np.arange(kept) * record_every
    if rule != gradient_descent:
        rates = rule.schedule.at(lr, step)
        path["sharpness_effective"] = sharpness_effective(landscape, states, rates, runs.loss_min[0], path["sharpness"])
    if rule.batch:
        path["batch_sharpness"] = batch_sharpness(landscape, history)
    found["sharpness_max"] = largest(found["sharpness_max"], path["sharpness"], found["status"]).max(keepdims=True)
    ds = single_result(found, model, coordinates, attrs)
    ds = add_path(ds, "step", step, path)
    return ds.assign_coords(time=("step", rule.schedule.elapsed(lr, step)))


def check_history(max_steps: int, record_every: int, weights: int) -> None:
    """Raise InputError where the recorded states are more than memory holds."""
    records = max_steps // record_every + 1 if record_every else 0
    if records * weights > LARGEST_HISTORY:
        raise InputError(
            f"record_every = {record_every} keeps {records} states of {weights} weights, more than "
            f"{LARGEST_HISTORY} numbers: raise record_every or lower max_steps"
        )
