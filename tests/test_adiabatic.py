"""Slowly ramped descent approaches the sweeping process, and freezes in float64 without label noise."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.theory import InputError, NoInterpolator
from gdbias.theory.prediction.sweeping_process import adiabatic

MODEL = theory.power(2)
NOISE = 1e-6  # of the labels while the learning rate moves


def setting(n, d, seed):
    """A prediction from init_scale 0.1, and the learning rate halfway from lr_critical_final to lr_max."""
    problem = theory.sparse_regression(n=n, d=d, sparsity=max(1, n // 2), signs="positive", n_test=0, seed=seed)
    pred = theory.predict(MODEL, problem, 0.1)
    return pred, (pred.lr_critical_final + pred.lr_max) / 2


def ramped(pred, lr, steps, noise, **options):
    """Descent from gradient flow's endpoint, ramped from 0.98 lr_critical_final to lr over the steps."""
    schedule = theory.ramp(steps, start_lr=0.98 * pred.lr_critical_final)
    rule = theory.UpdateRule(schedule=schedule, label_noise=noise, noise_steps=steps)
    return sims.descend(MODEL, pred.problem, lr, theta0=pred.flow.theta, rule=rule, track_every=0, **options)


@pytest.mark.slow
@pytest.mark.parametrize("n, d", [(3, 12), (5, 20)])
def test_a_ramp_of_ten_times_the_steps_ends_closer_to_the_limit(n, d):
    pred, lr = setting(n, d, seed=0)
    limit = adiabatic(pred, lr, caps=500).beta
    errors = []
    for steps in (10_000, 100_000):
        ds = ramped(pred, lr, steps, NOISE, max_steps=steps + 50_000)
        assert int(ds.status) == Status.CONVERGED
        errors.append(np.linalg.norm(ds.beta.values - limit) / np.linalg.norm(limit))
    # By the square root of ten in the limit: 0.276 % and 0.096 % for n = 3, 0.791 % and 0.295 % for n = 5 were found.
    assert errors[0] < 0.015 and errors[1] < 0.006
    assert errors[1] < errors[0] / 2


@pytest.mark.slow
def test_without_label_noise_float64_freezes():
    frozen, edge = [], []
    for seed in range(10):  # rounding decides in which of them it happens
        pred, lr = setting(3, 12, seed)
        for noise in (0.0, NOISE):
            ds = ramped(pred, lr, 10_000, noise, max_steps=10_000, record_every=101)
            rates = theory.ramp(10_000, start_lr=0.98 * pred.lr_critical_final).at(lr, ds.step.values)
            path, held = ds.path_theta.values, rates * ds.path_sharpness.values / 2
            still = (path[1:] == path[:-1]).all(axis=(1, 2))
            if noise:
                assert not still.any() and held.max() < 1.3  # the edge is followed: 1.16 was found
            else:
                frozen.append(still.mean())
                edge.append(held[1:][still].max(initial=0))
    # Where it is still for most of the steps, lr S / 2 was up to 2.2, where no minimum is stable.
    k = int(np.argmax(frozen))
    assert frozen[k] > 0.75 and edge[k] > 1.1


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_one_sample_of_two_features_has_one_interpolator_of_each_sharpness(share):
    x, y = np.array([1.0, 0.5]), 2.0
    pred = theory.predict(MODEL, theory.single_point(x, y), 0.1)
    low, high = pred.lr_critical_final, pred.lr_max
    lr = low + share * (high - low)
    end = adiabatic(pred, lr, caps=200)
    # x beta = y and S = 4 sum x_i^2 beta_i = 2 / lr
    np.testing.assert_allclose(end.beta, np.linalg.solve([x, 4 * x**2], [y, 2 / lr]), rtol=2e-5)
    assert end.sharpness == pytest.approx(2 / lr, rel=2e-5) and end.method == "adiabatic"


def test_below_the_edge_it_is_the_end_of_flow():
    pred, _ = setting(3, 12, 0)
    end = adiabatic(pred, 0.5 * pred.lr_critical_final, caps=5)
    np.testing.assert_allclose(end.beta, pred.flow.beta, rtol=1e-9, atol=1e-12)
    with pytest.raises(InputError, match="caps"):
        adiabatic(pred, 1.0, caps=0)
    with pytest.raises(NoInterpolator, match="lr_max"):
        adiabatic(pred, 1.01 * pred.lr_max)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (theory.difference(4), dict(n=5, d=10, seed=3, sparsity=5)),
        (theory.difference(4), dict(n=5, d=10, seed=0, sparsity=2)),
        (theory.power(3), dict(n=4, d=12, seed=9, sparsity=2, signs="positive")),
    ],
)
@pytest.mark.parametrize("caps", [60, 300])
def test_near_lr_max_deep_models_are_followed_on_the_cap_and_fit_the_data(model, shape, caps):
    problem = theory.sparse_regression(**shape, n_test=0)
    pred = theory.predict(model, problem, 0.1)
    lr = 0.97 * pred.lr_max
    end = adiabatic(pred, lr, caps=caps)
    assert end.sharpness == pytest.approx(2 / lr, rel=1e-4)
    np.testing.assert_allclose(problem.X @ end.beta, problem.y, atol=1e-6 * np.linalg.norm(problem.y))
