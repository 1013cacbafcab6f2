"""Critical learning rates, frontier and maps: every statement holds, and none of its formulas can be wrong unseen."""

from dataclasses import replace

import pytest

from gdbias import theory
from gdbias.sims.checks import Verdict, verify_one
from refuting import refuted

SECTIONS = ("CRIT", "BIF", "FRO")
REGISTRY = theory.statements()
IDS = [id for id in REGISTRY if id.split("-")[0] in SECTIONS]
FACTORS = {  # else 2
    "lr_effective": 1.02, "after_20": 0.1, "after_50": 0.1, "remaining": 0.1, "sharpness": 1.2, "lr_reached": 1.2,
    "balance": 0.5, "missed": 10,
}  # fmt: skip
CONSTANTS = ("kappa_1_of_3", "kappa_4_of_2", "kappa_limit_of_4", "divergence_of_3", "feigenbaum")  # of the 16 alike
FORMULAS = [
    (id, name) for id in IDS for name in REGISTRY[id].formulas() if id != "BIF-4" or name in CONSTANTS
]  # fmt: skip


def test_the_sections_are_complete():
    for section, count in (("CRIT", 7), ("FRO", 14), ("BIF", 6)):
        assert [id for id in IDS if id.startswith(section)] == [f"{section}-{i + 1}" for i in range(count)]


@pytest.mark.parametrize("id", IDS)
def test_holds(id):
    result = verify_one(REGISTRY[id], REGISTRY, quick=True)
    assert result.verdict == Verdict.HOLDS, [c.broke for c in result.cases if c.broke] or result.errors


@pytest.mark.parametrize("id, name", FORMULAS)
def test_a_wrong_coefficient_is_seen(id, name):
    right = REGISTRY[id].formulas()
    wrong = replace(REGISTRY[id], proof=None, formulas=lambda: {**right, name: FACTORS.get(name, 2) * right[name]})
    try:
        seen = refuted(wrong, wrong.resolve(REGISTRY))
    except Exception:  # such as a bracket without a root
        seen = True
    assert seen
