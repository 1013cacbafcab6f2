"""Deep linear networks, extensions and other rules: each statement holds, and each of its formulas can fail."""

from dataclasses import replace

import pytest

from gdbias import sims, theory
from gdbias.sims.checks import Verdict
from gdbias.theory.statements import Kind
from refuting import refuted

REGISTRY = theory.statements()
MINE = {id: s for id, s in REGISTRY.items() if id.startswith(("DEEP-", "EXT-", "RULE-"))}
FACTORS = {"EXT-3": 3.0, "RULE-8": 1.3, "RULE-13": 1.5}  # a law is judged by its median, and these have a spread


def param(id, *more):
    return pytest.param(id, *more, marks=pytest.mark.slow if id.startswith("RULE-") else ())


@pytest.mark.parametrize("id", [param(id) for id in MINE])
def test_it_holds(id):
    result = sims.verify(id, quick=True, workers=1)[id]
    assert result.verdict == Verdict.HOLDS, [c for c in result.cases if c.broke or c.error > MINE[id].tolerance]
    assert len(result.errors) >= 3


@pytest.mark.parametrize("id, name", [param(id, name) for id, s in MINE.items() for name in s.formulas()])
def test_a_wrong_coefficient_makes_it_fail(id, name):
    factor = FACTORS.get(id, 1 + 1e-6 if MINE[id].kind == Kind.IDENTITY else 1.1)

    def wrong():
        return {n: factor * e if n == name else e for n, e in MINE[id].formulas().items()}

    mutated = replace(MINE[id], formulas=wrong, proof=None)  # by its runs alone
    assert refuted(mutated, mutated.resolve(REGISTRY))
