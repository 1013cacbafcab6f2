"""One BLAS thread for work on small matrices, which its threads would slow down ten times and more.

NumPy and SciPy bring a BLAS each, and the idle threads of either keep a core busy for a while after every call: the two
and the caller's own thread then wait for one another. It also makes sums independent of the number of cores.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import scipy.linalg  # noqa: F401  so that its BLAS is loaded
from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")

_lock = Lock()
_within = 0  # calls under way, of all threads: the number is the process's
_numbers: list[int] = []  # of threads, before the first of them


@lru_cache(maxsize=1)
def _pools() -> list[Any]:
    """Every BLAS loaded, SciPy's among them, but for those that OpenMP runs: theirs is a number for each caller."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [pool for pool in found if getattr(pool, "threading_layer", "") != "openmp"]


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let BLAS use one thread while ``function`` runs, in this process; its former number afterwards."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        _enter()
        try:
            return function(*args, **kwargs)
        finally:
            _leave()

    return limited


def _enter() -> None:
    global _within, _numbers
    with _lock:
        if not _within:
            _numbers = [pool.num_threads for pool in _pools()]
            _set([1] * len(_numbers))
        _within += 1


def _leave() -> None:
    global _within
    with _lock:
        _within -= 1
        if not _within:
            _set(_numbers)


def _set(numbers: list[int]) -> None:
    for pool, number in zip(_pools(), numbers, strict=True):
        _release(pool)
        pool.set_num_threads(number)
        _release(pool)


def _release(pool: Any) -> None:
    """Newer threadpoolctl lets the thread that set a number alone change it; here the last call to end does."""
    if hasattr(pool, "clear_controlling_thread"):
        pool.clear_controlling_thread(force=True)
