"""The Numba engine: one worker a core, all pulling runs of one problem from a shared queue."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import current_thread, main_thread

import numpy as np

from ....theory.derivation.dynamics import Dynamics
from ....theory.problem import Problem
from ...options import Options
from ..runs import Runs, power_noise, samples
from .advance_text import kernel_source
from .cache import load_kernel
from .microkernel import spans
from .processor import cores
from .rule_text import settings


def advance_numba(
    dynamics: Dynamics,
    problem: Problem,
    runs: Runs,
    options: Options,
    floor: float,
    record_every: int,
    halt: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Advance every run to its end, in place, with the same numbers for any number of threads.

    Steps are made in the numbers of ``runs.theta``: float64, or float32, in which no sharpness is looked at.
    ``floor`` is what the smallest loss leaves of the projected targets. Setting ``halt[0]`` to 1 stops
    the workers within a step; runs in flight then keep outcome NOT_RUN, as they do after an interrupt, which
    is raised again. ``progress`` is told the runs begun so far.
    """
    number = runs.theta.dtype
    kernel = load_kernel(kernel_source(dynamics, problem.n == 1 and not dynamics.rule.stochastic, number.name))
    X, y = (values.astype(number) for values in samples(dynamics, problem)[:2])
    queue = np.zeros(1, dtype=np.int64)
    arguments = (
        *spans(X), *spans(X.T), y,
        1.0 / problem.n, floor, options.tol, options.hold, options.max_steps, options.track_every, record_every,
        settings(dynamics, problem.n), queue, halt, power_noise(*runs.vector.shape[1:]),
        runs.lr, runs.first, runs.key, runs.limit, runs.theta, runs.vector,
        runs.steps, runs.rising, runs.loss, runs.sharpness_max, runs.outcome, runs.history,
    )  # fmt: skip
    tell = None if progress is None else lambda: progress(min(int(queue[0]), len(runs)))
    work(kernel.advance, arguments, min(options.threads or cores(), max(1, len(runs))), halt, tell)


def work(
    kernel: Callable, arguments: tuple, workers: int, halt: np.ndarray, tell: Callable[[], None] | None = None
) -> None:
    """Call the kernel in every worker, and ``tell`` meanwhile; an exception sets ``halt[0]`` and is raised again.

    One worker for a thread beside others is that thread itself, and then nothing is told.
    """
    if workers == 1 and current_thread() is not main_thread():
        return kernel(*arguments)
    with ThreadPoolExecutor(workers) as pool:  # even for one: an interrupt reaches the main thread, not a kernel
        tasks = [pool.submit(kernel, *arguments) for _ in range(workers)]
        try:
            while wait(tasks, timeout=0.1).not_done:
                if tell:
                    tell()
        except BaseException:
            halt[0] = 1
            raise
        for task in tasks:
            task.result()
