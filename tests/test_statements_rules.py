"""Other update rules: each statement holds, and each of its formulas can fail."""

from dataclasses import replace

import pytest

from gdbias import sims, theory
from gdbias.sims.checks import Verdict
from gdbias.theory.statements import Kind
from refuting import refuted

REGISTRY = theory.statements()
MINE = {id: s for id, s in REGISTRY.items() if id.startswith("RULE-")}
pytestmark = pytest.mark.slow
FACTORS = {"RULE-8": 1.3, "RULE-13": 1.5}  # laws with a spread


@pytest.mark.parametrize("id", MINE)
def test_it_holds(id):
    result = sims.verify(id, quick=True, workers=1)[id]
    assert result.verdict == Verdict.HOLDS, [c for c in result.cases if c.broke or c.error > MINE[id].tolerance]
    assert len(result.errors) >= 3


@pytest.mark.parametrize("id, name", [(id, name) for id, s in MINE.items() for name in s.formulas()])
def test_a_wrong_coefficient_makes_it_fail(id, name):
    factor = FACTORS.get(id, 1 + 1e-6 if MINE[id].kind == Kind.IDENTITY else 1.1)

    def wrong():
        return {n: factor * e if n == name else e for n, e in MINE[id].formulas().items()}

    mutated = replace(MINE[id], formulas=wrong, proof=None)  # by its runs alone
    assert refuted(mutated, mutated.resolve(REGISTRY))
