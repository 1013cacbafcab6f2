"""The state of the run under way, on disk, so that a killed sweep goes on where it was."""

import json
import os
import time
from pathlib import Path
from typing import Any

from .backend import eqx

SECONDS = 60.0  # between two saves; what a kill can lose


class Checkpoint:
    """One file beside a store: a line that says which run it is of, then the leaves of its state.

    A file of another run, or one that cannot be read, is not used. The numbers of a run do not depend on
    whether it was interrupted.
    """

    def __init__(self, path: Path, run: dict, seconds: float = SECONDS):
        self.path, self.seconds = path, seconds
        self.title = json.dumps(run, sort_keys=True).encode() + b"\n"
        self.saved = time.monotonic()

    def load(self, like: Any) -> Any:
        """The saved state, or ``like``, the run's start."""
        try:
            with self.path.open("rb") as file:
                return eqx.tree_deserialise_leaves(file, like) if file.readline() == self.title else like
        except (OSError, RuntimeError, ValueError, EOFError):
            return like

    def save(self, state: Any) -> None:
        """Write the state if the last save is long enough ago; the old file stays until the new one is whole."""
        if time.monotonic() - self.saved < self.seconds:
            return
        partial = self.path.with_name(f"{self.path.name}.partial")
        with partial.open("wb") as file:
            file.write(self.title)
            eqx.tree_serialise_leaves(file, state)
        os.replace(partial, self.path)
        self.saved = time.monotonic()

    def drop(self) -> None:
        """Remove the file: its run has ended."""
        self.path.unlink(missing_ok=True)
