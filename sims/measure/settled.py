"""Endpoints that oscillation does not blur: the mean of the next weights, and the end of flow from the last ones."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.errors import GdbiasError, NoInterpolator
from ...theory.loss import squared
from ...theory.prediction.dual import dual_root
from ...theory.prediction.transport import Transport
from ...theory.problem import Problem
from ..engine.cuda.gpu import advance_gpu
from ..engine.integrator import integrate
from ..engine.numba.workers import advance_numba
from ..engine.reference import advance_array
from ..engine.runs import Runs
from ..options import Options
from ..schema import DIAGONAL_AVERAGED, DIAGONAL_COOLED
from ..status import Status
from .outcome import state

HISTORY = 1 << 22  # numbers of one piece of the runs that are averaged


def engine(options: Options) -> Callable:
    """What advances runs on the backend of the options."""
    return {"numba": advance_numba, "numpy": advance_array, "cupy": advance_gpu}[options.backend]


def endpoints(options: Options) -> tuple[str, ...]:
    """The variables of the endpoints that the options ask for."""
    return (*(DIAGONAL_AVERAGED if options.average else ()), *(DIAGONAL_COOLED if options.cool else ()))


def measured_endpoints(
    dynamics: Dynamics, problem: Problem, runs: Runs, floors: np.ndarray, options: Options, halt: np.ndarray
) -> dict:
    """The variables ``averaged_*`` and ``cooled_*`` of finished runs, NaN where a run diverged."""
    found = {}
    ended = np.where((runs.outcome == Status.DIVERGED)[:, None, None], np.nan, runs.theta[:, : runs.vector.shape[1]])
    if options.average:
        found |= _measured("averaged", dynamics, problem, averaged(dynamics, problem, runs, options, halt))
    if options.cool:
        found |= _measured("cooled", dynamics, problem, flow_ends(dynamics, problem, ended, floors))
    return {name: found[name] for name in endpoints(options) if name in found}


def averaged(dynamics: Dynamics, problem: Problem, runs: Runs, options: Options, halt: np.ndarray) -> np.ndarray:
    """Means of the weights of the next ``options.average`` steps, shape (run, weight, feature); ``runs`` is left as is.

    NaN where a run diverged, if only on these steps.
    """
    dynamics = replace(dynamics, rule=dynamics.rule.once_settled)
    K, shape = options.average, runs.vector.shape[1:]
    further = replace(options, max_steps=K, hold=K + 2, track_every=0, average=0)  # nothing can be held
    means = np.full(runs.vector.shape, np.nan)
    bounded = np.flatnonzero((runs.outcome == Status.CONVERGED) | (runs.outcome == Status.STEP_LIMIT))
    width = max(1, HISTORY // ((K + 1) * int(np.prod(shape))))
    for at in range(0, len(bounded), width):
        part = bounded[at : at + width]
        piece = Runs(
            lr=runs.lr[part], first=runs.lr[part], key=~runs.key[part],
            limit=runs.limit[part], theta=runs.theta[part].copy(), vector=runs.vector[part].copy(),
            sharpness_max=runs.sharpness_max[part], history=np.full((len(part), K + 1, *shape), np.nan),
            steps=np.zeros(len(part), dtype=np.int64), rising=np.zeros(len(part), dtype=np.int64),
            loss=np.full(len(part), np.nan), outcome=np.full(len(part), Status.NOT_RUN, dtype=np.int8),
        )  # fmt: skip
        engine(options)(dynamics, problem, piece, further, 0.0, 1, halt)
        lost = (piece.outcome != Status.STEP_LIMIT)[:, None, None]
        means[part] = np.where(lost, np.nan, piece.history[:, 1:].mean(axis=1))
    return means


def flow_ends(dynamics: Dynamics, problem: Problem, starts: np.ndarray, floors: np.ndarray) -> np.ndarray:
    """Where gradient flow ends from each of the weights (point, weight, feature); ``floors`` are the smallest losses.

    By the dual root (:mod:`gdbias.theory.prediction.dual`) where the characteristic flow is a formula, by integration
    until the excess loss is 1e-10 elsewhere. NaN, with a warning that counts them, where that fails; NaN from weights
    that are not finite, and for other losses than squared, whose flow has no finite endpoint.
    """
    ends, failures = np.full(starts.shape, np.nan), []
    for end, theta, floor in zip(ends, starts, floors, strict=True):
        if problem.loss == squared and np.isfinite(theta).all():
            exact = _exact_end(dynamics, problem, theta)
            try:
                end[:] = integrate(dynamics, problem, theta, floor).states[-1] if exact is None else exact
            except GdbiasError as error:  # must not end a sweep: other runs are finished
                failures.append(error)
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(starts)} states could not be cooled, their measures are NaN: {failures[0]}",
            stacklevel=2,
        )
    return ends


def _exact_end(dynamics: Dynamics, problem: Problem, theta: np.ndarray) -> np.ndarray | None:
    transport = Transport(dynamics, theta)
    if not transport.closed or not np.allclose(transport(np.zeros(problem.d)), theta, rtol=1e-12, atol=0):
        return None  # a formula may not hold from every sign of the weights
    try:
        return transport(problem.projected[0].T @ dual_root(dynamics, problem, transport))
    except NoInterpolator:
        return None


def _measured(prefix: str, dynamics: Dynamics, problem: Problem, theta: np.ndarray) -> dict:
    with np.errstate(invalid="ignore", over="ignore"):
        found = state(dynamics, problem, theta)
        found["loss"] = problem.loss_at(found["beta"])
    return {f"{prefix}_{name}": values for name, values in found.items()}
