"""The plan of a sweep: its axes, its variables, and the chunks it is computed in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...theory.errors import InputError
from ...theory.parameterization import Parameterization, require_model
from ...theory.problem import Problem, require_problem
from ...theory.rules.update_rule import UpdateRule, gradient_descent, require_rule
from ...theory.validate import one_of, shown, texts
from ..engine.backends import backend
from ..grid import learning_rates
from ..measure.divergence import check_range
from ..measure.settled import settled_points
from ..options import SweepOptions
from ..schema import VARIABLES, measured, vectors
from ..store.dataset import seed_labels
from ..store.layout import Layout, Region, kept

KEPT = vectors("diagonal")  # unless asked for less


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
    """Axes (rule, model, seed, init_scale, lr); the first three only where a sequence was given."""

    models: Sequence[Parameterization]
    problems: Sequence[Problem]
    scales: np.ndarray
    lrs: np.ndarray
    many_models: bool
    many_problems: bool
    rules: Sequence[UpdateRule]
    many_rules: bool
    keep: tuple[str, ...]
    options: SweepOptions
    stored: bool

    @classmethod
    def of(cls, model, problem, lr, init_scale, rule, keep, options: SweepOptions, stored: bool) -> "Plan":
        """The plan of a sweep of one or many models and problems, as :func:`gdbias.sims.sweep` takes them.

        Raises:
            InputError: a value outside its limits.
        """
        single, keep = options.precision == "float32", texts("keep", keep)
        if single and keep not in ((), KEPT):
            raise InputError(f"keep = {shown(keep)} keeps vectors, and precision = 'float32' has none: leave it out")
        scales, lrs = np.atleast_1d(learning_rates(init_scale, "init_scale")), np.atleast_1d(learning_rates(lr))
        many = not isinstance(model, Parameterization), not isinstance(problem, Problem)
        kept = () if single else keep
        rules, several = _listed(rule), not isinstance(rule, UpdateRule)
        return cls(_listed(model), _listed(problem), scales, lrs, *many, rules, several, kept, options, stored)

    def __post_init__(self):
        if not self.models or not self.problems or not self.rules:
            raise InputError("a sweep needs at least one model, one problem and one rule, got an empty list")
        check_names_distinct("model", [require_model(model).name for model in self.models])
        check_names_distinct("rule", [require_rule(rule).label for rule in self.rules])
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
        for rule in self.rules:
            self.options.check(rule)
            for problem in self.problems:
                rule.check(problem.n, problem.loss)
            if self.options.precision == "float32":
                check_range(self.models, self.problems, self.scales, self.lrs, rule)
        for problem in self.problems:
            backend(self.options).check(problem, here)

    @cached_property
    def layout(self) -> Layout:
        """The arrays of such a result; held-out risks are among them where a problem has held-out samples."""
        single = self.options.precision == "float32"
        names = measured("map") if single else measured("diagonal", ("end", *settled_points(self.options)), self._asked)
        tested = any(p.X_test is not None for p in self.problems)
        axes = {"rule": np.array([rule.label for rule in self.rules])} if self.many_rules else {}
        axes |= {"model": np.array([m.name for m in self.models])} if self.many_models else {}
        axes |= {"seed": np.array(seed_labels(self.problems))} if self.many_problems else {}
        axes |= {"init_scale": self.scales, "lr": self.lrs}
        names = [n for n in kept(names, self.keep) if tested or not VARIABLES[n].held_out]
        inner = {"weight": max(len(m.weights) for m in self.models), "feature": self.problems[0].d}
        return Layout(axes, names, inner, dict(zip(("init_scale", "lr"), self._chunk_sides, strict=True)))

    def chunks(self) -> Iterator[Region]:
        """The runs of each chunk, as an index of an array of the result: of one rule, model and problem."""
        outer = self.many_rules + self.many_models + self.many_problems
        for region in self.layout.regions():
            yield *(one.start for one in region[:outer]), *region[outer:]

    def work(self, chunk: Region) -> Work:
        """What the numbers of a chunk depend on."""
        at = dict(zip(self.layout.axes, chunk, strict=True))
        model, problem = self.models[at.get("model", 0)], self.problems[at.get("seed", 0)]
        rule = self.rules[at.get("rule", 0)]
        return Work(model, problem, self.scales[at["init_scale"]], self.lrs[at["lr"]], self.options, rule)

    @property
    def _asked(self) -> tuple[str, ...]:
        ruled = any(rule != gradient_descent for rule in self.rules)
        asked = {
            "rule": ruled,
            "averaged rule": ruled and self.options.average > 0,
            "batch": any(rule.batch is not None for rule in self.rules),
        }
        return tuple(name for name, wanted in asked.items() if wanted)

    @property
    def _chunk_sides(self) -> tuple[int, int]:
        runs = self.options.chunk(self.stored)
        columns = min(len(self.lrs), runs)
        return max(1, min(len(self.scales), runs // columns)), columns


def _listed(given) -> list:
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def check_names_distinct(what: str, names: Sequence[str]) -> None:
    """Raises InputError where a list has the same name twice."""
    if repeated := [name for at, name in enumerate(names) if name in names[:at]]:
        raise InputError(f"{what} {repeated[0]} is repeated: give each {what} once")


def check_distinct(**axes: np.ndarray) -> None:
    """Raises InputError where an axis has the same value twice."""
    for name, values in axes.items():
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) < len(values):
            raise InputError(f"{name} = {distinct[counts > 1][0]:g} is repeated: give each value once")


def check_kept(keep: Sequence[str], vectors: Sequence[str]) -> None:
    """Raises InputError where keep= names no vector of the result."""
    for name in texts("keep", keep):
        one_of("vector of keep", name, vectors)
