"""What the runs say of a claim: its expectations with what was measured, and the verdict that follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import xarray as xr

from .claim import Claim
from .ends import Ends


class Verdict(StrEnum):
    """What the findings of a claim say together."""

    HOLDS = "holds"  # all of them
    PARTLY = "holds partly"  # some
    FAILS = "does not hold here"  # none
    UNDECIDED = "undecided"  # what is expected could not be measured: too few runs converged, or one broke


@dataclass(frozen=True)
class Finding:
    """One expectation with what was measured."""

    label: str
    value: float
    low: float
    high: float
    expected: str

    @property
    def holds(self) -> bool:
        """Whether the value lies within its limits."""
        return bool(self.low <= self.value <= self.high)


@dataclass(frozen=True)
class Judgement:
    """A claim with its findings. The verdict is computed from them, never stored."""

    claim: Claim
    findings: tuple[Finding, ...] = ()
    broke: str = ""  # why its runs could not be made
    seconds: float = 0.0  # of one core that its runs took, shared ones too

    @property
    def verdict(self) -> Verdict:
        known = [finding for finding in self.findings if not np.isnan(finding.value)]
        if self.broke or len(known) < len(self.findings) or not known:
            return Verdict.UNDECIDED
        held = sum(finding.holds for finding in known)
        return Verdict.HOLDS if held == len(known) else Verdict.PARTLY if held else Verdict.FAILS

    def as_dict(self, quick: bool) -> dict:
        """Plain values, as ``gdbias reproduce --json`` prints them."""
        findings = [
            dict(label=f.label, expected=f.expected)
            | (dict(value=f.value, holds=f.holds) if np.isfinite(f.value) else dict(value=None, holds=None))
            for f in self.findings
        ]
        about = self.claim.as_dict(quick) | dict(minutes=round(self.seconds / 60, 2))
        about.pop("expected")
        return about | dict(verdict=str(self.verdict), broke=self.broke, findings=findings)


def judge(claim: Claim, results: Sequence[xr.Dataset]) -> Judgement:
    """Measure what the claim expects on the results of its runs, given in their order."""
    ends = [Ends(ds) for ds in results]
    findings = [Finding(e.label, float(e.measure(ends)), e.low, e.high, e.expected) for e in claim.expectations]
    return Judgement(claim, tuple(findings), seconds=sum(float(ds.attrs.get("seconds", 0.0)) for ds in results))
