"""A progress bar for long work, on the error stream: the same on a terminal and in a notebook."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...theory.compiled.onlooker import looked_at

DELAY = 1.0  # seconds, which short work does not take
SELDOM = 30.0  # seconds between lines of a file


@contextmanager
def progress_bar(title: str, total: int, shown: bool | None) -> Iterator[Callable[..., None]]:
    """Yield a function that adds finished items (from any thread).

    Drawn at once where ``shown``, never where it is False, and where None if it takes long and someone looks. The
    second argument of the function, where given, is a short text about the item under way.
    """
    watched = looked_at()
    if not (watched if shown is None else shown):
        yield lambda count, note="": None
        return
    from tqdm import tqdm  # where a bar is drawn

    often = 0.1 if watched else SELDOM
    delay = DELAY if shown is None else 0.0
    with tqdm(total=total, desc=title, file=sys.stderr, mininterval=often, delay=delay, dynamic_ncols=watched) as bar:
        lock = threading.Lock()

        def add(count: int, note: str = "") -> None:
            with lock:
                bar.set_postfix_str(note, refresh=False)
                bar.update(count)

        yield add
