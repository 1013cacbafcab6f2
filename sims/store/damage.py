"""What a full disk or a broken copy left of a store: runs of what cannot be read are computed again."""

import itertools
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from ...theory.errors import InputError
from ..schema import VARIABLES
from ..status import Status
from .layout import Region
from .url import has_files, is_url

UNREADABLE = (RuntimeError, ValueError)  # of a chunk that is cut short, or fails its checksum
COMPRESSOR = ZstdCodec(checksum=True)  # a damaged chunk shall not be read as numbers
ARRAYS = "arrays"  # attribute of a store that names all of its arrays, so that one that is absent is one that was lost
MARKERS = ("status", "flow_status")  # written last: what has their dimensions is there where they are not NOT_RUN


def complete_chunks() -> AbstractContextManager:
    """Chunks that hold fill values alone are written too, so that a chunk that is absent is a chunk that was lost."""
    return zarr.config.set({"array.write_empty_chunks": True})


def remove_unreadable(group: zarr.Group, names: Collection[str]) -> None:
    """Remove the arrays whose description cannot be read, without which their chunks cannot be either."""
    for name in names:
        if not readable(group, name):
            del group[name]


def readable(group: zarr.Group, name: str) -> bool:
    """Whether the description of an array can be read; true where there is none."""
    try:
        group.get(name)
    except (*UNREADABLE, TypeError, KeyError, AttributeError):  # whatever reading half a description raises
        return False
    return True


def repair(group: zarr.Group, names: list[str], path: str | PathLike, made: Collection[str] = ()) -> None:
    """Give the runs of every chunk that is lost or cannot be read the status NOT_RUN, so that they are computed again.

    All chunks of the arrays ``made`` anew are lost.

    Raises:
        InputError: such a chunk belongs to no runs.
    """
    if not is_url(path):
        for part in Path(path).rglob("*.partial"):  # what a killed writer had not put in its place yet
            part.unlink()
    arrays: dict[str, Any] = {name: group[name] for name in names}
    damaged = [(name, region) for name, a in arrays.items() for _, region in _chunks(a) if _unreadable(a, region)]
    if not any(name in MARKERS for name, _ in damaged):
        damaged += list(lost(arrays, path, made))
    for name, region in damaged:
        marker = _marker(arrays, name)
        if marker is None:
            raise InputError(f"store {path} is damaged: {name} cannot be read: remove the store and sweep again")
        arrays[marker][_of_runs(region, arrays[marker])] = int(Status.NOT_RUN)
        if name != marker:
            arrays[name][region or ...] = arrays[name].fill_value
    if damaged:
        found = ", ".join(sorted({name for name, _ in damaged}))
        warnings.warn(
            f"store {path} has {len(damaged)} chunks that are lost or cannot be read ({found}): their runs "
            "are computed again",
            stacklevel=4,
        )


def lost(arrays: Mapping[str, Any], path: str | PathLike, made: Collection[str] = ()) -> Iterator[tuple[str, Region]]:
    """The chunks that are not there, though what they belong to is done: the name of the array and the region.

    Looked for in the arrays that have :data:`COMPRESSOR`, of which every chunk is written; those of the arrays
    ``made`` anew are not there anyway.
    """
    statuses = {name: np.asarray(arrays[name][...]) for name in MARKERS if name in arrays}
    there = has_files(path)  # after the statuses: what is done by then is written
    for name, array in arrays.items():
        marker = _marker(arrays, name)
        for at, region in _chunks(array) if COMPRESSOR in array.compressors or name in made else ():
            if name not in made and there(f"{array.path}/{array.metadata.encode_chunk_key(at)}"):
                continue
            if marker is None or (statuses[marker][_of_runs(region, arrays[marker])] != int(Status.NOT_RUN)).any():
                yield name, region


def _of_runs(region: Region, marker: Any) -> Any:
    return region[: marker.ndim] or ...


def _chunks(array: Any) -> Iterator[tuple[tuple[int, ...], Region]]:
    """The place of each chunk among the chunks, and its region of the array."""
    sides = zip(array.shape, array.chunks, strict=True)
    pieces = [[(at, slice(i, min(i + c, n))) for at, i in enumerate(range(0, n, c))] for n, c in sides]
    for chunk in itertools.product(*pieces):
        yield tuple(at for at, _ in chunk), tuple(region for _, region in chunk)


def _marker(arrays: Mapping[str, Any], name: str) -> str | None:
    """The status that tells where an array's entries, or vectors, are computed; None for what is of no runs."""
    if name not in VARIABLES:
        return None
    marker = "flow_status" if VARIABLES[name].at == ("flow",) else "status"
    outer = _dims(arrays[marker]) if marker in arrays else None
    return marker if outer is not None and _dims(arrays[name])[: len(outer)] == outer else None


def _dims(array: Any) -> tuple[str, ...]:
    return tuple(array.metadata.dimension_names or ())


def _unreadable(array: Any, region: Region) -> bool:
    try:
        np.asarray(array[region])
    except UNREADABLE:
        return True
    return False
