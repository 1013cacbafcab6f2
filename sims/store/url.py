"""Stores at a URL, such as s3://bucket/runs.zarr, by the file systems of fsspec."""

from collections.abc import Callable
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
    system, path = _system(url)
    return system.exists(path) and (not system.isdir(path) or bool(system.ls(path)))


def has_files(place: str | PathLike) -> Callable[[str], bool]:
    """Tells of a name below a folder, or a URL that is listed once, whether it is there; raises as :func:`occupied`."""
    if not is_url(place):
        return lambda name: Path(place, name).exists()
    system, root = _system(str(place))
    system.invalidate_cache()  # a listing of before lacks what others have written since
    return {file.removeprefix(root).lstrip("/") for file in system.find(root)}.__contains__


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs  # pyright: ignore[reportMissingImports]  # an optional extra
    except ImportError:
        raise MissingExtra("a store at a URL needs fsspec: pip install 'gdbias[cluster]'") from None
    try:
        return url_to_fs(url)
    except ImportError as error:
        raise MissingExtra(f"store {url} needs another package: {error}") from None
    except ValueError as error:
        raise InputError(f"store {url} cannot be reached ({error}): use a protocol that fsspec knows") from None
