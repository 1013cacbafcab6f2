"""Sections GF, EXA and ONE: every statement holds, and every one of its formulas is able to fail."""

from dataclasses import replace
from functools import cache

import pytest

from gdbias import sims, theory
from gdbias.sims.checks import Verdict, verify_one
from gdbias.theory.statements import Formulas, Kind, unproved
from refuting import refuted

REGISTRY = theory.statements()
IDS = [id for id in REGISTRY if id.split("-")[0] in ("GF", "EXA", "ONE")]
WRONG = {
    ("GF-3", "residual"): lambda e: e * 1e-9,  # a bound, which fails when it is too tight
    ("EXA-5", "least_error"): lambda e: 100 * e,  # most are off by far more than the least
    ("ONE-4", "matching_prior"): lambda e: e**1.1,  # matters up to a factor
}
CASES = 24


@cache
def resolved(id):
    return REGISTRY[id].resolve(REGISTRY)


def formulas_of(ids):
    return [(id, name) for id in ids for name in REGISTRY[id].formulas()]


def test_the_sections_are_complete():
    assert [id for id in IDS if id.startswith("GF")] == [*(f"GF-{i}" for i in range(1, 7)), "GF-6b", "GF-7"]
    for section in ("EXA", "ONE"):
        assert [id for id in IDS if id.startswith(section)] == [f"{section}-{i}" for i in range(1, 6)]


@pytest.mark.parametrize("id", IDS)
def test_it_holds(id):
    result = sims.verify(id, quick=True, workers=1)[id]
    assert result.verdict == Verdict.HOLDS, result.as_dict()


@pytest.mark.parametrize("id, name", formulas_of(IDS))
def test_a_wrong_coefficient_is_seen(id, name):
    right = {formula.name: formula.expression for formula in resolved(id)}
    changed = WRONG.get((id, name), lambda e: 1.3 * e)(right[name])
    wrong = Formulas(id, right | {name: changed}, resolved(id)._others)
    assert refuted(REGISTRY[id], wrong, None if REGISTRY[id].kind == Kind.EMPIRICAL else CASES)


def test_a_wrong_condition_number_is_not_what_is_derived():
    right = REGISTRY["GF-3"]
    assert len(list(right.proof())) == 3 and not unproved(right)


def test_the_truncated_shift_is_judged_at_the_edge_only_and_by_the_error_that_is_claimed():
    """Shifts that are almost exact end within 0.3 % of the run: the claim must fail for them."""
    right = REGISTRY["EXA-5"].formulas
    exact = REGISTRY["EXA-2"].formulas()["shift_step"]
    nearly = replace(REGISTRY["EXA-5"], proof=None, formulas=lambda: right() | {"shift_step": exact * 1.0001})
    result = verify_one(nearly, REGISTRY, quick=True)
    assert result.verdict == Verdict.FAILS
    for case in result.cases:
        assert case.excluded or float(case.label.split("= ")[1]) >= 0.9
