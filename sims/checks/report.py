"""What verification found: for every statement its cases, their errors, and the verdict that follows from them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from ...theory.statements import Kind, Statement

POINTS = 12  # (predicted, measured) pairs that one case keeps for a plot


class Verdict(StrEnum):
    """What the cases of a statement say of it."""

    HOLDS = "holds"
    FAILS = "fails"
    UNCHECKED = "unchecked"  # too few cases met its conditions, or it has no check


@dataclass(frozen=True)
class CaseResult:
    """One case: its error, some (predicted, measured) pairs, and what it was; or why it was passed over or broke."""

    index: int
    error: float = float("nan")
    points: tuple[tuple[float, float], ...] = ()
    label: str = ""
    excluded: str = ""
    broke: str = ""


@dataclass(frozen=True)
class Result:
    """One statement with its cases. The verdict is computed from the errors and the proof, never stored."""

    statement: Statement
    cases: tuple[CaseResult, ...]
    unproved: tuple[str, ...] = ()  # formulas that SymPy does not find equal to the derived ones
    how: str = ""
    seconds: float = 0.0
    needed: int = 3

    @cached_property
    def errors(self) -> np.ndarray:
        """One error for each case that met the conditions; a case that broke has an infinite one."""
        return np.array([float("inf") if c.broke else c.error for c in self.cases if not c.excluded])

    @property
    def excluded(self) -> dict[str, int]:
        """The cases that were passed over, by reason."""
        reasons = [c.excluded for c in self.cases if c.excluded]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}

    @property
    def median(self) -> float:
        return _quantile(self.errors, 0.5)

    @property
    def p90(self) -> float:
        return _quantile(self.errors, 0.9)

    @property
    def worst(self) -> float:
        return _quantile(self.errors, 1.0)

    @property
    def decisive(self) -> float:
        """The error that the tolerance is for: the median of an empirical law, else the largest."""
        return self.median if self.statement.kind == Kind.EMPIRICAL else self.worst

    @property
    def verdict(self) -> Verdict:
        if self.unproved or any(c.broke for c in self.cases):
            return Verdict.FAILS
        if len(self.errors) and not self.decisive <= self.statement.tolerance:
            return Verdict.FAILS
        return Verdict.HOLDS if len(self.errors) >= self.needed else Verdict.UNCHECKED

    def as_dict(self) -> dict:
        """Plain values, as ``gdbias verify --json`` prints them."""
        s = self.statement
        return dict(
            id=s.id, claim=s.claim, kind=str(s.kind), verdict=str(self.verdict), error=self.decisive,
            tolerance=s.tolerance, reason=s.reason, median=self.median, p90=self.p90, max=self.worst,
            n=len(self.errors), excluded=self.excluded,
            broke=[c.broke for c in self.cases if c.broke], unproved=list(self.unproved),
            proved_equal=s.proof is not None and not self.unproved,
            source=s.source, conditions=s.conditions, families=list(s.families), depends=list(s.depends),
            check=self.how, seconds=round(self.seconds, 3),
            cases=[
                dict(index=c.index, error=c.error, label=c.label, points=[list(p) for p in c.points])
                for c in self.cases if not (c.excluded or c.broke)
            ],
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Report(Mapping[str, Result]):
    """The results by id, in the order of the catalogue, with how they were made."""

    results: dict[str, Result]
    attrs: dict

    def __repr__(self) -> str:
        failing = f", of which do not hold: {', '.join(self.failures)}" if self.failures else ""
        return f"Report({len(self)} statements{failing})"

    def _repr_html_(self) -> str:
        shown = self.to_dataframe()[["id", "claim", "verdict", "error", "tolerance", "n"]]
        return shown.to_html(index=False, float_format="{:.3g}".format)

    def __getitem__(self, id: str) -> Result:
        return self.results[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failures(self) -> list[str]:
        """Ids of the statements that fail, or were not checked."""
        return [id for id, result in self.items() if result.verdict != Verdict.HOLDS]

    def to_json(self) -> str:
        """Everything as JSON; numbers that are not finite are written as text."""
        content = dict(self.attrs, statements=[result.as_dict() for result in self.values()])
        return json.dumps(_plain(content), indent=1)

    def to_dataframe(self):
        """A pandas table with one row for each statement."""
        import pandas as pd  # takes a while, for this alone

        columns = [
            "id",
            "claim",
            "kind",
            "verdict",
            "error",
            "tolerance",
            "median",
            "p90",
            "max",
            "n",
            "source",
            "seconds",
        ]
        return pd.DataFrame([result.as_dict() for result in self.values()], columns=columns)


def _quantile(errors: np.ndarray, q: float) -> float:
    """Of the sorted errors, without interpolating between finite and infinite ones."""
    return float(np.quantile(errors, q, method="higher")) if len(errors) else float("nan")


def _plain(value):
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
