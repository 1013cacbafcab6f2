"""Results on disk: a Zarr group, written chunk by chunk, readable while a sweep runs."""

import errno
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import AcquireReturnProxy, FileLock, Timeout
from zarr.errors import UnstableSpecificationWarning

from ...theory.errors import InputError
from ..schema import ALONG, VARIABLES, attributes
from .damage import ARRAYS, COMPRESSOR, UNREADABLE, complete_chunks, lost, readable, remove_unreadable, repair
from .files import read_text
from .layout import Layout
from .place import check_place
from .url import is_url, located, occupied

FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, a quota


@contextmanager
def open_for_writing(
    path: str | PathLike, layout: Layout, coordinates: Mapping, attrs: Mapping
) -> Iterator[zarr.Group]:
    """The group of a sweep: made anew, or taken up where the same spec left off.

    A local path has one writer at a time. At a URL nothing is locked: two writers of one spec write the same numbers.

    Raises:
        InputError: a path that cannot be written, holds something else or another spec, or is being written.
    """
    path = check_store(path)
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


def check_store(path: str | PathLike) -> str | Path:
    """Where a sweep can be stored: in a new folder, or one that holds a result.

    Raises:
        InputError: a path that cannot be written, or holds something else.
    """
    path = located(path)
    if is_url(path):
        return path
    path = Path(path)
    if path.suffix == ".json":
        raise InputError(
            f"store {path} would be one text, and a sweep is written chunk by chunk into a folder: use for example "
            f"{path.with_suffix('.zarr')}"
        )
    check_place(path, "store")
    if _there(path) and spec_at(path) is None:
        raise InputError(f"{path} exists and is not a gdbias store: choose another path")
    return path


def _lock(path: Path) -> AcquireReturnProxy:
    """The lock of the one writer of a store, held; raises Timeout where another holds it."""
    # Beside the store, since Zarr warns of strange files in it, and hidden. It stays when released: who
    # removes it may remove the name of a lock that another has just taken, and a third takes a new one.
    real = path.resolve()
    lock = FileLock(real.with_name(f".{real.name}.lock"))
    real.parent.mkdir(parents=True, exist_ok=True)
    return lock.acquire(timeout=0)


def open_result(path: str | PathLike, load: bool = True) -> xr.Dataset:
    """A stored result, loaded; cells that are not computed yet have status NOT_RUN (-1).

    The folder or URL that a sweep wrote, or a ``.json`` file of :func:`gdbias.sims.store.files.save_result`.
    Without ``load`` a variable of a folder or URL is read when it is first used.

    Raises:
        InputError: no gdbias store at that path, or a variable or chunk that is lost or cannot be read.
    """
    path = located(path)
    if not (occupied(str(path)) if is_url(path) else Path(path).exists()):
        raise InputError(f"store {path} does not exist: check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
            warnings.filterwarnings("ignore", "Object at")  # a variable that is being written: it is not whole yet
            stored = is_url(path) or Path(path).suffix != ".json"
            ds = xr.open_zarr(path, consolidated=False, chunks=None) if stored else read_text(Path(path))
            if stored:
                _require_whole(path)
            ds = ds.load() if load else ds
    except InputError:
        raise
    except UNREADABLE as error:
        if spec_at(path) is None:
            raise InputError(
                f"{path} cannot be read as a store ({error}): give the folder that a sweep wrote"
            ) from None
        raise _damaged(path, " ".join(str(error).split())) from None
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a store ({error}): give the folder that a sweep wrote") from None
    if _spec_of(ds.attrs) is None:
        raise InputError(f"{path} was not written by gdbias: it has no spec")
    ds.attrs.pop(ARRAYS, None)
    return ds.set_coords([name for name in ALONG if name in ds])


def readable_values(path: Path, *names: str) -> dict[str, np.ndarray]:
    """The arrays of a local store of these names, of any length, that are there and can be read."""
    found: dict[str, np.ndarray] = {}
    for name in names:
        with suppress(OSError, KeyError, *UNREADABLE):
            array: Any = zarr.open_group(path, mode="r")[name]
            found[name] = np.asarray(array[...])
    return found


def _require_whole(path: str | PathLike) -> None:
    """Raise InputError where an array is missing, or a chunk is lost: Zarr takes it for fill values."""
    group = zarr.open_group(str(path), mode="r")
    arrays: dict[str, Any] = dict(group.arrays())
    named: Any = group.attrs.get(ARRAYS, ["status"])  # stores from before name none
    for name in named if _spec_of(group.attrs) else ():
        if name not in arrays:
            raise _damaged(path, f"{name} is missing")
    for name, region in lost(arrays, path):
        at = ", ".join(f"{part.start}:{part.stop}" for part in region)
        raise _damaged(path, f"the chunk [{at}] of {name} is lost")


def _damaged(path: str | PathLike, reason: str) -> InputError:
    resumes = "sweep" in (spec_at(path) or {}).get("kind", "")
    remedy = "ask for the same sweep again, which computes what cannot be read" if resumes else "make the result again"
    return InputError(f"store {path} is damaged ({reason}): {remedy}")


def _open(path: str | PathLike, layout: Layout, coordinates: Mapping, attrs: Mapping) -> zarr.Group:
    stored = _holds(path, json.loads(attrs["spec"]))
    try:
        group = zarr.open_group(str(path), mode="r+" if stored else "w-", zarr_format=3, attributes=dict(attrs))
    except OSError as error:
        raise InputError(f"store {path} cannot be written ({error.strerror or error}): choose another path") from None
    if stored:
        _same_layout(path, group, layout)
        remove_unreadable(group, [*coordinates, *layout.variables])
    begun = "status" in group  # so were all others
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
        for name, values in coordinates.items():
            _write_coordinate(group, name, np.asarray(values))
    made = [name for name in layout.variables if name not in group]
    for name in made:
        variable = VARIABLES[name]
        group.create_array(
            name, shape=layout.shape(name), chunks=layout.chunk_shape(name), dtype=variable.dtype,
            fill_value=variable.fill, dimension_names=layout.dims(name), attributes=attributes(name),
            compressors=COMPRESSOR,
        )  # fmt: skip
    names = [*coordinates, *layout.variables]
    if group.attrs.get(ARRAYS) != names:  # once all are there, for who reads meanwhile
        group.attrs[ARRAYS] = names
    if begun:
        repair(group, layout.variables, path, made)
    return group


def _write_coordinate(group: zarr.Group, name: str, values: np.ndarray) -> None:
    values = values.astype(object) if values.dtype.kind == "U" else values
    if name not in group:
        group.create_array(
            name, shape=values.shape, dtype="str" if values.dtype == object else values.dtype,
            dimension_names=(ALONG.get(name, name),), attributes=attributes(name), compressors=COMPRESSOR,
        )  # fmt: skip
    array: Any = group[name]
    array[:] = values  # each time: it may be damaged, or its writer was killed here


def _same_layout(path: str | PathLike, group: zarr.Group, layout: Layout) -> None:
    """Refuses a list of one where the store was made for one, and the other way round: they share a spec."""
    for name in layout.variables:
        array: Any = group.get(name) if readable(group, name) else None
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
    if not _there(path):
        return False
    found = spec_at(path)
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


def _there(path: str | PathLike) -> bool:
    """Whether something is at the path; an empty folder is nothing."""
    if is_url(path):
        return occupied(str(path))
    local = Path(path)
    return local.exists() and not (local.is_dir() and not any(local.iterdir()))


def spec_at(path: str | PathLike) -> dict | None:
    """The spec of the store at a path; None where there is none to read."""
    try:
        return _spec_of(zarr.open_group(str(path), mode="r").attrs)
    except (OSError, ValueError, KeyError):
        return None


def _spec_of(attrs: Mapping) -> dict | None:
    try:
        spec = json.loads(str(attrs.get("spec")))
    except ValueError:
        return None
    return spec if isinstance(spec, dict) and isinstance(spec.get("kind"), str) else None


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
