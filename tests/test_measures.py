"""Measures that tell bias from oscillation: adaptive sharpness, trace, averaged and cooled endpoints, GFS sharpness."""

import importlib
import importlib.util

import numpy as np
import pytest

import reference
from gdbias import figures, sims, theory
from gdbias.figures.cli.data_options import Data
from gdbias.sims import Status
from gdbias.theory import GdbiasError, InputError, MissingExtra
from gdbias.theory.derivation.landscape import Landscape
from small_results import drawn

ENDPOINTS = importlib.import_module("gdbias.sims.measure.settled")

MODELS = ["power(3)", "difference(2)", "product(3)", "custom(u*v - w**2)"]


def unequal(name, loss="squared"):
    model, rng = theory.parse(name), np.random.default_rng(0)
    X, y, _ = reference.random_problem(rng, 4, 6, positive=name.startswith("power"))
    y = np.sign(y) if loss == "logistic" else y
    problem = theory.Problem(X, y, loss=loss)
    return model, problem, rng.uniform(0.3, 0.9, (5, len(model.weights), 6))


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("name", MODELS)
def test_adaptive_sharpness_and_trace_against_dense_hessians(name, loss):
    model, problem, theta = unequal(name, loss)
    landscape = Landscape(theory.derive(model, problem.loss), problem)
    found, total = landscape.sharpness(theta, adaptive=True), landscape.trace(theta)
    for k, point in enumerate(theta):
        H, size = landscape.dense_hessian(point), np.abs(point).ravel()
        assert found.value[k] == pytest.approx(np.linalg.eigvalsh(size[:, None] * H * size)[-1], rel=1e-9)
        assert total[k] == pytest.approx(np.trace(H), rel=1e-10)


def test_adaptive_sharpness_ignores_a_rescaling_that_keeps_the_function():
    model, problem, theta = unequal("product(3)")
    landscape, c = Landscape(theory.derive(model), problem), np.array([2.0, 0.25, 2.0])[:, None]
    one, other = (landscape.sharpness(t, adaptive=True).value for t in (theta, c * theta))
    np.testing.assert_allclose(one, other, rtol=1e-9)
    assert (np.abs(landscape.sharpness(c * theta).value / landscape.sharpness(theta).value - 1) > 0.1).all()


def edge(**other):
    problem = theory.sparse_regression(n=6, d=12, sparsity=3, n_test=10)
    model = theory.difference(2)
    last = float(theory.predict(model, problem, 0.1).lr_critical_final)
    return dict(model=model, problem=problem, init_scale=0.1, max_steps=300, average=4, cool=True) | other, last


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_average_is_of_the_next_steps_and_cooling_is_flow(backend):
    arguments, last = edge(backend=backend)
    run = sims.descend(**arguments, lr=1.2 * last)
    assert run.status == Status.STEP_LIMIT and run.sharpness != pytest.approx(float(run.cooled_sharpness), rel=1e-6)
    longer = sims.descend(**arguments | dict(max_steps=304, record_every=1), lr=1.2 * last)
    mean = longer.path_theta.values[301:305].mean(axis=0)
    assert float(run.averaged_theta_l2) == pytest.approx(np.linalg.norm(mean), rel=1e-12)
    assert float(run.averaged_beta_l1) == pytest.approx(np.abs(mean[0] ** 2 - mean[1] ** 2).sum(), rel=1e-12)
    flow = sims.flow(arguments["model"], arguments["problem"], theta0=run.theta.values)
    for name in ("sharpness", "theta_l1", "beta_l1", "test_risk"):
        assert float(run[f"cooled_{name}"]) == pytest.approx(float(flow[name]), rel=1e-4), name
    assert run.cooled_loss < 1e-20
    plain = sims.descend(**arguments | dict(average=0, cool=False), lr=1.2 * last)
    for name in plain.data_vars:  # the run itself is as without
        np.testing.assert_array_equal(plain[name], run[name])


def test_a_sweep_has_the_endpoints_of_its_runs(tmp_path):
    arguments, last = edge()
    lr = [0.5 * last, 1.2 * last, 40 * last]
    ds = sims.sweep(**arguments, lr=lr, store=tmp_path / "a.zarr").isel(init_scale=0)
    ends = [name for name in ds.data_vars if name.startswith(("averaged_", "cooled_"))]
    assert len(ends) == 14
    for k in range(2):
        run = sims.descend(**arguments, lr=lr[k])
        for name in ends:
            assert float(ds[name][k]) == pytest.approx(float(run[name]), rel=1e-9, abs=1e-25), name
    assert ds.status[2] == Status.DIVERGED and all(np.isnan(ds[name][2]) for name in ends)
    bare = sims.sweep(**arguments | dict(average=0, cool=False), lr=lr)
    assert not any(str(name).startswith(("averaged", "cooled")) for name in bare.data_vars)


def test_cooling_without_a_formula_integrates_and_logistic_has_no_endpoint():
    model, problem, theta = unequal("product(3)")
    run = sims.descend(model, problem, 1e-3, theta0=theta[0], max_steps=20, cool=True)
    flow = sims.flow(model, problem, theta0=run.theta.values)
    assert float(run.cooled_sharpness) == pytest.approx(float(flow.sharpness), rel=1e-9)
    model, problem, theta = unequal("difference(2)", "logistic")
    run = sims.descend(model, problem, 1e-3, theta0=theta[0], max_steps=20, cool=True, average=2, backend="numpy")
    assert np.isnan(run.cooled_sharpness) and np.isfinite(run.averaged_sharpness)


def test_gfs_sharpness_of_a_scalar_chain():  # phi = sqrt((u^2 - v^2)^2 + 4 y^2)
    start, problem = np.array([[1.9], [0.2]]), theory.single_point([1.0], 1.0)
    asked = dict(max_steps=30, record_every=1, gfs_sharpness=True, backend="numpy")
    run = sims.descend(theory.product(2), problem, 0.6, theta0=start, **asked)
    u, v = run.path_theta.values[:, :, 0].T
    np.testing.assert_allclose(run.path_gfs_sharpness, np.sqrt((u * u - v * v) ** 2 + 4), rtol=1e-10)
    [line] = drawn(figures.trajectory(run), "gfs_sharpness")
    np.testing.assert_allclose(line[1], run.path_gfs_sharpness)


def test_gfs_sharpness_of_many_samples_is_that_of_flow():
    arguments, last = edge(record_every=100, gfs_sharpness=True, average=0, cool=False)
    run = sims.descend(**arguments, lr=1.2 * last)
    for k, theta in enumerate(run.path_theta.values):
        flow = sims.flow(arguments["model"], arguments["problem"], theta0=theta)
        assert float(run.path_gfs_sharpness[k]) == pytest.approx(float(flow.sharpness), rel=1e-4)
    assert run.path_gfs_sharpness[-1] < run.path_gfs_sharpness[0]


@pytest.mark.parametrize("bad", [dict(average=3), dict(average=-2), dict(average=10**6), dict(gfs_sharpness=True)])
def test_what_cannot_be_measured_is_refused(bad):
    arguments, last = edge()
    with pytest.raises(InputError, match=next(iter(bad))):
        sims.descend(**arguments | bad, lr=0.5 * last)


def test_gfs_sharpness_is_of_the_loss_alone():
    arguments, last = edge(average=0, cool=False, record_every=100, gfs_sharpness=True)
    with pytest.raises(InputError, match="weight_decay = 0.1"):
        sims.descend(**arguments, lr=0.5 * last, rule=theory.UpdateRule(weight_decay=0.1))


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="the extra data is not installed")
def test_diabetes():
    problem = theory.diabetes(20, seed=1)
    assert (problem.n, problem.d, problem.X_test.shape) == (20, 64, (422, 64))
    np.testing.assert_allclose(problem.X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(problem.X.std(axis=0), 1)
    sex = problem.X[:, 1]
    assert len(np.unique(sex)) == 2
    product = sex * problem.X[:, 0]  # the first feature times the second is the eleventh, standardised
    np.testing.assert_allclose(problem.X[:, 10], (product - product.mean()) / product.std(), atol=1e-12)
    assert Data(diabetes=20, seed=1).setting()[1].fingerprint == problem.fingerprint
    run = sims.descend(theory.difference(2), problem, 0.01, max_steps=5)
    assert "data" not in run.attrs and sims.rebuild(run)[1][0].fingerprint == problem.fingerprint
    for train in (1, 442):
        with pytest.raises(InputError, match="train"):
            theory.diabetes(train)
    with pytest.raises(InputError, match="exclude"):
        Data(diabetes=20, npz="a.npz").setting()


def test_diabetes_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gdbias\[data\]'"):
        theory.diabetes()


def test_runs_that_cannot_be_cooled_are_counted_and_lose_no_other(monkeypatch):
    def failing(landscape, theta, *rest):
        if theta.max() < 1.0001:  # the larger learning rate ends farther from 1
            raise GdbiasError("no end")
        return integrate(landscape, theta, *rest)

    integrate = ENDPOINTS.integrate
    monkeypatch.setattr(ENDPOINTS, "_exact_end", lambda *_: None)
    monkeypatch.setattr(ENDPOINTS, "integrate", failing)
    with pytest.warns(UserWarning, match="2 of 3 states could not be cooled, .* NaN: no end") as seen:
        ds = sims.sweep(
            theory.power(2), theory.single_point([1.0], 1.0), [0.1, 0.2, 0.51], 0.1, max_steps=200, cool=True
        )
    assert len(seen) == 1
    np.testing.assert_array_equal(np.isnan(ds.cooled_loss.values.ravel()), [True, True, False])
    assert (ds.status.values.ravel() == [Status.CONVERGED, Status.CONVERGED, Status.STEP_LIMIT]).all()
