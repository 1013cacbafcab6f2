"""Verification computes its verdicts: a wrong formula, a broken check and too few cases are all seen."""

import importlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from gdbias import sims, theory
from gdbias.sims import checks
from gdbias.sims.checks import Comparison, NotApplicable, Verdict, verify_one, workers
from gdbias.sims.checks.registry import _CHECKS, Check
from gdbias.theory.statements import Formula, Formulas, select, unproved
from gdbias.theory.statements.registry import _REGISTRY

W, G, LR = sp.symbols("w g lr", real=True)
FILE = '''
import sympy as sp
from gdbias import theory
from gdbias.sims.checks import Comparison, check

@theory.statement("MINE-1", "A step of w^2.", kind="identity", source="derived", tolerance=1e-10, {extra})
def step():
    w, lr, g = sp.symbols("w lr g", real=True)
    return {{"w_next": {formula}}}

@check("MINE-1")
def one_step(f, case):
    """By hand."""
    w, g = case.rng.uniform(0.5, 1, 2)
    return Comparison(w - 0.1 * 2 * w * g, f.w_next(w=w, lr=0.1, g=g))
'''


@pytest.fixture
def mine(tmp_path, request):
    """A file of statements, forgotten afterwards."""
    yield lambda formula="w - 2*lr*w*g", extra="": _written(tmp_path / f"{request.node.name[:20]}.py", formula, extra)
    _CHECKS.pop("MINE-1", None)
    _REGISTRY.pop("MINE-1", None)


def _written(path, formula, extra):
    path.write_text(FILE.format(formula=formula, extra=extra))
    return path


def made(**changes):
    given = (
        dict(id="ALG-1", claim="c", formulas=lambda: {}, kind="identity", source="derived", tolerance=1e-10) | changes
    )
    return theory.Statement(**given)


def test_a_users_statement_is_verified_the_same_way(mine):
    report = sims.verify("MINE-1", load=mine())
    assert report["MINE-1"].verdict == Verdict.HOLDS
    assert len(report["MINE-1"].errors) == 6
    assert report.failures == []


def test_the_statement_of_the_rooms_readme_holds(tmp_path):
    text = (Path(__file__).parent.parent / "theory" / "README.md").read_text(encoding="utf-8")
    [code] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "MINE-1" in block]
    (tmp_path / "readme_statement.py").write_text(code)
    try:
        report = sims.verify("MINE-1", load=tmp_path / "readme_statement.py", quick=True)
        assert report["MINE-1"].verdict == Verdict.HOLDS
    finally:
        _CHECKS.pop("MINE-1", None)
        _REGISTRY.pop("MINE-1", None)


def test_a_wrong_coefficient_fails(mine):
    report = sims.verify("MINE-1", load=mine("w - 2.02*lr*w*g"))
    assert report["MINE-1"].verdict == Verdict.FAILS
    assert report["MINE-1"].worst > 1e-4
    assert report.failures == ["MINE-1"]


@pytest.mark.slow
def test_worker_processes_find_the_same(mine):
    path = mine()
    ids = ["ALG-1", "MINE-1"]
    one, two = (sims.verify(ids, quick=True, load=path, workers=w) for w in (1, 2))
    assert list(two) == ids
    for id in ids:
        np.testing.assert_array_equal(one[id].errors, two[id].errors)


@pytest.mark.slow
def test_statements_of_an_imported_module_run_beside_worker_processes(mine, monkeypatch):
    path = mine()
    monkeypatch.syspath_prepend(path.parent)
    importlib.import_module(path.stem)  # the workers know nothing of it
    ids = ["ALG-1", "ALG-7", "MINE-1"]
    report = sims.verify(ids, quick=True, workers=2)
    assert list(report) == ids and not report.failures
    assert not workers.travels("MINE-1", theory.statements(), checks.checks(), None)
    assert workers.travels("MINE-1", theory.statements(), checks.checks(), path.stem)
    assert workers.travels("EXA-2", theory.statements(), checks.checks(), None)


@pytest.mark.slow
@pytest.mark.parametrize("typed", [False, True], ids=["a script", "standard input"])
def test_a_script_without_a_guard_is_not_run_again_by_worker_processes(tmp_path, typed):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from gdbias import sims\n"
        "report = sims.verify(['ALG-1', 'ALG-2'], quick=True, workers=2, progress=False)\n"
        "print('failures', report.failures)\n"
    )
    words = [sys.executable, *([] if typed else [str(script)])]
    given = script.read_text() if typed else ""
    ended = subprocess.run(words, input=given, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "failures []\n", "")


def test_no_result_is_lost_when_workers_fail(monkeypatch):
    outcomes = {"ALG-1": None, "ALG-2": BrokenProcessPool(), "ALG-3": KeyError("ALG-3"), "ALG-4": BrokenProcessPool()}

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers, context):
            super().__init__(workers)

        def submit(self, function, id, *arguments):
            def call():
                if outcomes[id]:
                    raise outcomes[id]
                return function(id, *arguments)

            return super().submit(call)

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    report = sims.verify(list(outcomes), quick=True, workers=2)
    assert report.failures == ["ALG-2", "ALG-4"]
    assert "worker process died" in report["ALG-2"].cases[0].broke
    with pytest.raises(theory.GdbiasError, match="workers=1"):  # none could start: no statement fails by that
        sims.verify(["ALG-2", "ALG-4"], quick=True, workers=2)
    assert len(report["ALG-1"].errors) == len(report["ALG-3"].errors) == 3  # the latter here


def test_a_statement_cannot_reach_what_it_does_not_declare(mine):
    registry = theory.statements()
    formulas = registry["ALG-1"].resolve(registry)
    with pytest.raises(theory.InputError, match="add it to depends"):
        formulas.of("GF-2")
    assert made(depends=("ALG-1",)).resolve(registry).of("ALG-1").w_next.symbols == ("L", "g", "lr", "w")
    with pytest.raises(theory.InputError, match="not in the registry"):
        made(depends=("NONE-1",)).resolve(registry)


def test_a_broken_formula_or_check_is_a_failure_of_its_statement_alone():
    registry = theory.statements()

    def broken():
        raise ZeroDivisionError("no formula")

    result = verify_one(replace(registry["ALG-1"], formulas=broken), registry, quick=True)
    assert result.verdict == Verdict.FAILS and "no formula" in result.cases[0].broke
    result = verify_one(replace(registry["ALG-1"], formulas=lambda: {"other": W}), registry, quick=True)
    assert result.verdict == Verdict.FAILS and "no formula 'w_next'" in result.cases[0].broke


def test_a_statement_without_a_check_or_with_too_few_cases_is_unchecked(monkeypatch):
    registry = {"NEW-1": made(id="NEW-1")}
    assert sims.verify(registry=registry)["NEW-1"].verdict == Verdict.UNCHECKED

    def never(f, case):
        raise NotApplicable("never")

    monkeypatch.setitem(_CHECKS, "NEW-1", Check("NEW-1", never, 3, 3, ""))
    result = sims.verify(registry=registry)["NEW-1"]
    assert result.verdict == Verdict.UNCHECKED
    assert result.excluded == {"never": 18}


def test_a_formula_that_differs_from_the_derived_one_fails():
    registry = theory.statements()
    wrong = replace(registry["ALG-1"], proof=lambda: [(W - 3 * LR * G * W, W - 2 * LR * G * W)])
    assert len(unproved(wrong)) == 1
    assert verify_one(wrong, registry, quick=True).verdict == Verdict.FAILS
    assert not unproved(registry["ALG-1"])


@pytest.mark.parametrize(
    "measured, predicted, relation, error",
    [
        (1.0, 1.0, "equal", 0.0),
        (1.1, 1.0, "equal", 0.1 / 1.1),
        (0.5, 1.0, "at_most", 0.0),
        (2.0, 1.0, "at_most", 0.5),
        (2.0, 1.0, "at_least", 0.0),
        (np.nan, 1.0, "equal", np.inf),
        (np.nan, 1.0, "at_most", np.inf),
        ([1.0, 2.0], [1.0, 4.0], "equal", 0.5),
        (0.0, 0.0, "equal", 0.0),
        ([], [], "equal", np.inf),
        ([], 1.0, "at_most", np.inf),
    ],
)
def test_errors(measured, predicted, relation, error):
    assert Comparison(np.array(measured), np.array(predicted), relation).error == pytest.approx(error)


def test_a_law_is_judged_by_its_median():
    cases = tuple(checks.CaseResult(i, error) for i, error in enumerate([0.01, 0.02, 5.0]))
    law = checks.Result(made(kind="empirical", tolerance=0.05), cases)
    assert law.verdict == Verdict.HOLDS and law.decisive == 0.02
    assert checks.Result(made(tolerance=0.05), cases).verdict == Verdict.FAILS
    assert checks.Result(made(kind="empirical", tolerance=0.01), cases).verdict == Verdict.FAILS


def test_formulas_say_what_they_need():
    formula = Formula("w_next", W - LR * G)
    assert formula(w=np.array([1.0, 2.0]), lr=0.5, g=2.0).tolist() == [0.0, 1.0]
    with pytest.raises(theory.InputError, match="g, lr, w"):
        formula(w=1.0)
    assert r"\eta" in formula.latex()
    assert formula.at(g=0) == W
    with pytest.raises(theory.InputError, match="use one of w_next"):
        _ = Formulas("A-1", {"w_next": W}).v_next


@pytest.mark.parametrize(
    "changes, message",
    [({"kind": "true"}, "unknown kind"), ({"tolerance": 0}, "tolerance"), ({"claim": " "}, "claim")],
)
def test_a_statement_says_what_is_wrong_with_it(changes, message):
    with pytest.raises(theory.InputError, match=message):
        made(**changes)


def test_names_are_read_in_either_case():
    known = theory.statements()
    assert select(known, "gf-2") == ["GF-2"] == select(known, ("GF-2", "gf-2"))
    assert select(known, ["exa", "gf-6B"]) == ["GF-6b", *(f"EXA-{i}" for i in range(1, 6))]
    with pytest.raises(theory.InputError, match="did you mean GF-6b"):
        select(known, "GF6b")
    with pytest.raises(theory.InputError, match="sections RED, ALG"):
        select(known, "?")


def test_a_check_without_a_statement_is_told(monkeypatch):
    monkeypatch.setitem(_CHECKS, "MINE-2", Check("MINE-2", lambda f, case: [], 3, 3, ""))
    with pytest.warns(UserWarning, match="for MINE-2, which is no statement: declare it"):
        sims.verify("ALG-1", quick=True)


@pytest.mark.parametrize(
    "declare, said",
    [
        ("theory.statement('GF-2', 'Mine.', kind='proved', source='x', tolerance=1)(lambda: {})", "Gradient flow ends"),
        ("checks.check('GF-2')(lambda f, case: [])", "already has a check, endpoint"),
    ],
)
def test_an_id_of_the_catalogue_is_refused_before_anything_was_read(declare, said):
    code = f"from gdbias import theory; from gdbias.sims import checks; {declare}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode and said in run.stderr.splitlines()[-1]


def test_unknown_names_and_files_are_refused(tmp_path):
    with pytest.raises(theory.InputError, match="unknown statement 'GX-1'"):
        sims.verify("GX-1")
    with pytest.raises(theory.InputError, match="cannot read statements"):
        sims.verify(load=tmp_path / "none.py")
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(theory.InputError, match="ZeroDivisionError"):
        sims.verify(load=tmp_path / "bad.py")
    with pytest.raises(theory.InputError, match="exists"):
        theory.statement("ALG-1", "again", kind="identity", source="derived", tolerance=1e-3)(lambda: {})


def test_json_is_plain(mine):
    content = json.loads(sims.verify("MINE-1", load=mine("w/0")).to_json())
    [statement] = content["statements"]
    assert statement["verdict"] == "fails"
    assert content["seed"] == 0 and "numpy" in content["versions"]
