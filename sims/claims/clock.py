"""The processor time of work that may be killed and go on in another process."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 5.0  # between two notes; what a kill can lose


@contextmanager
def stopwatch(note: Path, every: float = SECONDS) -> Iterator[Callable[[], float]]:
    """Yield a function of the seconds that this and earlier processes have spent, as far as the file ``note`` tells.

    While the work goes on the file is kept up to date. Whoever ends the work removes it.
    """
    before, began, ended = _read(note), time.process_time(), threading.Event()

    def spent() -> float:
        return before + time.process_time() - began

    def write() -> None:
        partial = note.with_name(f"{note.name}.partial")
        partial.write_text(repr(spent()), encoding="utf-8")
        os.replace(partial, note)

    def keep() -> None:
        while not ended.wait(every):
            write()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield spent
    finally:
        ended.set()
        keeper.join()
        write()


def _read(note: Path) -> float:
    try:
        return float(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0
