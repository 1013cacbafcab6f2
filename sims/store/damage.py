"""What a full disk or a broken copy left of a store: runs of chunks that cannot be read are computed again."""

import itertools
import warnings
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from ...theory.errors import InputError
from ..status import Status
from .url import is_url

UNREADABLE = (RuntimeError, ValueError)  # of a chunk that is cut short, or fails its checksum


def repair(group: zarr.Group, names: list[str], path: str | PathLike) -> None:
    """Give the runs of every chunk that is lost or cannot be read the status NOT_RUN, so that they are computed again.

    Raises:
        InputError: such a chunk belongs to no runs of its own, as those of gradient flow beside a deep sweep.
    """
    if not is_url(path):
        for part in Path(path).rglob("*.partial"):  # what a killed writer had not put in its place yet
            part.unlink()
    arrays: dict[str, Any] = {name: group[name] for name in names}
    status: Any = group["status"]
    damaged = [(name, region) for name, a in arrays.items() for _, region in _chunks(a) if _unreadable(a, region)]
    if not is_url(path) and not any(name == "status" for name, _ in damaged):
        damaged += [(name, region) for name, a in arrays.items() for region in _lost(a, status, Path(path))]
    for name, region in damaged:
        array = arrays[name]
        if not _of_runs(array, status):
            raise InputError(f"store {path} is damaged: {name} cannot be read: remove the store and sweep again")
        status[region[: status.ndim]] = int(Status.NOT_RUN)
        if name != "status":
            array[region] = array.fill_value
    if damaged:
        found = ", ".join(sorted({name for name, _ in damaged}))
        warnings.warn(
            f"store {path} has {len(damaged)} chunks that are lost or cannot be read ({found}): their runs "
            "are computed again",
            stacklevel=4,
        )


def _chunks(array: Any) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """The place of each chunk among the chunks, and its region of the array."""
    sides = zip(array.shape, array.chunks, strict=True)
    pieces = [[(at, slice(i, min(i + c, n))) for at, i in enumerate(range(0, n, c))] for n, c in sides]
    for chunk in itertools.product(*pieces):
        yield tuple(at for at, _ in chunk), tuple(region for _, region in chunk)


def _of_runs(array: Any, status: Any) -> bool:
    """Whether the array has an entry, or a vector, for each run."""
    return (array.metadata.dimension_names or ())[: status.ndim] == (status.metadata.dimension_names or ())


def _unreadable(array: Any, region: tuple[slice, ...]) -> bool:
    try:
        np.asarray(array[region])
    except UNREADABLE:
        return True
    return False


def _lost(array: Any, status: Any, path: Path) -> Iterator[tuple[slice, ...]]:
    """The regions of the chunks that are not there, though their runs are done."""
    if _of_runs(array, status):
        for at, region in _chunks(array):
            there = (path / array.path / array.metadata.encode_chunk_key(at)).exists()
            if not there and (np.asarray(status[region[: status.ndim]]) != int(Status.NOT_RUN)).any():
                yield region
