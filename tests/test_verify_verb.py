"""The verbs verify, report and derive --tex, as a user types them."""

import csv
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.figures.cli.report_verb import describe, python
from gdbias.sims.checks.registry import _CHECKS
from gdbias.sims.store.group import open_result
from gdbias.theory.statements.registry import _REGISTRY

WRONG = """
import sympy as sp
from gdbias import theory
from gdbias.sims.checks import Comparison, check

@theory.statement("WRONG-1", "One is two & <b>.", kind="identity", source="derived", tolerance=1e-10)
def one():
    return {"one": sp.Integer(2) * sp.Symbol("lr") / sp.Symbol("lr_0")}

@check("WRONG-1")
def compare(f, case):
    return Comparison(1.0, f.one(lr=1.0, lr_0=1.0))
"""


@pytest.fixture
def wrong(tmp_path):
    path = tmp_path / "wrong_statement.py"
    path.write_text(WRONG)
    yield str(path)
    _CHECKS.pop("WRONG-1", None)
    _REGISTRY.pop("WRONG-1", None)


def test_table_and_files(tmp_path, capsys):
    main(["verify", "--only", "ALG-1", "--quick", "--csv", str(tmp_path / "t.csv"), "--html", str(tmp_path / "t.html")])
    out = capsys.readouterr().out
    assert "ALG-1" in out and "1 of 1 statements hold" in out
    [row] = csv.DictReader((tmp_path / "t.csv").open())
    assert row["id"] == "ALG-1" and row["verdict"] == "holds" and float(row["error"]) < 1e-10
    text = (tmp_path / "t.html").read_text()
    assert "<math" in text and "data:image/svg+xml;base64," in text
    assert not re.search(r"(src|href)=\"http", text)  # needs no network
    HTMLParser().feed(text)


def test_a_failing_statement_exits_with_1(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["verify", "--only", "WRONG-1", "--load", wrong, "--json", "--html", str(tmp_path / "w.html")])
    assert stop.value.code == 1
    [statement] = json.loads(capsys.readouterr().out)["statements"]
    assert statement["verdict"] == "fails" and statement["error"] == 0.5
    assert "One is two &amp; &lt;b&gt;." in (tmp_path / "w.html").read_text()


def test_markdown(capsys):
    main(["verify", "--only", "ALG-1", "--quick", "--markdown", "--workers", "1"])
    out = capsys.readouterr().out
    assert out.startswith("# Verification: 1 of 1") and "| ALG-1 |" in out


def test_list_runs_nothing(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["gdbias.sims.checks.verification"], "verify_one", None)
    main(["verify", "--list", "--load", wrong])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(theory.statements())
    assert lines[-1].split(maxsplit=2) == ["WRONG-1", "identity", "One is two & <b>."]
    main(["verify", "--list", "--only", "gf-2", "--json"])
    [statement] = json.loads(capsys.readouterr().out)
    assert statement["id"] == "GF-2" and statement["kind"] == "proved"


def test_the_help_names_every_key_of_the_json(capsys):
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    content = json.loads(sims.verify("ALG-1", quick=True).to_json())
    [statement] = content["statements"]
    assert not (set(content) | set(statement) | set(statement["cases"][0])) - words


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--only", "NONE"], "unknown statement"),
        (["--only", "fr-4"], "did you mean FRO-4?"),
        (["--json", "--markdown"], "choose one"),
        (["--html", "no/such/folder/x.html"], "no such folder"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["verify", *arguments])
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize("many", [False, True])
def test_report_makes_the_result_again(tmp_path, many):
    problem = theory.sparse_regression(n=3, d=5, n_test=0, seed=1)
    models = [theory.difference(2), theory.product(2)] if many else theory.difference(2)
    sims.sweep(models, problem, [0.05, 0.1], 0.2, max_steps=50, backend="numpy", store=tmp_path / "s.zarr")
    stored = open_result(tmp_path / "s.zarr")
    text = describe(stored, tmp_path / "s.zarr")
    assert "gdbias sweep" in text and "max_steps    50" in text
    names: dict = {}
    exec(python(stored, tmp_path / "s.zarr"), names)
    assert names["ds"].sizes == stored.sizes
    np.testing.assert_array_equal(names["ds"].theta, stored.theta)


def test_report_of_a_run_with_its_own_start(tmp_path):
    from gdbias.sims.store.files import save_result

    problem = theory.single_point([1.0, 0.5], 1.0)
    run = sims.descend(theory.power(2), problem, 0.1, theta0=[[0.3, 0.4]], max_steps=30, record_every=10)
    save_result(run, tmp_path / "r.zarr")
    names: dict = {}
    exec(python(open_result(tmp_path / "r.zarr"), tmp_path / "r.zarr"), names)
    np.testing.assert_array_equal(names["ds"].path_theta, run.path_theta)


@pytest.mark.parametrize("kind", ["sweep", "run"])
def test_report_makes_a_result_with_a_rule_again(tmp_path, kind, capsys):
    store, start = tmp_path / "s.zarr", ["--store", str(tmp_path / "s.zarr")] if kind == "run" else []
    rule = ["--momentum", "0.5", "--batch", "2", "--label-noise", "0.1", "--noise-steps", "30", "--noise-seed", "4"]
    options = ["--n", "3", "--d", "6", "--sparsity", "1", "--max-steps", "40", "--backend", "numpy"]
    options += ["--schedule", "cosine(20, final=0.5)"]
    main([kind, *(start or [str(store)]), "--lr", "0.02", "--init-scale", "0.1", *rule, *options])
    main(["report", str(store)])
    printed = capsys.readouterr().out
    assert "momentum=0.5 batch=2 label_noise=0.1 noise_steps=30 schedule=cosine(20, final=0.5) noise_seed=4" in printed
    names: dict = {}
    exec("\n".join(line.strip() for line in printed.split("The same in Python")[1].splitlines()), names)
    again, stored = names["ds"], open_result(store)
    assert again.attrs["spec"] == stored.attrs["spec"]
    xr.testing.assert_equal(again, stored)


def test_report_verb(tmp_path, capsys):
    sims.sweep(theory.power(2), theory.single_point([1.0], 1.0), [0.1], max_steps=5, store=tmp_path / "s.zarr")
    main(["report", str(tmp_path / "s.zarr")])
    assert "Made by" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["difference(2)", "product(3)", "custom(u*v - w**2)"])
def test_derivation_as_a_document(tmp_path, model):
    main(["derive", model, "--tex", str(tmp_path / "d.tex")])
    text = (tmp_path / "d.tex").read_text()
    assert text.startswith(r"\documentclass") and text.rstrip().endswith(r"\end{document}")
    plain = re.sub(r"\\\[.*?\\\]|\\begin\{align\*\}.*?\\end\{align\*\}", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[_^&#%$]", plain)  # outside of formulas nothing is special
    for opened, closed in ((r"\begin{align*}", r"\end{align*}"), (r"\[", r"\]"), ("{", "}")):
        assert text.count(opened) == text.count(closed)


def test_notebooks_show_formulas():
    assert theory.derive(theory.power(2))._repr_latex_().startswith("$")
    assert theory.statements()["ALG-1"]._repr_latex_().startswith("$")
