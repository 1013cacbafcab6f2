"""What a full disk or a broken copy left of a store: chunks that cannot be read are taken for not computed."""

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
    """Give the runs of every chunk that cannot be read the status NOT_RUN, so that they are computed again.

    Raises:
        InputError: such a chunk belongs to no runs of its own, as those of gradient flow beside a deep sweep.
    """
    if not is_url(path):
        for part in Path(path).rglob("*.partial"):  # what a killed writer had not put in its place yet
            part.unlink()
    status: Any = group["status"]
    damaged = [(name, region) for name in names for region in _unreadable(group[name])]
    for name, region in damaged:
        array: Any = group[name]
        if array.metadata.dimension_names[: status.ndim] != status.metadata.dimension_names:
            raise InputError(f"store {path} is damaged: {name} cannot be read: remove the store and sweep again")
        status[region[: status.ndim]] = int(Status.NOT_RUN)
        if name != "status":
            array[region] = array.fill_value
    if damaged:
        found = ", ".join(sorted({name for name, _ in damaged}))
        warnings.warn(
            f"store {path} has {len(damaged)} chunks that cannot be read ({found}): their runs are computed again",
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
