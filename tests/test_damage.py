"""A store that is damaged, or whose disk is full, ends in a clear message; what is intact stays."""

import errno
import importlib
import shutil
import warnings

import numpy as np
import pytest
import zarr
import zarr.storage._local

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims import Status
from gdbias.sims.store.files import save_result
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError
from small_stores import arguments, assert_same, chunked


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished store, and the result that it holds."""
    store = tmp_path_factory.mktemp("made") / "a.zarr"
    return store, sims.sweep(**chunked(), store=store).load()


@pytest.fixture
def finished(made, tmp_path):
    """A copy of it that can be damaged."""
    store, whole = made
    return shutil.copytree(store, tmp_path / "a.zarr"), whole


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


def emptied(content):
    return b""


@pytest.mark.parametrize("name", ["loss", "theta", "status"])
@pytest.mark.parametrize("damage", [cut, flipped, emptied])
def test_a_chunk_that_cannot_be_read_is_computed_again(finished, computed, name, damage):
    store, whole = finished
    [chunk] = [p for p in (store / name / "c" / "1").rglob("*") if p.is_file()]
    chunk.write_bytes(damage(chunk.read_bytes()))
    with pytest.raises(InputError, match="damaged.*same sweep again"):
        open_result(store)
    computed.clear()
    with pytest.warns(UserWarning, match=f"1 chunks that are lost or cannot be read .{name}."):
        again = sims.sweep(**chunked(), store=store)
    assert computed == [1]
    assert_same(again, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sims.sweep(**chunked(), store=store)
    assert computed == [1]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_finished_chunks(made, tmp_path, monkeypatch, code):
    (_, whole), store = made, tmp_path / "a.zarr"
    put, full = zarr.storage._local._put, importlib.import_module("os").strerror(code)

    def refused(path, value, exclusive=False):
        if "/theta/c/1" in str(path):
            raise OSError(code, full)
        return put(path, value, exclusive)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.storage._local, "_put", refused)
        with pytest.raises(InputError, match=f"failed .{full}.: make room"):
            sims.sweep(**chunked(), store=store)
    assert list((open_result(store).status != Status.NOT_RUN).all("lr").values) == [True, False, False]
    assert_same(sims.sweep(**chunked(), store=store), whole)


def test_what_a_killed_writer_left_half_written_is_removed(finished):
    store, whole = finished
    (store / "loss" / "c" / "1" / "0.0123456789abcdef.partial").write_bytes(b"half")
    assert_same(sims.sweep(**chunked(), store=store), whole)
    assert not list(store.rglob("*.partial"))


def test_a_store_at_a_url(made, computed):
    fsspec = pytest.importorskip("fsspec")
    url = "memory://runs/a.zarr"
    with pytest.raises(InputError, match="does not exist"):
        open_result(url)
    try:
        _, whole = made
        assert_same(sims.sweep(**chunked(), store=url), whole)
        computed.clear()
        assert_same(sims.sweep(**chunked(), store=url), whole)
        assert not computed
        with pytest.raises(InputError, match="holds another spec"):
            sims.sweep(**chunked(max_steps=7), store=url)
        np.testing.assert_array_equal(open_result(url).status, whole.status)
    finally:
        fsspec.filesystem("memory").rm("/runs", recursive=True)


@pytest.mark.parametrize("name", ["loss", "theta", "lr"])
def test_what_was_lost_of_a_store_at_a_url(name, computed):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    url = "memory://lost/a.zarr"
    try:
        whole = sims.sweep(**chunked(), store=url)
        computed.clear()
        for lost in (memory.find(f"/lost/a.zarr/{name}/c")[-1], f"/lost/a.zarr/{name}"):
            memory.rm(lost, recursive=True)
            with pytest.raises(InputError, match=f"{name} is .*: ask for the same sweep again"):
                open_result(url)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert_same(sims.sweep(**chunked(), store=url), whole)
        assert computed == ([] if name == "lr" else [2, 0, 1, 2])
    finally:
        memory.rm("/lost", recursive=True)


@pytest.mark.parametrize("url", ["nothing://a/b.zarr"])
def test_an_unknown_protocol_is_refused(url):
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="use a protocol"):
        sims.sweep(**arguments(), store=url)


@pytest.mark.parametrize("name", ["loss", "theta", "sharpness"])
def test_a_chunk_that_was_lost_is_computed_again(finished, computed, name):
    store, whole = finished
    [chunk] = [p for p in (store / name / "c" / "1").rglob("*") if p.is_file()]
    chunk.unlink()
    computed.clear()
    with pytest.warns(UserWarning, match=f"1 chunks that are lost or cannot be read .{name}."):
        again = sims.sweep(**chunked(), store=store)
    assert computed == [1]
    assert_same(again, whole)


def test_damaged_coordinates_are_written_again(finished, computed):
    store, whole = finished
    for name in ("lr", "init_scale"):
        chunk = store / name / "c" / "0"
        chunk.write_bytes(cut(chunk.read_bytes()))
    computed.clear()
    assert_same(sims.sweep(**chunked(), store=store), whole)
    assert not computed


@pytest.mark.parametrize("name", ["loss", "theta", "status", "lr"])
@pytest.mark.parametrize("left", [50, 0, None], ids=["cut", "emptied", "removed"])
def test_an_array_without_its_description_is_computed_again(finished, name, left):
    store, whole = finished
    meta = store / name / "zarr.json"
    if left is None:
        shutil.rmtree(meta.parent)
    else:
        meta.write_bytes(meta.read_bytes()[:left])
    with pytest.raises(InputError, match="damaged.*same sweep again"):
        open_result(store)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same(sims.sweep(**chunked(), store=store), whole)


def test_a_description_that_another_layout_needs_stays(finished):
    store, _ = finished
    meta = store / "loss" / "zarr.json"
    meta.write_bytes(meta.read_bytes()[:50])
    with pytest.raises(InputError, match="chunks of shape"):
        sims.sweep(**arguments(chunk_runs=2), store=store)
    assert meta.stat().st_size == 50


@pytest.mark.parametrize("name", ["sharpness", "theta", "init_scale"])
def test_a_lost_chunk_is_told_when_the_result_is_opened(finished, name):
    store, _ = finished
    next(path for path in (store / name / "c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(InputError, match=f"of {name} is lost.: ask for the same sweep again"):
        open_result(store)


def test_a_store_that_is_not_finished_has_lost_nothing(finished):
    store, _ = finished
    zarr.open_group(store, mode="r+")["status"][1] = Status.NOT_RUN
    [chunk] = [path for path in (store / "loss" / "c" / "1").rglob("*") if path.is_file()]
    chunk.unlink()
    assert list((open_result(store).status == Status.NOT_RUN).any("lr").values) == [False, True, False]


@pytest.mark.parametrize("name", ["loss", "lyapunov", "lr"])  # a number, NaN, a coordinate
def test_a_lost_chunk_of_a_single_result_is_told(tmp_path, name):
    run = sims.descend(theory.difference(2), arguments()["problem"], 0.05, max_steps=5)
    store = save_result(run, tmp_path / "run.zarr")
    assert open_result(store).equals(run)
    (store / name / "c").unlink()
    with pytest.raises(InputError, match=f"of {name} is lost.: make the result again"):
        open_result(store)


@pytest.mark.parametrize("name", ["loss", "lr", "status", "path_loss"])
def test_a_variable_that_was_lost_is_told_by_who_reads(tmp_path, name, capsys):
    run = sims.descend(theory.difference(2), arguments()["problem"], 0.05, max_steps=5, record_every=1)
    store = save_result(run, tmp_path / "run.zarr")
    assert open_result(store).identical(run)
    shutil.rmtree(store / name)
    for verb in (["report"], ["plot", "trajectory"]):
        with pytest.raises(SystemExit) as end:
            main([*verb, str(store)])
        [line] = capsys.readouterr().err.splitlines()
        assert end.value.code == 2 and f"{name} is missing" in line and "make the result again" in line
    part = save_result(run[["loss"]], tmp_path / "part.zarr")
    assert open_result(part).identical(run[["loss"]])


def test_the_format_of_a_store_is_its_own(tmp_path):
    with zarr.config.set({"default_zarr_format": 2}):
        assert_same(sims.sweep(**chunked(), store=tmp_path / "a.zarr"), sims.sweep(**chunked()))
