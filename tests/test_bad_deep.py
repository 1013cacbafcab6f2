"""What deep networks are given and cannot be meant is refused before any training, and what is meant is read."""

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")

import equinox as eqx
import jax.numpy as jnp

from gdbias import sims
from gdbias.figures.cli.command import main
from gdbias.sims.deep.descent import mean_of_next
from gdbias.sims.schema import VARIABLES, measured
from gdbias.theory import InputError

NETWORKS = {
    "--width 0": "width = 0",
    "--width 100000000": "from 1 to 1000000",
    "--width 1000000 --depth 3": "weights, more than",
    "--kind vit --width 6": "multiple of 4",
    "--depth 0": "depth = 0",
    "--depth 1000000000": "from 1 to 1000",
    "--init-scale 0": "init_scale = 0",
    "--init-scale nan": "init_scale = nan",
    "--track-every 50": "track_every = 50 is even",
    "--hold 0": "hold = 0",
    "--average 0": "average = 0",
    "--max-steps -1": "max_steps = -1",
    "--train 1": "train = 1",
    "--train 99": "use fewer",
    "--test -1": "test = -1",
    "--lr 0": "lr = 0",
    "--lr 0.1,0.1": "repeated",
    "--kind vit --parameterization mup": "standard parameterization only",
    "--data none.npz": "none.npz does not exist",
    "--data text.npz": "cannot be read",
    "--data runs.csv": "unknown data",
    "--data one.npz": "has 1 class",
    "--data real.npz": "give classes as whole numbers",
    "--data short.npz": "one label a sample",
    "--data nan.npz": "finite samples",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 9)), np.arange(20) % 2
    np.savez("good.npz", X=X, y=y)
    np.savez("one.npz", X=X, y=0 * y)
    np.savez("real.npz", X=X, y=y + 0.5)
    np.savez("short.npz", X=X, y=y[:5])
    np.savez("nan.npz", X=np.where(X > 2, np.nan, X), y=y)
    (tmp_path / "text.npz").write_text("X, y")
    return tmp_path


@pytest.mark.parametrize("typed", NETWORKS)
def test_what_cannot_be_trained_is_one_line(typed, folder, capsys):
    before = sorted(folder.iterdir())
    data = [] if "--data" in typed else ["--data", "good.npz"]
    small = [] if "--train" in typed else ["--train", "10"]
    with pytest.raises(SystemExit) as end:
        main(["deep", "a.zarr", *data, *small, "--no-relative", "--lr", "0.1", *typed.split()])
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out and NETWORKS[typed] in shown.err
    assert shown.err.startswith("gdbias: ") and len(shown.err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("store", ["text.npz", "text.npz/a.zarr", "a.json", "s3://bucket/a.zarr"])
def test_a_store_that_cannot_be_is_refused_before_gradient_flow(store, folder):
    data, net = sims.deep.load("good.npz", 10), sims.deep.network(width=2, depth=1)
    with pytest.raises(InputError):
        sims.deep.sweep(net, data, 0.1, relative=True, store=store, tol=1e-30)


@pytest.mark.parametrize("shape", [(12, 8, 3), (8, 8, 1), (9, 12, 4)])
def test_images_may_have_their_channels_last(shape, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, *shape)), np.arange(20) % 2
    np.savez(tmp_path / "last.npz", X=X, y=y)
    np.savez(tmp_path / "first.npz", X=np.moveaxis(X, 3, 1), y=y)
    last, first = (sims.deep.load(tmp_path / f"{name}.npz", 10) for name in ("last", "first"))
    assert last.X.shape[1:] == (shape[2], *shape[:2])
    np.testing.assert_array_equal(last.X, first.X)


def test_a_diverged_run_has_every_variable(folder):
    data, net = sims.deep.load("good.npz", 10), sims.deep.network(width=2, depth=1)
    run = sims.deep.descend(net, data, 1e6, max_steps=20)
    assert run.status == sims.Status.DIVERGED
    for name in measured("deep", ("end", "averaged", "cooled")):
        assert run[name].dtype == VARIABLES[name].dtype
    assert np.isnan(run.sharpness) and np.isnan(run.cooled_loss) and run.steps > 0


TRACED = []


class Bowl(eqx.Module):
    def gradient(self, theta):
        TRACED.append(theta)
        return theta


def test_the_mean_of_the_next_weights_compiles_once():
    theta = jnp.ones(2)
    for lr in (0.5, 0.25, 0.125):
        mean = mean_of_next(Bowl(), theta, jnp.asarray(lr), 2)
        np.testing.assert_allclose(mean, ((1 - lr) + (1 - lr) ** 2) / 2, rtol=1e-6)
    assert len(TRACED) == 1


NO_NAME = [None, 3, ["relu"], {}, np.array(["relu", "tanh"]), object()]


@pytest.mark.parametrize("value", NO_NAME, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("option", ["kind", "activation", "parameterization"])
def test_no_name_of_a_part_of_a_network(option, value):
    with pytest.raises(InputError, match=f"unknown {option} .*: use one of"):
        sims.deep.network(**{option: value})


@pytest.mark.parametrize("value", NO_NAME, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("option", ["loss", "precision"])
@pytest.mark.parametrize("verb", [sims.deep.descend, sims.deep.flow, sims.deep.sweep])
def test_no_name_of_an_option_of_a_deep_run(verb, option, value):
    net, data = sims.deep.network(width=4, depth=1), sims.deep.load("digits", train=20, test=0)
    rate = () if verb is sims.deep.flow else (0.1,)
    with pytest.raises(InputError):
        verb(net, data, *rate, **{option: value})


@pytest.mark.parametrize("verb", [sims.deep.descend, sims.deep.flow])
def test_one_run_is_of_one_network_and_of_one_data_set(verb):
    net, data = sims.deep.network(width=4, depth=1), sims.deep.load("digits", train=20, test=0)
    rate = () if verb is sims.deep.flow else (0.1,)
    for several in (([net, net], data), (net, [data, data]), ([], data)):
        with pytest.raises(InputError, match="are given where one is meant"):
            verb(*several, *rate)
