"""A claim as data: what is said, by which runs it is shown, and what is expected of them."""

from dataclasses import dataclass

import numpy as np

from .costs import MINUTES
from .measures import Measure
from .protocols import DeepRuns, DiagonalRuns

Runs = tuple[DeepRuns | DiagonalRuns, ...]


@dataclass(frozen=True)
class Expectation:
    """One number that is measured on the results of a claim's runs, in their order, and where it should lie.

    NaN says that the runs do not tell, such as when too few of them converged.
    """

    label: str
    measure: Measure
    low: float = -np.inf
    high: float = np.inf

    @property
    def expected(self) -> str:
        """The limits in words."""
        if np.isinf(self.low):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if np.isinf(self.high) else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Claim:
    """What the paper says, or what a reader of it asks.

    Attributes:
        id: short name, such as "REG-1".
        claim: one line.
        expectations: which together are the claim.
        quick: runs on digits and small networks.
        full: runs on larger images and networks; those of ``quick`` where there are none.
        question: what a reviewer asked, which the measured numbers answer.
        source: arXiv id.
    """

    id: str
    claim: str
    expectations: tuple[Expectation, ...]
    quick: Runs
    full: Runs = ()
    question: str = ""
    source: str = "2505.21423"

    def runs(self, quick: bool) -> Runs:
        """The runs that are made."""
        return self.quick if quick or not self.full else self.full

    def minutes(self, quick: bool) -> float | None:
        """What these take on one core, as measured; None where not all were."""
        costs = [MINUTES.get(runs.name) for runs in self.runs(quick)]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def as_dict(self, quick: bool) -> dict:
        """Plain values, as ``gdbias reproduce --list --json`` prints them."""
        return dict(
            id=self.id, claim=self.claim, question=self.question, source=self.source, minutes=self.minutes(quick),
            expected=[dict(label=e.label, expected=e.expected) for e in self.expectations],
            commands=[runs.command for runs in self.runs(quick)],
        )  # fmt: skip
