"""The state of the run under way, on disk, so that a killed sweep goes on where it was."""

import hashlib
import io
import json
import os
import time
from pathlib import Path
from typing import Any

from .backend import eqx

SECONDS = 60.0  # between two saves; what a kill can lose


class Checkpoint:
    """One file beside a store: a line that says which run it is of, a hash, and the leaves of its state.

    A file of another run, or one that cannot be read, is not used. The numbers of a run do not depend on
    whether it was interrupted.
    """

    def __init__(self, path: Path, run: dict, seconds: float = SECONDS):
        self.path, self.seconds = path, seconds
        self.title = json.dumps(run, sort_keys=True).encode()
        self.saved = time.monotonic()

    def load(self, like: Any) -> Any:
        """The saved state, or ``like``, the run's start."""
        try:
            title, digest, content = self.path.read_bytes().split(b"\n", 2)
            if title != self.title or digest != _digest(content):
                return like
            return eqx.tree_deserialise_leaves(io.BytesIO(content), like)
        except (OSError, RuntimeError, ValueError, EOFError):
            return like

    def save(self, state: Any) -> None:
        """Write the state if the last save is long enough ago; the old file stays until the new one is whole."""
        if time.monotonic() - self.saved < self.seconds:
            return
        partial = self.path.with_name(f"{self.path.name}.partial")
        content = io.BytesIO()
        eqx.tree_serialise_leaves(content, state)
        partial.write_bytes(b"\n".join([self.title, _digest(content.getvalue()), content.getvalue()]))
        os.replace(partial, self.path)
        self.saved = time.monotonic()

    def drop(self) -> None:
        """Remove the file: its run has ended."""
        self.path.unlink(missing_ok=True)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
