"""The chunks of a sweep on this machine: many small ones side by side, few large ones with all threads each."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np

from ...theory.blas import one_thread
from ..machine import cores
from ..options import SweepOptions
from ..store.layout import Region
from .chunks import compute, write
from .plan import Plan


def run_here(plan: Plan, missing: list[Region], arrays: Mapping[str, Any], add: Callable[[int], None]) -> None:
    """Compute the missing chunks and write each when it is done; an exception stops all, written chunks stay."""
    run = _run if plan.options.backend == "numpy" else one_thread(_run)  # its steps alone are products of large arrays
    run(plan, missing, arrays, add)


def _run(plan: Plan, missing: list[Region], arrays: Mapping[str, Any], add: Callable[[int], None]) -> None:
    beside = side_by_side(len(missing), plan.options)
    plan = replace(plan, options=replace(plan.options, threads=1 if beside > 1 else plan.options.threads or cores()))
    halt = np.zeros(1, dtype=np.int64)

    def computed(chunk: Region) -> dict:
        return compute(plan.work(chunk), halt, add)

    if beside == 1:
        for chunk in missing:
            write(computed(chunk), chunk, plan.layout.variables, arrays)
        return
    queue, tasks = iter(missing), {}
    with ThreadPoolExecutor(beside) as pool:
        try:
            while True:
                while len(tasks) < 2 * beside and (chunk := next(queue, None)):
                    tasks[pool.submit(computed, chunk)] = chunk
                if not tasks:
                    return
                for task in wait(tasks, return_when=FIRST_COMPLETED).done:
                    write(task.result(), tasks.pop(task), plan.layout.variables, arrays)
        except BaseException:
            halt[0] = 1
            raise


def side_by_side(chunks: int, options: SweepOptions) -> int:
    """How many chunks are computed at the same time."""
    threads = options.threads or cores()
    return threads if chunks >= 4 * threads and options.backend != "numpy" else 1
