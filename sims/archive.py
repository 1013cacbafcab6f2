"""A small result as one text file, to be kept beside a text or sent."""

import json
from os import PathLike
from pathlib import Path

import numpy as np
import xarray as xr

from ..theory.errors import InputError


def save_result(ds: xr.Dataset, path: str | PathLike) -> Path:
    """Write a result as ``.json``, attributes included; :func:`gdbias.sims.store.open_result` reads it.

    Raises:
        InputError: another suffix, or a path that cannot be written.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise InputError(f"{str(path)!r} must end in .json")
    content = ds.to_dict() | {"dtypes": {str(name): str(v.dtype) for name, v in ds.variables.items()}}
    try:
        path.write_text(json.dumps(content, indent=1, default=_plain) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another path") from None
    return path


def read_result(path: Path) -> xr.Dataset:
    """What :func:`save_result` wrote; raises ValueError or KeyError for anything else."""
    content = json.loads(path.read_text(encoding="utf-8"))
    ds = xr.Dataset.from_dict(content)
    for name, dtype in content["dtypes"].items():
        ds[name] = ds[name].astype(dtype, keep_attrs=True)
    return ds


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value)} in a result")
