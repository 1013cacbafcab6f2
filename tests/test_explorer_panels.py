"""What the explorer says of a cell and names in its panels: tables, legends, and coefficients by their columns."""

from dataclasses import replace

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims.status import Status

pytest.importorskip("bokeh", reason="needs pip install 'gdbias[explore]'")

from gdbias.figures.explorer import runs, words  # noqa: E402
from gdbias.figures.explorer.explored import Explored  # noqa: E402
from gdbias.figures.explorer.run_view import RunView  # noqa: E402

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=20)
LR, SCALES = [0.05, 0.1], [0.1, 0.3]


@pytest.fixture(scope="module")
def explored():
    return Explored("in memory", sims.sweep(MODEL, PROBLEM, LR, SCALES, max_steps=100))


def test_a_table_has_no_empty_columns(explored):
    seen = replace(runs.stored(explored, explored.plane({}), 0, 0), status=Status.CONVERGED)
    bare, told = (words.described(each) for each in (seen, replace(seen, predicted={"sharpness": (10.0, np.nan)})))
    assert "<th>run</th>" in bare and not any(f"<th>{head}</th>" in bare for head in words.HEADS[2:])
    assert "<th>predicted</th><th>run - predicted</th></tr>" in told
    assert len({row.count("<td>") for row in told.split("<tr>")[2:]}) == 1


def test_no_legend_lies_over_curves_and_truth_is_named_where_there_is_one(explored):
    _, _, norms, coefficients = RunView(explored).panels.children
    assert norms.legend[0] in norms.above and norms.legend[0] not in norms.center
    assert coefficients.title.text.endswith("- truth")
    unknown = theory.Problem(PROBLEM.X, PROBLEM.y)
    other = Explored("in memory", sims.sweep(MODEL, unknown, LR, SCALES, max_steps=10))
    assert "truth" not in RunView(other).panels.children[3].title.text


def test_coefficients_of_a_table_have_the_names_of_its_columns(tmp_path, explored):
    rows = np.random.default_rng(0).normal(size=(4, 4))
    lines = ["age,bmi,a rather long name,target", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    problem = theory.Problem.from_csv(tmp_path / "table.csv", target="target", test_fraction=0)
    sims.sweep(MODEL, problem, LR, SCALES, max_steps=10, store=tmp_path / "table.zarr")
    [axis] = RunView(Explored.open(str(tmp_path / "table.zarr"))).panels.children[3].below
    assert axis.major_label_overrides == {0: "age", 1: "bmi", 2: "a rather lo…"}
    assert "bmi" not in repr(problem) and problem.spec["features"][2] == "a rather long name"
    assert RunView(explored).panels.children[3].below[0].major_label_overrides == {}
