"""Labelled images: loaded, shuffled, split by class and standardised."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...theory.errors import InputError
from ...theory.validate import whole
from .sources import NAMES, read_source

MANY = 10**9  # images, more than memory holds


@dataclass(frozen=True, eq=False)
class Data:
    """Standardised samples with integer labels, and as many held out.

    Attributes:
        X: training samples, shape (n, channels, height, width) or (n, feature), float32.
        labels: their classes, shape (n,).
        X_test, labels_test: held-out samples, standardised alike; empty where there are none.
        classes: number of classes.
        spec: how the data were made, kept with every stored result.
    """

    X: np.ndarray
    labels: np.ndarray
    X_test: np.ndarray
    labels_test: np.ndarray
    classes: int
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of training samples."""
        return len(self.X)

    @property
    def one_hot(self) -> np.ndarray:
        """Training targets of the squared loss, shape (n, classes)."""
        return np.eye(self.classes, dtype=np.float32)[self.labels]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all samples and labels."""
        digest = hashlib.sha256()
        for array in (self.X, self.labels, self.X_test, self.labels_test):
            digest.update(repr((array.shape, str(array.dtype))).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def load(
    name: str | PathLike,
    train: int = 1000,
    test: int | None = None,
    seed: int = 0,
    folder: str | PathLike | None = None,
    channels: Literal["first", "last"] | None = None,
) -> Data:
    """``mnist5k``, ``digits``, ``patches32``, ``cifar10`` or an ``.npz`` file with arrays X and y (integer labels).

    One ``numpy.random.default_rng(seed)`` shuffles every class; the first ``train`` samples and the ``test``
    ones after them (None: up to 1,000 of the rest) hold the classes in the proportions of the whole. Samples are
    standardised with the mean and deviation of the training pixels, per channel, or per feature for tables.
    ``cifar10`` reads the folder ``cifar-10-batches-py`` (in ``folder``, or the current one). Images of a file are
    (n, height, width), (n, channels, height, width) or (n, height, width, channels); ``channels`` says which where
    not exactly one of the two has at most 4.

    ``patches32`` are 5,000 colour tiles of 32 x 32 pixels, cut from ten photographs that scikit-image and
    scikit-learn carry, and the label is the photograph: textures and colours are told apart, not objects. 4,000
    lie in the left parts of the photographs and overlap in small ones; 1,000 to be held out lie to the right of these,
    apart by a tile's width, so that no pixel is seen in training.

    Raises:
        InputError: an unknown name, a file that is missing or of another form, more samples than there are, or
            images whose order of axes has to be told.
        MissingExtra: the package that ships the images is not installed.
    """
    X, y, apart = read_source(name, folder, channels)
    labels, classes = np.unique(y, return_inverse=True)[1], len(np.unique(y))
    if classes < 2:
        raise InputError(f"{name} has {classes} class: labels need at least 2")
    train, seed = whole("train", train, 2, MANY), whole("seed", seed, 0)
    rng = np.random.default_rng(seed)
    if apart is None:
        chosen = held_out = _stratified(labels, rng)
    else:
        chosen, held_out = (np.flatnonzero(side)[_stratified(labels[side], rng)] for side in (~apart, apart))
    free = len(held_out) - (train if apart is None else 0)
    test = min(1000, max(0, free)) if test is None else whole("test", test, 0, MANY)
    if train > len(chosen) or test > free:
        held = f" and test = {test}" if test > 0 else ""
        there = (
            f"{len(X)} samples in all" if apart is None else f"{len(chosen)} samples to train on, {free} to hold out"
        )
        raise InputError(f"train = {train}{held}: {name} has {there}, use fewer")
    chosen, held_out = chosen[:train], held_out[len(held_out) - free :][:test]
    axes = (0, 2, 3) if X.ndim == 4 else (0,)
    mean, deviation = X[chosen].mean(axes, keepdims=True), X[chosen].std(axes, keepdims=True)
    varies = deviation > 1e-12 * np.abs(X[chosen]).max(axes, keepdims=True)  # a constant has a deviation by rounding
    X = np.where(varies, (X - mean) / np.where(varies, deviation, 1.0), X - X[chosen[:1]]).astype(np.float32)
    known = str(name) in NAMES
    spec = dict(kind=str(name) if known else Path(name).name, train=train, test=test, seed=seed)
    return Data(X[chosen], labels[chosen], X[held_out], labels[held_out], classes, spec)


def _stratified(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of which every beginning holds the classes in the proportions of the whole."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable")
