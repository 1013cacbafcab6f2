"""Deep linear networks: what is predicted in closed form, against finite differences and dense algebra."""

import numpy as np
import pytest

from gdbias import theory
from gdbias.theory import InputError, NoClosedForm, NoInterpolator
from gdbias.theory.linear import chain


def network(depth, seed=0, target=(3, 4), width=5):
    return theory.linear_network(np.random.default_rng(seed).standard_normal(target), depth, width)


def random_layers(net, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in net.shapes]


def loss(net, theta):
    return ((chain.product(chain.unpack(theta, net.shapes)) - net.target) ** 2).sum() / 2


def slope(net, theta):
    return chain.pack(chain.gradient(chain.unpack(theta, net.shapes), net.target))


def differences(function, theta, h=1e-3):
    """Fourth-order differences of a function along every coordinate."""
    rows = []
    for e in np.eye(len(theta)) * h:
        near, far = function(theta + e) - function(theta - e), function(theta + 2 * e) - function(theta - 2 * e)
        rows.append((8 * near - far) / (12 * h))
    return np.array(rows)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_gradient_and_hessian_against_differences(depth):
    net = network(depth)
    layers = random_layers(net)
    theta = chain.pack(layers)
    np.testing.assert_allclose(slope(net, theta), differences(lambda t: loss(net, t), theta), atol=1e-8)
    hessian = differences(lambda t: slope(net, t), theta)
    many = [np.broadcast_to(w, (net.parameters, *w.shape)) for w in layers]
    exact = (chain.ChainHessian(many, net.target) @ np.eye(net.parameters)[None])[0]
    np.testing.assert_allclose(exact, hessian, atol=1e-8)
    np.testing.assert_allclose(exact, exact.T, atol=1e-13)
    top = chain.chain_sharpness([w[None] for w in layers], net.target)
    np.testing.assert_allclose(top.value[0], np.linalg.eigvalsh(hessian)[-1], rtol=1e-8)
    assert top.residual[0] <= 1e-6 * top.value[0]


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("lr", [0.01, 0.7])
def test_one_step_breaks_balancedness_as_predicted(depth, lr):
    """DEEP-1."""
    for seed in range(5):
        net = network(depth, seed)
        layers = random_layers(net, seed + 10)
        after = [w - lr * g for w, g in zip(layers, chain.gradient(layers, net.target), strict=True)]
        change = net.balancedness_change(layers, lr)
        for old, new, add in zip(net.balancedness(layers), net.balancedness(after), change, strict=True):
            scale = max(np.abs(w @ w.T).max() for w in after)
            np.testing.assert_allclose(new, old + add, atol=1e-14 * max(1, scale))


@pytest.mark.parametrize("kind", ["spectral", "balanced"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_balanced_starts_are_balanced_and_of_their_scale(kind, depth):
    net = network(depth)
    layers = net.start(0.3, kind, seed=2)
    for gap in net.balancedness(layers):
        np.testing.assert_allclose(gap, 0, atol=1e-15)
    strengths = np.linalg.svd(chain.product(layers), compute_uv=False)
    np.testing.assert_allclose(strengths, 0.3**depth, rtol=1e-12)
    if kind == "spectral":
        np.testing.assert_allclose(net.modes(chain.product(layers)), 0.3**depth, rtol=1e-12)


@pytest.mark.parametrize("target, width", [((3, 3), 3), ((3, 4), 5), ((4, 2), 2)])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_spectrum_at_a_balanced_minimum(depth, target, width):
    """DEEP-4: predicted eigenvalues beside those of differences of the gradient."""
    net = network(depth, 3, target, width)
    layers = net.balanced_minimum()
    assert loss(net, chain.pack(layers)) < 1e-28
    dense = differences(lambda t: slope(net, t), chain.pack(layers))
    found = np.linalg.eigvalsh((dense + dense.T) / 2)[::-1]
    predicted = np.zeros(net.parameters)
    predicted[: net.target.size] = net.balanced_spectrum
    np.testing.assert_allclose(found, predicted, atol=1e-8 * max(1, predicted[0]))
    top = chain.chain_sharpness([w[None] for w in layers], net.target)
    np.testing.assert_allclose([top.value[0], net.balanced_spectrum[0]], net.minimal_sharpness, rtol=1e-10)
    np.testing.assert_allclose(net.mode_lr[0], net.lr_max, rtol=1e-12)


def test_no_minimum_is_flatter():
    """DEEP-5: 600 minima, rescaled by random invertible matrices between the layers."""
    rng, ratios = np.random.default_rng(0), []
    for depth in (2, 3, 4):
        for seed in range(4):
            net = network(depth, seed, (3, 3), 3)
            layers = [np.broadcast_to(w, (50, *w.shape)) for w in net.balanced_minimum()]
            for i in range(depth - 1):
                turn = np.eye(3) + rng.uniform(0, 1, (50, 1, 1)) * rng.standard_normal((50, 3, 3)) / 2
                layers[i], layers[i + 1] = turn @ layers[i], layers[i + 1] @ np.linalg.inv(turn)
            np.testing.assert_allclose(chain.product(layers), np.broadcast_to(net.target, (50, 3, 3)), atol=1e-9)
            ratios.append(chain.chain_sharpness(layers, net.target).value / net.minimal_sharpness)
    assert np.size(ratios) == 600
    assert np.min(ratios) >= 1 - 1e-9 and np.max(ratios) > 1.5


def test_a_narrow_network_has_no_factorization():
    net = network(3, width=2)
    assert net.loss_min == pytest.approx((net.singular_values[2:] ** 2).sum() / 2)
    for ask in ("minimal_sharpness", "lr_max", "balanced_spectrum"):
        with pytest.raises(NoInterpolator, match="larger width"):
            getattr(net, ask)
    with pytest.raises(NoInterpolator):
        net.balanced_minimum()


def test_a_target_of_low_rank_fits_a_narrow_network():
    rng = np.random.default_rng(0)
    net = theory.linear_network(rng.standard_normal((4, 1)) @ rng.standard_normal((1, 3)), 3, 1)
    assert loss(net, chain.pack(net.balanced_minimum())) < 1e-28
    assert net.loss_min < 1e-28


def test_the_mode_path_is_a_solution_also_where_the_target_is_zero():
    net = theory.linear_network(np.diag([2.0, 0.5, 0.0]))
    t = np.linspace(0, 5, 2001)
    a = net.mode_path(t, 0.01)
    rate = np.gradient(a, t, axis=0, edge_order=2)
    np.testing.assert_allclose(rate, 2 * a * (net.singular_values - a), atol=2e-4)
    np.testing.assert_allclose(a[0], 0.01, rtol=1e-14)
    np.testing.assert_allclose(net.mode_path(np.array(1e3), [0.01, 0.02]), [2, 0.5], rtol=1e-12)


@pytest.mark.parametrize(
    "bad",
    [
        dict(target=np.zeros((2, 2))),
        dict(target=np.full((2, 2), np.nan)),
        dict(target=np.ones((2, 2, 2))),
        dict(target="T"),
        dict(depth=0),
        dict(depth=2.0),
        dict(width=0),
        dict(width=10**8),
    ],
)
def test_bad_networks(bad):
    with pytest.raises(InputError):
        theory.linear_network(**(dict(target=np.eye(2), depth=2) | bad))


def test_bad_questions():
    net = network(3)
    with pytest.raises(NoClosedForm, match="sims.linear.flow"):
        net.mode_path(1.0, 0.1)
    for bad in (dict(init_scale=0), dict(init_scale=0.1, kind="orthogonal"), dict(init_scale=0.1, seed=-1)):
        with pytest.raises(InputError):
            net.start(**bad)
    for values in (np.ones(3), np.ones((3, 4)), np.ones((2, 3))):
        with pytest.raises(InputError, match="one number for every layer and mode"):
            net.spectral(values)
    for strength, time in ((-0.1, 1.0), (0.1, -1.0), (np.ones((2, 2)), 1.0), (np.ones(7), 1.0)):
        with pytest.raises(InputError):
            network(2).mode_path(time, strength)
    with pytest.raises(InputError, match="shapes"):
        net.check_layers([np.eye(3)] * 3)
