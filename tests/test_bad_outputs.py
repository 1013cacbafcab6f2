"""Where nothing can be written, a verb says so in one line before it works, and what is there stays."""

from pathlib import Path

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims.store.files import save_result
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError

FILES = ["none/x.{}", "file/x.{}", "dir.{}", "loop.{}", "/proc/x.{}", "~nobody-at-all/x.{}"]
PLACES = ["file", "file/x.{}", "full", "loop.{}", "loop.{}/x.{}", "/proc/x.{}", "~nobody-at-all/x.{}"]
VERBS = {
    "derive power(2) --tex": ("tex", FILES),
    "verify --quick --csv": ("csv", FILES),
    "verify --quick --html": ("html", FILES),
    "plot phase_diagram good.zarr --out": ("png", FILES),
    "run --lr 0.1 --plot": ("png", FILES),
    "run --lr 0.1 --store": ("zarr", [*PLACES, "dir.{}"]),
    "sweep": ("zarr", [*PLACES, "a.json"]),
    "quickstart --out": ("out", PLACES),
}
CASES = [(f"{verb} {place.format(*[kind] * 2)}", kind) for verb, (kind, places) in VERBS.items() for place in places]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("keep me")
    (tmp_path / "full").mkdir()
    for name in ("notes.txt", "summary.md", "phase_diagram.png"):
        (tmp_path / "full" / name).write_text("keep me")
    return tmp_path


def contents(folder):
    return {p.relative_to(folder): p.is_file() and p.read_bytes() for p in folder.rglob("*") if not p.is_symlink()}


@pytest.mark.parametrize("typed, kind", CASES)
def test_what_cannot_be_written_is_refused_before_the_work(typed, kind, folder, capsys, monkeypatch):
    if "/proc/" in typed and not Path("/proc/self").exists():
        pytest.skip("there is no /proc")
    (folder / f"dir.{kind}").mkdir()
    (folder / f"loop.{kind}").symlink_to(folder / f"loop.{kind}")
    monkeypatch.setattr(sims.checks, "verify", lambda *_, **__: pytest.fail("checked"))
    before = contents(folder)
    with pytest.raises(SystemExit) as end:
        main(typed.split())
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out
    [line] = shown.err.splitlines()
    assert line.startswith("gdbias: ") and Path(typed.split()[-1]).parts[-1] in line
    assert contents(folder) == before


def test_a_quickstart_goes_into_its_own_folder_again(tmp_path, capsys):
    from gdbias.figures.cli.quickstart_verb import _own

    problem = theory.sparse_regression(n=2, d=3, sparsity=1, n_test=0)
    sims.sweep(theory.difference(2), problem, 0.1, max_steps=1, store=tmp_path / "own" / "sweep.zarr")
    (tmp_path / "own" / "summary.md").write_text("an earlier one")
    for folder in (tmp_path / "own", tmp_path / "new" / "er"):
        assert _own(folder, theory.difference(2), problem) == folder


@pytest.mark.parametrize("name", ["x.zarr", "new/x.zarr"])
def test_the_home_folder_has_its_short_name(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    problem = theory.sparse_regression(n=2, d=3, sparsity=1, n_test=0)
    ds = sims.sweep(theory.difference(2), problem, [0.1, 0.2], max_steps=1, store=f"~/{name}")
    assert (tmp_path / name / "zarr.json").exists() and open_result(f"~/{name}").equals(ds)
    assert save_result(ds, "~/b.json") == tmp_path / "b.json"


@pytest.mark.parametrize("store", ["a.json", 3, "~nobody-at-all/a.zarr", "loop/a.zarr"])
def test_a_store_that_cannot_be_is_refused_before_the_first_run(store, tmp_path, monkeypatch, computed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    problem = theory.sparse_regression(n=2, d=3, sparsity=1, n_test=0)
    net = theory.linear_network(np.eye(2), depth=2)
    for asked in (
        lambda: sims.sweep(theory.difference(2), problem, 0.1, store=store),
        lambda: sims.linear.sweep(net, 0.1, store=store),
    ):
        with pytest.raises(InputError):
            asked()
    assert not computed and [path.name for path in tmp_path.iterdir()] == ["loop"]


def test_text_of_a_store_goes_into_a_json_and_back(tmp_path):
    problems = [theory.sparse_regression(n=2, d=3, sparsity=1, n_test=0, seed=seed) for seed in (0, 1)]
    models = [theory.difference(2), theory.product(2)]
    ds = sims.sweep(models, problems, [0.1, 0.2], max_steps=1, store=tmp_path / "a.zarr", backend="numpy").load()
    assert open_result(save_result(ds, tmp_path / "a.json")).equals(ds)
    assert open_result(save_result(ds, tmp_path / "b.zarr")).equals(ds)
