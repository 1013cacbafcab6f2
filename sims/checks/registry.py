"""A check: how a statement is held against runs or an independent computation, one random case at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, TypeVar
from zlib import crc32

import numpy as np

from ...theory.errors import InputError
from ...theory.statements import Formulas
from ...theory.statements.registry import SECTIONS
from ...theory.validate import whole

Relation = Literal["equal", "at_most", "at_least"]
TINY = 1e-300
T = TypeVar("T")


class NotApplicable(Exception):
    """A random case outside the statement's conditions, such as a run that did not converge; says why."""


@dataclass(frozen=True)
class Comparison:
    """A measured value, or an array of them, beside what the statement predicts.

    ``error = max |measured - predicted| / scale``; of "at_most" and "at_least" only what exceeds the bound
    counts. ``scale`` is the largest magnitude of both unless given. NaN is an infinite error, and so is nothing
    to compare: an empty array, such as a selection that selected nothing, has not been checked.
    """

    measured: float | np.ndarray
    predicted: float | np.ndarray
    relation: Relation = "equal"
    scale: float | None = None
    label: str = ""

    @property
    def error(self) -> float:
        m, p = np.broadcast_arrays(np.asarray(self.measured, float), np.asarray(self.predicted, float))
        if not m.size:
            return float("inf")
        sign = {"at_most": 1.0, "at_least": -1.0}.get(self.relation)
        with np.errstate(invalid="ignore"):
            gap = np.abs(m - p) if sign is None else np.maximum(sign * (m - p), 0.0)
            sizes = [np.abs(a).max() for a in (m, p)]
        scale = max(*sizes, TINY) if self.scale is None else self.scale
        if not (np.isfinite(gap).all() and np.isfinite(scale)):
            return float("inf")
        return float(gap.max() / scale)


@dataclass(frozen=True)
class Case:
    """One independent instance of a statement: its number and its own random numbers."""

    index: int
    rng: np.random.Generator
    quick: bool = False

    @staticmethod
    def of(statement: str, index: int, seed: int, quick: bool = False) -> "Case":
        return Case(index, np.random.default_rng([seed, crc32(statement.encode()), index]), quick)

    def choose(self, values: Sequence[T]) -> T:
        """The values in turn over the cases, so that a few cases cover them all."""
        return values[self.index % len(values)]


Checked = Comparison | Sequence[Comparison]


@dataclass(frozen=True)
class Check:
    """``run(formulas, case)`` returns comparisons, or raises NotApplicable; another case then takes its place."""

    id: str
    run: Callable[[Formulas, Case], Checked]
    cases: int
    quick_cases: int
    notes: str


_CHECKS: dict[str, Check] = {}


def check(
    id: str, cases: int = 6, quick_cases: int = 3
) -> Callable[[Callable[[Formulas, Case], Checked]], Callable[[Formulas, Case], Checked]]:
    """Decorate the function that checks one random case of a statement.

    Raises:
        InputError: fewer than three cases.
    """
    cases, quick_cases = whole("cases", cases, 3), whole("quick_cases", quick_cases, 3)

    def add(run):
        if not run.__module__.startswith(f"{__package__}."):
            checks()  # those of the catalogue come first, so that an id that has one is refused here
        known = _CHECKS.get(id)
        if known is not None and (known.run.__module__, known.run.__qualname__) != (run.__module__, run.__qualname__):
            raise InputError(f"{id!r} already has a check, {known.run.__qualname__}: choose another id")
        _CHECKS[id] = Check(id, run, cases, min(cases, quick_cases), (run.__doc__ or "").strip())
        return run

    return add


def checks() -> dict[str, Check]:
    """Every check by the id of its statement."""
    for section in SECTIONS:
        import_module(f".{section}", __package__)
    return dict(_CHECKS)
