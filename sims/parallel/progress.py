"""A progress bar for long work, on the terminal's error stream."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, total: int, shown: bool) -> Iterator[Callable[..., None]]:
    """Yield a function that adds finished items (from any thread); draws nothing unless ``shown``.

    Its second argument, where given, is a short text about the item under way.
    """
    if not shown:
        yield lambda count, note="": None
        return
    from rich.console import Console  # where a bar is drawn
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task, lock = bar.add_task(title, total=total, note=""), threading.Lock()

        def add(count: int, note: str = "") -> None:
            with lock:
                bar.update(task, advance=count, note=note)

        yield add
