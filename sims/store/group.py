"""Results on disk: a Zarr group, written chunk by chunk, readable while a sweep runs."""

import errno
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
import zarr
from filelock import AcquireReturnProxy, FileLock, Timeout
from zarr.codecs import ZstdCodec
from zarr.errors import UnstableSpecificationWarning

from ...theory.errors import InputError
from ..schema import ALONG, VARIABLES, attributes
from .damage import UNREADABLE, repair
from .files import read_text
from .url import is_url, located, occupied

FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, a quota
COMPRESSOR = ZstdCodec(checksum=True)  # a damaged chunk shall not be read as numbers


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

    A local path has one writer at a time. At a URL nothing is locked: two writers of one spec write the same numbers.

    Raises:
        InputError: a path that cannot be written, holds something else or another spec, or is being written.
    """
    path = located(path)
    try:
        _holds(path, json.loads(attrs["spec"]))  # refuses before anything is written, the lock included
        lock = nullcontext() if is_url(path) else _lock(Path(path))
    except Timeout:
        raise InputError(f"store {path} is being written by another process: wait for it or choose another") from None
    except OSError as error:
        raise InputError(f"store {path} cannot be written ({error.strerror or error}): choose another path") from None
    with lock, complete_chunks():
        try:
            yield _open(path, layout, coordinates, attrs)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise InputError(
                f"writing to store {path} failed ({error.strerror}): make room, then ask for the same sweep again; "
                "finished chunks are kept"
            ) from None


def complete_chunks() -> AbstractContextManager:
    """Chunks that hold fill values alone are written too, so that a chunk that is absent is a chunk that was lost."""
    return zarr.config.set({"array.write_empty_chunks": True})


def _lock(path: Path) -> AcquireReturnProxy:
    """The lock of the one writer of a store, held; raises Timeout where another holds it."""
    # Beside the store, since Zarr warns of strange files in it, and hidden. It stays when released: who
    # removes it may remove the name of a lock that another has just taken, and a third takes a new one.
    real = path.resolve()
    lock = FileLock(real.with_name(f".{real.name}.lock"))
    real.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=real.parent):  # a lock that cannot be written would look taken
        pass
    return lock.acquire(timeout=0)


def open_result(path: str | PathLike, load: bool = True) -> xr.Dataset:
    """A stored result, loaded; cells that are not computed yet have status NOT_RUN (-1).

    The folder or URL that a sweep wrote, or a ``.json`` file of :func:`gdbias.sims.store.files.save_result`.
    Without ``load`` a variable of a folder or URL is read when it is first used.

    Raises:
        InputError: no gdbias store at that path, or a chunk that cannot be read.
    """
    path = located(path)
    if not (occupied(str(path)) if is_url(path) else Path(path).exists()):
        raise InputError(f"store {path} does not exist: check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
            stored = is_url(path) or Path(path).suffix != ".json"
            ds = xr.open_zarr(path, consolidated=False, chunks=None) if stored else read_text(Path(path))
            ds = ds.load() if load else ds
    except UNREADABLE as error:
        if _spec_at(path) is None:
            raise InputError(
                f"{path} cannot be read as a store ({error}): give the folder that a sweep wrote"
            ) from None
        raise InputError(
            f"store {path} is damaged ({error}): ask for the same sweep again, which computes what cannot be read"
        ) from None
    except (OSError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a store ({error}): give the folder that a sweep wrote") from None
    if _spec_of(ds.attrs) is None:
        raise InputError(f"{path} was not written by gdbias: it has no spec")
    return ds.set_coords([name for name in ALONG if name in ds])


def _open(path: str | PathLike, layout: Layout, coordinates: Mapping, attrs: Mapping) -> zarr.Group:
    if _holds(path, json.loads(attrs["spec"])):
        try:
            group: zarr.Group = zarr.open_group(str(path), mode="r+")
            _same_layout(path, group, layout)
            if "status" in group:
                repair(group, [name for name in layout.variables if name in group], path)
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(
                f"store {path} is damaged ({' '.join(str(error).split())}): remove what cannot be read, or the store, "
                "and ask for the same sweep again"
            ) from None
    else:
        try:
            group = zarr.open_group(str(path), mode="w-", attributes=dict(attrs))
        except OSError as error:
            raise InputError(
                f"store {path} cannot be written ({error.strerror or error}): choose another path"
            ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
        for name, values in coordinates.items():
            values = np.asarray(values)
            if values.dtype.kind == "U":
                values = values.astype(object)
            if name not in group:
                group.create_array(
                    name, shape=values.shape, dtype="str" if values.dtype == object else values.dtype,
                    dimension_names=(ALONG.get(name, name),), attributes=attributes(name),
                )  # fmt: skip
            array: Any = group[name]
            try:
                written = np.array_equal(array[:], values)
            except UNREADABLE:
                written = False
            if not written:  # new, or damaged, or its writer was killed here
                array[:] = values
    for name in layout.variables:
        if name not in group:
            variable = VARIABLES[name]
            group.create_array(
                name, shape=layout.shape(name), chunks=layout.chunk_shape(name), dtype=variable.dtype,
                fill_value=variable.fill, dimension_names=layout.dims(name), attributes=attributes(name),
                compressors=COMPRESSOR,
            )  # fmt: skip
    return group


def _same_layout(path: str | PathLike, group: zarr.Group, layout: Layout) -> None:
    """Refuses a list of one where the store was made for one, and the other way round: they share a spec."""
    for name in layout.variables:
        array: Any = group.get(name)
        found = None if array is None else tuple(array.metadata.dimension_names or ())
        if found is not None and found != layout.dims(name):
            raise InputError(
                f"store {path} has dimensions {', '.join(found) or 'none'} of {name}, asked is "
                f"{', '.join(layout.dims(name)) or 'none'}: give one value, or a list, as when the store was made"
            )
        if array is not None and array.chunks != layout.chunk_shape(name):  # two writers would share a chunk
            raise InputError(
                f"store {path} has chunks of shape {array.chunks} of {name}, asked are {layout.chunk_shape(name)}: "
                "use the chunk_runs that it was made with"
            )


def _holds(path: str | PathLike, wanted: dict) -> bool:
    """Whether the store of the wanted spec is there; raises InputError where something else is."""
    if is_url(path):
        there = occupied(str(path))
    else:
        local = Path(path)
        there = local.exists() and not (local.is_dir() and not any(local.iterdir()))
    if not there:
        return False
    found = _spec_at(path)
    if found is None:
        raise InputError(f"{path} exists and is not a gdbias store: choose another path")
    alone = found.keys() ^ wanted.keys()  # such as a rule: what differs most is told first
    for key in (*sorted(alone), *sorted(found.keys() & wanted.keys())):
        if found.get(key) != wanted.get(key):
            raise InputError(
                f"store {path} holds another spec: its {key} is {_short(found.get(key))}, "
                f"asked is {_short(wanted.get(key))}: a store holds one sweep: choose another path, "
                "or ask for the stored spec to resume"
            )
    return True


def _spec_at(path: str | PathLike) -> dict | None:
    try:
        return _spec_of(zarr.open_group(str(path), mode="r").attrs)
    except (OSError, ValueError, KeyError):
        return None


def _spec_of(attrs: Mapping) -> dict | None:
    try:
        spec = json.loads(str(attrs.get("spec")))
    except ValueError:
        return None
    return spec if isinstance(spec, dict) else None


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
