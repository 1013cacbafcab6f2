"""Stores at a URL, such as s3://bucket/runs.zarr, by the file systems of fsspec."""

from os import PathLike
from pathlib import Path
from typing import Any

from ...theory.errors import InputError, MissingExtra
from ...theory.validate import local_path


def located(path: str | PathLike) -> str | Path:
    """A local path, also for a URL of the local file system, with ``~`` as the user's home; any other URL as it is.

    Raises:
        InputError: something that is no path, or the home of nobody.
    """
    text = str(path)
    local = next((text.removeprefix(p) for p in ("file://", "local://") if text.startswith(p)), None)
    if local is None and is_url(text):
        return text
    return local_path(path if local is None else local)


def is_url(path: str | PathLike) -> bool:
    """Whether a store is given by a URL rather than by a local path."""
    return "://" in str(path)


def occupied(url: str) -> bool:
    """Whether something is at the URL.

    Raises:
        MissingExtra: fsspec, or its file system for this protocol, is not installed.
        InputError: an unknown protocol.
    """
    try:
        from fsspec.core import url_to_fs  # pyright: ignore[reportMissingImports]  # an optional extra
    except ImportError:
        raise MissingExtra("a store at a URL needs fsspec: pip install 'gdbias[cluster]'") from None
    try:
        system: Any
        system, path = url_to_fs(url)
    except ImportError as error:
        raise MissingExtra(f"store {url} needs another package: {error}") from None
    except ValueError as error:
        raise InputError(f"store {url} cannot be reached ({error}): use a protocol that fsspec knows") from None
    return system.exists(path) and (not system.isdir(path) or bool(system.ls(path)))
