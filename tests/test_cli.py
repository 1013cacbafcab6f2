"""The command line, called in this process: outputs exist, bad input exits with 2 and one line."""

import subprocess
import sys

import numpy as np
import pytest
import zarr

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims.store.group import open_result

SMALL = ["--n", "4", "--d", "12", "--sparsity", "2", "--n-test", "50"]


def call(*arguments):
    main([str(a) for a in arguments])


def test_derive_prints_the_chain(capsys):
    call("derive", "difference(2)")
    assert "u*v" in capsys.readouterr().out


def test_predict_prints_what_python_predicts(capsys):
    call("predict", *SMALL, "--init-scale", 0.2)
    problem = theory.sparse_regression(4, 12, 2, signs="positive", n_test=50)
    expected = theory.predict(theory.power(2), problem, 0.2).lr_critical
    printed = capsys.readouterr().out
    assert float(printed.split("lr_critical")[1].split()[0]) == pytest.approx(expected, rel=1e-5)
    assert "most runs above it diverge" in printed.split("lr_divergence")[1].splitlines()[0]


def test_predict_takes_the_steps_of_a_rule_that_never_rests(capsys):
    asked = ["predict", "--n", 20, "--signs", "random", "--lr", 0.02]
    call(*asked, "--rule", "sam", "--steps", 20_000)
    problem = theory.sparse_regression(20, 40, 5, signs="random", n_test=200)
    pred = theory.predict(theory.difference(2), problem, 0.1, rule=theory.UpdateRule(step="sam"))
    printed = capsys.readouterr().out
    assert f"sharpness {pred.endpoint(0.02, steps=20_000).sharpness:.6g}" in printed and "after 20000 steps" in printed
    for wrong in (["--steps", 20_000], ["--rule", "sam", "--steps", 3], ["plane.zarr", "--steps", 20_000]):
        with pytest.raises(SystemExit) as end:
            call(*asked, *wrong)
        assert end.value.code == 2 and "steps" in capsys.readouterr().err.splitlines()[-1]


def test_sweep_then_plot_and_resume(tmp_path, capsys):
    store = tmp_path / "runs.zarr"
    arguments = ["sweep", store, *SMALL, "--lr", "0.01:0.05:3:log", "--init-scale", "0.1,0.2", "--max-steps", 50]
    call(*arguments)
    assert "6 runs were stopped after 50 steps" in capsys.readouterr().err
    first = open_result(store)
    assert first.sizes["lr"] == 3 and np.allclose(first.init_scale, [0.1, 0.2])
    call(*arguments)
    assert open_result(store).equals(first)
    call("plot", "phase_diagram", store, "--out", tmp_path / "phases.png")
    assert (tmp_path / "phases.png").stat().st_size > 1000
    with pytest.raises(SystemExit):
        call("plot", "phase_diagram", store, "--predicted", store)
    assert f"{store} (kind: sweep) is not what sims.predicted" in capsys.readouterr().err.splitlines()[-1]


def test_run_draws_its_trajectory(tmp_path, capsys):
    call("run", "--lr", 0.05, *SMALL, "--max-steps", 30, "--plot", tmp_path / "run.pdf")
    assert (tmp_path / "run.pdf").read_bytes().startswith(b"%PDF")
    printed = capsys.readouterr().out
    assert "STEP_LIMIT" in printed
    sharpness, edge = (float(printed.split(f"\n{name} ")[1].split()[0]) for name in ("sharpness", "edge"))
    assert edge == pytest.approx(0.05 * sharpness / 2, rel=1e-6)


RULE = [
    "--momentum",
    0.5,
    "--weight-decay",
    0.01,
    "--batch",
    2,
    "--label-noise",
    0.1,
    "--schedule",
    "ramp(20, start=0.5)",
]


def test_run_and_sweep_take_an_update_rule(tmp_path, capsys):
    same = [*SMALL, "--init-scale", 0.1, "--max-steps", 40, "--backend", "numpy"]
    rule = theory.UpdateRule(momentum=0.5, weight_decay=0.01, batch=2, label_noise=0.1, schedule="ramp(20, start=0.5)")
    problem = theory.sparse_regression(4, 12, 2, signs="positive", n_test=50)
    expected, plain = (
        sims.descend(theory.power(2), problem, 0.05, 0.1, max_steps=40, backend="numpy", rule=r)
        for r in (rule, theory.UpdateRule())
    )
    assert not np.array_equal(expected.theta, plain.theta)
    call("run", "--lr", 0.05, *same, *RULE, "--store", tmp_path / "run.zarr")
    call("sweep", tmp_path / "runs.zarr", "--lr", 0.05, *same, *RULE)
    for ds in (open_result(tmp_path / "run.zarr"), open_result(tmp_path / "runs.zarr").sel(lr=0.05, init_scale=0.1)):
        np.testing.assert_array_equal(ds.theta, expected.theta)
        assert sims.rebuild_rule(ds) == rule
    call("sweep", tmp_path / "runs.zarr", "--lr", 0.05, *same, *RULE)  # nothing is missing
    with pytest.raises(SystemExit) as end:
        call("sweep", tmp_path / "runs.zarr", "--lr", 0.05, *same)
    assert end.value.code == 2 and "runs.zarr" in capsys.readouterr().err.splitlines()[-1]


def test_run_and_sweep_take_a_step_by_its_equations(tmp_path, capsys):
    equations = "weight - lr*v/sqrt(total(gradient**2)); v <- drag*v + gradient, from weight"
    same = [*SMALL, "--init-scale", 0.1, "--max-steps", 40, "--backend", "numpy", "--step", equations]
    call("run", "--lr", 0.05, *same, "--step-parameters", "drag=0.5", "--store", tmp_path / "run.zarr")
    call("sweep", tmp_path / "runs.zarr", "--lr", 0.05, *same, "--step-parameters", "drag = 0.5")
    call("sweep", tmp_path / "runs.zarr", "--lr", 0.05, *same, "--step-parameters", "drag=0.5")  # nothing is missing
    rule = theory.UpdateRule(step=equations, step_parameters={"drag": 0.5})
    for ds in (open_result(tmp_path / "run.zarr"), open_result(tmp_path / "runs.zarr").sel(lr=0.05, init_scale=0.1)):
        assert sims.rebuild_rule(ds) == rule and float(ds.loss) > 0
    with pytest.raises(SystemExit) as end:
        call("sweep", tmp_path / "runs.zarr", "--lr", 0.05, *same, "--step-parameters", "drag=0.6")
    assert end.value.code == 2 and "runs.zarr" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "option, value",
    [
        ("--step", "weight - tanh(gradient)"),
        ("--step", "weight - lr*drag*gradient"),
        ("--step-parameters", "drag=0.5"),
        ("--step-parameters", "drag"),
        ("--momentum", "1"),
        ("--weight-decay", "-1"),
        ("--batch", "5"),
        ("--label-noise", "nan"),
        ("--noise-steps", "-1"),
        ("--schedule", "ramp(0)"),
        ("--schedule", "linear(3)"),
        ("--noise-seed", "-1"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "sweep"])
def test_a_rule_that_cannot_be_is_one_line(verb, option, value, tmp_path, capsys):
    store = [tmp_path / "runs.zarr"] if verb == "sweep" else []
    with pytest.raises(SystemExit) as end:
        call(verb, *store, "--lr", "0.05", *SMALL, "--max-steps", 5, f"{option}={value}")
    [line] = capsys.readouterr().err.splitlines()
    named = {
        "--schedule": value.partition("(")[0],
        "--step-parameters": option,
        "--step": "drag" if "drag" in value else "tanh",
    }
    word = named.get(option, option.strip("-").replace("-", "_"))
    assert end.value.code == 2 and word in line
    assert not list(tmp_path.iterdir())


def test_quickstart_on_a_table_writes_everything(tmp_path, capsys, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3))
    table = np.c_[X, X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(30)]
    np.savetxt(tmp_path / "data.csv", table, delimiter=",", header="a,b,c,y", comments="")
    quick = pytest.importorskip("gdbias.figures.cli.quickstart_verb")
    monkeypatch.setattr(quick, "SCALES", np.array([0.1, 0.3]))
    monkeypatch.setattr(quick, "RATES", 6)
    call("quickstart", "--csv", tmp_path / "data.csv", "--target", "y", "--out", tmp_path / "out")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"phase_diagram.png", "norm_sharpness.png", "summary.md", "sweep.zarr"} <= made
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "lr_critical" in summary and "In 2 of 2 rows gradient flow ends at its largest sharpness" in summary


@pytest.fixture
def drawn(monkeypatch):
    """The prediction that each figure function was given."""
    given = {}

    def recorded(name, draw):
        def inside(ds, pred, *rest):
            given[name] = pred
            return draw(ds, pred, *rest)

        return inside

    for name in ("phase_diagram", "norm_sharpness"):
        monkeypatch.setattr(figures, name, recorded(name, getattr(figures, name)))
    return given


def test_plot_says_which_row_it_drew_and_that_it_replaced_a_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("sweep", "runs.zarr", *SMALL, "--lr", "0.01:0.05:3:log", "--init-scale", "0.1,0.2", "--max-steps", 50)
    for options, last in (
        ([], "written to norm_sharpness.png, init_scale 0.1 of 0.1, 0.2: choose with --init-scale"),
        (["--init-scale", 0.2], "written to norm_sharpness.png (replaced)"),
    ):
        call("plot", "norm_sharpness", "runs.zarr", "--no-predict", *options)
        assert capsys.readouterr().err.splitlines()[-1] == last


@pytest.mark.parametrize("figure", ["phase_diagram", "norm_sharpness"])
def test_plot_predicts_for_the_stored_model_and_data(figure, tmp_path, capsys, drawn):
    store, out = tmp_path / "runs.zarr", tmp_path / "figure.png"
    call("sweep", store, *SMALL, "--lr", "0.01:0.05:3:log", "--init-scale", "0.1,0.2", "--max-steps", 50)
    capsys.readouterr()
    call("plot", figure, store, "--out", out)
    problem = theory.sparse_regression(4, 12, 2, signs="positive", n_test=50)
    expected = theory.predict(theory.power(2), problem, [0.1, 0.2])
    np.testing.assert_array_equal(drawn[figure].lr_critical, expected.lr_critical)
    *told, last = capsys.readouterr().err.splitlines()
    assert last == f"written to {out}" and all(
        "held against theory" in line for line in told
    )  # 50 steps decide nothing
    call("plot", figure, store, "--out", out, "--no-predict")
    assert drawn[figure] is None


@pytest.mark.parametrize("figure", ["phase_diagram", "norm_sharpness"])
@pytest.mark.filterwarnings("ignore:power")  # the sweep says it too
def test_plot_without_a_prediction_says_why(figure, tmp_path, capsys):
    store, out = tmp_path / "runs.zarr", tmp_path / "figure.png"
    X = np.array([[1.0, 2.0]])
    np.savez(tmp_path / "data.npz", X=X, y=[-1.0])  # a square cannot be negative
    call("sweep", store, "--npz", tmp_path / "data.npz", "--model", "power(2)", "--lr", "0.01,0.02", "--max-steps", 5)
    for spoilt in (False, True):
        if spoilt:
            zarr.open_group(store, mode="r+").attrs["data"] = "[]"
        capsys.readouterr()
        call("plot", figure, store, "--out", out)
        why, *_, written = capsys.readouterr().err.splitlines()
        assert ("data are not stored" if spoilt else "(0, inf)") in why and str(out) in written


def test_help_imports_nothing_heavy():
    """It takes a third of a second with NumPy alone, a whole one with the others."""
    heavy = "{'matplotlib', 'numba', 'scipy', 'sympy', 'xarray'} & set(sys.modules)"
    code = f"import sys, gdbias.figures.cli.command; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)
