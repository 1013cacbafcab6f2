"""How the statements of the theory are checked: random cases, runs and independent computations."""

from .registry import Case, Comparison, NotApplicable, check, checks
from .report import CaseResult, Report, Result, Verdict
from .verification import verify, verify_one

__all__ = [
    "Case", "CaseResult", "Comparison", "NotApplicable", "Report", "Result", "Verdict", "check", "checks", "verify",
    "verify_one",
]  # fmt: skip
