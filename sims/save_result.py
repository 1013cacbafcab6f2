"""A finished result to disk, all at once; :func:`gdbias.sims.store.open_result` reads it back."""

import tempfile
import warnings
from os import PathLike
from pathlib import Path

import xarray as xr
from zarr.errors import UnstableSpecificationWarning

from ..theory.errors import InputError


def check_new(path: str | PathLike) -> Path:
    """The path of a result to write, its folder made where missing.

    Raises:
        InputError: something is there already, or the folder cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} exists and a single run does not resume: choose another path, or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"store {path} cannot be written ({error.strerror or error}): choose another path") from None
    return path


def save_result(ds: xr.Dataset, path: str | PathLike) -> Path:
    """Write a result as a Zarr group at a new path and return the path; an interrupt leaves nothing there.

    Raises:
        InputError: something is there already, or the path cannot be written.
    """
    path = check_new(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            part = Path(folder) / "part"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", category=UnstableSpecificationWarning)
                ds.to_zarr(part, mode="w-", zarr_format=3, consolidated=False)
            part.rename(path)
    except OSError as error:
        raise InputError(f"store {path} cannot be written ({error.strerror or error}): choose another path") from None
    return path
