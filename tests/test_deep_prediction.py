"""The central flow of deep networks: its parts against dense and independent ones, its ends against descent's mean."""

from functools import partial

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
eqx = pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

from scipy.optimize import minimize

from gdbias import sims
from gdbias.sims.deep.central_flow import follow
from gdbias.sims.deep.complementarity import multiplier, packed, unpacked
from gdbias.sims.deep.course import Course
from gdbias.sims.deep.gradient_flow import integrate
from gdbias.sims.deep.measure import sharpness, state_at
from gdbias.sims.deep.one_prediction import predict, swinging
from gdbias.sims.deep.one_run import flow_to_its_end, run
from gdbias.sims.deep.options import DeepOptions, FollowingOptions
from gdbias.sims.deep.oscillation import held, slopes
from gdbias.sims.deep.several import gradients, hessian_products
from gdbias.sims.deep.top_eigenspace import leading
from gdbias.sims.deep.training_loss import objective
from gdbias.sims.schema import measured
from gdbias.sims.status import Doubt, Status
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError

jnp = jax.numpy
NET = sims.deep.network("fcn", width=12, depth=1, activation="tanh")
OPTIONS = DeepOptions(tol=0.03, max_steps=5000)


@pytest.fixture(scope="module")
def data():
    return sims.deep.load("digits", train=100, test=50)


@pytest.fixture(scope="module")
def small(data):
    """Start, objective and what gradient flow ends at."""
    theta0, target = objective(NET, data)
    found, _ = flow_to_its_end(target, theta0, OPTIONS)
    return theta0, target, {f"flow_{name}": value for name, value in found.items()}


def random_symmetric(rng, k):
    A = rng.standard_normal((k, k))
    return (A + A.T) / 2


def push(k, scale=1.0):
    rng, size = np.random.default_rng(k), k * (k + 1) // 2
    C = rng.standard_normal((size, size + 2))
    return random_symmetric(rng, k) - np.eye(k), scale * C @ C.T


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_multiplier_is_complementary_to_what_it_leaves(k, scale):
    A, B = push(k, scale)
    X = multiplier(A, B, np.zeros((k, k)), 1.0)
    rest = A + unpacked(B @ packed(X), k)
    assert np.linalg.eigvalsh(X)[0] >= -1e-9 / scale and np.linalg.eigvalsh(rest)[0] >= -1e-4
    assert np.trace(X) > 0 and abs(np.sum(X * rest)) <= 1e-4 * np.trace(X)
    np.testing.assert_array_equal(multiplier(np.eye(k), B, X, 1.0) > 1e-4 / scale, np.zeros((k, k), bool))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_multiplier_is_the_minimiser(k):
    """Over X = Y Y', found without projections by another method."""
    A, B = push(k)

    def value(y):
        X = y.reshape(k, k) @ y.reshape(k, k).T
        return np.sum(A * X) + packed(X) @ B @ packed(X) / 2

    y = minimize(value, np.random.default_rng(0).standard_normal(k * k), tol=1e-10).x.reshape(k, k)
    np.testing.assert_allclose(multiplier(A, B, np.zeros((k, k)), 1.0), y @ y.T, atol=1e-3 * np.abs(y @ y.T).max())


def test_packed_coordinates_keep_the_inner_product():
    rng = np.random.default_rng(0)
    X, Y = random_symmetric(rng, 3), random_symmetric(rng, 3)
    assert packed(X) @ packed(Y) == pytest.approx(np.sum(X * Y))
    np.testing.assert_allclose(unpacked(packed(X), 3), X)


def test_the_leading_eigenpairs_are_the_dense_ones_and_one_that_overtakes_is_seen():
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.standard_normal((300, 300)))
    values = np.r_[-50.0, np.linspace(-1, 1, 295), 2.5, 2.8, 2.9, 3.0]
    found = leading(lambda rows: rows @ Q * values @ Q.T, np.empty((0, 300)), np.full(3, 1e-6))
    np.testing.assert_allclose(found.values[:3], [3.0, 2.9, 2.8], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.vectors[:3] @ Q[:, :-4:-1]), np.eye(3), atol=1e-5)
    values[-4] = 3.1  # the guard's, that was not wanted
    again = leading(lambda rows: rows @ Q * values @ Q.T, found.vectors, np.full(3, 1e-2))
    np.testing.assert_allclose(again.values[:3], [3.1, 3.0, 2.9], rtol=1e-3)


@pytest.mark.parametrize("activation, loss", [("tanh", "squared"), ("gelu", "cross_entropy")])
def test_slopes_are_differences_of_hessians(activation, loss):
    data, rng = sims.deep.load("digits", train=20, test=0), np.random.default_rng(0)
    with jax.enable_x64(True):
        theta, target = objective(sims.deep.network("fcn", 3, 1, activation), data, loss, "float64")
        product = jax.jit(lambda theta, v: target.hessian_product(theta, v))
        U, along = np.linalg.qr(rng.standard_normal((theta.size, 2)))[0].T, rng.standard_normal(theta.size)
        G, curvature = slopes(target, theta, target.gradient(theta), U, np.zeros(2))

        def between(at):
            return U @ np.array([product(theta + at * along, u) for u in U]).T

        middle, change = between(0), (between(1e-4) - between(-1e-4)) / 2e-4
    np.testing.assert_allclose(unpacked(G @ along, 2), change, atol=1e-3 * np.abs(change).max())
    np.testing.assert_allclose(curvature, middle, atol=1e-3 * np.abs(middle).max())


@pytest.mark.parametrize("count", [1, 9])
def test_derivatives_along_several_vectors_are_those_of_each(small, count):
    theta, target, _ = small
    rows = np.random.default_rng(0).standard_normal((count, theta.size))
    each = [jnp.asarray(row, theta.dtype) for row in rows]
    for found, one in (
        (hessian_products(target, theta, rows), jax.jit(lambda v: target.hessian_product(theta, v))),
        (gradients(target, theta, rows), jax.jit(lambda v: target.gradient(theta + v))),
    ):
        np.testing.assert_allclose(found, [one(v) for v in each], atol=1e-5 * np.abs(found).max())


def test_a_run_ends_the_sooner_the_more_often_its_oscillation_can_be_small():
    course = Course(0.0, center_arrival=100.0, arrival=110.0)
    shares, times = zip(*(course.ending(memory) for memory in (1e6, 10.0, 1e-6)), strict=True)
    np.testing.assert_allclose(shares, [1, 0.5, 0], atol=1e-4)
    np.testing.assert_allclose(times, [110, 105, 100], atol=1e-2)
    assert Course(0.0, center_arrival=100.0).ending(10.0) == (1.0, np.inf)


class Valley(eqx.Module):
    """``L = x' M(y) x / 2 - b . y`` with M symmetric and linear in y: two directions that sharpen at given rates.

    At the edge M is ``2 / lr`` times the identity, and the drift of y has to be undone: ``<dM/dy_i, X> / 2 = b_i``.
    """

    b: jax.Array
    X: jax.Array
    chunk: int = eqx.field(static=True, default=1)

    def loss(self, theta):
        x, y = theta[:2], theta[2:]
        return x @ jnp.array([[y[0], y[2]], [y[2], y[1]]]) @ x / 2 - self.b @ y

    def gradient(self, theta):
        return jax.grad(self.loss)(theta)

    def hessian_product(self, theta, v):
        return jax.jvp(self.gradient, (theta,), (v,))[1]


@pytest.mark.parametrize("lr", [0.05, 0.5])
@pytest.mark.parametrize("b", [(0.3, 0.2, 0.1), (0.3, 0.0, 0.0)])
def test_the_oscillation_undoes_the_drift(b, lr):
    valley = Valley(jnp.array(b), jnp.zeros(1))
    theta = jnp.array([0.0, 0.0, 1.8 / lr, 1.5 / lr, 0.0])
    for center in follow(valley, theta, lr):
        if center.time > 30 / lr:
            break
    y = np.asarray(center.theta)[2:]
    assert y[0] == pytest.approx(2 / lr, rel=1e-4) and center.sharpness == 2 / lr
    covariance = center.swings.T @ center.swings
    if b[1]:
        np.testing.assert_allclose(y, [2 / lr, 2 / lr, 0], atol=1e-3 / lr)
        np.testing.assert_allclose(covariance[:2, :2], [[2 * b[0], b[2]], [b[2], 2 * b[1]]], rtol=1e-2, atol=1e-3)
    else:
        assert y[1] == pytest.approx(1.5 / lr, rel=1e-3)
        np.testing.assert_allclose(covariance, 2 * b[0] * np.eye(5)[:, :1] @ np.eye(5)[:1], rtol=1e-2, atol=1e-4)
    assert center.mean_loss == pytest.approx(center.loss + np.trace(covariance) / lr)


@pytest.mark.slow
def test_what_is_held_is_at_the_bound_after_the_shift(small):
    """The Hessian at the shifted weights has its largest eigenvalue at the bound, to second order in the shift."""
    theta, target, _ = small
    for center in follow(target, theta, 0.02):
        if center.time > 1:
            break
    top = leading_of(target, center.theta)
    missed = []
    for past in (0.02, 0.01):
        bound = top.values[0] / (1 + past)
        slope = target.gradient(center.theta)
        G, _ = slopes(target, center.theta, slope, top.vectors[:1], np.zeros(1))
        X, shift = held(G, top.values[:1, None], top, np.zeros((1, 1)), 0.1, bound)
        assert X[0, 0] > 0
        missed.append(sharpness(target, center.theta + jnp.asarray(shift, "float32")).value / bound - 1)
    assert abs(missed[1]) < 0.5 * abs(missed[0]) and abs(missed[0]) < 0.2 * 0.02


def leading_of(target, theta):
    return leading(partial(hessian_products, target, theta), np.empty((0, theta.size)), np.full(2, 1e-4))


def test_below_the_edge_it_is_gradient_flow(small):
    theta0, target, _ = small
    path = integrate(target, theta0, max_time=20.0)
    points = []
    for center in follow(target, theta0, 1e-3, rtol=1e-3):
        points.append(center)
        if center.time > 20:
            break
    before, after = points[-2:]
    x = (20 - before.time) / (after.time - before.time)
    assert not any(len(center.X) for center in points)
    assert before.loss ** (1 - x) * after.loss**x == pytest.approx(path.loss, rel=2e-2)
    exact = integrate(target, theta0, max_time=after.time).theta
    assert np.linalg.norm(after.theta - exact) < 0.01 * np.linalg.norm(exact - theta0)


@pytest.mark.parametrize("multiple", [0.3, 0.9])
def test_below_the_edge_it_ends_on_the_step_of_the_run(small, multiple):
    theta0, target, flow = small
    lr = multiple * flow["flow_lr_critical"]
    told = predict(target, theta0, lr, OPTIONS, FollowingOptions(rtol=1e-3), flow)
    found = run(target, theta0, lr, OPTIONS)[0]
    assert abs(told["steps"] - found["steps"]) <= 1 and found["steps"] > 300
    assert told["theta_l1"] == pytest.approx(found["theta_l1"], abs=2e-3)


def test_kinks_below_the_edge_take_no_more_steps_than_smooth_networks(data):
    """A tolerance that smooth networks meet in few steps takes very many where errors fall with the first power."""
    theta0, target = objective(sims.deep.network("fcn", width=12, depth=1, activation="relu"), data)
    flow = flow_to_its_end(target, theta0, OPTIONS)[0]
    lr = 0.9 * flow["lr_critical"]
    points = []
    for center in follow(target, theta0, lr, kinks=True):
        points.append(center)
        if center.loss < OPTIONS.tol:
            break
    found = run(target, theta0, lr, OPTIONS)[0]
    assert len(points) < 200 and points[-1].time / lr == pytest.approx(found["steps"], rel=0.05)


def test_a_tolerance_within_rounding_is_that_of_rounding(small):
    theta0, target, _ = small
    for center in follow(target, theta0, 1e-4, rtol=1e-12):
        if center.time > 0.2:
            break
    exact = integrate(target, theta0, max_time=center.time, rtol=1e-6).theta
    assert center.time > 0.2 and np.linalg.norm(center.theta - exact) < 1e-2 * np.linalg.norm(exact - theta0)


def test_means_over_a_swing_are_those_of_its_ends(small):
    theta, target, _ = small
    s = 0.3 * np.random.default_rng(0).standard_normal(theta.size)
    told, at = swinging(target, theta, s[None], 0.1), state_at(target, theta)[0]
    ends = [state_at(target, theta + sign * jnp.asarray(s, "float32"))[0] for sign in (1, -1)]
    for name in ("test_risk", "theta_l1"):
        assert told[name] == pytest.approx(np.mean([end[name] for end in ends]), rel=1e-5)
        assert abs(told[name] - at[name]) > 1e-2 * at[name]
    assert told["theta_l2"] ** 2 == pytest.approx(np.mean([end["theta_l2"] ** 2 for end in ends]), rel=1e-5)
    assert told["loss"] == pytest.approx(at["loss"] + s @ s / 0.1, rel=1e-5)
    assert told["sharpness"] == at["sharpness"]


@pytest.mark.slow
def test_it_ends_where_descent_does_in_the_mean(small):
    theta0, target, flow = small
    rng = np.random.default_rng(0)
    starts = [theta0 * jnp.asarray(1 + 1e-6 * rng.standard_normal(theta0.size), "float32") for _ in range(3)]
    for multiple in (0.7, 1.5):
        lr = multiple * flow["flow_lr_critical"]
        told = predict(target, theta0, lr, OPTIONS, FollowingOptions(), flow)
        runs = [run(target, start, lr, OPTIONS)[0] for start in starts]
        mean = {name: np.mean([found[name] for found in runs]) for name in ("steps", "sharpness", "averaged_test_risk")}
        assert told["status"] == Status.CONVERGED and not told["doubts"] & Doubt.NO_ARRIVAL
        assert told["steps"] == pytest.approx(mean["steps"], rel=0.03)
        assert told["sharpness"] == pytest.approx(mean["sharpness"], rel=0.03)  # not separated
        assert told["averaged_test_risk"] == pytest.approx(mean["averaged_test_risk"], rel=0.01)
        assert told["low_steps"] <= mean["steps"] <= told["high_steps"]
        wide = [
            told[f"high_{n}"] - told[f"low_{n}"] > abs(told[n] - flow[f"flow_{n}"]) for n in ("theta_l1", "theta_l2")
        ]
        assert bool(told["doubts"] & Doubt.FAINT) == (multiple > 1 and any(wide))


def test_a_prediction_has_the_schema_of_a_sweep_and_resumes(data, tmp_path):
    store, protocol = tmp_path / "told.zarr", dict(tol=0.3, warm=3, land=5)
    first = sims.deep.predicted(NET, data, [0.05], store=store, **protocol)
    again = sims.deep.predicted(NET, data, [0.05], store=store, **protocol)
    assert again.equals(first) and open_result(store).status.values == [Status.CONVERGED]
    assert set(first.data_vars) == {
        *measured("deep", ("flow",)), *measured("deep_predicted", ("end", "averaged", "low", "high"))
    }  # fmt: skip
    runs = sims.deep.sweep(NET, data, [0.05], tol=0.3)
    assert first.flow_theta_l1 == runs.flow_theta_l1
    for name in ("steps", "theta_l1", "sharpness", "averaged_test_risk", "averaged_loss"):
        np.testing.assert_allclose(first[name], runs[name], rtol=0.03)
    assert first.low_steps <= runs.steps <= first.high_steps
    with pytest.raises(InputError, match="warm"):
        sims.deep.predicted(NET, data, [0.05], store=store, tol=0.3, warm=4, land=5)


def test_what_ends_before_the_flow_begins_is_the_run(small):
    theta0, target, flow = small
    found = run(target, theta0, 1e5, OPTIONS)[0]
    told = predict(target, theta0, 1e5, OPTIONS, FollowingOptions(), flow)
    assert told["status"] == Status.DIVERGED and told["steps"] == found["steps"] == told["low_steps"]
    assert told["doubts"] == Doubt.NOT_SEPARATED | Doubt.NO_ARRIVAL


@pytest.mark.parametrize("land", [0, 15])
def test_a_flow_that_is_stopped_has_not_arrived(small, land):
    theta0, target, flow = small
    options = DeepOptions(tol=1e-9, max_steps=60)
    told = predict(target, theta0, 0.05, options, FollowingOptions(warm=20, land=land), flow)
    assert told["status"] == Status.STEP_LIMIT and told["steps"] == 60 and told["doubts"] == Doubt.NO_ARRIVAL
    found = run(target, theta0, 0.05, options)[0]
    assert told["theta_l2"] == pytest.approx(found["theta_l2"], rel=1e-3)
    assert told["loss"] == pytest.approx(found["loss"], rel=0.02)


def test_a_landing_from_the_start_of_the_flow_is_the_run(small):
    theta0, target, flow = small
    lr, options = 0.5 * flow["flow_lr_critical"], DeepOptions(tol=0.1)
    told = predict(target, theta0, lr, options, FollowingOptions(land=10**5), flow)
    found = run(target, theta0, lr, options)[0]
    assert abs(told["steps"] - found["steps"]) <= 1 and told["low_steps"] <= found["steps"] <= told["high_steps"]
    for name in ("loss", "sharpness", "theta_l1", "averaged_loss", "averaged_theta_l2"):
        assert told[name] == pytest.approx(found[name], rel=2e-3)


@pytest.mark.parametrize("wrong", [dict(warm=-1), dict(land=2.5), dict(rtol=0), dict(rtol=1), dict(warmup=3)])
def test_bad_input_is_refused(data, wrong):
    with pytest.raises(InputError):
        sims.deep.predicted(NET, data, 0.1, **wrong)


@pytest.mark.parametrize("wrong, meant", [("wram", "warm"), ("tolerance", "rtol"), ("x", "land, rtol")])
def test_a_wrong_option_is_told_those_of_predictions_too(data, wrong, meant):
    with pytest.raises(InputError, match=meant):
        sims.deep.predicted(NET, data, 0.1, **{wrong: 1})
