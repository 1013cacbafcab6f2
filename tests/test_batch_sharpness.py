"""The curvature of batches along their own gradients, held to closed forms and to dense Hessians typed by hand."""

import itertools

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims.measure import batches
from gdbias.sims.measure.batches import batch_sharpness
from gdbias.theory import UpdateRule, derive
from gdbias.theory.derivation.landscape import Landscape

PROBLEM = theory.sparse_regression(n=5, d=7, sparsity=2, signs="random", noise=0.3, seed=3)


def found(model, problem, size, theta, seed=0):
    rule = UpdateRule(batch=size, noise_seed=seed)
    return batch_sharpness(Landscape(derive(model, problem.loss, rule), problem), theta)


def by_hand(X, y, u, v):
    """g' H g / |g|^2 of |X (u^2 - v^2) - y|^2 / (2 m)."""
    r = X @ (u**2 - v**2) - y
    J = np.hstack([2 * X * u, -2 * X * v])
    g = J.T @ r / len(y)
    bent = 2 * (X.T @ r) / len(y)
    H = J.T @ J / len(y) + np.diag(np.concatenate([bent, -bent]))
    return g @ H @ g / (g @ g)


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_it_is_the_mean_over_all_batches_where_they_are_few(size):
    theta = np.random.default_rng(size).standard_normal((3, 2, 7))
    chosen = [list(batch) for batch in itertools.combinations(range(5), size)]
    expected = [np.mean([by_hand(PROBLEM.X[b], PROBLEM.y[b], u, v) for b in chosen]) for u, v in theta]
    np.testing.assert_allclose(found(theory.difference(2), PROBLEM, size, theta), expected, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_one_sample_of_a_linear_model_has_the_square_of_its_length(unit):
    problem = theory.Problem(unit * PROBLEM.X, PROBLEM.y)
    expected = (problem.X**2).sum(axis=1).mean()
    np.testing.assert_allclose(found(theory.power(1), problem, 1, np.ones((2, 1, 7))), expected, rtol=1e-12)


def test_many_batches_are_drawn_by_the_seed_and_their_mean_is_near_that_of_all(monkeypatch):
    problem, theta = theory.sparse_regression(n=12, d=7, sparsity=2, noise=0.3, seed=3), np.full((1, 1, 7), 0.7)
    drawn = [found(theory.power(2), problem, 4, theta, seed)[0] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    monkeypatch.setattr(batches, "DRAWN", 495)  # all
    assert drawn[0] == pytest.approx(found(theory.power(2), problem, 4, theta)[0], rel=0.1)


def test_a_batch_that_is_fitted_does_not_count_and_points_that_are_not_finite_have_none():
    X = np.eye(2)
    problem = theory.Problem(X, [1.0, 2.0])
    theta = np.array([[[1.0, 1.0]], [[1.0, np.nan]], [[1.0, 2.0]]])  # the first sample fitted; both
    values = found(theory.power(1), problem, 1, theta)
    assert values[0] == 1 and np.isnan(values[1:]).all()


def test_runs_report_it_at_their_ends_and_along_paths_and_those_of_all_samples_do_not():
    rules = [UpdateRule(), UpdateRule(batch=2), UpdateRule(momentum=0.5)]
    ds = sims.sweep(theory.difference(2), PROBLEM, [0.01], 0.3, rule=rules, max_steps=50, backend="numpy")
    assert np.isfinite(ds.batch_sharpness.values.ravel()).tolist() == [False, True, False]
    settings = dict(max_steps=50, record_every=10, backend="numpy")
    run = sims.descend(theory.difference(2), PROBLEM, 0.01, 0.3, rule=rules[1], **settings)
    assert run.path_batch_sharpness.shape == (6,)
    assert float(run.path_batch_sharpness[-1]) == pytest.approx(float(run.batch_sharpness), rel=1e-12)
    assert float(ds.batch_sharpness[1, 0, 0]) == pytest.approx(float(run.batch_sharpness), rel=1e-12)
    plain = sims.descend(theory.difference(2), PROBLEM, 0.01, 0.3, **settings)
    assert "batch_sharpness" not in plain and "path_batch_sharpness" not in plain


def test_a_store_of_rules_of_which_one_draws_batches_is_whole(tmp_path):
    """The other's chunk of batch sharpness, which holds NaN alone, is written too."""
    asked = dict(lr=[0.02, 0.05], init_scale=0.1, max_steps=50, rule=[UpdateRule(), UpdateRule(batch=2)])
    stored, plain = (
        sims.sweep(theory.difference(2), PROBLEM, store=store, progress=False, **asked)
        for store in (tmp_path / "mixed.zarr", None)
    )
    for name in plain.data_vars:
        np.testing.assert_array_equal(stored[name], plain[name], err_msg=name)
