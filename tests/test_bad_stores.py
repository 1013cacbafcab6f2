"""What is no result is told in one line by every verb that reads one, and a closed or full output ends quietly."""

import io
import json
import sys

import pytest
import zarr

from gdbias.figures.cli.command import main
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError

TEXTS = ["[]", "[1, 2]", '"text"', "{}", "3", "null", "true", "", "{", '{"attrs": {}}', '{"dtypes": {}}',
         '{"dtypes": {}, "data_vars": {}, "coords": {}, "attrs": {"spec": "{}"}, "dims": {}}']  # fmt: skip
SPECS = ["{}", "[]", "3", "null", "not JSON", '{"kind": 3}', '{"kind": null}', '{"lr": [0.1]}', '{"kind": "sweep"}']


def refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out
    [line] = shown.err.splitlines()
    assert line.startswith("gdbias: ") and arguments[-1] in line
    return line


@pytest.mark.parametrize("text", TEXTS)
def test_a_json_that_is_no_result(text, tmp_path, capsys):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError):
        open_result(path)
    for verb in (["report"], ["plot", "phase_diagram"]):
        refused([*verb, str(path)], capsys)


@pytest.mark.parametrize("spec", SPECS)
def test_a_group_that_is_no_result(spec, tmp_path, capsys):
    path = tmp_path / "a.zarr"
    zarr.open_group(path, mode="w-", zarr_format=3, attributes={"spec": spec})
    refused(["report", str(path)], capsys)
    refused(["plot", "phase_diagram", str(path)], capsys)
    if spec == '{"kind": "sweep"}':
        return  # a sweep of nothing, with another spec than any
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit):
        main(["sweep", str(path), "--lr", "0.1", "--init-scale", "0.1"])
    [line] = capsys.readouterr().err.splitlines()
    assert "not a gdbias store" in line and sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", ["none.zarr", "none.json", "file", ".", "loop.zarr", "~nobody-at-all/a.zarr"])
def test_a_path_where_there_is_none(path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")
    (tmp_path / "loop.zarr").symlink_to(tmp_path / "loop.zarr")
    for verb in (["report"], ["plot", "norm_sharpness"]):
        refused([*verb, path], capsys)


def test_a_full_output_is_one_line(monkeypatch, capsys):
    try:
        full = open("/dev/full", "w")
    except OSError:
        pytest.skip("there is no /dev/full")
    with full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as end:
            main(["derive", "power(2)", "--source"])
    [line] = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and "No space left" in line


def test_a_closed_output_is_none(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    main(["derive", "power(2)", "--source"])
    assert not capsys.readouterr().err


def test_letters_that_an_output_lacks_are_spelled(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    main(["derive", "custom(\u03b8*w)", "--latex"])
    assert b"\\u03b8" in narrow.buffer.getvalue()


@pytest.mark.parametrize("option", ["--quick", "--seed 3", "--workers 2", "--markdown", "--html a.html", "--csv a.csv"])
def test_a_list_of_statements_checks_nothing(option, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["verify", "--list", *option.split()])
    [line] = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and f"{option} has no effect on --list" in line and not list(tmp_path.iterdir())
    main(["verify", "--list", "--only", "ALG-1", "--json"])
    [listed] = json.loads(capsys.readouterr().out)
    assert listed["id"] == "ALG-1"
