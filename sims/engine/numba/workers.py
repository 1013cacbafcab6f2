"""Threads that call one kernel together, and can be interrupted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import current_thread, main_thread

import numpy as np


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
