"""Predictions of deep linear networks: the kernel against differences, exact laws, gradient flow and descent beside."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.sims import Phase, Status
from gdbias.theory import Diverges, InputError, NoClosedForm, NoInterpolator
from gdbias.theory.linear import chain
from gdbias.theory.linear.constrained import crossing
from gdbias.theory.linear.kernel import TangentKernel
from gdbias.theory.linear.oscillation import undershoot
from small_results import drawn


def network(depth=3, target=(3, 4), width=None, seed=0):
    return theory.linear_network(np.random.default_rng(seed).standard_normal(target), depth, width)


def apart(found, run):
    return float(np.linalg.norm(found - run) / np.linalg.norm(run))


@pytest.fixture(scope="module")
def plane():
    net = network(3, (3, 3))
    asked = dict(
        lr=np.array([0.3, 0.5, 0.8, 0.9, 0.97, 1.05]) * net.lr_max, init_scale=[0.3, 1.0], start="random", seed=1
    )
    runs = sims.linear.sweep(net, **asked, max_steps=3000, track_every=0)
    return net, asked, runs, sims.linear.predicted(net, **asked)


@pytest.mark.parametrize("depth, shape, width", [(2, (3, 3), 3), (3, (2, 4), 5), (4, (1, 3), 3)])
def test_the_kernel_and_its_slope_are_those_of_the_product(depth, shape, width):
    net, h = network(depth, shape, width), 1e-6
    layers = [w[None] for w in net.start(0.9, "random", 2)]
    theta = chain.pack(layers)[0]
    moved = [chain.product(chain.unpack(theta + h * sign * e, net.shapes)).ravel() for e in np.eye(theta.size)
             for sign in (1, -1)]  # fmt: skip
    J = (np.array(moved[::2]) - np.array(moved[1::2])).T / (2 * h)
    kernel = TangentKernel(layers, net.target)
    np.testing.assert_allclose(kernel.values[0], np.linalg.eigvalsh(J @ J.T)[::-1], rtol=1e-7, atol=1e-9)
    slope = chain.pack(kernel.slope())[0]

    def top(point):
        return TangentKernel([w[None] for w in chain.unpack(point, net.shapes)], net.target).values[0, 0]

    along = np.random.default_rng(1).standard_normal(theta.size)
    np.testing.assert_allclose(slope @ along, (top(theta + h * along) - top(theta - h * along)) / (2 * h), rtol=1e-6)
    late = chain.pack(kernel.yielding(kernel.slope(), np.array([1e9])))[0]  # what leaves the product as it is
    assert np.linalg.norm(J @ late) < 1e-6 * np.linalg.norm(J @ slope)
    np.testing.assert_allclose(late @ slope, late @ late, rtol=1e-6)  # an orthogonal projection
    early = chain.pack(kernel.yielding(kernel.slope(), np.array([1e-12])))[0]
    np.testing.assert_allclose(early, slope, rtol=1e-9, atol=1e-9)


def test_where_two_rates_cross_a_tolerance():
    sizes, rates, most = np.array([[1.0, 0.1], [1.0, 0.0]]), np.array([[0.2, 0.01], [0.1, 1.0]]), np.array([1e4, 5.0])
    first, never = crossing(sizes, rates, most, 1e-8)
    assert np.isnan(never) and ((sizes[0] * np.exp(-rates[0] * first)) ** 2).sum() / 2 == pytest.approx(1e-8, rel=1e-9)
    np.testing.assert_allclose(crossing(sizes, rates, np.array([1e4, 500.0]), 1e-8)[1], np.log(1 / 2e-8) / 0.2)


@pytest.mark.parametrize("depth, scale, kind", [(2, 1.0, "random"), (3, 1.2, "random"), (4, 0.5, "balanced")])
def test_gradient_flow_is_the_integrated_one(depth, scale, kind):
    net = network(depth)
    pred = theory.predict_linear(net, scale, kind, seed=3)
    run = sims.linear.flow(net, scale, kind, seed=3, tol=1e-13)
    assert apart(pred.flow_parameters, run.parameters.values) < 2e-4
    assert pred.lr_critical == pytest.approx(float(run.lr_critical), rel=1e-4)
    assert pred.lr_critical_final == pytest.approx(2 / float(run.sharpness), rel=1e-4)


@pytest.mark.parametrize("depth", [2, 3])
def test_an_aligned_start_ends_at_the_balanced_minimum_at_every_rate(depth):
    net = network(depth)
    minimum = chain.pack(net.balanced_minimum())
    pred = theory.predict_linear(net, 0.5 * net.singular_values[-1] ** (1 / depth))
    assert pred.lr_critical == pytest.approx(net.lr_max) and pred.lr_critical_final == pytest.approx(net.lr_max)
    ends = pred.endpoints(np.array([0.2, 0.6, 0.9]) * net.lr_max)
    np.testing.assert_allclose(ends.sharpness, net.minimal_sharpness, rtol=1e-6)
    np.testing.assert_allclose(ends.parameters, np.tile(minimum, (3, 1)), atol=1e-5)
    assert not ends.on_edge.any()
    large = theory.predict_linear(net, 2.0)  # sharpest where it starts
    first = chain.chain_sharpness([w[None] for w in net.start(2.0)], net.target).value[0]
    assert large.lr_critical == pytest.approx(2 / first) and large.lr_critical_final == pytest.approx(net.lr_max)


def test_endpoints_sharpness_and_steps_are_those_of_runs(plane):
    net, _, runs, told = plane
    both = (runs.status.values == Status.CONVERGED) & (told.status.values == Status.CONVERGED)
    assert both[:, :5].all() and not both[:, 5].any()
    size = np.linalg.norm(runs.parameters.values, axis=-1)
    off = (np.linalg.norm(told.parameters.values - runs.parameters.values, axis=-1) / size)[both]
    assert np.median(off) < 2e-3 and off.max() < 0.02
    share = (told.sharpness / runs.sharpness).values[both]
    assert np.abs(share - 1).max() < 0.02
    free = both & (told.phase.values == Phase.FLOW_ALIGNED)
    assert free.sum() >= 5 and np.abs(told.steps.values / runs.steps.values - 1)[free].max() < 0.03
    np.testing.assert_allclose(told.modes.values[both], np.tile(net.singular_values, (both.sum(), 1)), rtol=1e-4)
    np.testing.assert_allclose(told.imbalance.values[both], runs.imbalance.values[both], rtol=0.03)


def test_phases_and_statuses_are_those_of_runs(plane):
    _, _, runs, told = plane
    assert (told.status.values == runs.status.values).all()
    assert (told.phase.values == runs.phase.values).mean() > 0.8 and (told.phase == Phase.EDGE_OF_STABILITY).any()


@pytest.mark.parametrize("unit", [1e-4, 1e5])
def test_predictions_scale_with_the_target(unit):
    """W_l -> c^(1/L) W_l, lr -> c^(2/L - 2) lr, loss -> c^2 loss leave the way of descent as it is."""
    net, L = network(3, (2, 3)), 3
    layers, lr = net.start(1.0, "random", 1), 0.9 * net.lr_max
    other = theory.linear_network(unit * net.target, L)
    one = theory.predict_linear(net, theta0=layers).endpoint(lr)
    two = theory.predict_linear(other, theta0=[unit ** (1 / L) * w for w in layers]).endpoint(
        lr * unit ** (2 / L - 2), tol=1e-10 * unit**2
    )
    np.testing.assert_allclose(two.parameters / unit ** (1 / L), one.parameters, rtol=1e-6, atol=1e-8)
    assert two.steps == pytest.approx(one.steps, rel=1e-6)
    fixed = theory.predict_linear(other, theta0=[unit ** (1 / L) * w for w in layers]).endpoint(
        lr * unit ** (2 / L - 2)
    )
    assert (fixed.steps - one.steps) * (unit - 1) > 0  # to a tolerance that does not scale


def test_predictions_turn_with_the_target():
    net, rng = network(3, (2, 3), 4), np.random.default_rng(5)
    sizes = [net.target.shape[1], net.width, net.width, net.target.shape[0]]
    turns = [np.linalg.qr(rng.standard_normal((size, size)))[0] for size in sizes]
    layers = net.start(1.0, "random", 1)
    turned = [turns[i + 1] @ w @ turns[i].T for i, w in enumerate(layers)]
    other = theory.linear_network(turns[-1] @ net.target @ turns[0].T, 3, 4)
    one = theory.predict_linear(net, theta0=layers).endpoint(0.8 * net.lr_max)
    two = theory.predict_linear(other, theta0=turned).endpoint(0.8 * net.lr_max)
    found = [turns[i + 1] @ w @ turns[i].T for i, w in enumerate(chain.unpack(one.parameters, net.shapes))]
    np.testing.assert_allclose(two.parameters, chain.pack(found), atol=1e-7)


def test_the_oscillation_of_two_scalars_dies_out_by_the_law_of_its_derivatives():
    """``L = (v w - 1)^2 / 2`` at ``(v, 1/v)``: the law's sum written out with the derivatives of this loss."""
    v = 1.3
    u = np.array([1 / v, v]) / np.hypot(v, 1 / v)  # of the one direction that is no minimum
    S, bend = v**2 + v**-2, 2 * u[0] * u[1]
    first = np.sqrt(S)
    force = 2 * first * u[::-1] + bend * np.array([1 / v, v])
    t = u @ force
    rest, fourth = force @ force - t**2, 3 * bend**2
    rates = np.linspace(1e-4, 2 - 1e-4, 2_000_001)
    excess = t**2 / (2 - rates) - rest / rates - fourth * S / 6
    expected = rates[np.abs(excess).argmin()] / 4
    net = theory.linear_network(np.eye(1), 2)
    assert undershoot([np.array([[v]]), np.array([[1 / v]])], net.target) == pytest.approx(expected, abs=1e-5)


def test_what_has_no_endpoint_is_refused_by_name():
    net = network(3)
    pred = theory.predict_linear(net, 1.0, "random")
    with pytest.raises(NoInterpolator, match="lr_max"):
        pred.endpoint(1.01 * net.lr_max)
    with pytest.raises(Diverges):
        theory.predict_linear(net, 4.0, "random").endpoint(0.9 * net.lr_max)
    with pytest.raises(NoInterpolator, match="width"):
        theory.predict_linear(network(2, (3, 3), 2))
    with pytest.raises(NoClosedForm, match="400"):
        theory.predict_linear(network(2, (21, 20)))
    for bad in (dict(lr=0), dict(lr=0.1, warmup=-1), dict(lr=0.1, tol=0)):
        with pytest.raises(InputError):
            pred.endpoint(**bad)
    with pytest.raises(InputError):
        theory.predict_linear(theory.power(2))
    with pytest.raises(InputError, match="larger start"):
        theory.predict_linear(net, theta0=[0 * w for w in pred.start])


def test_a_plane_is_stored_resumed_and_drawn_beside_the_sweep(plane, tmp_path):
    net, asked, runs, told = plane
    few = asked | dict(lr=asked["lr"][2:4], init_scale=1.0)
    stored = sims.linear.predicted(net, **few, store=tmp_path / "a.zarr")
    memory = told.isel(lr=slice(2, 4), init_scale=[1])
    for name in ("status", "phase", "steps", "lr_critical"):
        np.testing.assert_array_equal(stored[name], memory[name])
    np.testing.assert_allclose(stored.parameters, memory.parameters, atol=1e-9)
    assert sims.linear.predicted(net, **few, store=tmp_path / "a.zarr").identical(stored)
    with pytest.raises(InputError):
        sims.linear.predicted(net, **few, warmup=10, store=tmp_path / "a.zarr")
    assert all(told[name].attrs["long_name"] and told[name].attrs["units"] for name in told.variables)
    assert set(told) - {"lr_critical", "lr_critical_final"} <= set(runs)
    figure = figures.phase_diagram(runs, predicted=told)
    assert len(drawn(figure, "lr_critical")) == 1 and len(drawn(figure, "lr_max")) == 2
    short = sims.linear.predicted(net, **few, max_steps=100, keep=())
    late = memory.steps.values > 100
    assert late.any() and (short.status.values[late] == Status.STEP_LIMIT).all() and "parameters" not in short
    with pytest.raises(InputError):
        figures.phase_diagram(runs.isel(lr=slice(3)), predicted=told)
