"""Runs agree with a long-double twin, with one another on every path to them, and with what theory says."""

import numpy as np
import pytest

import reference
from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.sims.engine.job import Job
from gdbias.sims.engine.numba.backend import advance
from gdbias.sims.measure.block import begin_runs
from gdbias.sims.options import Options
from gdbias.theory import NoInterpolator, Problem
from gdbias.theory.derivation.landscape import Landscape

OWN_KERNELS = [("power", 4), ("difference", 3), ("difference", 4), ("product", 4)]  # that no other quick test needs
DEPTHS = [
    pytest.param(name, L, marks=[pytest.mark.slow] if (name, L) in OWN_KERNELS else [])
    for name in reference.FAMILIES
    for L in (2, 3, 4)
]

SAME = ("theta", "beta", "loss", "steps", "status")

# Batched: the last bits depend on the batch.
MEASURED = ("sharpness", "sharpness_residual", "sharpness_max", "sharpness_adaptive", "trace")


def family(name, L):
    return theory.parse(f"{name}({L})")


def drawn(name, L, n=4, d=6, seed=0):
    """A correlated problem that the family can fit, and unequal start weights."""
    rng = np.random.default_rng([seed, L])
    X, y, _ = reference.random_problem(rng, n, d, positive=name == "power")
    return Problem(X, y), reference.random_start(rng, name, L, d)


def top_rate(model, problem, theta0, name, L):
    try:
        return theory.predict(model, problem, theta0=theta0).lr_critical
    except NoInterpolator:
        return 0.6 * 2 / reference.sharpness_by_differences(name, L, theta0, problem.X, problem.y)


def paper_point():
    return theory.single_point((0.5, 1, 1.5, 2, 2.5), 3)


def noisy(n=100, d=5, seed=0):
    return theory.sparse_regression(n=n, d=d, sparsity=3, noise=0.5, correlation=0.5, n_test=10, seed=seed)


def assert_same_runs(one, other):
    """Bitwise, but for the eigenvalues."""
    assert one.drop_vars(MEASURED).drop_attrs().identical(other.drop_vars(MEASURED).drop_attrs())
    for name in ("sharpness", "sharpness_max", "sharpness_adaptive", "trace"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12, err_msg=name)


def assert_bitwise(one, other):
    for name in SAME:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("name, L", DEPTHS)
def test_descent_is_the_long_double_twin(name, L, share):
    problem, theta0 = drawn(name, L)
    model = family(name, L)
    lr = share * top_rate(model, problem, theta0, name, L)
    options = dict(theta0=theta0, max_steps=300, tol=1e-300)
    ds = sims.descend(model, problem, lr, **options)
    steps = int(ds.steps)
    assert steps > 50
    theta, losses = reference.descend(name, L, theta0, problem.X, problem.y, lr, steps)
    size = np.abs(theta).max()
    np.testing.assert_allclose(ds.theta.values, theta.astype(float), rtol=1e-9, atol=1e-9 * float(size))
    np.testing.assert_allclose(float(ds.loss), float(losses[-1]), rtol=1e-9, atol=1e-25)
    beta = reference.effective(name, L, theta).astype(float)
    np.testing.assert_allclose(ds.beta.values, beta, rtol=1e-9, atol=1e-9 * np.abs(beta).max())
    slow = sims.descend(model, problem, lr, backend="numpy", **options)
    last, _ = reference.descend(name, L, theta0, problem.X, problem.y, lr, int(slow.steps))
    np.testing.assert_allclose(slow.theta.values, last.astype(float), rtol=1e-9, atol=1e-9 * float(size))
    np.testing.assert_allclose(slow.theta.values, ds.theta.values, rtol=1e-12, atol=1e-12 * float(size))
    np.testing.assert_allclose(float(slow.sharpness), float(ds.sharpness), rtol=1e-10)


@pytest.mark.parametrize(
    "name, L", [("power", 2), pytest.param("difference", 3, marks=pytest.mark.slow), ("product", 3)]
)
def test_sharpness_at_the_end_is_the_hessians(name, L):
    problem, theta0 = drawn(name, L)
    lr = 0.3 * top_rate(family(name, L), problem, theta0, name, L)
    ds = sims.descend(family(name, L), problem, lr, theta0=theta0, max_steps=40)
    top = reference.sharpness_by_differences(name, L, ds.theta.values, problem.X, problem.y)
    np.testing.assert_allclose(float(ds.sharpness), top, rtol=1e-7)


def test_one_run_of_a_sweep_is_descend_bitwise():
    model, problem = theory.difference(2), theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4)
    rates, scales = [0.02, 0.11, 0.9, 40.0], [0.05, 0.3]
    ds = sims.sweep(model, problem, rates, scales, max_steps=2000)
    for scale in scales:
        for lr in rates:
            alone = sims.descend(model, problem, lr, scale, max_steps=2000)
            assert_bitwise(ds.sel(init_scale=scale, lr=lr), alone)


def test_threads_and_neighbours_change_no_number():
    model, problem = theory.product(2), theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4)
    rates, scales = sims.Grid(0.01, 2.0, 24), sims.Grid(0.01, 0.5, 3)
    options = dict(max_steps=1500, tol=1e-8)
    one = sims.sweep(model, problem, rates, scales, threads=1, **options)
    two = sims.sweep(model, problem, rates, scales, threads=2, **options)
    assert one.drop_attrs().identical(two.drop_attrs())
    part = sims.sweep(model, problem, rates.values()[3:20:4], scales.values()[1:], **options)
    assert_same_runs(part, one.isel(lr=slice(3, 20, 4), init_scale=slice(1, None)))


@pytest.mark.parametrize(
    "rule",
    [theory.UpdateRule(), pytest.param(theory.UpdateRule(momentum=0.5, weight_decay=0.01), marks=pytest.mark.slow)],
    ids=str,
)
@pytest.mark.parametrize("n", [1, 5])
def test_the_place_in_a_block_changes_no_number(n, rule):
    """Of a run that is advanced first or last, not even the vector of its power iteration."""
    model, problem = theory.difference(2), theory.sparse_regression(n=n, d=12, sparsity=2, n_test=0)
    landscape, start = Landscape(theory.derive(model, rule=rule), problem), model.theta0(0.1, 12)[None]
    job = Job(landscape, Options(max_steps=400, threads=1), np.zeros(1, dtype=np.int64))
    rates = sims.Grid(0.01, 1.0, 61).values()
    found = []
    for order in (slice(None), slice(None, None, -1)):
        runs = begin_runs(landscape, start, np.zeros(61, dtype=int), rates[order])
        advance(job, runs)
        found.append(
            {name: getattr(runs, name)[order] for name in ("theta", "vector", "sharpness_max", "loss", "steps")}
        )
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name], err_msg=name)


def test_chunks_change_no_number():
    model, problem = theory.power(2), paper_point()
    whole = sims.sweep(model, problem, sims.Grid(0.01, 0.4, 20), [0.1, 0.2], threads=2, max_steps=500)
    parts = sims.sweep(model, problem, sims.Grid(0.01, 0.4, 20), [0.1, 0.2], threads=2, max_steps=500, chunk_runs=3)
    assert_same_runs(whole, parts)


def test_numpy_sweep_agrees_with_numba():
    model, problem = theory.difference(2), theory.sparse_regression(n=6, d=10, sparsity=3)
    fast, slow = (
        sims.sweep(model, problem, [0.01, 0.05, 50.0], [0.1, 0.4], max_steps=800, backend=backend)
        for backend in ("numba", "numpy")
    )
    np.testing.assert_array_equal(fast.status, slow.status)
    np.testing.assert_array_equal(fast.steps, slow.steps)
    np.testing.assert_allclose(fast.theta, slow.theta, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name, L", [("power", 2), ("power", 3), ("difference", 2), ("difference", 3), ("product", 3)])
def test_flow_ends_where_predicted(name, L):
    problem, theta0 = drawn(name, L)
    model = family(name, L)
    ds = sims.flow(model, problem, theta0=theta0, tol=1e-18, rtol=1e-11)
    assert int(ds.status) == Status.CONVERGED
    predicted = theory.predict(model, problem, theta0=theta0)
    np.testing.assert_allclose(ds.beta.values, predicted.flow.beta, rtol=0, atol=1e-7)
    np.testing.assert_allclose(float(ds.sharpness), predicted.flow.sharpness, rtol=1e-6)
    assert (np.diff(ds.path_loss) <= 1e-12).all()


def test_more_samples_than_features_end_at_least_squares():
    problem = noisy()
    ds = sims.sweep(theory.difference(2), problem, [0.02, 0.05], [0.1, 0.3], tol=1e-20)
    assert (ds.status == Status.CONVERGED).all()
    best, residual, *_ = np.linalg.lstsq(problem.X, problem.y)
    np.testing.assert_allclose(ds.beta, np.broadcast_to(best, ds.beta.shape), rtol=0, atol=1e-8)
    np.testing.assert_allclose(ds.loss, residual[0] / (2 * problem.n), rtol=1e-12)
    np.testing.assert_allclose(ds.test_risk, problem.test_risk(ds.beta.values), rtol=1e-12)


def test_edge_of_stability_at_the_papers_point():
    model, problem = theory.power(2), paper_point()
    predicted = theory.predict(model, problem, 0.1)
    critical, flow_l1 = predicted.lr_critical, predicted.flow.l1_norm
    rates = critical * np.linspace(1.05, 1.5, 10)
    ds = sims.sweep(model, problem, rates, 0.1).isel(init_scale=0)
    assert (ds.status == Status.CONVERGED).all()
    edge = rates * ds.sharpness.values / 2
    assert edge.min() >= 0.98 and edge.max() <= 1.0001
    l1 = ds.beta_l1.values
    assert (np.diff(l1) > 0).all()
    np.testing.assert_allclose([flow_l1, l1[0], l1[-1]], [1.378, 1.488, 2.205], atol=1e-3)


def test_statuses():
    model, problem = theory.power(2), paper_point()
    far = sims.descend(model, problem, 100.0)
    assert int(far.status) == Status.DIVERGED and np.isnan(far.sharpness) and not bool(far.monotone)
    short = sims.descend(model, problem, 0.01, max_steps=1)
    assert int(short.status) == Status.STEP_LIMIT and int(short.steps) == 1 and np.isfinite(short.sharpness)
    none = sims.descend(model, problem, 0.01, max_steps=0)
    np.testing.assert_array_equal(none.theta, model.theta0(0.1, problem.d))
    done = sims.descend(model, problem, 0.01)
    assert int(done.status) == Status.CONVERGED and float(done.loss) < 1e-10 and bool(done.monotone)


def test_records_are_the_run():
    model, problem = theory.difference(2), theory.sparse_regression(n=6, d=10, sparsity=3)
    options = dict(lr=0.05, max_steps=100, tol=1e-300)
    ds = sims.descend(model, problem, record_every=7, **options)
    np.testing.assert_array_equal(ds.step, np.arange(0, 101, 7))
    np.testing.assert_allclose(ds.time, 0.05 * ds.step, rtol=1e-15)
    beta0 = reference.effective("difference", 2, reference.standard_start("difference", 2, 0.1, 10))
    np.testing.assert_allclose(float(ds.path_loss[0]), problem.loss_at(beta0), rtol=1e-14)
    last = sims.descend(model, problem, **(options | dict(max_steps=98)))
    np.testing.assert_array_equal(ds.path_theta[-1], last.theta)
    np.testing.assert_allclose(float(ds.path_loss[-1]), float(last.loss), rtol=1e-10)
    assert_bitwise(ds, sims.descend(model, problem, **options))  # recording changes nothing


def test_models_and_problems_are_dimensions():
    models = [theory.power(2), theory.product(2)]
    problems = [theory.sparse_regression(n=5, d=8, sparsity=8, signs="positive", seed=s) for s in (3, 5, 8)]
    ds = sims.sweep(models, problems, [0.02, 0.05], [0.1], max_steps=200)
    assert dict(ds.status.sizes) == {"model": 2, "seed": 3, "init_scale": 1, "lr": 2}
    assert list(ds.model.values) == ["power(2)", "product(2)"] and list(ds.seed.values) == [3, 5, 8]
    for i, model in enumerate(models):
        alone = sims.sweep(model, problems[2], [0.02, 0.05], [0.1], max_steps=200)
        cell = ds.sel(model=model.name, seed=8)
        for name in ("beta", "loss", "steps", "status"):
            np.testing.assert_array_equal(cell[name], alone[name])
        m = len(model.weights)
        np.testing.assert_array_equal(ds.theta[i, 2, :, :, :m], alone.theta)
        assert np.isnan(ds.theta[i, 2, :, :, m:]).all()


def test_data_without_an_interpolator_warn_and_run():
    problem = Problem(np.array([[1.0, 0.5, 2.0]]), np.array([-1.0]))
    with pytest.warns(UserWarning):
        ds = sims.sweep(theory.power(2), problem, [0.01, 0.05], max_steps=300)
    np.testing.assert_allclose(ds.loss_min, 0.5)  # beta >= 0 and X > 0: nothing beats beta = 0
    assert (ds.loss >= 0.5).all() and (ds.loss < problem.loss_at(np.full(3, 0.01))).all()


def test_logistic_loss():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((13, 5))  # odd: the kernel's tiles end in rows of padding, whose loss would be log 2
    problem = Problem(X, np.sign(X @ [1.0, -1.0, 0.5, 2.0, 0.0]), loss="logistic")
    fast, slow = (
        sims.descend(theory.difference(2), problem, 0.1, max_steps=400, record_every=10, backend=backend)
        for backend in ("numba", "numpy")
    )
    assert (np.diff(fast.path_loss) < 0).all() and bool(fast.monotone)
    np.testing.assert_allclose(float(fast.path_loss[0]), np.log(2), rtol=1e-14)
    margins = problem.y * (X @ fast.beta.values)
    np.testing.assert_allclose(float(fast.loss), np.log1p(np.exp(-margins)).mean(), rtol=1e-12)
    np.testing.assert_allclose(fast.theta, slow.theta, rtol=1e-11)
    np.testing.assert_allclose(fast.path_loss, slow.path_loss, rtol=1e-11)


def test_custom_model_follows_its_gradient():
    model, problem = theory.custom("u*v - w**2"), theory.sparse_regression(n=4, d=6, sparsity=2, n_test=0)
    assert [w.name for w in model.weights] == ["u", "v", "w"]
    u, v, w = reference.random_start(np.random.default_rng(1), "product", 3, 6)
    ds = sims.descend(model, problem, 0.02, theta0=np.stack([u, v, w]), max_steps=60)
    for _ in range(60):
        g = problem.X.T @ (problem.X @ (u * v - w**2) - problem.y) / problem.n
        u, v, w = u - 0.02 * v * g, v - 0.02 * u * g, w + 0.04 * w * g
    np.testing.assert_allclose(ds.theta, [u, v, w], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["power", *(pytest.param(n, marks=pytest.mark.slow) for n in ("difference", "product"))]
)
def test_depth_one_is_linear_regression(name):
    problem, theta0 = drawn(name, 1)
    curvature = np.linalg.eigvalsh(problem.X.T @ problem.X / problem.n)[-1] * len(theta0)
    ds = sims.descend(family(name, 1), problem, 1 / curvature, theta0=theta0, max_steps=200, tol=1e-300)
    theta, _ = reference.descend(name, 1, theta0, problem.X, problem.y, 1 / curvature, int(ds.steps))
    np.testing.assert_allclose(ds.theta, theta.astype(float), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(float(ds.sharpness), curvature, rtol=1e-9)
