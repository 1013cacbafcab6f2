"""Momentum and mini-batches of deep runs: against hand-typed steps, at their edge, and the same numbers again."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
eqx = pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

from gdbias import sims
from gdbias.sims import Status
from gdbias.sims.deep.checkpoint import Checkpoint
from gdbias.sims.deep.descent import advance, begin, mean_of_next
from gdbias.sims.deep.one_run import run
from gdbias.sims.deep.options import DeepOptions
from gdbias.sims.deep.training_loss import objective
from gdbias.sims.deep.update import Update, key_of, update_of
from gdbias.theory import InputError

NET = sims.deep.network("fcn", width=8, depth=1, activation="tanh")
SHORT = dict(tol=0.3, max_steps=400)


@pytest.fixture(scope="module")
def data():
    return sims.deep.load("digits", train=40, test=20)


def by_hand(gradients, theta, lr, b):
    """Weights of ``theta <- theta - lr g + b (theta - theta_before)``, from rest."""
    before, path = theta, []
    for g in gradients:
        theta, before = theta - lr * np.asarray(g(theta)) + b * (theta - before), theta
        path.append(theta)
    return np.array(path)


@pytest.mark.parametrize("batch", [12, pytest.param(None, marks=pytest.mark.slow)])
def test_steps_are_those_typed_by_hand_and_the_mean_is_of_the_next(data, batch):
    options = DeepOptions(tol=0, momentum=0.7, batch=batch, noise_seed=0 if batch is None else 5)
    with jax.enable_x64(True):
        theta, target = objective(NET, data, dtype="float64")
        update = update_of(options, target, theta)
        gradient = jax.jit(lambda t, k: update.gradient(target, t, k))
        path = by_hand([lambda t, k=k: gradient(t, k) for k in range(14)], np.asarray(theta), 0.3, 0.7)
        state = advance(target, begin(theta, 0.7), 0.3, np.inf, options, 4)
        state = advance(target, state, 0.3, np.inf, options, 9)
        np.testing.assert_allclose(state.theta, path[8], rtol=1e-10, atol=1e-13)
        mean = mean_of_next(target, state.theta, jax.numpy.asarray(0.3), 5, update, state.velocity, state.step)
    np.testing.assert_allclose(mean, path[9:14].mean(axis=0), rtol=1e-10, atol=1e-13)


class Bowl(eqx.Module):
    """``S |theta|^2 / 2``, of samples that it does not depend on."""

    X: jax.Array
    S: float = 3.0

    def loss(self, theta):
        return self.S * jax.numpy.sum(theta**2) / 2


@pytest.mark.parametrize("b", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("share, outcome", [(0.98, Status.CONVERGED), (1.02, Status.DIVERGED)])
def test_the_edge_of_a_bowl_is_at_2_plus_2b(b, share, outcome):
    bowl, options = Bowl(jax.numpy.ones(3)), DeepOptions(momentum=b, tol=1e-6, max_steps=20_000)
    lr = share * (2 + 2 * b) / bowl.S
    ended = advance(bowl, begin(jax.numpy.ones(2), b), lr, 1e6, options, 20_001)  # type: ignore[arg-type]
    assert ended.outcome == outcome


def test_an_epoch_takes_every_sample_once(data):
    with jax.enable_x64(True):
        theta, target = objective(NET, data, dtype="float64")
        update = update_of(DeepOptions(batch=8), target, theta)
        part, whole = jax.jit(lambda k: update.gradient(target, theta, k)), jax.jit(lambda t: target.gradient(t))
        parts = [part(jax.numpy.asarray(step)) for step in range(5, 10)]
        np.testing.assert_allclose(np.mean(parts, axis=0), whole(theta), rtol=1e-10, atol=1e-13)
    orders = np.array([Update(key=key_of(seed)).order(40, epoch) for seed in (0, 1, 2**40) for epoch in (0, 1)])
    assert (np.sort(orders, axis=1) == np.arange(40)).all() and len(np.unique(orders, axis=0)) == len(orders)


@pytest.mark.slow
def test_a_batch_of_all_samples_is_descent(data):
    whole, all_of_them = (sims.deep.sweep(NET, data, [0.1, 0.4], **SHORT, **more) for more in ({}, dict(batch=40)))
    assert all_of_them[list(whole.data_vars)].drop_attrs().equals(whole.drop_attrs())


def test_the_seed_makes_the_run_however_it_is_cut(data):
    protocol = SHORT | dict(batch=10, momentum=0.5)
    first = sims.deep.descend(NET, data, 0.2, noise_seed=3, **protocol)
    other = sims.deep.descend(NET, data, 0.2, noise_seed=3, track_every=5, **protocol)
    assert other.steps == first.steps > 5 and other.theta_l2 == first.theta_l2
    assert other.averaged_loss == first.averaged_loss and other.batch_sharpness == first.batch_sharpness
    assert sims.deep.descend(NET, data, 0.2, noise_seed=4, **protocol).theta_l2 != first.theta_l2


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_velocity_and_its_batches(data, tmp_path):
    options = DeepOptions(tol=0.3, batch=10, momentum=0.5, track_every=11)
    theta, target = objective(NET, data)
    whole, _ = run(target, theta, 0.2, options)
    told = []

    def killed(note):
        told.append(note)
        if len(told) == 3:
            raise KeyboardInterrupt

    file = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        run(target, theta, 0.2, options, 0, killed, Checkpoint(file, {}, seconds=0))
    again, _ = run(target, theta, 0.2, options, 0, told.append, Checkpoint(file, {}, seconds=0))
    assert "step 22" in told[3] and again == whole


def test_a_store_keeps_its_rule_and_takes_no_other(data, tmp_path):
    protocol = SHORT | dict(store=tmp_path / "sgd.zarr", batch=10, momentum=0.3)
    ds = sims.deep.sweep(NET, data, [0.1], noise_seed=2, **protocol)
    rule = sims.rebuild_rule(ds)
    assert (rule.momentum, rule.batch, rule.noise_seed) == (0.3, 10, 2) and rule.sharpness_limit(0.1) == 26
    np.testing.assert_allclose(ds.sharpness_effective, 0.1 * ds.sharpness / 2.6)
    assert sims.deep.sweep(NET, data, [0.1], noise_seed=2, **protocol).identical(ds)
    with pytest.raises(InputError, match="rule"):
        sims.deep.sweep(NET, data, [0.1], **protocol)


@pytest.mark.parametrize(
    "wrong",
    [dict(momentum=1.0), dict(momentum=-0.1), dict(batch=0), dict(batch=41), dict(noise_seed=1), dict(top=-1),
     dict(layers=1)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("verb", [sims.deep.descend, sims.deep.sweep])
def test_what_no_run_can_have_is_refused(data, verb, wrong):
    with pytest.raises(InputError):
        verb(NET, data, 0.1, **wrong)


def test_predictions_are_of_plain_descent(data):
    for of_runs in (dict(momentum=0.5), dict(batch=10), dict(top=2)):
        with pytest.raises(InputError, match="plain gradient descent"):
            sims.deep.predicted(NET, data, [0.1], **of_runs)
