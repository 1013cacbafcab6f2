"""The Numba engine: one worker a core, all pulling runs of one problem from a shared queue."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from ..theory.derive import Dynamics
from ..theory.problem import Problem
from .kernel_cache import load_kernel
from .runs import Runs, Settings


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def advance_numba(
    dynamics: Dynamics,
    problem: Problem,
    runs: Runs,
    settings: Settings,
    floor: float = 0.0,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Advance every run to its end, in place, with the same numbers for any number of threads.

    ``floor`` is the part of the smallest loss that the projected targets still contain. An interrupt
    stops the workers and is raised again: runs in flight keep outcome -1.
    """
    kernel = load_kernel(dynamics)
    X, y, _ = problem.projected
    X = np.ascontiguousarray(X)
    queue = np.zeros(2, dtype=np.int64)
    arguments = (
        X, np.ascontiguousarray(X.T), np.ascontiguousarray(y), 1.0 / problem.n, floor,
        settings.tol, settings.hold, settings.track_every,
        queue, runs.lr, runs.until, runs.limit, runs.theta, runs.vector,
        runs.steps, runs.held, runs.rising, runs.previous, runs.loss, runs.sharpness_max, runs.outcome,
    )  # fmt: skip
    workers = min(threads or cores(), max(1, len(runs)))
    with ThreadPoolExecutor(workers) as pool:
        tasks = [pool.submit(kernel.advance, *arguments) for _ in range(workers)]
        try:
            while wait(tasks, timeout=0.1).not_done:
                if progress:
                    progress(min(int(queue[0]), len(runs)))
        except BaseException:
            queue[1] = 1
            raise
        for task in tasks:
            task.result()
    if progress:
        progress(len(runs))
