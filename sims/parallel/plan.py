"""The plan of a sweep: its axes, its variables, and the chunks it is computed in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...theory.errors import InputError
from ...theory.parameterization import Parameterization, require_model
from ...theory.problem import Problem, require_problem
from ...theory.update_rule import UpdateRule
from ..options import SweepOptions
from ..schema import VARIABLES, measured, vectors


@dataclass(frozen=True)
class Chunk:
    """A rectangle of runs: one model, one problem, some init_scales, some learning rates."""

    model: int
    seed: int
    scales: slice
    lrs: slice

    @property
    def runs(self) -> int:
        return (self.scales.stop - self.scales.start) * (self.lrs.stop - self.lrs.start)


@dataclass(frozen=True)
class Work:
    """All that the numbers of a chunk depend on, small enough to be sent to another machine."""

    model: Parameterization
    problem: Problem
    scales: np.ndarray
    lrs: np.ndarray
    options: SweepOptions
    rule: UpdateRule

    @property
    def runs(self) -> int:
        return len(self.scales) * len(self.lrs)


@dataclass(frozen=True)
class Plan:
    """Axes (model, seed, init_scale, lr); the first two only where a sequence was given."""

    models: Sequence[Parameterization]
    problems: Sequence[Problem]
    scales: np.ndarray
    lrs: np.ndarray
    many_models: bool
    many_problems: bool
    keep: tuple[str, ...]
    options: SweepOptions
    rule: UpdateRule
    chunk_runs: int
    names: tuple[str, ...] = measured("diagonal")

    def __post_init__(self):
        if not self.models or not self.problems:
            raise InputError("a sweep needs at least one model and one problem, got an empty list")
        names = [require_model(model).name for model in self.models]
        repeated = [name for at, name in enumerate(names) if name in names[:at]]
        if repeated:
            raise InputError(f"model {repeated[0]} is repeated: give each model once")
        for model in self.models:
            model.theta0(float(self.scales.max()), 1)  # refuses a start that overflows, before a store is made
        for problem in self.problems:
            require_problem(problem)
        check_kept(self.keep, vectors("diagonal"))
        if len({p.d for p in self.problems}) > 1 and self.keep:
            raise InputError("problems differ in their number of features: use keep=() to drop beta and theta")
        check_distinct(lr=self.lrs, init_scale=self.scales)

    @property
    def axes(self) -> dict[str, int]:
        """Length of each dimension of the runs, outermost first."""
        lengths = {"model": len(self.models)} if self.many_models else {}
        lengths |= {"seed": len(self.problems)} if self.many_problems else {}
        return lengths | {"init_scale": len(self.scales), "lr": len(self.lrs)}

    @property
    def runs(self) -> int:
        return int(np.prod(list(self.axes.values())))

    @property
    def variables(self) -> list[str]:
        """The variables of the result, ``status`` last: written last, it marks a chunk as done."""
        tested = any(p.X_test is not None for p in self.problems)
        names = [n for n in self.names if n in self.keep or not VARIABLES[n].dims]
        return [n for n in names if n != "status" and (tested or not VARIABLES[n].held_out)] + ["status"]

    def dims(self, name: str) -> tuple[str, ...]:
        return (*self.axes, *VARIABLES[name].dims)

    def shape(self, name: str) -> tuple[int, ...]:
        inner = {"weight": max(len(m.weights) for m in self.models), "feature": self.problems[0].d}
        return (*self.axes.values(), *(inner[dim] for dim in VARIABLES[name].dims))

    def chunk_shape(self, name: str) -> tuple[int, ...]:
        rows, columns = self._chunk_sides
        outer = (1,) * (self.many_models + self.many_problems)
        return (*outer, rows, columns, *self.shape(name)[len(self.axes) :])

    def region(self, chunk: Chunk) -> tuple:
        """The index of a chunk's runs in an array of the result."""
        outer = ((chunk.model,) if self.many_models else ()) + ((chunk.seed,) if self.many_problems else ())
        return (*outer, chunk.scales, chunk.lrs)

    def chunks(self) -> Iterator[Chunk]:
        rows, columns = self._chunk_sides
        for model in range(len(self.models)):
            for seed in range(len(self.problems)):
                for i in range(0, len(self.scales), rows):
                    for j in range(0, len(self.lrs), columns):
                        scales = slice(i, min(i + rows, len(self.scales)))
                        yield Chunk(model, seed, scales, slice(j, min(j + columns, len(self.lrs))))

    def work(self, chunk: Chunk) -> Work:
        """What the numbers of a chunk depend on."""
        model, problem = self.models[chunk.model], self.problems[chunk.seed]
        return Work(model, problem, self.scales[chunk.scales], self.lrs[chunk.lrs], self.options, self.rule)

    @property
    def _chunk_sides(self) -> tuple[int, int]:
        columns = min(len(self.lrs), self.chunk_runs)
        return max(1, min(len(self.scales), self.chunk_runs // columns)), columns


def check_distinct(**axes: np.ndarray) -> None:
    """Raises InputError where an axis has the same value twice."""
    for name, values in axes.items():
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) < len(values):
            raise InputError(f"{name} = {distinct[counts > 1][0]:g} is repeated: give each value once")


def check_kept(keep: Sequence[str], vectors: Sequence[str]) -> None:
    """Raises InputError where keep= names no vector of the result."""
    for name in keep:
        if name not in vectors:
            raise InputError(f"keep names {name!r}: choose from {', '.join(vectors)}")
