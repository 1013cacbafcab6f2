"""Thousands of runs over learning rates and initialization scales, problems and models."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import xarray as xr

from ..theory import GdbiasError, Parameterization, Problem, UpdateRule, gradient_descent
from ..theory.validate import truth_or_none
from .grid import Grid
from .options import SweepChanges, SweepOptions, options_of
from .parallel.cluster import require_cluster, run_there
from .parallel.local import run_here
from .parallel.plan import KEPT, Plan
from .parallel.progress import progress_bar
from .status import Status
from .store.filling import filled
from .store.layout import Region
from .store.provenance import result_attributes, result_spec
from .store.url import located

if TYPE_CHECKING:
    from distributed import Client  # pyright: ignore[reportMissingImports]


def sweep(
    model: Parameterization | Sequence[Parameterization],
    problem: Problem | Sequence[Problem],
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float | np.ndarray | Sequence[float] | Grid = 0.1,
    *,
    rule: UpdateRule | Sequence[UpdateRule] = gradient_descent,
    keep: Sequence[str] = KEPT,
    store: str | PathLike | None = None,
    progress: bool | None = None,
    client: "Client | None" = None,
    options: SweepOptions | None = None,
    **changes: Unpack[SweepChanges],
) -> xr.Dataset:
    """Gradient descent from every initialization scale at every learning rate, each run to its end.

    ``theta <- theta - lr grad L(theta)`` until the excess loss stays below ``tol`` for ``hold`` steps, is
    not below ``1e6 max(1, L_0)``, or ``max_steps`` are taken. Sequences of models and problems add the
    dimensions ``model`` and ``seed``, the latter with ``n``, the samples of each problem; one of rules adds ``rule``.
    Weights, loss, steps and status depend on no thread count, chunk or neighbour, bit for bit; the sharpness to
    rounding.

    With ``store``, a folder or a URL that fsspec knows, every chunk is written when done (Zarr), and calling
    again with the same arguments computes only what is missing; the result is then read as it is used.
    ``keep`` names the vectors to keep among beta and theta. With ``client``, of a Dask cluster, the chunks are
    computed by its workers, which write them into the store themselves: all must reach it under its name.

    ``progress`` draws a bar, or none; left at None one is drawn on a terminal and in a notebook where it takes long.

    Further keywords change single options of :class:`gdbias.sims.options.SweepOptions`, or of those given together as
    ``options``: when runs end (``max_steps``, ``tol``, ``hold``), how often their sharpness is looked at
    (``track_every``), how they are computed (``backend``, ``threads``, ``chunk_runs``), and what is measured:

    Every run gets a ``phase`` (:class:`gdbias.sims.Phase`). To tell periodic from chaotic, runs that neither
    converged nor diverged are followed for ``window`` more steps, which change nothing else: ``period`` by
    recurrence, ``lyapunov`` by the growth a step of ``delta <- (I - lr H) delta``.

    With ``average`` the mean weights of so many further steps are measured (``averaged_*``), with ``cool`` the
    endpoint of gradient flow from where the run ended (``cooled_*``): loss, test risk, sharpness and norms, at
    neither of which oscillation is taken for bias. NaN where a run diverged, and cooled for losses that are not
    squared, whose flow has no finite endpoint.

    With ``precision="float32"`` the result is a map of divergence, made in less time: status, DIVERGED or BOUNDED, and
    steps, and nothing else. Single precision cannot tell convergence, and moves the border as starts moved by 1e-7 do.

    Returns a dataset over (rule, model, seed, init_scale, lr): status (:class:`gdbias.sims.Status`), steps, loss,
    sharpness with its residual and its maximum along the path, norms, test risk, beta, theta.

    Raises:
        InputError: an unknown option, a value outside its limits, or a store that cannot be used, which stays as it
            is.
        MissingExtra: backend "cupy" without CuPy or its GPU.
        GdbiasError: a cluster that loses its workers again and again. Finished chunks are kept.
    """
    options, progress = options_of("sweep", SweepOptions(), options, changes), truth_or_none("progress", progress)
    plan = Plan.of(model, problem, lr, init_scale, rule, keep, options, store is not None)
    plan.check(here=client is None)
    models, problems = list(plan.models), list(plan.problems)
    spec = result_spec(
        "sweep",
        models,
        problems,
        options,
        rule=list(plan.rules) if plan.many_rules else plan.rules[0],
        lr=plan.lrs,
        init_scale=plan.scales,
        keep=list(plan.keep),
    )
    attrs = result_attributes(spec, problems)
    if client is not None:
        require_cluster(client, options.backend)

    def fill(arrays: Mapping[str, Any]) -> None:
        place = None if store is None else located(store)
        place = str(place.resolve()) if isinstance(place, Path) else place  # as a worker elsewhere finds it
        _fill(plan, arrays, progress, client, place, attrs["spec"])

    return filled(plan.layout, _beside(plan), attrs, store, fill, load=False)


def _beside(plan: Plan) -> dict[str, np.ndarray]:
    """Coordinates beside those of the axes."""
    values: dict[str, np.ndarray] = {}
    if plan.many_problems:
        values["n"] = np.array([p.n for p in plan.problems])
    if "theta" in plan.keep and not plan.many_models:
        values["weight"] = np.array([w.name for w in plan.models[0].weights])
    return values


def _fill(
    plan: Plan, arrays: Mapping[str, Any], progress: bool | None, client: "Client | None", store: str | None, spec: str
) -> None:  # fmt: skip
    """Compute the chunks that are missing, here or on a cluster."""
    missing = [chunk for chunk in plan.chunks() if not _done(chunk, arrays)]
    with progress_bar("runs", plan.layout.runs, progress) as add:
        add(plan.layout.runs - sum(plan.work(chunk).runs for chunk in missing))
        if client is None:
            run_here(plan, missing, arrays, add)
        else:
            run_there(client, plan, missing, arrays, store, spec, add)
            lost = sum(not _done(chunk, arrays) for chunk in missing)
            if lost:
                raise GdbiasError(
                    f"{lost} chunks are not in store {store}, though workers wrote them: all must reach the same one"
                )


def _done(chunk: Region, arrays: Mapping[str, Any]) -> bool:
    return not (np.asarray(arrays["status"][chunk]) == Status.NOT_RUN).any()
