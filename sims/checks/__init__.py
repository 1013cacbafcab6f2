"""How the statements of the theory are checked: random cases, runs and independent computations."""

from .check import Case, Comparison, NotApplicable, check, checks
from .report import CaseResult, Report, Result, Verdict
from .verify import verify, verify_one
