"""What a full disk or a broken copy left of a store: runs of chunks that cannot be read are computed again."""

import itertools
import warnings
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from ..theory.errors import InputError
from .status import Status
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
    status: Any = group["status"]
    damaged = [(name, region) for name in names for region in _unreadable(group[name])]
    if not any(name == "status" for name, _ in damaged):
        damaged += [(name, region) for name in names for region in _lost(group[name], status, path)]
    for name, region in damaged:
        array: Any = group[name]
        if (array.metadata.dimension_names or ())[: status.ndim] != (status.metadata.dimension_names or ()):
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


def _unreadable(array: Any) -> Iterator[tuple[slice, ...]]:
    """The regions of the chunks that cannot be read."""
    sides = zip(array.shape, array.chunks, strict=True)
    regions = itertools.product(*([slice(i, min(i + c, n)) for i in range(0, n, c)] for n, c in sides))
    for region in regions:
        try:
            np.asarray(array[region])
        except UNREADABLE:
            yield region


def _lost(array: Any, status: Any, path: str | PathLike) -> Iterator[tuple[slice, ...]]:
    """The regions of the chunks that are not there, though their runs are done; not looked for at a URL."""
    if is_url(path) or (array.metadata.dimension_names or ())[: status.ndim] != (status.metadata.dimension_names or ()):
        return
    for at in itertools.product(*(range(-(-n // c)) for n, c in zip(array.shape, array.chunks, strict=True))):
        if not (Path(path) / array.path / array.metadata.encode_chunk_key(at)).exists():
            region = tuple(
                slice(i * c, min((i + 1) * c, n)) for i, n, c in zip(at, array.shape, array.chunks, strict=True)
            )
            if (np.asarray(status[region[: status.ndim]]) != int(Status.NOT_RUN)).any():
                yield region
