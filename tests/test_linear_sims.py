"""Runs of deep linear networks: against scalar chains, closed forms, and what a user may ask wrongly."""

import json

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Phase, Status
from gdbias.theory import InputError, Problem
from gdbias.theory.linear import chain


def network(depth=2, target=(3, 3), width=None, seed=0):
    return theory.linear_network(np.random.default_rng(seed).standard_normal(target), depth, width)


def last_layers(net, ds):
    return chain.unpack(ds.parameters.values, net.shapes)


@pytest.mark.parametrize("depth", [2, 3])
def test_an_aligned_start_descends_as_scalar_chains(depth):
    """DEEP-3: 100 steps at lr S / 2 = 1.1 from an unbalanced aligned start, beside product(L) at d = 1."""
    net = network(depth, (3, 4), 5, seed=2)
    values = np.random.default_rng(3).uniform(0.5, 1.0, (depth, 3)) * net.singular_values ** (1 / depth)
    lr = 1.1 * net.lr_max
    one: dict = dict(max_steps=100, hold=1000, record_every=1)
    run = sims.linear.descend(net, lr, theta0=net.spectral(values), **one)
    model = theory.product(depth)
    strengths = np.stack(
        [
            sims.descend(model, Problem(np.eye(1), [s]), lr, theta0=values[:, [i]], backend="numpy", **one)
            .path_theta.prod("weight").values[:, 0]
            for i, s in enumerate(net.singular_values)
        ],
        axis=1,
    )  # fmt: skip
    assert len(strengths) == len(run.step) == 101 and run.status == Status.STEP_LIMIT
    assert np.abs(np.diff(strengths[-10:, 0])).min() > 1e-3  # it has not settled
    np.testing.assert_allclose(run.path_modes.values, strengths, atol=1e-12)


def test_flow_follows_the_closed_form():
    """DEEP-2, and what gradient flow conserves."""
    net = network(2, (3, 4), 4)
    ds = sims.linear.flow(net, 0.1, rtol=1e-11, tol=1e-12)
    assert ds.status == Status.CONVERGED and ds.monotone
    np.testing.assert_allclose(ds.path_modes.values, net.mode_path(ds.time.values, 0.01), atol=1e-8)
    np.testing.assert_allclose(float(ds.sharpness), net.minimal_sharpness, rtol=1e-5)
    np.testing.assert_allclose(float(ds.lr_critical), net.lr_max, rtol=1e-5)
    ds = sims.linear.flow(network(3), 1.0, start="random", rtol=1e-11)
    assert float(ds.path_imbalance[0]) > 0.1
    np.testing.assert_allclose(ds.path_imbalance, ds.path_imbalance[0], rtol=1e-8)


@pytest.mark.parametrize("depth", [2, 3])
def test_small_steps_approach_flow_at_order_one(depth):
    net = network(depth)
    layers = net.start(1.0, "random", seed=1)
    end = sims.linear.flow(net, theta0=layers, rtol=1e-12, max_time=1.0, tol=1e-300).parameters.values
    errors = []
    for steps in (200, 400):
        run = sims.linear.descend(net, 1 / steps, theta0=layers, max_steps=steps, tol=1e-300)
        errors.append(np.linalg.norm(run.parameters.values - end))
    assert 0.9 < np.log2(errors[0] / errors[1]) < 1.1


def test_balancedness_decays_under_finite_steps_at_the_edge():
    """The gap stays under small steps and shrinks under large ones."""
    net = network(2)
    layers = [1.3 * net.spectral(np.ones((2, 3)))[0], 0.8 * net.spectral(np.ones((2, 3)))[1]]
    small = sims.linear.descend(net, 0.01 * net.lr_max, theta0=layers)
    large = sims.linear.descend(net, 0.98 * net.lr_max, theta0=layers)
    assert small.status == large.status == Status.CONVERGED
    first = np.linalg.norm(net.balancedness(layers)[0])
    assert abs(float(small.imbalance) / first - 1) < 0.05 and float(large.imbalance) < 0.9 * first


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_sweep_is_its_single_runs(depth, tmp_path):
    net = network(depth, (2, 3), 4)
    asked = dict(net=net, lr=np.array([0.3, 0.7, 1.3, 50]) * net.lr_max, init_scale=[0.3, 0.6], start="random", seed=3)
    ds = sims.linear.sweep(**asked, max_steps=1000, store=tmp_path / "a.zarr")
    for i, scale in enumerate(asked["init_scale"]):
        for j, lr in enumerate(asked["lr"]):
            one = sims.linear.descend(net, lr, scale, "random", 3, max_steps=1000)
            cell = ds.isel(init_scale=i, lr=j)
            for name in ("status", "steps", "rising_steps", "phase"):
                assert one[name] == cell[name], name
            if lr < net.lr_max:  # above, runs that do not settle differ by their rounding
                for name in ("loss", "sharpness", "theta_l1", "imbalance", "parameters", "modes"):
                    np.testing.assert_allclose(one[name], cell[name], rtol=1e-7, atol=1e-11)
    again = sims.linear.sweep(**asked, max_steps=1000, store=tmp_path / "a.zarr")
    assert again.identical(ds)
    memory = sims.linear.sweep(**asked, max_steps=1000, keep=())
    assert "parameters" not in memory and (memory.status.values == ds.status.values).all()


def test_statuses_and_what_a_run_reports():
    net = network(3, (3, 4), 4)
    ds = sims.linear.sweep(net, net.lr_max * np.array([0.2, 0.9, 1.05, 30]), 0.5, max_steps=5000)
    assert ds.status.values[0].tolist() == [
        Status.CONVERGED, Status.CONVERGED, Status.STEP_LIMIT, Status.DIVERGED,
    ]  # fmt: skip
    assert ds.phase.values[0, 0] == Phase.FLOW_ALIGNED and ds.phase.values[0, 3] == Phase.DIVERGED
    assert np.isnan(ds.parameters.values[0, 3]).all() and np.isnan(ds.sharpness.values[0, 3])
    good = ds.isel(init_scale=0, lr=[0, 1])
    assert (good.loss < 1e-10).all() and (good.lr * good.sharpness <= 2 * (1 + 1e-6)).all()
    np.testing.assert_allclose(good.sharpness, net.minimal_sharpness, rtol=1e-4)
    np.testing.assert_allclose(good.product_nuclear, net.singular_values.sum(), rtol=1e-4)
    np.testing.assert_allclose(good.theta_l2**2, (good.parameters**2).sum("parameter"), rtol=1e-12)
    assert all(ds[name].attrs["long_name"] and ds[name].attrs["units"] for name in ds.variables)
    spec = json.loads(ds.attrs["spec"])
    same = theory.linear_network(**spec["network"])
    assert same.fingerprint == net.fingerprint == spec["problem"][0]["fingerprint"]


@pytest.mark.parametrize("lr", [1e100, 1e300])
def test_a_loss_that_is_no_number_has_risen(lr):
    blown = sims.linear.descend(network(depth=3), lr, start="random")
    assert blown.status == Status.DIVERGED and not blown.monotone and blown.rising_steps == 1


def test_a_minimum_that_descent_cannot_stay_at_is_not_converged():
    net = network(2)
    ds = sims.linear.descend(net, 1.5 * net.lr_max, theta0=net.balanced_minimum(), tol=1e-6, hold=2)
    assert ds.status == Status.UNSTABLE_MINIMUM


def test_two_cycles_of_two_layers():
    """The top mode of a balanced aligned start has a stable 2-cycle where 1 < lr s_1 < sqrt(5) - 1."""
    net = theory.linear_network(np.diag([1.0, 0.3]))
    for product_of, cycles in ((0.95, False), (1.05, True), (1.2, True), (1.26, False)):
        start = net.spectral(np.array([[0.9, 0.5], [0.9, 0.5]]))
        run = sims.linear.descend(net, product_of, theta0=start, max_steps=4000, record_every=1, tol=1e-300)
        a = run.path_modes.values[-5:, 0]
        period_two = abs(a[4] - a[2]) < 1e-6 and abs(a[4] - a[3]) > 1e-3
        assert period_two == cycles, product_of


def test_the_largest_sharpness_on_the_way_is_seen():
    net = network(2)
    layers = net.spectral(np.array([[3.0] * 3, [0.1] * 3]))
    recorded = sims.linear.descend(net, 0.02, theta0=layers, record_every=1)
    followed = sims.linear.descend(net, 0.02, theta0=layers)
    assert float(recorded.sharpness_max) == pytest.approx(float(recorded.path_sharpness.max()), rel=1e-10)
    assert float(followed.sharpness_max) == pytest.approx(float(recorded.sharpness_max), rel=1e-3)


@pytest.mark.parametrize(
    "bad",
    [
        dict(net=theory.power(2)),
        dict(lr=0),
        dict(lr=[0.1, 0.2]),
        dict(init_scale=-1),
        dict(start="orthogonal"),
        dict(seed=-1),
        dict(theta0=[np.eye(3)]),
        dict(theta0=[np.eye(3), np.full((3, 3), np.nan)]),
        dict(theta0=3),
        dict(max_steps=-1),
        dict(tol=-1e-9),
        dict(record_every=1, max_steps=10**9),
    ],
)
def test_bad_input(bad):
    with pytest.raises(InputError):
        sims.linear.descend(**(dict(net=network(), lr=0.1) | bad))


@pytest.mark.parametrize("bad", [dict(lr=[0.1, 0.1]), dict(keep=("theta",)), dict(net=None), dict(init_scale=[])])
def test_bad_input_to_a_sweep(bad):
    with pytest.raises(InputError):
        sims.linear.sweep(**(dict(net=network(), lr=0.1) | bad))
