"""Figures and verbs of deep results: the drawn numbers are the dataset's. Needs no JAX but where it runs."""

import numpy as np
import pytest
import xarray as xr

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims import Status
from gdbias.theory import InputError

LR = np.array([0.02, 0.04, 0.06, 0.1, 3.0])
C = 0.05


@pytest.fixture
def deep():
    """A sweep as deep networks give it: on flow's line below C, on the hyperbola above, diverged at last."""
    over = dict(
        status=np.array([0, 0, 0, 0, 1], dtype=np.int8),
        sharpness=np.r_[np.minimum(2 / C, 2 / LR)[:4], np.nan],
        theta_l1=[10, 10, 11, 12, np.nan],
        theta_l2=[5, 5, 5.5, 6, np.nan],
        test_risk=[0.3, 0.3, 0.2, 0.4, np.nan],
    )
    flow = dict(lr_critical=C, flow_sharpness=2 / C, flow_theta_l1=10.0, flow_theta_l2=5.0, flow_test_risk=0.3)
    ds = xr.Dataset({n: ("lr", v) for n, v in over.items()} | {n: ((), v) for n, v in flow.items()}, {"lr": LR})
    return ds.assign_attrs(lr_critical=C)


@pytest.fixture(scope="module")
def diagonal():
    model, problem = theory.power(2), theory.sparse_regression(6, 12, 3, signs="positive", n_test=20)
    pred = theory.predict(model, problem, 0.1)
    return sims.sweep(model, problem, pred.lr_critical * np.array([0.3, 0.6, 0.9, 1.05]), [0.1], max_steps=20000), pred


def drawn(axes, gid):
    [line] = [line for line in axes.lines if line.get_gid() == gid]
    return np.array(line.get_data())


def test_both_columns_share_an_axis_in_units_of_the_critical_learning_rate(diagonal, deep):
    ds, pred = diagonal
    figure = figures.contrast(ds, deep, pred)
    left, right = figure.axes[0], figure.axes[1]
    np.testing.assert_allclose(drawn(left, "sharpness")[0], [0.3, 0.6, 0.9, 1.05])
    np.testing.assert_allclose(drawn(left, "sharpness")[1], ds.sharpness[0] * pred.lr_critical / 2)
    np.testing.assert_allclose(drawn(right, "sharpness")[0], LR / C)
    np.testing.assert_allclose(drawn(right, "sharpness")[1][:4], [1, 1, C / 0.06, C / 0.1])
    np.testing.assert_allclose(drawn(right, "status 1")[0], [60])
    np.testing.assert_allclose(drawn(figure.axes[3], "theta_l1")[1][:4], [1, 1, 1.1, 1.2])
    np.testing.assert_allclose(drawn(figure.axes[5], "best")[:, 0], [0.06 / C, 0.2])
    np.testing.assert_allclose(drawn(figure.axes[2], "beta_l1")[1], ds.beta_l1[0] / pred.flow.l1_norm)


def test_without_a_prediction_the_smallest_learning_rate_stands_for_flow(diagonal, deep):
    ds, pred = diagonal
    figure = figures.contrast(ds, deep)
    c = 2 / float(ds.sharpness_max[0, 0])
    np.testing.assert_allclose(drawn(figure.axes[0], "sharpness")[0], ds.lr / c)
    assert c == pytest.approx(pred.lr_critical, rel=0.15)
    with pytest.raises(InputError, match="converged"):
        figures.contrast(ds.assign(status=ds.status * 0 + int(Status.DIVERGED)), deep)


def test_norm_sharpness_draws_a_deep_result(deep):
    figure = figures.norm_sharpness(deep)
    np.testing.assert_allclose(drawn(figure.axes[1], "theta_l2")[1][:4], [1, 1, 1.1, 1.2])
    assert drawn(figure.axes[0], "flow")[1][0] == 2 / C and drawn(figure.axes[0], "lr_critical")[0][0] == C


def told_of(deep):
    """What the central flow tells of the sweep: a little off, with brackets, doubts, and nothing at the last rate."""
    told = deep.assign({name: 1.01 * deep[name] for name in ("sharpness", "theta_l1", "theta_l2", "test_risk")})
    told = told.assign(status=deep.status.where(deep.status == 0, -1), doubts=("lr", [0, 8, 1, 0, 4]))
    for name in ("theta_l1", "theta_l2"):
        told = told.assign({f"low_{name}": 0.9 * deep[name], f"high_{name}": 1.1 * deep[name]})
    return told.assign_attrs(spec='{"kind": "deep predicted", "tol": [0.02]}').isel(lr=[4, 1, 0, 2, 3])


def test_what_is_predicted_lies_over_the_measured_points(diagonal, deep):
    deep = deep.assign_attrs(spec='{"kind": "deep sweep", "tol": [0.02]}')
    told, (ds, pred) = told_of(deep), diagonal
    beside, alone = figures.contrast(ds, deep, pred, predicted=told), figures.norm_sharpness(deep, predicted=told)
    for axes, x, unit in ((beside.axes[1], C, 2 / C), (alone.axes[0], 1, 1)):
        at, values = drawn(axes, "predicted_sharpness")
        np.testing.assert_allclose(at, LR / x)
        np.testing.assert_allclose(values[:4], 1.01 * deep.sharpness[:4] / unit)
        assert np.isnan(values[4])
        np.testing.assert_allclose(drawn(axes, "predicted_sharpness doubted")[0], [0.06 / x])
    for axes in (beside.axes[3], alone.axes[1]):
        np.testing.assert_allclose(drawn(axes, "predicted_theta_l1")[1][:4], 1.01 * deep.theta_l1[:4] / 10)
        np.testing.assert_allclose(drawn(axes, "predicted_theta_l1 doubted")[1], 1.01 * deep.theta_l1[1:3] / 10)
        [band] = [area for area in axes.collections if area.get_gid() == "predicted_theta_l1 bracket"]
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == pytest.approx(0.9) and corners.max() == pytest.approx(1.1 * 1.2)
    np.testing.assert_allclose(drawn(alone.axes[2], "predicted_test_risk")[1][:4], 1.01 * deep.test_risk[:4])
    assert not [line for line in beside.axes[0].lines if str(line.get_gid()).startswith("predicted")]
    other = told.assign_attrs(spec='{"kind": "deep predicted", "tol": [0.1]}')
    for wrong, text in ((deep, "is not what"), (other, "another tol")):
        with pytest.raises(InputError, match=text):
            figures.norm_sharpness(deep, predicted=wrong)


def test_the_verbs_deep_and_plot_contrast(tmp_path, capsys):
    pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
    pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")
    deep, diagonal = tmp_path / "deep.zarr", tmp_path / "diagonal.zarr"
    arguments = (
        "--data digits --train 100 --test 50 --width 12 --depth 1 --activation tanh --tol 0.1 --lr 0.8,1.5".split()
    )
    main(["deep", str(deep), *arguments])
    assert "0.80" in capsys.readouterr().out
    small = "--n 4 --d 12 --sparsity 2 --n-test 50 --lr 0.05:0.3:4:log --init-scale 0.1 --max-steps 9000".split()
    main(["sweep", str(diagonal), *small])
    told = tmp_path / "told.zarr"
    main(["deep", str(told), *arguments, "--predict", "--warm", "10"])
    assert "doubts" in capsys.readouterr().out and (sims.store.open_result(told).status == Status.CONVERGED).all()
    both = ["--deep", str(deep), "--predicted", str(told), "--out", str(tmp_path / "contrast.png")]
    main(["plot", "contrast", str(diagonal), *both])
    assert (tmp_path / "contrast.png").stat().st_size > 1000
    for wrong in (["plot", "contrast", str(diagonal)], ["deep", str(told), *arguments, "--warm", "10"]):
        with pytest.raises(SystemExit):
            main(wrong)
