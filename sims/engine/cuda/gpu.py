"""The GPU: a team of threads a run, in launches short enough to be interrupted."""

import time
from functools import lru_cache
from types import ModuleType

import numpy as np

from ....theory import InputError, MissingExtra, Problem
from ...status import Status
from ..job import Job
from ..numba.backend import follow as follow  # a window is followed by the compiled engine
from ..rule_settings import settings
from ..runs import Runs, power_noise
from .source import ROWS, kernel_source

SIDE, TEAM = 8, 32  # at most so many runs in a block of threads, and threads a run
MEMORY = 48 * 1024 // 8  # numbers that a block may share
LAUNCH = 0.1  # seconds that a launch should take


def gpu_module() -> ModuleType:
    """CuPy; raises MissingExtra where it or its GPU is absent."""
    try:
        import cupy  # pyright: ignore[reportMissingImports]  # an optional extra

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise MissingExtra(
            f"backend 'cupy' needs an NVIDIA GPU and pip install 'gdbias[gpu]' ({type(error).__name__}): "
            "use backend='numba'"
        ) from None
    return cupy


def check(problem: Problem, here: bool) -> None:
    """Raise InputError where one run's numbers do not fit, MissingExtra where a GPU is needed ``here`` and absent."""
    block_shape(problem.n, problem.d)
    if here:
        gpu_module()


def advance(job: Job, runs: Runs) -> None:
    """Advance every run to its end, in place, as :func:`gdbias.sims.engine.numba.backend.advance` does.

    ``job.tell`` is told the runs that have ended. ``job.halt`` stops after the present launch. An exception loses the
    runs that are advanced together.
    """
    with gpu_module().cuda.Stream(non_blocking=True):  # chunks side by side have one each
        _advance(gpu_module(), job, runs)


def _advance(xp, job: Job, runs: Runs) -> None:
    dynamics, problem, options = job.landscape.dynamics, job.landscape.problem, job.options
    N = len(runs)
    X, y, _ = job.landscape.samples
    n, d = X.shape  # n: the rank where descent works on rotated samples
    kernel = _kernel(kernel_source(dynamics))
    active, turn = np.arange(N), 100
    ended = np.full(N, Status.NOT_RUN, dtype=np.int8)
    team, side = block_shape(n, d)
    T, V = xp.asarray(_columns(runs.theta)), xp.asarray(_columns(runs.vector))
    M, C, Q = xp.empty((d, N)), xp.empty((n, N)), xp.empty((n, N))
    F = xp.empty((n, N)) if dynamics.rule.stochastic else Q
    steps, calm, rising = (xp.zeros(N, dtype=np.int64) for _ in range(3))
    last, loss, top = xp.full(N, np.inf), xp.empty(N), xp.asarray(runs.sharpness_max)
    outcome, history = xp.asarray(ended), xp.asarray(runs.history)
    data = [xp.asarray(a) for a in (_tiled(X), _tiled(X.T), np.ascontiguousarray(y))]
    rule, noise = dynamics.rule, power_noise(*runs.vector.shape[1:])
    own = [float(w) for w in settings(dynamics, problem.n)[len(rule.parameters) :]]
    given = (np.array(rule.parameters), noise, runs.lr, runs.first_lr, runs.draw_key, runs.divergence_limit)
    rates = [xp.asarray(array) for array in given]
    state = (T, V, F, C, M, Q, steps, calm, rising, last, loss, top, outcome, history)
    while len(active) and not job.halt[0]:
        start = time.perf_counter()
        whole = [np.int64(w) for w in (options.hold, options.max_steps, options.track_every, job.record_every,
                                       runs.history.shape[1], turn)]  # fmt: skip
        arguments = (
            np.int64(len(active)), xp.asarray(active), np.int64(N), np.int64(n), np.int64(d), np.int64(side), *data,
            1.0 / problem.n, float(job.floor), float(options.tol), *whole, *own, *rates, *state,
        )  # fmt: skip
        kernel((-(-len(active) // side),), (side * team,), arguments, shared_mem=8 * side * (n + d + team))
        ended = to_host(outcome)
        active = np.flatnonzero(ended == Status.NOT_RUN)
        turn = int(np.clip(turn * LAUNCH / (time.perf_counter() - start), 10, 10 * turn))
        if job.tell:
            job.tell(N - len(active))
    done = ended != Status.NOT_RUN
    runs.theta[done] = to_host(T).T.reshape(runs.theta.shape)[done]
    runs.vector[done] = to_host(V).T.reshape(runs.vector.shape)[done]
    for name, found in dict(steps=steps, rising=rising, loss=loss, sharpness_max=top, outcome=outcome).items():
        getattr(runs, name)[done] = to_host(found)[done]
    runs.history[:] = to_host(history)


def block_shape(n: int, d: int) -> tuple[int, int]:
    """Threads a run, and runs in a block; raises InputError where one run's numbers do not fit."""
    team = min(TEAM, 1 << (-(-d // ROWS) - 1).bit_length())
    side = SIDE
    while side * (n + d + team) > MEMORY:
        if side == 1:
            raise InputError(
                f"n + d = {n + d} is more than the {MEMORY - team} numbers that backend 'cupy' keeps of a run beside "
                "the processor: use backend='numba'"
            )
        side //= 2
    return team, side


@lru_cache(maxsize=64)
def _kernel(text: str):
    return gpu_module().RawModule(code=text, options=("--std=c++17",)).get_function("advance_runs")


def _columns(values: np.ndarray) -> np.ndarray:
    """(run, weight, feature) as (weight and feature, run), so that neighbouring threads read neighbours."""
    return np.ascontiguousarray(values.reshape(len(values), -1).T)


def _tiled(A: np.ndarray) -> np.ndarray:
    """A's rows in groups of ROWS, with a row of zeros in the last if need be, each group column by column."""
    padded = np.pad(A, ((0, -len(A) % ROWS), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, ROWS, A.shape[1]).transpose(0, 2, 1))


def to_host(array) -> np.ndarray:
    return array.get() if hasattr(array, "get") else np.asarray(array)
