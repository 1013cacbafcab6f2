"""A sweep from a TOML file is the sweep of the same options typed; what the file gets wrong is named."""

import pytest

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims.store.group import open_result

SPEC = """
model = "custom(u*v - w**2; w=0.5)"
lr = [0.01, 0.05]
init-scale = 0.1
n = 4
d = 8
noise = 1
sparsity = 2
signs = "random"
max_steps = 40
keep_vectors = false
backend = "numpy"
"""
TYPED = (
    "--model", "custom(u*v - w**2; w=0.5)", "--lr", "0.01,0.05", "--init-scale", "0.1", "--n", "4", "--d", "8",
    "--noise", "1", "--sparsity", "2", "--signs", "random", "--max-steps", "40", "--no-keep-vectors",
    "--backend", "numpy",
)  # fmt: skip


RULE = """
momentum = 0.5
weight-decay = 0.01
batch = 2
label_noise = 0.1
noise_steps = 30
schedule = "ramp(20, start=0.5)"
"""
RULE_TYPED = (
    "--momentum", "0.5", "--weight-decay", "0.01", "--batch", "2", "--label-noise", "0.1",
    "--noise-steps", "30", "--schedule", "ramp(20, start=0.5)",
)  # fmt: skip


def sweep(folder, *arguments, spec=None):
    """The store of ``gdbias sweep`` with these arguments and a spec file of this text."""
    if spec is not None:
        (folder / "sweep.toml").write_text(spec)
        arguments = ("--spec", str(folder / "sweep.toml"), *arguments)
    main(["sweep", str(folder / "runs.zarr"), *arguments])
    return open_result(folder / "runs.zarr")


@pytest.fixture
def folders(tmp_path):
    for name in ("file", "typed"):
        (tmp_path / name).mkdir()
    return tmp_path / "file", tmp_path / "typed"


def test_a_file_is_the_same_as_its_options_typed(folders):
    from_file, typed = sweep(folders[0], spec=SPEC), sweep(folders[1], *TYPED)
    assert from_file.equals(typed) and from_file.attrs["spec"] == typed.attrs["spec"]


def test_what_is_typed_overrides_the_file(folders):
    typed = ("--lr", "0.02:0.04:3:lin", "--max-steps", "7", "--keep-vectors")
    from_file = sweep(folders[0], *typed, spec=SPEC)
    assert from_file.attrs["spec"] == sweep(folders[1], *TYPED, *typed).attrs["spec"]
    assert from_file.sizes["lr"] == 3 and "beta" in from_file


def test_an_update_rule_in_a_file(folders):
    from_file, typed = sweep(folders[0], spec=SPEC + RULE), sweep(folders[1], *TYPED, *RULE_TYPED)
    assert from_file.equals(typed) and from_file.attrs["spec"] == typed.attrs["spec"]
    assert sims.rebuild_rule(from_file) == theory.UpdateRule(
        momentum=0.5, weight_decay=0.01, batch=2, label_noise=0.1, noise_steps=30, schedule=theory.ramp(20, start=0.5)
    )


def test_a_step_in_a_file(folders):
    text = 'step = "weight - lr*sign(gradient)/(1 + decay*step)"\nstep-parameters = "decay=0.01"\n'
    stored = sweep(folders[0], spec=SPEC + text)
    own = theory.UpdateRule(step="weight - lr*sign(gradient)/(1 + decay*step)", step_parameters={"decay": 0.01})
    assert sims.rebuild_rule(stored) == own


def test_a_file_may_begin_with_a_byte_order_mark(folders):
    from_file, typed = sweep(folders[0], spec="\ufeff" + SPEC), sweep(folders[1], *TYPED)
    assert from_file.attrs["spec"] == typed.attrs["spec"]


def test_an_empty_file_changes_nothing(folders):
    small = (
        "--signs",
        "random",
        "--n",
        "2",
        "--d",
        "3",
        "--sparsity",
        "1",
        "--max-steps",
        "1",
        "--lr",
        "0.1",
        "--init-scale",
        "0.1",
    )
    assert sweep(folders[0], *small, spec="# nothing\n").equals(sweep(folders[1], *small))


@pytest.mark.parametrize(
    "text, words",
    [
        ("lrs = 0.1", "'lrs'"),
        ("store = 'x.zarr'", "'store'"),
        ("[data]\nn = 3", "'data'"),
        ("max_steps = 'many'", "max_steps = 'many' must be a whole number"),
        ("max_steps = 1.5", "max_steps = 1.5 must be a whole number"),
        ("max_steps = -1", "max_steps = -1"),
        ("n = true", "n = True must be a whole number"),
        ("tol = '1e-3'", "tol = '1e-3' must be a number"),
        ("tol = -1", "tol = -1.0"),
        ("track_every = 2", "track_every = 2 is even"),
        ("average = 3", "average = 3 is odd"),
        ("window = 5", "window = 5 is too short"),
        ("max_steps = true", "max_steps = True must be a whole number"),
        ("lr = 1979-05-27", "lr"),
        ("sparsity = 2.0", "sparsity = 2.0 must be a whole number"),
        ("cool = 'yes'", "cool = 'yes' must be true or false"),
        ("precision = 'float16'", "'float16' must be one of"),
        ("schedule = 'ramp(10, start=2)'", "start = 2"),
        ("step_parameters = 'a=1, a=2'", "--step-parameters a=1"),
        ("momentum = 1", "momentum = 1"),
        ("weight_decay = -1", "weight_decay = -1"),
        ("csv = 3", "csv = 3 must be text"),
        ("= 3", "not TOML"),
        ("{}", "not TOML"),
        ("[sweep", "not TOML"),
        ("model = 2", "model = 2 must be text"),
        ("keep_vectors = 1", "keep_vectors = 1 must be true or false"),
        ("backend = 'torch'", "'torch' must be one of 'numba'"),
        ("signs = ['random']", "signs"),
        ("lr = [true]", "lr = [True]"),
        ("lr = {start = 0.1}", "lr"),
        ("lr = []", "lr = []"),
        ("max-steps = 3\nmax_steps = 4", "max_steps is given twice"),
        ("momentum = 'much'", "momentum = 'much' must be a number"),
        ("batch = 0", "batch = 0"),
        ("schedule = 3", "schedule = 3 must be text"),
        ("schedule = 'ramp'", "'ramp'"),
        ("n = = 3", "not TOML"),
        ("n = 3\nn = 4", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_the_file(text, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        sweep(tmp_path, spec=text)
    message = capsys.readouterr().err.strip()
    assert end.value.code == 2 and len(message.splitlines()) == 1
    assert words in message and "sweep.toml" in message
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


TYPED_WRONG = {
    "lr = 'fast'": "'fast'", "model = \"custom(open('x'))\"": "open('x')", "lr = ''": "grid ''", "lr = nan": "lr = nan",
    "noise = inf": "noise = inf", "n = [2, 2.5]": "n = '2,2.5'", "model = 'power(0)'": "power(0)",
}  # fmt: skip


@pytest.mark.parametrize("text, words", TYPED_WRONG.items())
def test_text_in_a_file_is_read_as_it_is_when_typed(text, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        sweep(tmp_path, spec=text)
    message = capsys.readouterr().err.strip()
    assert end.value.code == 2 and words in message and len(message.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


@pytest.mark.parametrize("name", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        sweep(tmp_path, "--spec", str(tmp_path / name))
    assert end.value.code == 2 and str(tmp_path / name) in capsys.readouterr().err


def test_bytes_that_are_no_text(tmp_path, capsys):
    (tmp_path / "sweep.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SystemExit) as end:
        sweep(tmp_path, "--spec", str(tmp_path / "sweep.toml"))
    assert end.value.code == 2 and "not TOML" in capsys.readouterr().err


def test_help_teaches_the_file(capsys):
    with pytest.raises(SystemExit) as end:
        main(["sweep", "--help"])
    printed = capsys.readouterr().out
    assert end.value.code == 0 and 'lr = "0.01:1:64:log"' in printed
