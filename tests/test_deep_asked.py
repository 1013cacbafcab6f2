"""What is measured of deep runs where it is asked for: against dense Hessians, and beside gradient flow."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

from gdbias import figures, sims
from gdbias.sims import Status
from gdbias.sims.deep.asked import Asked, batch_sharpness
from gdbias.sims.deep.layers import count
from gdbias.sims.deep.options import DeepOptions
from gdbias.sims.deep.training_loss import objective
from gdbias.theory import InputError

NET = sims.deep.network("fcn", width=8, depth=1, activation="tanh")
ASKED = dict(top=4, layers=True, distance=True)
SIZES = (64 * 8 + 8, 8 * 10 + 10)  # of the layers


@pytest.fixture(scope="module")
def data():
    return sims.deep.load("digits", train=40, test=20)


@pytest.fixture(scope="module")
def swept(data):
    return sims.deep.sweep(NET, data, [0.05, 0.08, 1e6], tol=0.3, max_steps=400, momentum=0.2, **ASKED)


def test_eigenvalues_of_the_hessian_and_of_its_blocks_are_the_dense_ones(data):
    theta, target = objective(NET, data)
    H = np.asarray(jax.jit(jax.hessian(target.loss))(theta), dtype=float)
    asked = Asked(target, theta, DeepOptions(top=4, layers=True))
    for quick, close in ((True, 5e-3), (False, 1e-5), (True, 1e-3)):
        found = asked.at(theta, 0, 0.0, quick)
        values, vectors = np.linalg.eigvalsh(H)[::-1][:4], asked.vectors[:4]
        np.testing.assert_allclose(found["spectrum"], values, rtol=close)
        residuals = np.linalg.norm(vectors @ H - found["spectrum"][:, None] * vectors, axis=1)
        np.testing.assert_allclose(found["spectrum_residual"], residuals, atol=2e-5 * values[0])
        ends = np.cumsum((0, *SIZES))
        blocks = [np.linalg.eigvalsh(H[a:b, a:b])[-1] for a, b in zip(ends, ends[1:], strict=False)]
        np.testing.assert_allclose(found["layer_sharpness"], blocks, rtol=close)
    assert ends[-1] == theta.size


@pytest.mark.parametrize("kind, width, layers", [("cnn", 3, 3), ("resnet", 3, 4), ("vit", 4, 12)])
def test_the_layers_of_other_networks(data, kind, width, layers):
    """Of a transformer tokens, positions, four projections, two mixers, three norms and a head."""
    assert count(sims.deep.network(kind, width, 1 if kind != "cnn" else 2), data) == layers


@pytest.mark.slow
def test_the_sharpness_of_batches_is_a_mean_of_quotients(data):
    theta, target = objective(NET, data)
    dense = jax.jit(lambda t, j: (jax.grad(target.of(j).loss)(t), jax.hessian(target.of(j).loss)(t)))

    def quotient(chosen):
        g, H = dense(theta, chosen)
        return float(g @ H @ g / (g @ g))

    alone = np.mean([quotient(np.array([j])) for j in range(40)])
    assert batch_sharpness(target, theta, 1, 0) == pytest.approx(alone, rel=1e-4)
    assert batch_sharpness(target, theta, 40, 0) == pytest.approx(quotient(np.arange(40)), rel=1e-4)
    assert batch_sharpness(target, theta, 10, 0) != batch_sharpness(target, theta, 10, 1)


@pytest.mark.slow
def test_the_distance_to_flow_is_of_first_order_in_the_learning_rate(data):
    """At the same time of flow, and with momentum at that of its effective rate."""
    for b, first in ((0.0, 20), (0.5, 40)):
        protocol = dict(tol=0, momentum=b, distance=True)
        runs = [sims.deep.descend(NET, data, 0.04 / k, max_steps=first * k, **protocol) for k in (1, 2, 4)]
        far = [float(one.distance) for one in runs]
        assert 1.6 < far[0] / far[1] < 2.4 and 1.6 < far[1] / far[2] < 2.4 and far[0] < 0.2


def test_a_result_has_them_at_the_end_along_the_path_and_of_flow(data, swept):
    assert swept.spectrum.dims == ("lr", "eigenvalue") and swept.layer_sharpness.dims == ("lr", "layer")
    assert list(swept.eigenvalue.values) == [1, 2, 3, 4] and list(swept.layer.values) == [1, 2]
    assert swept.status[-1] == Status.DIVERGED and np.isnan(swept.spectrum[-1]).all() and np.isnan(swept.distance[-1])
    np.testing.assert_allclose(swept.spectrum[:2, 0], swept.sharpness[:2], rtol=1e-4)
    np.testing.assert_allclose(swept.flow_spectrum[0], swept.flow_sharpness, rtol=1e-4)
    assert (swept.layer_sharpness[:2].max("layer") <= 1.001 * swept.sharpness[:2]).all()
    protocol = dict(tol=0.3, max_steps=400, momentum=0.2, record_every=20)
    run = sims.deep.descend(NET, data, 0.08, **protocol, **ASKED)
    np.testing.assert_array_equal(run.spectrum, swept.spectrum[1])
    assert run.distance == swept.distance[1]
    assert run.path_spectrum.dims == ("step", "eigenvalue") and run.path_layer_sharpness.dims == ("step", "layer")
    np.testing.assert_allclose(run.path_spectrum[:, 0], run.path_sharpness, rtol=0.02)
    np.testing.assert_allclose(run.path_distance[-1], run.distance, rtol=0.05)
    flow = sims.deep.flow(NET, data, tol=0.3, top=2, layers=True)
    np.testing.assert_allclose(flow.path_spectrum[:, 0], flow.path_sharpness, rtol=0.02)
    np.testing.assert_allclose(flow.layer_sharpness, swept.flow_layer_sharpness, rtol=1e-3)
    assert "spectrum" not in sims.deep.descend(NET, data, 0.08, tol=0.5)


def test_networks_without_layers_in_common(data):
    deeper = sims.deep.network("fcn", width=8, depth=2)
    with pytest.raises(InputError, match="one by one"):
        sims.deep.sweep([NET, deeper], data, 0.1, layers=True)


def test_a_figure_draws_them_in_units_of_the_edge(data, swept):
    figure = figures.spectrum(swept)
    top, blocks, far = figure.axes
    lines = {line.get_gid(): np.asarray(line.get_ydata()) for axes in figure.axes for line in axes.lines}
    for i in range(4):
        np.testing.assert_allclose(lines[f"spectrum {i + 1}"][:2], swept.lr[:2] * swept.spectrum[:2, i] / 2.4)
        assert np.isnan(lines[f"spectrum {i + 1}"][2])
    np.testing.assert_allclose(lines["layer_sharpness 2"][:2], swept.lr[:2] * swept.layer_sharpness[:2, 1] / 2.4)
    np.testing.assert_allclose(lines["distance"][:2], swept.distance[:2])
    run = sims.deep.descend(NET, data, 0.3, tol=0.5, batch=10, record_every=9)
    [axes] = figures.spectrum(run).axes
    [line] = [line for line in axes.lines if line.get_gid() == "batch_sharpness"]
    np.testing.assert_allclose(line.get_data(), (run.step, 0.3 * run.path_batch_sharpness / 2))
    for plain in (swept[["status", "sharpness"]], sims.deep.flow(NET, data, tol=1.0)):
        with pytest.raises(InputError, match="no spectrum"):
            figures.spectrum(plain)
