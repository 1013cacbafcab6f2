"""Grids of learning rates and initialization scales."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..theory.errors import InputError
from ..theory.validate import one_of, real, real_array, shown, whole

LARGEST = 10_000_000  # values
HELP = "write START:STOP:NUM:log or START:STOP:NUM:lin, or values such as 0.01,0.1"


@dataclass(frozen=True)
class Grid:
    """``num`` values from ``start`` to ``stop``, rising, spaced evenly in logarithm or in value; all positive."""

    start: float
    stop: float
    num: int
    spacing: Literal["log", "lin"] = "log"

    def __post_init__(self):
        for name in ("start", "stop"):
            object.__setattr__(self, name, real(f"grid {name}", getattr(self, name), above=0, hint=HELP))
        if self.start > self.stop:
            raise InputError(f"grid start = {self.start:g} is above stop = {self.stop:g}: exchange them")
        object.__setattr__(self, "num", whole("grid num", self.num, 1, LARGEST))
        one_of("grid spacing", self.spacing, ("log", "lin"))

    def values(self) -> np.ndarray:
        """The values as an array of shape (num,)."""
        space = np.geomspace if self.spacing == "log" else np.linspace
        return space(self.start, self.stop, self.num)

    def __iter__(self) -> Iterator[float]:
        return iter(self.values().tolist())

    def __len__(self) -> int:
        return self.num

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self.values(), dtype=dtype)


def read_grid(text: str) -> np.ndarray:
    """Values from ``"0.01:1:64:log"``, ``"0.1"`` or ``"0.1,0.2"``; raises InputError."""
    try:
        if ":" not in text:
            return np.array([float(part) for part in text.split(",")])
        parts = text.split(":")
        if len(parts) != 4:
            raise InputError(f"grid {text!r} has {len(parts)} parts, not four: {HELP}")
        start, stop, num, spacing = parts
        return Grid(float(start), float(stop), int(num), spacing).values()  # type: ignore[arg-type]
    except InputError:
        raise
    except (ValueError, TypeError):
        raise InputError(f"cannot read grid {text!r}: {HELP}") from None


def learning_rates(lr, name: str = "lr") -> np.ndarray:
    """A positive finite scalar, array or :class:`Grid` as an array; raises InputError."""
    given = lr.values() if isinstance(lr, Grid) else lr
    values = real_array(f"{name} = {shown(lr)}", given, "give a number, an array of numbers or a Grid", False)
    if values.ndim > 1 or not values.size:
        raise InputError(f"{name} has shape {values.shape}: give one number or a one-dimensional array")
    if not (np.isfinite(values).all() and (values > 0).all()):
        bad = values[~(np.isfinite(values) & (values > 0))].flat[0]
        raise InputError(f"{name} = {bad:g} must be finite and > 0: use for example 0.1")
    return values


def one_value(value, name: str) -> float:
    """A positive finite number, which may stand alone in an array; raises InputError for several."""
    values = learning_rates(value, name)
    if values.size > 1:
        raise InputError(f"{name} = {shown(value)} has {values.size} values: one run takes one, sims.sweep takes many")
    return float(values.item())
