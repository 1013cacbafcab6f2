"""Whether a wrong statement is seen: by case after case, until its verdict is certain."""

from gdbias.sims.checks import Case, Comparison, NotApplicable, checks
from gdbias.sims.checks.verification import ATTEMPTS
from gdbias.theory.statements import Formulas, Kind, Statement


def refuted(statement: Statement, formulas: Formulas, wanted: int | None = None) -> bool:
    """Whether the statement's quick cases, ``wanted`` of them where it is given, fail with these formulas.

    One error above the tolerance is enough; of a law, which is judged by its median, half of the cases must fail.
    """
    check = checks()[statement.id]
    wanted = wanted or check.quick_cases
    enough = (wanted + 1) // 2 if statement.kind == Kind.EMPIRICAL else 1
    met = failed = 0
    for index in range(ATTEMPTS * wanted):
        try:
            found = check.run(formulas, Case.of(statement.id, index, seed=0, quick=True))
        except NotApplicable:
            continue
        met += 1
        largest = max(c.error for c in ([found] if isinstance(found, Comparison) else found))
        failed += not largest <= statement.tolerance
        if failed == enough or met == wanted:
            break
    return failed == enough
