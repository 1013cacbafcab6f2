"""Runs of one network side by side, since one of a small network keeps a single core busy."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

from ..machine import cores
from .backend import jax
from .one_run import Tell
from .training_loss import Objective


class _Halted(Exception):
    """Another run has failed, or the user has interrupted all."""


def at_once(objective: Objective) -> int:
    """How many runs fit beside one another: one a core, of samples that together are within a chunk."""
    if jax.default_backend() != "cpu":  # which one run fills
        return 1
    return max(1, min(cores(), objective.chunk // len(objective.X)))


def side_by_side(
    find: Callable[[int, Tell], dict], runs: Sequence[int], workers: int, tell: Tell
) -> Iterator[tuple[int, dict]]:
    """Each run and what it found, as soon as it has ended; they begin in their order.

    A run is given what it tells of its course, and stops there once another has failed or nobody waits any more. What
    had ended by then is found all the same, and then the failure is raised.
    """
    halted = Event()

    def told(note: str) -> None:
        if halted.is_set():
            raise _Halted
        tell(note)

    def begun(run: int) -> dict:
        if halted.is_set():
            raise _Halted
        return find(run, told)

    failure = None
    with ThreadPoolExecutor(workers) as pool:
        try:
            under_way = {pool.submit(begun, run): run for run in runs}
            while under_way:
                try:
                    future = next(as_completed(under_way))
                except KeyboardInterrupt as interrupt:
                    failure = interrupt
                    halted.set()
                    continue
                run, error = under_way.pop(future), future.exception()
                if error is None:
                    yield run, future.result()
                elif not isinstance(error, _Halted):
                    failure = failure or error
                    halted.set()
        finally:
            halted.set()
    if failure:
        raise failure
