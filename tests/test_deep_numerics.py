"""The numerics under deep runs, against dense and independent ones."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
eqx = pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

from scipy.integrate import solve_ivp

from gdbias import sims
from gdbias.sims.deep.convolution import Convolution, halved
from gdbias.sims.deep.descent import advance, begin
from gdbias.sims.deep.gradient_flow import integrate
from gdbias.sims.deep.integrator import _coefficients, longest, stages
from gdbias.sims.deep.integrator import start as loss_and_slope
from gdbias.sims.deep.lanczos import largest
from gdbias.sims.deep.measure import adaptive_sharpness, sharpness
from gdbias.sims.deep.options import DeepOptions
from gdbias.sims.deep.training_loss import evaluate, hessian, objective
from gdbias.sims.status import Status
from gdbias.theory import InputError

KINDS = {
    "fcn": dict(width=5, depth=2),
    "cnn": dict(width=3, depth=2),
    "resnet": dict(width=3, depth=1),
    "vit": dict(width=4, depth=1),
}


@pytest.fixture(scope="module")
def data():
    return sims.deep.load("digits", train=40, test=20)


def outputs(theta, target):
    return np.asarray(jax.jit(lambda weights: jax.vmap(target.assemble(weights))(target.X))(theta))


@pytest.mark.parametrize("activation, loss", [("tanh", "squared"), ("relu", "cross_entropy")])
def test_sharpness_is_the_dense_hessians(data, activation, loss):
    theta, target = objective(sims.deep.network("fcn", width=5, depth=2, activation=activation), data, loss)
    H = np.asarray(jax.jit(jax.hessian(target.loss))(theta), dtype=float)
    top, size = sharpness(target, theta), np.abs(np.asarray(theta, dtype=float))
    assert top.value == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-4)
    assert np.linalg.norm(H @ top.vector - top.value * top.vector) == pytest.approx(top.residual, abs=1e-4 * top.value)
    adaptive = adaptive_sharpness(target, theta).value
    assert adaptive == pytest.approx(np.linalg.eigvalsh(size[:, None] * H * size)[-1], rel=1e-4)


@pytest.mark.parametrize("kind, loss", [("fcn", "cross_entropy"), ("cnn", "squared")])
def test_gradients_in_both_precisions_and_by_differences(data, kind, loss):
    net = sims.deep.network(kind, activation="tanh", **KINDS[kind])
    theta, target = objective(net, data, loss)
    single = np.asarray(jax.jit(lambda t: target.gradient(t))(theta), dtype=float)
    with jax.enable_x64(True):
        theta64, target64 = objective(net, data, loss, "float64")
        np.testing.assert_array_equal(np.asarray(theta64), np.asarray(theta))
        double = np.asarray(jax.jit(lambda t: target64.gradient(t))(theta64))
        v = np.random.default_rng(0).standard_normal(theta.size)
        loss_at = jax.jit(lambda t: target64.loss(t))
        slope = (float(loss_at(theta64 + 1e-5 * v)) - float(loss_at(theta64 - 1e-5 * v))) / 2e-5
    assert double.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=2e-5 * np.abs(double).max())
    assert slope == pytest.approx(double @ v, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("kind", ["fcn", pytest.param("cnn", marks=pytest.mark.slow)])
def test_a_chunk_at_a_time_is_the_same_to_rounding(data, kind):
    net = sims.deep.network(kind, activation="gelu", **KINDS[kind])
    (theta, whole), (_, parts) = objective(net, data), objective(net, data, chunk=7)
    v = jax.numpy.cos(jax.numpy.arange(theta.size))
    assert whole.chunk > data.n > parts.chunk
    for find in (loss_and_slope, lambda target, theta: hessian(target, theta)(v), evaluate):
        for one, other in zip(jax.tree.leaves(find(whole, theta)), jax.tree.leaves(find(parts, theta)), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6 * np.abs(one).max())


def test_the_memory_of_a_chunk_does_not_grow_with_the_samples():
    def held(train, chunk):
        theta, target = objective(sims.deep.network("fcn", 200, 2), sims.deep.load("digits", train=train), chunk=chunk)
        compiled = jax.jit(lambda theta: target.gradient(theta)).lower(theta).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert held(800, 100) < held(200, 100) + 4 * 64 * 700  # and the samples themselves
    assert held(800, None) > 2 * held(200, None)


@pytest.mark.parametrize("height, width", [(8, 8), (9, 11), (4, 40)])
@pytest.mark.parametrize("options", [dict(side=3, padding=1), dict(side=2, stride=2)])
def test_a_convolution_of_rows_or_patches_is_a_convolution(options, height, width):
    options = dict(options)
    x = jax.numpy.asarray(np.random.default_rng(0).standard_normal((3, height, width)), "float32")
    ours = Convolution(3, 5, **options, key=jax.random.key(0))
    plain = eqx.nn.Conv2d(3, 5, options.pop("side"), **options, key=jax.random.key(0))
    np.testing.assert_allclose(ours(x), plain(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(halved(x), eqx.nn.AvgPool2d(2, 2)(x), rtol=1e-5, atol=1e-6)


def test_squared_loss_sums_outputs_and_halves(data):
    theta, target = objective(sims.deep.network("fcn", width=5, depth=1), data)
    f = outputs(theta, target)
    loss, accuracy, test_loss, test_accuracy = evaluate(target, theta)
    assert float(loss) == pytest.approx(((f - data.one_hot) ** 2).sum() / (2 * data.n), rel=1e-5)
    assert float(accuracy) == pytest.approx((f.argmax(1) == data.labels).mean())
    assert np.isfinite(float(test_loss)) and 0 <= float(test_accuracy) <= 1


@pytest.mark.parametrize("parameterization", ["mup", "kernel"])
@pytest.mark.parametrize("kind", ["fcn"])
def test_a_parameterization_keeps_the_function_and_moves_the_learning_rate(data, kind, parameterization):
    options = dict(width=5, depth=1, activation="tanh")
    plain = objective(sims.deep.network(kind, **options), data)
    other = objective(sims.deep.network(kind, parameterization=parameterization, base_width=5, **options), data)
    np.testing.assert_allclose(outputs(*plain), outputs(*other), rtol=1e-4, atol=1e-5)
    tops = [sharpness(target, theta).value for theta, target in (plain, other)]
    assert (tops[0] == pytest.approx(tops[1], rel=1e-4)) == (parameterization == "mup")


def test_mup_shrinks_the_output_and_standard_does_not(data):
    def spread(parameterization, width):
        net = sims.deep.network("fcn", width, 1, "tanh", parameterization, base_width=16)
        return outputs(*objective(net, data)).std(0).mean()

    assert spread("mup", 1024) < 0.4 * spread("mup", 16)
    assert spread("standard", 1024) > 0.5 * spread("standard", 16)


def test_lanczos_finds_the_largest_algebraic_eigenvalue():
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.standard_normal((200, 200)))
    values = np.r_[-50.0, np.linspace(-1, 1, 197), 2.9, 3.0]
    H = Q * values @ Q.T
    found = largest(lambda v: H @ v, rng.standard_normal(200), rtol=1e-8)
    assert found.value == pytest.approx(3.0, rel=1e-10)
    assert np.linalg.norm(H @ found.vector - found.value * found.vector) < 1e-7


def test_a_warm_start_sees_an_eigenvalue_that_overtakes():
    values, rng = np.r_[-5.0, np.linspace(-1, 1, 2992), np.linspace(1, 2, 5), 2.7, 3.0], np.random.default_rng(0)
    before = largest(lambda v: values * v, rng.standard_normal(3000), rtol=1e-4)
    again = largest(lambda v: values * v, before.start, rtol=1e-2)
    assert before.value == pytest.approx(3.0, rel=1e-5) and again.value == pytest.approx(3.0, rel=1e-3)
    values[-2] = 3.2
    assert largest(lambda v: values * v, again.start, rtol=1e-2).value == pytest.approx(3.2, rel=1e-3)
    assert largest(lambda v: values * v, again.vector, rtol=1e-2).value == pytest.approx(3.0, rel=1e-3)  # without it


@pytest.mark.parametrize("start", [np.ones(6), np.zeros(6), np.full(6, np.nan)])
def test_lanczos_given_nan_gives_nan(start):
    found = largest(lambda v: np.full(6, np.nan), start)
    assert np.isnan(found.value) and np.isnan(found.residual)
    assert largest(lambda v: 2.0 * v, start).value == pytest.approx(2.0)


def test_the_integrators_coefficients():
    """On y' = -lambda y: second order as the step shrinks, and bounded to the end of the stability interval."""

    def amplification(s, z):
        rows, last, new = _coefficients(s), 1.0, 1.0 - _coefficients(s)[1, 2] * z
        for mu, nu, slope, gamma in rows[2 : s + 1]:
            last, new = new, (1 - mu - nu) + mu * new + nu * last - z * (slope * new + gamma)
        return new

    for s in (2, 5, 12, 40):
        errors = [abs(amplification(s, z) - np.exp(-z)) for z in (0.02, 0.01)]
        assert 6.5 < errors[0] / errors[1] < 9.5
        assert max(abs(amplification(s, z)) for z in np.linspace(0.01, longest(s), 500)) <= 1
        assert stages(longest(s) * 0.999) == s


def test_flow_is_an_independent_integrators(data):
    net = sims.deep.network("fcn", width=5, depth=1, activation="tanh")
    with jax.enable_x64(True):
        theta, target = objective(net, data, "squared", "float64")
        gradient = jax.jit(lambda t: target.gradient(t))
        reference = solve_ivp(lambda _, y: -np.asarray(gradient(y)), (0, 20.0), theta, "LSODA", rtol=1e-9, atol=1e-10)
        errors = []
        for rtol in (1e-3, 1e-6):
            path = integrate(target, theta, max_time=20.0, rtol=rtol)
            errors.append(np.linalg.norm(path.theta - reference.y[:, -1]) / np.linalg.norm(theta))
    assert path.arrived and errors[0] < 1e-2 and errors[1] < 1e-5


def test_flow_ends_at_the_threshold(data):
    flow = sims.deep.flow(sims.deep.network("fcn", width=8, depth=1, activation="tanh"), data, tol=0.1, hold=1)
    assert flow.loss == pytest.approx(0.1, rel=1e-4) and flow.status == 0
    assert flow.lr_critical == 2 / flow.sharpness_max and (flow.path_sharpness <= flow.sharpness_max).all()
    assert (np.diff(flow.path_loss) < 0).all()


@pytest.mark.parametrize("loss, tol", [("cross_entropy", 1.8), pytest.param("squared", 0.6, marks=pytest.mark.slow)])
def test_no_peak_of_the_sharpness_is_missed(data, loss, tol):
    """Gradient flow in small steps of another method, its dense Hessian at every one."""
    net = sims.deep.network("fcn", width=5, depth=1, activation="tanh")
    flow = sims.deep.flow(net, data, loss=loss, tol=tol)
    with jax.enable_x64(True):
        theta, target = objective(net, data, loss, "float64")
        hessian, gradient = jax.jit(jax.hessian(target.loss)), jax.jit(lambda t: target.gradient(t))
        step, tops = 0.5 * float(flow.lr_critical), []
        while float(target.loss(theta)) > tol:
            tops.append(np.linalg.eigvalsh(np.asarray(hessian(theta)))[-1])
            half = theta - step / 2 * gradient(theta)
            theta = theta - step * gradient(half)
    assert flow.lr_critical == pytest.approx(2 / max(tops), rel=0.01)


def test_flow_ends_after_as_long_as_runs_hold(data):
    net = sims.deep.network("fcn", width=5, depth=1, activation="tanh")
    held, at_once = (sims.deep.flow(net, data, tol=0.25, hold=hold, precision="float64") for hold in (10, 1))
    with jax.enable_x64(True):
        theta, target = objective(net, data, "squared", "float64")
        path = integrate(target, integrate(target, theta, 0.25).theta, max_time=9 * float(at_once.lr_critical))
    assert float(at_once.loss) == pytest.approx(0.25, rel=1e-6)
    assert float(held.loss) == pytest.approx(path.loss, rel=1e-6) and float(held.loss) < 0.25


@pytest.mark.slow
def test_the_patches_of_a_transformer_are_part_of_what_it_is():
    """A store made with other tokens is of another network; kinds that have none are the same as ever."""
    four, seven = (sims.deep.network("vit", width=4, depth=1, patches=k) for k in (4, 7))
    assert four.spec()["patches"] == 4 and four.spec() != seven.spec()
    assert "patches" not in sims.deep.network("fcn", patches=7).spec()
    data = sims.deep.load("digits", train=10)
    with pytest.raises(InputError, match="patches = 9 is above the 8 pixels"):
        objective(sims.deep.network("vit", width=4, depth=1, patches=9), data)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_other_kinds_train(data, kind):
    theta, target = objective(sims.deep.network(kind, **KINDS[kind]), data)
    start = float(target.loss(theta))
    state = advance(target, begin(theta), 0.05, np.inf, DeepOptions(tol=0.9 * start, max_steps=300), 300)
    assert state.outcome == Status.CONVERGED and float(state.loss) < 0.9 * start


@pytest.mark.parametrize(
    "wrong",
    [dict(kind="mlp"), dict(width=0), dict(activation="sin"), dict(init_scale=0.0), dict(parameterization="sp"),
     dict(kind="vit", width=6), dict(depth=1.5), dict(seed=-1)],
)  # fmt: skip
def test_a_wrong_network_is_refused(wrong):
    with pytest.raises(InputError):
        sims.deep.network(**wrong)


@pytest.mark.parametrize("lr", [1e20, 1e38])
def test_a_loss_that_is_no_number_has_risen(data, lr):
    theta, target = objective(sims.deep.network("fcn", width=5, depth=2), data)
    ended = advance(target, begin(theta), lr, 1e6, DeepOptions(), 10)
    assert ended.outcome == Status.DIVERGED and int(ended.rising) == 1
