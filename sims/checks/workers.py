"""Worker processes for checks: what travels to them, and what becomes of the results when one of them dies."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType
from typing import Any

from ...theory.statements import Statement
from .registry import Check

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
OURS = __name__.removesuffix("sims.checks.workers")


def travels(id: str, known: Mapping[str, Statement], checks: Mapping[str, Check], loaded: str | None) -> bool:
    """Whether a worker process finds the statement: it is the catalogue's, or of the file that workers load too.

    A user's module that was imported here is not imported there, nor is what it declared.
    """
    places = [known[id].formulas.__module__, *([checks[id].run.__module__] if id in checks else [])]
    return all(place == loaded or place.startswith(OURS) for place in places) and all(
        travels(other, known, checks, loaded) for other in known[id].depends if other in known
    )


@contextmanager
def in_processes(
    workers: int, function: Callable, calls: Mapping[str, tuple]
) -> Iterator[Iterator[tuple[str, Any]]]:  # fmt: skip
    """Start ``function(*calls[name])`` for all names, and give (name, value) or (name, exception) as they end."""
    if not calls:
        yield iter(())
        return
    with _single_threaded(), ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        # The slow ones first would need their times; the catalogue's order is near enough.
        with _main_unread():
            tasks = {pool.submit(function, *arguments): name for name, arguments in calls.items()}
        try:
            yield ((tasks[task], task.exception() or task.result()) for task in as_completed(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True, wait=False)
            raise


@contextmanager
def _main_unread() -> Iterator[None]:
    """Workers that start here do not import the main module, which a script without a guard would run again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Workers inherit one BLAS thread each: the processes are the parallelism."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
