"""Results on disk: a Zarr group, written chunk by chunk, readable while a sweep runs."""

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock, Timeout
from zarr.errors import UnstableSpecificationWarning

from ..theory.errors import InputError
from .archive import read_result
from .schema import VARIABLES, attributes


class Layout(Protocol):
    """What a store needs to know of a plan: its variables, and the shape, dims and chunks of each."""

    @property
    def variables(self) -> list[str]: ...

    def dims(self, name: str) -> tuple[str, ...]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def chunk_shape(self, name: str) -> tuple[int, ...]: ...


@contextmanager
def open_for_writing(
    path: str | PathLike, layout: Layout, coordinates: Mapping, attrs: Mapping
) -> Iterator[zarr.Group]:
    """The group of a sweep: made anew, or taken up where the same spec left off.

    Raises:
        InputError: a path that cannot be written, holds something else or another spec, or is being written.
    """
    path = Path(path)
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):  # a lock that cannot be written would look taken
            pass
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"store {path} is being written by another process: wait for it or choose another") from None
    except OSError as error:
        raise InputError(f"store {path} cannot be written ({error.strerror or error}): choose another path") from None
    try:
        yield _open(path, layout, coordinates, attrs)
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def open_result(path: str | PathLike) -> xr.Dataset:
    """A stored result, loaded; cells that are not computed yet have status NOT_RUN (-1).

    The folder that a sweep wrote, or a ``.json`` file of :func:`gdbias.sims.archive.save_result`.

    Raises:
        InputError: no gdbias store at that path.
    """
    if not Path(path).exists():
        raise InputError(f"store {path} does not exist: check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
            stored = Path(path).suffix != ".json"
            ds = xr.open_zarr(path, consolidated=False, chunks=None).load() if stored else read_result(Path(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a store ({error}): give the folder that a sweep wrote") from None
    if "spec" not in ds.attrs:
        raise InputError(f"{path} was not written by gdbias: it has no spec")
    return ds


def _open(path: Path, layout: Layout, coordinates: Mapping, attrs: Mapping) -> zarr.Group:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        try:
            group = zarr.open_group(path, mode="r+")
            found = json.loads(str(group.attrs["spec"]))
        except (OSError, ValueError, KeyError):
            raise InputError(f"{path} exists and is not a gdbias store: choose another path") from None
        _refuse_other(path, found, json.loads(attrs["spec"]))
    else:
        try:
            group = zarr.open_group(path, mode="w-", attributes=dict(attrs))
        except OSError as error:
            raise InputError(
                f"store {path} cannot be written ({error.strerror or error}): choose another path"
            ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
        for name, values in coordinates.items():
            if name not in group:
                values = np.asarray(values)
                text = values.dtype.kind == "U"
                array = group.create_array(
                    name,
                    shape=values.shape,
                    dtype="str" if text else values.dtype,
                    dimension_names=(name,),
                    attributes=attributes(name),
                )
                array[:] = values.astype(object) if text else values
    for name in layout.variables:
        if name not in group:
            variable = VARIABLES[name]
            group.create_array(
                name, shape=layout.shape(name), chunks=layout.chunk_shape(name), dtype=variable.dtype,
                fill_value=variable.fill, dimension_names=layout.dims(name), attributes=attributes(name),
            )  # fmt: skip
    return group


def _refuse_other(path: Path, found: dict, wanted: dict) -> None:
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise InputError(
                f"store {path} holds another spec: its {key} is {_short(found.get(key))}, "
                f"asked is {_short(wanted.get(key))}: choose another path, or ask for the stored spec to resume"
            )


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
