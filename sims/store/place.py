"""Where something is to be written: what cannot be is refused before the work, and nothing is left there."""

import errno
import os
import tempfile
from os import PathLike
from pathlib import Path

from ...theory.errors import InputError
from ...theory.validate import local_path


def check_place(path: str | PathLike, called: str = "", remedy: str = "choose another path") -> Path:
    """The path of a file or folder that can be written there; folders above it may be missing.

    Raises:
        InputError: it cannot be written; the message begins with what it is ``called`` and ends in the remedy.
    """
    path = local_path(path)
    try:
        _try(path)
    except OSError as error:
        called = f"{called} {path}" if called else str(path)
        raise InputError(f"{called} cannot be written ({error.strerror or error}): {remedy}") from None
    return path


def check_file(path: str | PathLike) -> Path:
    """As :func:`check_place`, of a file in a folder that exists; raises InputError."""
    path = check_place(path, remedy="choose a folder that exists and can be written")
    if path.is_dir() or not path.parent.is_dir():
        reason = "Is a directory" if path.is_dir() else "no such folder"
        raise InputError(f"{path} cannot be written ({reason}): name a file in a folder that exists")
    return path


def _try(path: Path) -> None:
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        pass
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
    if path.is_file():
        with path.open("ab"):
            pass
