"""The compiled engine: one worker a core, all pulling runs of one problem from a shared queue."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import current_thread, main_thread

import numpy as np

from ....theory.problem import Problem
from ...machine import cores
from ..backends import EVERY, LONGEST, NEAR, REPEATS, Followed, measured_steps
from ..job import Job
from ..rule_settings import settings
from ..runs import Runs, power_noise
from .kernels import advance_kernel, follow_kernel
from .lanes import LANES
from .microkernel import sample_spans


def check(problem: Problem, here: bool) -> None:
    """Any data will do."""


def advance(job: Job, runs: Runs) -> None:
    """Advance every run to its end, in place, with the same numbers for any number of threads.

    Steps are made in the numbers of ``runs.theta``: float64, or float32, in which no sharpness is looked at.
    ``job.halt`` stops the workers within a step, as an interrupt does, which is raised again.
    """
    dynamics, problem, options = job.landscape.dynamics, job.landscape.problem, job.options
    number = runs.theta.dtype
    kernel = advance_kernel(dynamics, problem.n, problem.d, number.name)
    queue = np.zeros(1, dtype=np.int64)
    arguments = (
        *sample_spans(job.landscape, number.name), job.landscape.samples[1].astype(number),
        1.0 / problem.n, job.floor, options.tol, options.hold, options.max_steps, options.track_every,
        job.record_every, settings(dynamics, problem.n), queue, job.halt, power_noise(*runs.vector.shape[1:]),
        runs.lr, runs.first_lr, runs.draw_key, runs.divergence_limit, runs.theta, runs.vector,
        runs.steps, runs.rising, runs.loss, runs.sharpness_max, runs.outcome, runs.history,
    )  # fmt: skip
    tell = None if job.tell is None else lambda tell=job.tell: tell(min(int(queue[0]), len(runs)))
    _work(kernel.advance, arguments, min(options.threads or cores(), max(1, len(runs))), job.halt, tell)


def follow(job: Job, runs: Runs, chosen: np.ndarray) -> Followed:
    """Follow the chosen runs from where they ended, a block of lanes at a time."""
    dynamics, problem, options = job.landscape.dynamics, job.landscape.problem, job.options
    kernel = follow_kernel(dynamics)
    _, y, floor = job.landscape.samples
    count = len(chosen)
    found = Followed(
        np.full(count, np.nan), np.full((count, LONGEST), np.nan), np.full(count, np.nan), np.zeros(count, bool),
        np.zeros((count, REPEATS), dtype=np.int64), np.zeros(count, dtype=np.int64),
    )  # fmt: skip
    arguments = (
        *sample_spans(job.landscape, "float64"), np.ascontiguousarray(y), 1.0 / problem.n,
        options.window, measured_steps(options), EVERY, LONGEST, REPEATS, NEAR,
        np.array(dynamics.rule.parameters), np.zeros(1, dtype=np.int64), job.halt, power_noise(*runs.theta.shape[1:]),
        runs.lr[chosen], runs.divergence_limit[chosen] + (runs.loss_min[chosen] - floor), runs.theta[chosen], *found,
    )  # fmt: skip
    _work(kernel.follow, arguments, min(options.threads or cores(), max(1, -(-count // LANES))), job.halt)
    return found


def _work(
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
