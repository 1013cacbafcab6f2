"""Thousands of runs over learning rates and initialization scales, problems and models."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import replace
from os import PathLike

import numpy as np
import xarray as xr

from ..theory.derive import derive
from ..theory.parameterization import Parameterization
from ..theory.problem import Problem
from ..theory.update_rule import UpdateRule, gradient_descent
from .block import run_block, smallest_losses
from .check_rule import check_rule
from .endpoints import endpoints
from .engine import cores
from .grid import Grid, learning_rates
from .options import Options
from .plan import Chunk, Plan
from .progress import progress_bar
from .provenance import result_attributes, result_spec
from .schema import ALONG, VARIABLES, attributes
from .status import Status
from .store import open_for_writing, open_result

MEMORY_CHUNK, STORE_CHUNK = 8192, 1024  # runs; a store loses at most the chunks under way


def sweep(
    model: Parameterization | Sequence[Parameterization],
    problem: Problem | Sequence[Problem],
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float | np.ndarray | Sequence[float] | Grid = 0.1,
    max_steps: int = 100_000,
    tol: float = 1e-10,
    hold: int = 20,
    track_every: int = 11,
    window: int = 0,
    average: int = 0,
    cool: bool = False,
    backend: str = "numba",
    threads: int | None = None,
    keep: Sequence[str] = ("beta", "theta"),
    store: str | PathLike | None = None,
    progress: bool = False,
    rule: UpdateRule = gradient_descent,
) -> xr.Dataset:
    """Gradient descent from every initialization scale at every learning rate, each run to its end.

    ``theta <- theta - lr grad L(theta)`` until the excess loss stays below ``tol`` for ``hold`` steps, is
    not below ``1e6 max(1, L_0)``, or ``max_steps`` are taken. Sequences of models and problems add the
    dimensions ``model`` and ``seed``, the latter with ``n``, the samples of each problem. Weights, loss, steps and
    status depend on no thread count, chunk or neighbour, bit for bit; the sharpness to rounding.

    With ``store`` every chunk is written when done (Zarr), and calling again with the same arguments
    computes only what is missing. ``keep`` names the vectors to keep among beta and theta.

    Every run gets a ``phase`` (:class:`gdbias.sims.Phase`). To tell periodic from chaotic, runs that neither
    converged nor diverged are followed for ``window`` more steps, which change nothing else: ``period`` by
    recurrence, ``lyapunov`` by the growth a step of ``delta <- (I - lr H) delta``.

    With ``average`` the mean weights of so many further steps are measured (``averaged_*``), with ``cool`` the
    endpoint of gradient flow from where the run ended (``cooled_*``): loss, test risk, sharpness and norms, at
    neither of which oscillation is taken for bias. NaN where a run diverged, and cooled for losses that are not
    squared, whose flow has no finite endpoint.

    Returns a dataset over (model, seed, init_scale, lr): status (:class:`gdbias.sims.Status`), steps, loss,
    sharpness with its residual and its maximum along the path, norms, test risk, beta, theta.

    Raises:
        InputError: a value outside its limits, or a store that cannot be used. Nothing is overwritten.
    """
    options = Options(max_steps, tol, hold, track_every, window, average, cool, backend, threads)  # type: ignore[arg-type]
    models = _listed(model)
    problems = _listed(problem)
    plan = Plan(
        models, problems, np.atleast_1d(learning_rates(init_scale, "init_scale")), np.atleast_1d(learning_rates(lr)),
        not isinstance(model, Parameterization), not isinstance(problem, Problem), tuple(keep),
        MEMORY_CHUNK if store is None else STORE_CHUNK, endpoints(options),
    )  # fmt: skip
    check_rule(rule, problems, options)
    spec = result_spec(
        "sweep", models, problems, options, rule=rule, lr=plan.lrs, init_scale=plan.scales, keep=list(plan.keep)
    )
    attrs = result_attributes(spec, problems)
    if store is None:
        arrays = {n: np.full(plan.shape(n), VARIABLES[n].fill, VARIABLES[n].dtype) for n in plan.variables}
        _run_chunks(plan, options, rule, arrays, progress)
        variables = {n: (plan.dims(n), arrays[n], attributes(n)) for n in VARIABLES if n in arrays}
        coordinates = {n: (ALONG.get(n, n), values, attributes(n)) for n, values in _coordinates(plan).items()}
        return xr.Dataset(variables, coordinates, attrs)
    with open_for_writing(store, plan, _coordinates(plan), attrs) as group:
        _run_chunks(plan, options, rule, {n: group[n] for n in plan.variables}, progress)
    return open_result(store)


def _listed(given) -> list:
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def _coordinates(plan: Plan) -> dict[str, np.ndarray]:
    values: dict[str, np.ndarray] = {"init_scale": plan.scales, "lr": plan.lrs}
    if plan.many_models:
        values["model"] = np.array([m.name for m in plan.models])
    if plan.many_problems:
        seeds = [p.spec.get("seed") for p in plan.problems]
        distinct = None not in seeds and len(set(seeds)) == len(seeds)
        values["seed"] = np.array(seeds if distinct else range(len(seeds)))
        values["n"] = np.array([p.n for p in plan.problems])
    if "theta" in plan.keep and not plan.many_models:
        values["weight"] = np.array([w.name for w in plan.models[0].weights])
    return values


def _run_chunks(plan: Plan, options: Options, rule: UpdateRule, arrays: dict, progress: bool) -> None:
    """Compute the chunks that are missing; many small ones side by side, few large ones with all threads each."""
    status = arrays["status"]
    missing = [c for c in plan.chunks() if (np.asarray(status[plan.region(c)]) == Status.NOT_RUN).any()]
    threads = options.threads or cores()
    beside = threads if len(missing) >= 4 * threads and options.backend == "numba" else 1
    inner = replace(options, threads=1 if beside > 1 else threads)
    halt = np.zeros(1, dtype=np.int64)
    with (
        progress_bar("runs", plan.runs, progress) as add,
        ThreadPoolExecutor(beside) if beside > 1 else nullcontext() as pool,
    ):
        add(plan.runs - sum(c.runs for c in missing))
        if pool is None:
            for chunk in missing:
                _write(plan, chunk, _compute(plan, chunk, inner, rule, halt, add), arrays)
            return
        queue = iter(missing)
        tasks: dict = {}
        try:
            while True:
                while len(tasks) < 2 * beside and (chunk := next(queue, None)):
                    tasks[pool.submit(_compute, plan, chunk, inner, rule, halt, add)] = chunk
                if not tasks:
                    return
                for task in wait(tasks, return_when=FIRST_COMPLETED).done:
                    _write(plan, tasks.pop(task), task.result(), arrays)
        except BaseException:
            halt[0] = 1
            raise


def _compute(
    plan: Plan, chunk: Chunk, options: Options, rule: UpdateRule, halt: np.ndarray, add: Callable[[int], None]
) -> dict:
    model, problem = plan.models[chunk.model], plan.problems[chunk.seed]
    dynamics = derive(model, problem.loss, rule)
    starts = np.stack([model.theta0(scale, problem.d) for scale in plan.scales[chunk.scales].tolist()])
    told = 0

    def tell(begun: int) -> None:
        nonlocal told
        add(begun - told)
        told = begun

    floors = smallest_losses(dynamics, problem, starts)
    found, _ = run_block(dynamics, problem, starts, plan.lrs[chunk.lrs], options, floors, halt, tell)
    add(chunk.runs - told)
    return found


def _write(plan: Plan, chunk: Chunk, found: dict, arrays: dict) -> None:
    region = plan.region(chunk)
    rows, columns = chunk.scales.stop - chunk.scales.start, chunk.lrs.stop - chunk.lrs.start
    for name in plan.variables:  # status comes last
        if name in found:
            values = found[name].reshape(rows, columns, *found[name].shape[1:])
            inner = (slice(0, values.shape[2]),) if name == "theta" else ()
            arrays[name][(*region, *inner)] = values
