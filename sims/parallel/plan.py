"""The plan of a sweep: its axes, its variables, and the chunks it is computed in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...theory.errors import InputError
from ...theory.parameterization import Parameterization, require_model
from ...theory.problem import Problem, require_problem
from ...theory.update_rule import UpdateRule, require_rule
from ...theory.validate import shown
from ..engine.backends import backend
from ..grid import learning_rates
from ..measure.divergence import check_range
from ..measure.settled import settled_points
from ..options import SweepOptions
from ..schema import VARIABLES, measured, vectors

KEPT = vectors("diagonal")  # unless asked for less


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
    rule: UpdateRule
    keep: tuple[str, ...]
    options: SweepOptions
    stored: bool

    @classmethod
    def of(cls, model, problem, lr, init_scale, rule, keep, options: SweepOptions, stored: bool) -> "Plan":
        """The plan of a sweep of one or many models and problems, as :func:`gdbias.sims.sweep` takes them.

        Raises:
            InputError: a value outside its limits.
        """
        single = options.precision == "float32"
        if single and tuple(keep) not in ((), KEPT):
            raise InputError(f"keep = {shown(keep)} keeps vectors, and precision = 'float32' has none: leave it out")
        scales, lrs = np.atleast_1d(learning_rates(init_scale, "init_scale")), np.atleast_1d(learning_rates(lr))
        many = not isinstance(model, Parameterization), not isinstance(problem, Problem)
        kept = () if single else tuple(keep)
        return cls(_listed(model), _listed(problem), scales, lrs, *many, require_rule(rule), kept, options, stored)

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

    def check(self, here: bool) -> None:
        """Raise InputError where rule, options and data do not fit each other, or not the backend.

        And MissingExtra where that lacks what it needs to run ``here``.
        """
        self.options.check(self.rule)
        for problem in self.problems:
            self.rule.check(problem.n, problem.loss)
            backend(self.options).check(problem, here)
        if self.options.precision == "float32":
            check_range(self.models, self.problems, self.scales, self.lrs, self.rule)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables of such results, whether or not a problem has held-out samples."""
        single = self.options.precision == "float32"
        return measured("map") if single else measured("diagonal", ("end", *settled_points(self.options)))

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
        runs = self.options.chunk(self.stored)
        columns = min(len(self.lrs), runs)
        return max(1, min(len(self.scales), runs // columns)), columns


def _listed(given) -> list:
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


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
