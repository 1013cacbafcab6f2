"""What the arrays of a result look like: the axes of its runs, its variables, and the chunks it is written in."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..schema import VARIABLES

Region = tuple[Any, ...]  # an index of arrays of a result, whole numbers and slices


@dataclass(frozen=True)
class Layout:
    """The arrays of a result.

    Attributes:
        axes: the dimensions of the runs, outermost first, with their coordinates.
        names: the variables in any order; gradient flow's have no ``lr``.
        inner: lengths of the dimensions of vectors.
        sides: runs of a chunk along each axis, one unless given.
    """

    axes: Mapping[str, np.ndarray]
    names: Sequence[str]
    inner: Mapping[str, int] = field(default_factory=dict)
    sides: Mapping[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return math.prod(map(len, self.axes.values()))

    @property
    def variables(self) -> list[str]:
        """The variables, ``status`` last: written last, it marks a chunk as done."""
        return [*(name for name in self.names if name != "status"), "status"]

    def dims(self, name: str) -> tuple[str, ...]:
        of_runs = (dim for dim in self.axes if dim != "lr" or VARIABLES[name].at != ("flow",))
        return *of_runs, *VARIABLES[name].dims

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(len(self.axes[dim]) if dim in self.axes else self.inner[dim] for dim in self.dims(name))

    def chunk_shape(self, name: str) -> tuple[int, ...]:
        sides = {**dict.fromkeys(self.axes, 1), **self.inner, **self.sides}
        return tuple(sides[dim] for dim in self.dims(name))

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """The runs of each chunk, as an index of an array of the result."""
        sides = [(len(values), self.sides.get(dim, 1)) for dim, values in self.axes.items()]
        return itertools.product(
            *([slice(at, min(at + side, length)) for at in range(0, length, side)] for length, side in sides)
        )


def kept(names: Sequence[str], keep: Sequence[str]) -> list[str]:
    """Of the variables all numbers, and the vectors to keep."""
    return [name for name in names if name in keep or not VARIABLES[name].dims]
