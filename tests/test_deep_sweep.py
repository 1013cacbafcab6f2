"""Deep runs on digits: regimes, statuses, resume, and the same numbers however a run is cut."""

import importlib
from functools import partial
from threading import Event

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

from gdbias import sims
from gdbias.sims import Status
from gdbias.sims.deep.checkpoint import Checkpoint
from gdbias.sims.store.files import save_result
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError

SWEEP, CASES = (importlib.import_module(f"gdbias.sims.deep.{name}") for name in ("sweeps", "cases"))
NET = sims.deep.network("fcn", width=12, depth=1, activation="tanh")
PROTOCOL = dict(tol=0.03, max_steps=3000, track_every=51)


@pytest.fixture(scope="module")
def data():
    return sims.deep.load("digits", train=100, test=50)


@pytest.fixture(scope="module")
def swept(data):
    return sims.deep.sweep(NET, data, [0.5, 0.9, 1.5, 2.0, 500.0], relative=True, **PROTOCOL)


def test_below_the_critical_learning_rate_runs_end_where_flow_does(swept):
    calm = swept.isel(lr=slice(0, 2))
    assert (calm.status == Status.CONVERGED).all()
    np.testing.assert_allclose(calm.sharpness, calm.flow_sharpness, rtol=0.05)
    for norm in ("theta_l1", "theta_l2"):
        np.testing.assert_allclose(calm[norm], calm[f"flow_{norm}"], rtol=0.01)


def test_above_it_they_end_at_the_edge_of_stability(swept):
    edge = swept.isel(lr=slice(2, 4))
    assert (edge.status == Status.CONVERGED).all() and not edge.monotone.any()
    np.testing.assert_allclose(edge.lr * edge.sharpness / 2, 1, atol=0.1)
    assert (edge.sharpness_residual < 1e-3 * edge.sharpness).all()


def test_divergence_is_a_status(swept):
    last = swept.isel(lr=-1)
    assert last.status == Status.DIVERGED
    assert np.isnan(last.sharpness) and np.isnan(last.theta_l1)


def test_removing_the_oscillation_lowers_the_loss_and_keeps_the_place(swept):
    runs = swept.isel(lr=slice(0, 4))
    assert (runs.cooled_loss < runs.loss).all() and (runs.averaged_loss < runs.loss).all()
    np.testing.assert_allclose(runs.cooled_sharpness, runs.sharpness, rtol=0.05)
    np.testing.assert_allclose(runs.cooled_theta_l2, runs.averaged_theta_l2, rtol=1e-2)


def test_the_critical_learning_rate_is_an_attribute_and_a_variable(swept):
    assert swept.attrs["lr_critical"] == swept.lr_critical.item() == 2 / swept.flow_sharpness_max.item()
    np.testing.assert_allclose(swept.lr / swept.lr_critical, [0.5, 0.9, 1.5, 2, 500], rtol=1e-3)


def test_a_recorded_run_is_the_run_of_the_sweep(swept, data):
    lr = float(swept.lr[2])
    run = sims.deep.descend(NET, data, lr, record_every=200, **PROTOCOL)
    assert run.steps == swept.steps[2] and run.step[-1] == run.steps
    assert run.theta_l2 == swept.theta_l2[2]
    np.testing.assert_allclose(run.path_loss[-1], run.loss, rtol=1e-6)
    assert (run.path_sharpness_adaptive > 0).all()


def test_only_missing_runs_are_computed_and_another_spec_is_refused(tmp_path, data, monkeypatch):
    store, started, run, first = tmp_path / "deep.zarr", [], SWEEP.run, Event()

    def stopped(objective, theta0, lr, *rest):
        started.append(lr)
        if lr == 0.05 and started.count(lr) == 1:
            assert first.wait(60)
            raise KeyboardInterrupt
        found = run(objective, theta0, lr, *rest)
        first.set()
        return found

    protocol = PROTOCOL | dict(tol=0.2, store=store)
    with monkeypatch.context() as patch:
        patch.setattr(SWEEP, "run", stopped)
        with pytest.raises(KeyboardInterrupt):
            sims.deep.sweep(NET, data, [0.05, 0.1], **protocol)
        assert list(open_result(store).status.values) == [Status.NOT_RUN, Status.CONVERGED]
        patch.setattr(CASES, "_flow", lambda *_: pytest.fail("gradient flow was stored already"))
        ds = sims.deep.sweep(NET, data, [0.05, 0.1], **protocol)
    assert sorted(started) == [0.05, 0.05, 0.1]
    plain = sims.deep.sweep(NET, data, [0.05, 0.1], **(protocol | dict(store=None)))
    assert ds.drop_attrs().equals(plain.drop_attrs())
    with pytest.raises(InputError, match="tol"):
        sims.deep.sweep(NET, data, [0.05, 0.1], **(protocol | dict(tol=0.3)))


def test_an_interrupted_sweep_goes_on_inside_its_run(tmp_path, data, monkeypatch):
    store, run, notes = tmp_path / "deep.zarr", SWEEP.run, []
    saved = tmp_path / "deep.zarr.checkpoint-0"
    protocol = PROTOCOL | dict(store=store)
    monkeypatch.setattr(CASES, "Checkpoint", partial(Checkpoint, seconds=0))

    def told(objective, theta0, lr, options, every, tell, checkpoint):
        def each(note):
            tell(note)
            notes.append(note)
            if len(notes) == 3:
                raise KeyboardInterrupt

        return run(objective, theta0, lr, options, every, each, checkpoint)

    monkeypatch.setattr(SWEEP, "run", told)
    with pytest.raises(KeyboardInterrupt):
        sims.deep.sweep(NET, data, [0.1], **protocol)
    assert saved.exists()
    ds = sims.deep.sweep(NET, data, [0.1], **protocol)
    assert ["step 0," in note for note in notes[:4]] == [True, False, False, False] and not saved.exists()
    assert ds.drop_attrs().equals(sims.deep.sweep(NET, data, [0.1], **PROTOCOL).drop_attrs())


def test_relative_rates_resume(tmp_path, data, capsys):
    store = tmp_path / "deep.zarr"
    first = sims.deep.sweep(NET, data, [1.5], relative=True, store=store, **(PROTOCOL | dict(tol=0.3)))
    again = sims.deep.sweep(NET, data, [1.5], relative=True, store=store, **(PROTOCOL | dict(tol=0.3)))
    assert again.equals(first)


def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path, data):
    from gdbias.sims.deep.one_run import run
    from gdbias.sims.deep.options import DeepOptions
    from gdbias.sims.deep.training_loss import objective

    options = DeepOptions(tol=0.05)
    theta0, target = objective(NET, data)
    whole, _ = run(target, theta0, 0.1, options)
    notes = []

    def killed(note):
        notes.append(note)
        if len(notes) == 4:
            raise KeyboardInterrupt

    file, made_of = tmp_path / "run.checkpoint", {"lr": 0.1}
    with pytest.raises(KeyboardInterrupt):
        run(target, theta0, 0.1, options, 0, killed, Checkpoint(file, made_of, seconds=0))
    notes.clear()
    resumed, _ = run(target, theta0, 0.1, options, 0, notes.append, Checkpoint(file, made_of, seconds=0))
    assert "step 153" in notes[0] and resumed == whole
    notes.clear()
    run(target, theta0, 0.2, options, 0, notes.append, Checkpoint(file, {"lr": 0.2}))  # the file is of another run
    assert "step 0" in notes[0]
    saved = Checkpoint(tmp_path / "damaged", made_of, seconds=0)
    saved.save((theta0, 1.0))
    content = bytearray(saved.path.read_bytes())
    content[-20] ^= 1  # one bit of the weights
    saved.path.write_bytes(content)
    start = (theta0 * 0, 0.0)
    assert saved.load(start) is start


def test_a_store_made_for_one_is_not_taken_for_a_list(data, tmp_path):
    protocol = PROTOCOL | dict(max_steps=20)
    sims.deep.sweep(NET, data, [0.1], store=tmp_path / "s.zarr", **protocol)
    before = open_result(tmp_path / "s.zarr")
    for other in (dict(tol=[PROTOCOL["tol"]]), dict(net=[NET])):
        with pytest.raises(InputError, match="dimensions"):
            sims.deep.sweep(**(dict(net=NET, data=data, lr=[0.1], store=tmp_path / "s.zarr") | protocol | other))
    assert open_result(tmp_path / "s.zarr").identical(before)


def test_nothing_is_relative_to_a_flow_that_did_not_arrive(data):
    exploding = sims.deep.network("fcn", width=12, depth=1, init_scale=1e20)
    with pytest.raises(InputError, match="gradient flow"):
        sims.deep.sweep(exploding, data, [0.5, 1.0], relative=True, **PROTOCOL)


@pytest.mark.parametrize(
    "wrong", [dict(net="fcn"), dict(data="digits"), dict(tol="x"), dict(tol=None)], ids=lambda wrong: next(iter(wrong))
)
def test_names_are_not_taken_for_things(data, wrong):
    with pytest.raises(InputError):
        sims.deep.sweep(**(dict(net=NET, data=data, lr=[0.1]) | wrong))


def test_lists_become_dimensions(data):
    nets = [NET]
    ds = sims.deep.sweep(nets, data, 0.1, loss=["cross_entropy"], tol=[2.0, 1.5], max_steps=300)
    assert ds.status.dims == ("model", "objective", "tol", "lr") and ds.lr_critical.dims == (
        "model",
        "objective",
        "tol",
    )
    assert list(ds.model.values) == [net.name for net in nets]
    assert (ds.steps.isel(tol=1) > ds.steps.isel(tol=0)).all()


@pytest.mark.parametrize(
    "wrong",
    [dict(lr=-1.0), dict(lr=[]), dict(tol=0.0), dict(loss="hinge"), dict(hold=0), dict(precision="float16"),
     dict(tol=[]), dict(net=[]), dict(relative=True, tol=[0.1, 0.2])],
)  # fmt: skip
def test_bad_input_is_refused(data, wrong):
    with pytest.raises(InputError):
        sims.deep.sweep(**(dict(net=NET, data=data, lr=0.1) | wrong))


def test_a_result_as_one_file_is_the_result(swept, tmp_path):
    path = save_result(swept, tmp_path / "deep.json")
    again = open_result(path)
    assert again.identical(swept) and {n: v.dtype for n, v in again.variables.items()} == {
        n: v.dtype for n, v in swept.variables.items()
    }
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError):
        open_result(tmp_path / "other.json")
    with pytest.raises(InputError, match="exists"):
        save_result(swept, path)
