"""A finished result to disk, all at once; :func:`gdbias.sims.store.group.open_result` reads it back."""

import json
import tempfile
import warnings
from os import PathLike
from pathlib import Path

import numpy as np
import xarray as xr
from zarr.errors import UnstableSpecificationWarning

from ...theory.errors import InputError
from ...theory.validate import shown
from .damage import ARRAYS, COMPRESSOR, complete_chunks
from .place import check_place
from .url import located


def check_new(path: str | PathLike) -> Path:
    """The local path of a result to write.

    Raises:
        InputError: something is there already, or it cannot be written.
    """
    path = located(path)
    if not isinstance(path, Path):
        raise InputError(f"{path} is a URL, and a single run is written to this machine alone: choose a local path")
    if path.exists():
        raise InputError(f"{path} exists and a single run does not resume: choose another path, or remove it")
    return check_place(path, "store")


def save_result(ds: xr.Dataset, path: str | PathLike) -> Path:
    """Write a result to a new path and return the path; an interrupt leaves nothing there.

    A Zarr group, or one text file where the path ends in ``.json``, for a small result that goes with a text.

    Raises:
        InputError: something is there already, or the path cannot be written.
    """
    if not isinstance(ds, xr.Dataset):
        raise InputError(f"ds = {shown(ds)} is not a result: give what a verb of sims returns")
    path = check_new(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            part = Path(folder) / "part"
            if path.suffix == ".json":
                part.write_text(_text(ds), encoding="utf-8")
            else:
                with warnings.catch_warnings(), complete_chunks():
                    warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
                    encoding = {name: {"compressors": COMPRESSOR} for name in ds.variables}
                    named = ds.drop_encoding().assign_attrs({ARRAYS: list(ds.variables)})
                    named.to_zarr(part, mode="w-", zarr_format=3, consolidated=False, encoding=encoding)
            part.rename(path)
    except OSError as error:
        raise InputError(f"store {path} cannot be written ({error.strerror or error}): choose another path") from None
    return path


def read_text(path: Path) -> xr.Dataset:
    """The result in a ``.json`` file; raises ValueError, TypeError or KeyError for anything else."""
    content = json.loads(path.read_text(encoding="utf-8"))
    ds = xr.Dataset.from_dict(content)
    for name, dtype in content["dtypes"].items():
        ds[name] = ds[name].astype(dtype, keep_attrs=True)
    return ds


def _text(ds: xr.Dataset) -> str:
    content = ds.to_dict() | {"dtypes": {str(name): _dtype(v.dtype) for name, v in ds.variables.items()}}
    return json.dumps(content, indent=1, default=_plain) + "\n"


def _dtype(dtype: np.dtype) -> str:
    return "str" if dtype.kind == "T" else str(dtype)  # text of a store, whose type no name gives


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value)} in a result")
