"""A wrong coefficient in one formula is seen there and in what declares that it depends on it, and nowhere else."""

from dataclasses import replace

import pytest

from gdbias import sims, theory
from gdbias.sims.checks import Verdict

REGISTRY = theory.statements()
MUTATIONS = {  # the formula, and the symbol whose coefficient is multiplied
    "ALG-1": ("w_next", "lr", 1.01),  # identity, one step
    "INV-3": ("factor", "lr", 1.01),  # identity with a proved dependant
    "ONE-1": ("term", "beta", 1.01),  # identity with a proved dependant
    "DEEP-4": ("sharpness", "L", 1.01),  # identity with a proved dependant
    "EXT-2": ("slope", "decay", 1.01),  # proved, at rest
    "EXT-3": ("shrinkage", "a", 3.0),  # empirical, judged by its median
}
UNRELATED = ("ALG-1", "INV-3", "DEEP-4", "DEEP-5")  # quick ones


def mutated(id, name, symbol, factor):
    """The registry with one formula changed; the proof is left as it is, so that runs alone can tell."""
    given = REGISTRY[id].formulas()
    [place] = [s for s in given[name].free_symbols if s.name == symbol]
    wrong = dict(given) | {name: given[name].subs(place, factor * place)}
    return REGISTRY | {id: replace(REGISTRY[id], formulas=lambda: wrong)}


@pytest.mark.parametrize("id", MUTATIONS)
def test_a_wrong_coefficient_fails_there_and_in_its_dependants_only(id):
    dependants = {other for other, statement in REGISTRY.items() if id in statement.depends}
    looked_at = list(dict.fromkeys([id, *dependants, *UNRELATED]))
    report = sims.verify(looked_at, quick=True, registry=mutated(id, *MUTATIONS[id]))
    assert set(report.failures) == {id, *dependants}
    assert {report[other].verdict for other in report.failures} == {Verdict.FAILS}
    assert not any(case.broke for result in report.values() for case in result.cases)


def test_the_mutated_statements_are_of_different_kinds_and_some_have_dependants():
    assert {str(REGISTRY[id].kind) for id in MUTATIONS} == {"identity", "proved", "empirical"}
    assert sum(bool(set(MUTATIONS) & set(statement.depends)) for statement in REGISTRY.values()) >= 3
