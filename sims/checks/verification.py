"""Verification: every statement's formulas, drawn from the registry, against what its check measures."""

import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from ...theory.errors import GdbiasError
from ...theory.statements import Formulas, Statement, select, statements, unproved
from ...theory.validate import truth, truth_or_none, whole
from ..machine import cores
from ..parallel.progress import progress_bar
from ..store.provenance import versions
from .load import load_file
from .registry import Case, Check, Checked, Comparison, NotApplicable, checks
from .report import POINTS, CaseResult, Report, Result
from .workers import in_processes, travels

ATTEMPTS = 6  # cases tried for each one that is wanted


def verify(
    only: str | Sequence[str] | None = None,
    quick: bool = False,
    seed: int = 0,
    workers: int | None = None,
    load: str | Path | None = None,
    registry: Mapping[str, Statement] | None = None,
    progress: bool | None = None,
) -> Report:
    """Check the statements of the theory, each on independent random cases, and compute the verdicts.

    ``only`` names statements, or sections such as "GF". ``quick`` takes fewer cases. ``load`` is a Python file that
    declares more statements and checks. ``registry`` replaces the catalogue, and is checked in this process. Results
    depend on the seed only, not on ``workers`` or on which statements run beside. Statements of a user's modules are
    checked in this process; when a worker dies, its unfinished statements fail and all other results are kept.
    Workers do not import the main module, so that a script needs no guard.

    Returns a :class:`Report`, a mapping from id to :class:`Result` with the errors of all cases.

    Raises:
        InputError: an unknown id, a file that cannot be read.
        GdbiasError: all workers died before a check ended, as where they cannot start.
    """
    quick, progress = truth("quick", quick), truth_or_none("progress", progress)
    loaded = None if load is None else load_file(load)
    known, seed = dict(statements() if registry is None else registry), whole("seed", seed, 0)
    for id, check in checks().items() if registry is None else ():
        if id not in known:
            mend = "declare it with theory.statement, or mend the id"
            warnings.warn(
                f"the check {check.run.__qualname__} is for {id}, which is no statement: {mend}", stacklevel=2
            )
    chosen = select(known, only)
    workers = cores() if workers is None else whole("workers", workers, 1)
    away = [id for id in chosen if registry is None and travels(id, known, checks(), loaded)]
    if min(workers, len(away)) == 1 or any(known[id].formulas.__module__ == "__main__" for id in chosen):
        away = []
    results: dict[str, Result] = {}
    died = 0
    with progress_bar("statements", len(chosen), progress) as add:

        def here(id: str) -> None:
            add(0, id)
            results[id] = verify_one(known[id], known, seed, quick)
            add(1, id)

        calls = {id: (id, seed, quick, load) for id in away}
        with in_processes(min(workers, len(away)), _in_worker, calls) as finished:
            for id in chosen:
                if id not in calls:
                    here(id)
            for id, found in finished:
                if isinstance(found, Exception) and not isinstance(found, BrokenProcessPool):
                    here(id)  # such as a registry that differs in the worker
                    continue
                if isinstance(found, Exception):
                    died += 1
                    lost = CaseResult(0, broke="a worker process died: check it with workers=1")
                    results[id] = Result(known[id], (lost,))
                else:
                    results[id] = Result(known[id], **found)
                add(1, id)
    if calls and died == len(calls):
        raise GdbiasError("the worker processes died before a check ended, so nothing is known: use workers=1")
    attrs = dict(seed=seed, quick=quick, versions=versions(), only=list(chosen) if only else None)
    return Report({id: results[id] for id in chosen}, attrs)


def verify_one(statement: Statement, registry: Mapping[str, Statement], seed: int = 0, quick: bool = False) -> Result:
    """Check one statement in this process."""
    begun, check = time.perf_counter(), checks().get(statement.id)
    if check is None:
        return Result(statement, (), how="no check", seconds=time.perf_counter() - begun)
    wanted, cases = check.quick_cases if quick else check.cases, []
    try:
        formulas = statement.resolve(registry)
        missing = tuple(f"{left} != {right}" for left, right in unproved(statement))
    except Exception as error:  # a formula that cannot be made is a failure of its statement, not of the others
        broken = CaseResult(0, broke=f"{type(error).__name__}: {error}")
        return Result(statement, (broken,), how=check.notes, seconds=time.perf_counter() - begun)
    for index in range(ATTEMPTS * wanted):
        cases.append(_run_case(check, formulas, Case.of(statement.id, index, seed, quick)))
        if sum(not c.excluded for c in cases) == wanted:
            break
    return Result(statement, tuple(cases), missing, check.notes, time.perf_counter() - begun, wanted)


def _run_case(check: Check, formulas: Formulas, case: Case) -> CaseResult:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            comparisons = _listed(check.run(formulas, case))
            errors = [comparison.error for comparison in comparisons]
            points = [pair for comparison in comparisons for pair in _points(comparison)]
    except NotApplicable as reason:
        return CaseResult(case.index, excluded=str(reason))
    except Exception as error:
        return CaseResult(case.index, broke=f"{type(error).__name__}: {error}")
    if not comparisons:
        return CaseResult(case.index, broke="the check compared nothing")
    worst = comparisons[int(np.argmax(errors))]
    labels = [c.label for c in (worst, *comparisons) if c.label]
    return CaseResult(case.index, max(errors), tuple(points[:POINTS]), labels[0] if labels else "")


def _listed(found: Checked) -> list[Comparison]:
    return [found] if isinstance(found, Comparison) else list(found)


def _points(comparison: Comparison) -> list[tuple[float, float]]:
    m, p = np.broadcast_arrays(np.asarray(comparison.measured, float), np.asarray(comparison.predicted, float))
    m, p = m.ravel(), p.ravel()
    some = np.unique(np.linspace(0, m.size - 1, min(m.size, POINTS)).astype(int))
    return [(float(p[i]), float(m[i])) for i in some]


def _in_worker(id: str, seed: int, quick: bool, load: str | Path | None) -> dict:
    """A result without its statement, whose formulas are functions that do not travel."""
    if load is not None:
        load_file(load)
    known = statements()
    result = verify_one(known[id], known, seed, quick)
    return {name: getattr(result, name) for name in ("cases", "unproved", "how", "seconds", "needed")}
