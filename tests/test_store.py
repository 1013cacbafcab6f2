"""A store holds the numbers of memory, survives interrupts, and is never written over."""

import importlib

import numpy as np
import pytest
import zarr

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError
from small_stores import arguments, assert_same, chunked

LOCAL = importlib.import_module("gdbias.sims.parallel.local")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_store_holds_the_numbers_of_memory(tmp_path, threads):
    full = sims.sweep(**arguments())
    stored = sims.sweep(**chunked(threads=threads), store=tmp_path / "new" / "a.zarr")
    assert_same(full, stored)
    assert_same(full, open_result(tmp_path / "new" / "a.zarr"))
    assert {int(s) for s in np.unique(full.status)} >= {Status.DIVERGED}
    for name in ("title", "spec"):
        assert stored.attrs[name] == full.attrs[name]
    for name in full.data_vars:
        assert stored[name].dtype == full[name].dtype and stored[name].attrs == full[name].attrs
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [".a.zarr.lock", "a.zarr"]  # nothing in sight


def test_models_and_seeds_are_stored(tmp_path):
    problems = [theory.sparse_regression(n=5, d=8, sparsity=2, n_test=0, seed=seed) for seed in (4, 7)]
    many = chunked(model=[theory.difference(2), theory.product(2)], problem=problems)
    assert_same(sims.sweep(**many), sims.sweep(**many, store=tmp_path / "a.zarr"))


def test_only_what_is_missing_is_computed(tmp_path, computed):
    path = tmp_path / "a.zarr"
    full = sims.sweep(**chunked(), store=path)
    assert computed == [0, 1, 2]
    assert_same(full, sims.sweep(**chunked(threads=2), store=path))  # threads are no part of the spec
    assert computed == [0, 1, 2]
    group = zarr.open_group(path, mode="r+")
    group["status"][1] = Status.NOT_RUN
    group["loss"][1] = 0.0
    assert (open_result(path).status[1] == Status.NOT_RUN).all()
    assert_same(full, sims.sweep(**chunked(), store=path))
    assert computed == [0, 1, 2, 1]


@pytest.mark.parametrize(
    "other", [dict(lr=[0.02]), dict(max_steps=401), dict(model=theory.product(2)), dict(keep=()), dict(backend="numpy")]
)
def test_another_spec_is_refused(tmp_path, other):
    path = tmp_path / "a.zarr"
    sims.sweep(**arguments(), store=path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=next(iter(other))):
        sims.sweep(**arguments(**other), store=path)
    assert contents(tmp_path) == before


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="not a gdbias store"):
        sims.sweep(**arguments(), store=folder)
    with pytest.raises(InputError):
        open_result(folder)
    assert contents(tmp_path) == {"mine/notes.txt": b"keep me"}


@pytest.mark.parametrize("attributes", [{"owner": "someone"}, {"spec": "[1]"}, {"spec": 3}, {"spec": "not JSON"}])
def test_another_zarr_group_is_refused(tmp_path, attributes):
    zarr.open_group(tmp_path / "other", mode="w-", attributes=attributes)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="not a gdbias store"):
        sims.sweep(**arguments(), store=tmp_path / "other")
    with pytest.raises(InputError, match="not written by gdbias"):
        open_result(tmp_path / "other")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("path", ["file", "file/a.zarr", "file/deep/a.zarr"])
def test_a_path_that_cannot_be_written_is_refused(tmp_path, path):
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(InputError):
        sims.sweep(**arguments(), store=tmp_path / path)
    assert contents(tmp_path) == {"file": b"keep me"}


def test_nothing_is_made_for_a_start_that_overflows(tmp_path):
    model = theory.custom("u*v", start=["alpha**64", "alpha"])
    with pytest.raises(InputError, match="starts u"):
        sims.sweep(**arguments(model=model, init_scale=[0.1, 1e200]), store=tmp_path / "a.zarr")
    assert not any(tmp_path.iterdir())


def test_a_missing_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_result(tmp_path / "none.zarr")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("scales", [3, 12])  # in turn; side by side
def test_an_interrupt_keeps_the_finished_chunks(tmp_path, monkeypatch, scales):
    many = chunked(init_scale=np.linspace(0.1, 0.4, scales), threads=2)
    path, write, written = tmp_path / "a.zarr", LOCAL.write, []

    def interrupted(found, region, names, arrays):
        if written:
            raise KeyboardInterrupt
        write(found, region, names, arrays)
        written.append(region[0].start)

    with monkeypatch.context() as patch:
        patch.setattr(LOCAL, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sims.sweep(**many, store=path)
    full, part = sims.sweep(**many), open_result(path)
    done = (part.status != Status.NOT_RUN).all("lr").values
    assert list(np.flatnonzero(done)) == written and not (part.status != Status.NOT_RUN).values[~done].any()
    np.testing.assert_array_equal(part.theta[done], full.theta[done])
    assert np.isnan(part.loss[~done]).all()
    assert_same(full, sims.sweep(**many, store=path))


class Killed(BaseException):
    """What no handler of errors catches, as little as it would a kill."""


@pytest.mark.parametrize("name", ["lr", "init_scale", "model", "seed", "loss", "status"])
@pytest.mark.parametrize("moment", ["made", "filled"])
def test_a_kill_while_the_store_is_made_leaves_no_wrong_number(tmp_path, monkeypatch, name, moment):
    many = arguments(model=[theory.difference(2)], problem=[arguments()["problem"]])
    create = zarr.Group.create_array

    def killed(group, made, **options):
        array = create(group, made, **options)
        if made == name and moment == "made":
            raise Killed
        if name in group and moment == "filled" and made != name:
            raise Killed
        return array

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Group, "create_array", killed)
        try:
            sims.sweep(**many, store=tmp_path / "a.zarr")
        except Killed:
            pass
    assert_same(sims.sweep(**many), sims.sweep(**many, store=tmp_path / "a.zarr"))


def test_a_store_has_one_writer(tmp_path, monkeypatch):
    """Also a third, who comes when a second waits at the lock of the first."""
    path, compute, refused = tmp_path / "a.zarr", LOCAL.compute, []

    def crowded(*given):
        monkeypatch.setattr(LOCAL, "compute", compute)
        for other in (path, tmp_path / "." / "a.zarr", tmp_path / "link.zarr"):
            with pytest.raises(InputError, match="being written by another process"):
                sims.sweep(**arguments(), store=other)
            refused.append(other)
        return compute(*given)

    (tmp_path / "link.zarr").symlink_to(path)
    monkeypatch.setattr(LOCAL, "compute", crowded)
    lock = tmp_path / ".a.zarr.lock"
    sims.sweep(**arguments(), store=path)
    held = lock.stat().st_ino
    sims.sweep(**arguments(), store=path)
    assert len(refused) == 3 and lock.stat().st_ino == held  # one file for all time, so one lock
