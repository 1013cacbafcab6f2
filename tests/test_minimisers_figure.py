"""The three minimisers of one sample, drawn: every check reads the drawn data back."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims.status import Status
from gdbias.theory import InputError
from small_results import drawn

MODEL, X, Y = theory.power(2), np.array([1.6, 0.5, 1.2, 0.8]), 1.5
PROBLEM = theory.single_point(X, Y)
PRED = theory.predict(MODEL, PROBLEM, 0.1)
FOUND = theory.minimisers(MODEL, X, Y)


def test_the_three_lie_where_they_are(tmp_path):
    store = str(tmp_path / "runs.zarr")
    ds = sims.sweep(MODEL, PROBLEM, np.geomspace(0.5 * PRED.lr_critical, 2 * PRED.lr_max, 8), 0.1, store=store)
    figure = figures.minimisers(PRED, ds, points=5)
    order = np.argsort(X)
    for name in ("norm", "sharpness", "generalisation"):
        one = getattr(FOUND, name)
        [(x, share)] = drawn(figure, f"share {name}")
        np.testing.assert_allclose([x, share], [X[order], one.share[order]])
        np.testing.assert_allclose(np.ravel(drawn(figure, f"error {name}")), [one.sharpness, one.expected_error])
    row = ds.isel(init_scale=0)
    good = row.status.values == Status.CONVERGED
    [(S, error)] = drawn(figure, "descent error")
    assert 2 <= good.sum() < 8
    np.testing.assert_array_equal(S, row.sharpness[good])
    np.testing.assert_allclose(error, FOUND.expected_error(row.beta.values[good]))
    main(["plot", "minimisers", store, "--out", str(tmp_path / "three.png")])
    assert (tmp_path / "three.png").stat().st_size > 10_000


def test_the_frontier_of_one_sample_ends_at_two_of_them():
    line = theory.frontier(MODEL, PROBLEM, 3)
    np.testing.assert_allclose(line.beta[[0, -1]], [FOUND.norm.beta, FOUND.sharpness.beta], atol=1e-5)
    np.testing.assert_allclose(line.sharpness[[0, -1]], [FOUND.norm.sharpness, FOUND.sharpness.sharpness], rtol=1e-5)


def test_several_samples_have_another_figure():
    problem = theory.sparse_regression(n=3, d=6, sparsity=1, signs="positive")
    with pytest.raises(InputError, match="figures.frontier"):
        figures.minimisers(theory.predict(MODEL, problem, 0.1))
