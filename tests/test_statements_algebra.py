"""Sections RED, ALG, INV, GFS and BEA: every statement holds, and no formula may be changed."""

from dataclasses import replace

import pytest
import sympy as sp

from gdbias import theory
from gdbias.sims.checks import Verdict, verify_one
from refuting import refuted

SECTIONS = ("RED", "ALG", "INV", "GFS", "BEA")
REGISTRY = theory.statements()
IDS = [id for id in REGISTRY if id.split("-")[0] in SECTIONS]
FORMULAS = [(id, name) for id in IDS for name in REGISTRY[id].formulas()]
FACTORS = {"BEA-1": 1.5, "GFS-4": 0.5}  # for tolerances of 0.05; elsewhere 1%


def changed(id: str, name: str) -> theory.Statement:
    """The statement with one coefficient changed, and without the proof, which would see it first."""
    formulas = dict(REGISTRY[id].formulas())
    expression, factor = sp.sympify(formulas[name]), sp.Float(FACTORS.get(id, 1.01))
    if (id, name) == ("INV-1", "invariant"):  # a multiple of an invariant is one
        formulas[name] = expression * sp.Symbol("u", real=True) ** 0.01
    elif isinstance(expression, sp.Add):
        formulas[name] = expression - expression.args[0] + factor * expression.args[0]
    else:
        formulas[name] = factor * expression
    return replace(REGISTRY[id], formulas=lambda: formulas, proof=None)


@pytest.mark.parametrize("id", IDS)
def test_holds(id):
    result = verify_one(REGISTRY[id], REGISTRY, quick=True)
    assert result.verdict == Verdict.HOLDS, (result.worst, result.unproved)
    assert len(result.errors) >= 3


@pytest.mark.parametrize("id, name", FORMULAS)
def test_a_changed_coefficient_fails(id, name):
    wrong = changed(id, name)
    assert refuted(wrong, wrong.resolve(REGISTRY))
