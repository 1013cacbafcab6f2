"""Bad input typed at the command line: one line that names it, exit code 2, and no file touched."""

import numpy as np
import pytest

from gdbias import theory
from gdbias.figures.cli.command import main

TABLES = {
    "good.csv": "a,b,t\n1,2,3\n2,5,1\n3,1,7\n4,4,2\n5,6,1\n",
    "text.csv": "a,b,t\n1,x,3\n2,y,1\n",
    "gap.csv": "a,b,t\n1,2,3\n2,,1\n3,4,4\n",
    "numbers.csv": "1,2,3.5\n2,5,1\n",
    "one.csv": "a,b,t\n1,2,3\n",
    "empty.csv": "",
    "file": "keep me",
}
SMALL = ["--n", "4", "--d", "8", "--sparsity", "2", "--n-test", "0", "--model", "difference(2)"]
STORED = [*SMALL, "--init-scale", "0.1", "--max-steps", "1"]

BAD = [
    ("derive cube(2)", "'cube(2)': use power(L)"),
    ("derive power", "'power': use power(L)"),
    ("derive power(0)", "power(0)"),
    ("derive power(x)", "'power(x)'"),
    ("derive power(99)", "power(99)"),
    ("derive custom(__import__('os'))", "not allowed"),
    ("derive custom(\"__import__('os')\")", "not allowed"),
    ("predict --model cube(2)", "cube(2)"),
    ("predict --csv none.csv --target t", "none.csv (No such file"),
    ("predict --csv . --target t", "cannot read ."),
    ("predict --csv empty.csv --target t", "empty.csv"),
    ("predict --csv good.csv", "--target"),
    ("predict --target t", "--csv"),
    ("predict --csv good.csv --npz bare.npz --target t", "exclude"),
    ("predict --csv good.csv --target z", "'z' is not a column of good.csv: choose one of a, b, t"),
    (
        "predict --csv text.csv --target t",
        "'b' of text.csv is not numeric: encode it as numbers, or leave it out (--drop",
    ),
    ("predict --csv good.csv --target t --drop t", "drop = 't' is no feature of good.csv: choose among a, b"),
    ("predict --csv numbers.csv --target t", "numbers.csv, whose first row has numbers: give it a header"),
    ("predict --drop a", "--drop a has no effect on synthetic data: it needs --csv"),
    ("run --learning-rate 0.1", "unknown option --learning-rate: do you mean --lr?"),
    ("run --lr 0.1 --rule adm", "unknown step 'adm': do you mean adam?"),
    ("run --lr 0.1 --step weight-lr*grad", "reads grad, which has no value: do you mean gradient?"),
    ("predict --csv gap.csv --target t", "row 2, column 'b' of gap.csv"),
    ("predict --csv one.csv --target t", "one training row"),
    ("predict --csv good.csv --target t --test-fraction 1.5", "test_fraction = 1.5"),
    ("predict --csv good.csv --target t --loss logistic", "targets -1 or +1"),
    ("predict --diabetes 0", "train = 0"),
    ("predict --csv file/x", "file/x"),
    ("derive power(2) --latex --source", "--latex and --source exclude each other"),
    ("predict --npz none.npz", "none.npz (No such file"),
    ("predict --npz bare.npz", "bare.npz has no array 'X'"),
    ("predict --npz shapes.npz", "shapes.npz: y has shape (2,)"),
    ("predict --npz good.csv", "numpy.savez"),
    ("predict --n 0", "n = 0"),
    ("predict --d -3", "d = -3"),
    ("predict --sparsity 99", "sparsity = 99 exceeds d = 40"),
    ("predict --seed -1", "seed = -1"),
    ("predict --init-scale 0", "init_scale = 0"),
    ("predict --n 100000000 --d 100000000", "out of memory"),
    ("predict --n 99999999999999999999", "n = 99999999999999999999"),
    ("run --lr -1", "lr = -1"),
    ("run --lr 0", "lr = 0"),
    ("run --lr nan", "lr = nan"),
    ("run --lr 0.1 --threads 0", "threads = 0"),
    ("run --lr 0.1 --record-every -1 --plot x.png", "record_every = -1"),
    ("run --lr 0.1 --plot x.jpg", ".png, .pdf, .svg"),
    ("run --lr 0.1 --plot none/x.png", "none/x.png"),
    ("run --lr 0.1 --store file", "file exists"),
    ("run --lr 0.1 --store file/x.zarr", "file/x.zarr"),
    ("run --lr 0.1 --record-every 5", "--record-every 5 has no effect: it needs --plot or --store"),
    ("run --lr 0.1 --noise-steps 5", "--noise-steps 5 has no effect on descent without noise: it needs --label-noise"),
    ("run --lr 0.1 --noise-seed 5", "it needs --label-noise or --batch"),
    ("sweep x.zarr --dry-run --scheduler tcp://none:1", "leave out --scheduler"),
    ("sweep x.zarr --lr ", "''"),
    ("sweep x.zarr --lr -0.1", "lr = -0.1"),
    ("sweep x.zarr --lr=-0.1", "lr = -0.1"),
    ("sweep x.zarr --lr 0", "lr = 0"),
    ("sweep x.zarr --lr nan", "lr = nan"),
    ("sweep x.zarr --lr 0.2,0.1,0.2", "lr = 0.2 is repeated"),
    ("sweep x.zarr --init-scale 0.2,0.2", "init_scale = 0.2 is repeated"),
    ("sweep x.zarr --lr 1:2", "'1:2'"),
    ("sweep x.zarr --lr 1:2:0:log", "num = 0"),
    ("sweep x.zarr --lr 2:1:3:lin", "start = 2 is above stop = 1"),
    ("sweep x.zarr --lr 1:2:999999999999:log", "num = 999999999999"),
    ("sweep x.zarr --lr 1:2:3:cube", "'cube'"),
    ("sweep x.zarr --max-steps -1", "max_steps = -1"),
    ("sweep x.zarr --max-steps 99999999999999999999", "max_steps = 99999999999999999999"),
    ("sweep x.zarr --threads 0", "threads = 0"),
    ("sweep x.zarr --tol -1e-9", "tol = -1e-09"),
    ("sweep x.zarr --tol nan", "tol = nan"),
    ("sweep x.zarr --hold 0", "hold = 0"),
    ("sweep file", "file exists and is not a gdbias store"),
    ("sweep file/x.zarr", "file/x.zarr"),
    ("sweep mine", "mine exists and is not a gdbias store"),
    ("sweep good.zarr --lr 0.2 STORED", "its lr is [0.1], asked is [0.2]"),
    ("sweep good.zarr --lr 0.1 STORED --seed 3", "its problem is"),
    (
        "sweep good.zarr --lr 0.1 STORED --max-steps 2",
        "its max_steps is 1, asked is 2: a store holds one sweep: choose",
    ),
    ("plot scatter good.zarr", "'scatter'"),
    ("plot phase_diagram none.zarr", "none.zarr does not exist"),
    ("plot phase_diagram file", "file cannot be read"),
    ("plot phase_diagram mine", "mine cannot be read"),
    ("plot phase_diagram good.zarr --out x.jpg", ".png, .pdf, .svg"),
    ("plot norm_sharpness good.zarr --init-scale -1", "init_scale = -1"),
    ("plot phase_diagram good.zarr --init-scale 0.1", "--init-scale 0.1 has no effect on phase_diagram: it needs norm"),
    ("plot norm_sharpness good.zarr --by phase", "--by phase has no effect on norm_sharpness: it needs phase_diagram"),
    ("plot phase_diagram good.zarr --endpoints 3", "--endpoints 3 has no effect on phase_diagram: it needs norm_"),
    ("plot frontier good.zarr --no-predict", "--no-predict has no effect on frontier: it needs phase_diagram or"),
    ("plot norm_sharpness good.zarr --runs", "--runs has no effect on norm_sharpness: it needs regimes"),
    ("plot regimes good.zarr --deep good.zarr", "--deep good.zarr has no effect on regimes: it needs contrast"),
    ("deep x.zarr --data digits --folder .", "--folder . has no effect on --data digits: it needs --data cifar10"),
    ("deep x.zarr --base-width 32", "--base-width 32 has no effect on --parameterization standard: it needs --param"),
    ("plot trajectory good.zarr", "gdbias run --lr 0.1 --store"),
    ("quickstart --out file", "folder file"),
    ("quickstart --out file/x", "folder file/x"),
    ("quickstart --csv good.csv --target z", "'z'"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("typed")
    for name, text in TABLES.items():
        (path / name).write_text(text)
    np.savez(path / "bare.npz", y=[1.0])
    np.savez(path / "shapes.npz", X=np.ones((3, 2)), y=np.ones(2))
    (path / "mine").mkdir()
    (path / "mine" / "notes.txt").write_text("keep me")
    main(["sweep", str(path / "good.zarr"), "--lr", "0.1", *STORED])
    return path


def contents(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("typed, words", BAD)
def test_bad_input_is_one_line_and_exit_code_2(typed, words, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    before = contents(folder)
    arguments = [part for word in typed.split(" ") for part in (STORED if word == "STORED" else [word])]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out
    assert words in shown.err and len(shown.err.splitlines()) == 1 and shown.err.startswith("gdbias: ")
    assert contents(folder) == before


@pytest.mark.parametrize("typed", ["", "run", "run --lr fast", "run --lr 0.1 --backend torch", "sweep x --steps 3"])
def test_what_the_command_line_itself_refuses(typed, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    before = contents(folder)
    with pytest.raises(SystemExit) as end:
        main(typed.split())
    assert end.value.code == 2 and "help" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_warning_is_one_line(tmp_path, capsys):
    np.savez(tmp_path / "data.npz", X=[[1.0, 2.0]], y=[-1.0])  # a square cannot be negative
    main(["run", "--lr", "0.01", "--npz", str(tmp_path / "data.npz"), "--model", "power(2)", "--max-steps", "1"])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("gdbias: warning: power(2)")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["rnu", "--lr", "0.1"], "unknown command 'rnu': do you mean gdbias run?"),
        (["fly"], "unknown command 'fly': use one of quickstart, derive"),
        (
            ["sweep", "a.zarr", "--lr", "0.1:0.5:5"],
            "grid '0.1:0.5:5' has 3 parts, not four: write START",
        ),
        (["predict", "--init-scale", "1e9"], "try an init_scale nearer to 0.1"),
    ],
)
def test_one_line_says_what_to_type(command, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_an_endpoint_is_shown_without_its_matrix():
    pred = theory.predict(theory.difference(2), theory.sparse_regression(n=5, d=8, sparsity=2, n_test=0), 0.1)
    assert "multiplier" not in repr(pred.endpoint(0.3))
