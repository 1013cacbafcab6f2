"""Phase planes over models and over problems of different n, from one sweep each, and on the command line."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.figures.parts.results import stored_prediction
from gdbias.sims.store.group import open_result
from gdbias.theory.errors import InputError
from phase_table import share
from small_results import drawn, mesh, text_of

MODELS = [theory.power(3), theory.power(2)]
PROBLEMS = [theory.sparse_regression(n=n, d=12, sparsity=2, seed=0, n_test=0) for n in (6, 3)]
LR = np.geomspace(0.02, 1.5, 12)


@pytest.fixture(scope="module")
def depth():
    problem = theory.sparse_regression(n=4, d=12, sparsity=2, signs="positive", seed=5, n_test=0)
    ds = sims.sweep(MODELS, problem, LR, 0.3, max_steps=3000, window=512)
    return ds, [theory.predict(model, problem, 0.3) for model in MODELS]


@pytest.fixture(scope="module")
def samples():
    ds = sims.sweep(theory.difference(2), PROBLEMS, LR, 0.1, max_steps=3000, window=512)
    return ds, [theory.predict(theory.difference(2), problem, 0.1) for problem in PROBLEMS]


def expected(ds, preds):
    """Runs that are right, counted one by one: (right, counted)."""
    bounds = [(p.lr_critical, p.lr_critical_final, p.lr_max, p.lr_divergence) for p in preds]
    return share(LR, ds.phase.values.reshape(len(preds), -1), bounds)


@pytest.mark.parametrize("plane, order, labels", [
    ("depth", [0, 1], ["power(3)", "power(2)"]), ("samples", [1, 0], ["0.25", "0.5"]),
])  # fmt: skip
def test_rows_lines_and_the_share_belong_together(plane, order, labels, request):
    ds, preds = request.getfixturevalue(plane)
    figure = figures.phase_diagram(ds, preds, by="phase")
    shown = np.asarray(mesh(figure, "phase").get_array())
    phases = [list(mesh_phase) for mesh_phase in ds.phase.values.reshape(2, -1)[order]]
    for cells, row in zip(shown, phases, strict=True):  # colours stand for phases, one to one
        assert len(set(zip(cells.tolist(), row, strict=True))) == len(set(row))
    figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == labels
    for name in ("lr_critical", "lr_critical_final", "lr_max"):
        [(x, y)] = drawn(figure, name)
        for row, at in enumerate(order):
            inside = (y >= row - 0.5) & (y <= row + 0.5) & (np.arange(len(y)) // 3 == row)
            np.testing.assert_allclose(x[inside], getattr(preds[at], name))
    right, counted = expected(ds, preds)
    assert f"{right} of {counted} runs" in text_of(figure) and right / counted > 0.8
    with pytest.raises(InputError, match="give a list"):
        figures.phase_diagram(ds, preds[0])
    with pytest.raises(InputError, match="one prediction a row"):
        figures.phase_diagram(ds, preds[:1])


def test_problems_carry_their_number_of_samples_in_memory_and_in_a_store(samples, tmp_path):
    ds, _ = samples
    assert ds.n.dims == ("seed",) and ds.n.values.tolist() == [6, 3]
    stored = sims.sweep(theory.difference(2), PROBLEMS, LR[:2], 0.1, max_steps=50, store=tmp_path / "runs.zarr")
    assert "n" in stored.coords and stored.n.values.tolist() == [6, 3]


def test_lists_are_refused_where_the_figure_draws_one(depth):
    ds, _ = depth
    with pytest.raises(InputError, match="model"):
        figures.norm_sharpness(ds)
    with pytest.raises(InputError, match="seed"):
        figures.phase_diagram(ds.expand_dims(seed=[0, 1]))


@pytest.mark.parametrize("options, dim, many", [
    (["--model", "power(2), custom(u*v; u=alpha, v=0)"], "model", ["power(2)", "custom(u*v; v=0)"]),
    (["--n", "3,6", "--model", "difference(2)"], "n", [3, 6]),
])  # fmt: skip
def test_the_command_line_takes_several(options, dim, many, tmp_path, capsys):
    store, out = str(tmp_path / "runs.zarr"), tmp_path / "plane.png"
    small = ["--d", "12", "--sparsity", "2", "--n-test", "0", *options]
    main(["sweep", store, *small, "--lr", "0.01,0.1", "--init-scale", "0.3", "--max-steps", "50", "--backend", "numpy"])
    ds = open_result(store)
    assert ds[dim].size == 2
    if dim == "n":
        assert ds.n.values.tolist() == many
    preds = stored_prediction(ds)
    assert isinstance(preds, list) and len(preds) == 2
    main(["plot", "phase_diagram", store, "--out", str(out)])
    assert out.stat().st_size > 1000
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["predict", *small])
    assert "only gdbias sweep takes them" in capsys.readouterr().err


def test_a_phase_diagram_without_lr_max_says_why():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 4))
    noisy = theory.Problem(X, X @ [1, 0, -1, 2] + 0.3 * rng.standard_normal(12))
    ds = sims.sweep(theory.difference(2), noisy, [0.02, 0.05], [0.1, 0.2], max_steps=50)
    figure = figures.phase_diagram(ds, theory.predict(theory.difference(2), noisy, np.array([0.1, 0.2])))
    assert "no lr_max: no coefficients fit the 12 samples exactly" in " ".join(text_of(figure).split())
