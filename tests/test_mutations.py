"""A wrong coefficient of a formula is seen there and in what declares that it depends on it, and nowhere else.

And a wrong run is seen by the statements that it is compared with: what is measured does not come from the theory.
"""

import sys
from dataclasses import replace

import pytest

from gdbias import sims, theory
from gdbias.sims.checks import Verdict, checks

REGISTRY = theory.statements()
MUTATIONS = {  # the formula, and the symbol whose coefficient is multiplied
    "ALG-1": ("w_next", "lr", 1.01),  # identity, one step
    "INV-3": ("factor", "lr", 1.01),  # identity with a proved dependant
    "ONE-1": ("term", "beta", 1.01),  # identity with a proved dependant
    "DEEP-4": ("sharpness", "L", 1.01),  # identity with a proved dependant
    "DEEP-6": ("between", "s", 1.01),  # identity
    "GF-2": ("conjugate_power_2", "s", 1.01),  # proved, with dependants
    "GF-3": ("condition_2", "w", 1.01),  # empirical, one depth of three
    "GF-5": ("off_support_L", "alpha", 1.01),  # proved
    "CRIT-1": ("lr_edge", "sharpness", 1.001),  # proved
    "CRIT-2": ("tangent_power", "beta", 1.01),  # proved, by a convex program
    "CRIT-5": ("false_rate", "tol", 2.0),  # empirical, a rate
    "CRIT-6": ("cost", "pulled", 1.01),  # proved, by its multipliers
    "CRIT-7": ("lr_divergence", "sharpness", 2.0),  # empirical, judged by its median
    "FRO-10": ("conjugate", "w", 1.001),  # proved
    "FRO-12": ("wide", None, 0.5),  # empirical, shares
    "BIF-1": ("kappa_power", "y", 1.05),  # identity with four dependants of all kinds
    "BIF-2": ("upper", "kappa", 1.01),  # identity, where runs settle
    "BIF-4": ("kappa_3_of_2", None, 1.001),  # empirical, a constant
    "BIF-5": ("beta_next", "g", 1.01),  # identity, every step of a run
    "EXT-2": ("slope", "decay", 1.01),  # proved, at rest
    "EXT-3": ("shrinkage", "a", 3.0),  # empirical, judged by its median
}
UNMOVED = {  # dependants that need not fail
    "GF-2": {"EXA-5"},  # a wrong endpoint is farther away still than the error that it claims
    "BIF-4": {"BIF-6"},  # few runs lie beside the constant
}
UNRELATED = ("ALG-1", "RED-1", "GF-6", "DEEP-5")  # quick ones


def mutated(id, name, symbol, factor):
    """The registry with one formula changed; the proof is left as it is, so that runs alone can tell."""
    given = REGISTRY[id].formulas()
    places = {s: factor * s for s in given[name].free_symbols if s.name == symbol}
    wrong = dict(given) | {name: given[name].subs(places) if symbol else factor * given[name]}
    assert wrong[name] != given[name]
    return REGISTRY | {id: replace(REGISTRY[id], formulas=lambda: wrong)}


@pytest.mark.slow
@pytest.mark.parametrize("id", MUTATIONS)
def test_a_wrong_coefficient_fails_there_and_in_its_dependants_only(id):
    dependants = {other for other, statement in REGISTRY.items() if id in statement.depends}
    looked_at = list(dict.fromkeys([id, *dependants, *UNRELATED]))
    report = sims.verify(looked_at, quick=True, registry=mutated(id, *MUTATIONS[id]))
    assert {id, *dependants} - UNMOVED.get(id, set()) <= set(report.failures) <= {id, *dependants}
    assert {report[other].verdict for other in report.failures} == {Verdict.FAILS}
    assert not any(case.broke for result in report.values() for case in result.cases)


def test_the_mutated_statements_are_of_different_kinds_and_some_have_dependants():
    assert {str(REGISTRY[id].kind) for id in MUTATIONS} == {"identity", "proved", "empirical"}
    assert sum(bool(set(MUTATIONS) & set(statement.depends)) for statement in REGISTRY.values()) >= 3


@pytest.mark.parametrize(
    "id, kind, factor",
    [
        ("GF-2", "flow", 1.001), ("EXA-2", "descend", 1.001), ("CRIT-1", "flow", 1.001), ("BIF-1", "descend", 1.001),
        ("BIF-2", "sweep", 1.001), ("FRO-9", "descend", 1.01),
        pytest.param("FRO-6", "descend", 1.2, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_wrong_run_is_seen(id, kind, factor, monkeypatch):
    right = getattr(sims, kind)

    def wrong(*arguments, **options):
        run = right(*arguments, **options)
        numbers = {"theta", "beta", "sharpness", "sharpness_max", "path_theta"} & set(run.data_vars)
        return run.assign({name: factor * run[name] for name in numbers})

    checks()  # imports them all; that the statement holds with right runs is seen where its section is tested
    for name, module in list(sys.modules.items()):
        if name.startswith("gdbias.sims.") and vars(module).get(kind) is right:
            monkeypatch.setattr(module, kind, wrong)
    result = sims.verify(id, quick=True, workers=1)[id]
    assert result.verdict == Verdict.FAILS and not any(case.broke for case in result.cases)
