"""What the command line says of itself works: examples are commands, and numbers are read as people write them."""

import re
import shlex

import pytest

from gdbias.figures import FIGURES
from gdbias.figures.cli.command import VERBS, main, read_arguments
from gdbias.figures.cli.examples import EXAMPLES
from gdbias.figures.cli.reading import whole_number
from gdbias.theory.rules.steps import STEPS


def test_every_verb_has_examples_and_each_is_a_command():
    assert list(EXAMPLES) == list(VERBS)
    for verb, examples in EXAMPLES.items():
        for _, command in examples:
            assert isinstance(read_arguments([verb, *shlex.split(command)]), VERBS[verb]), command


@pytest.mark.parametrize("arguments", [["sweep", "--help"], ["help", "sweep"]])
def test_the_help_of_a_verb_ends_with_its_examples(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    told = capsys.readouterr().out
    assert end.value.code == 0 and told.rstrip().endswith(EXAMPLES["sweep"][-1][1])
    assert "STORE" in told


def test_the_help_of_run_names_every_rule_with_its_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["help", "run"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, step in STEPS.items():
        if name not in ("gradient_descent", "gradient_descent_with_weight_decay", "heavy_ball_with_weight_decay"):
            values = ", ".join(f"{parameter}={value}" for parameter, value in step.defaults.items())
            assert re.search(rf"\b{name}\b[ a-z_]*{re.escape(f'({values})') if values else ''}", told), name


def test_help_alone_names_every_verb(capsys):
    with pytest.raises(SystemExit) as end:
        main(["help"])
    told = capsys.readouterr().out
    assert end.value.code == 0 and all(verb in told for verb in VERBS)


def test_the_help_of_plot_tells_what_each_figure_shows(capsys):
    with pytest.raises(SystemExit):
        main(["plot", "--help"])
    told = capsys.readouterr().out.splitlines()
    for name in FIGURES:
        [line] = [line for line in told if line.startswith(f"    {name} ")]
        assert len(line.split()) > 6


@pytest.mark.parametrize(
    "word, value", [("100000", 10**5), ("1e5", 10**5), ("2.5e3", 2500), ("1_000", 1000), ("-1", -1)]
)
def test_whole_numbers(word, value):
    assert whole_number(word) == value


@pytest.mark.parametrize("word", ["1.5", "1e-3", "nan", "inf", "1e300", "many", ""])
def test_no_whole_numbers(word, capsys):
    with pytest.raises((ValueError, OverflowError)):
        whole_number(word)
    with pytest.raises(SystemExit) as end:
        main(["sweep", "runs.zarr", "--max-steps", word])
    assert end.value.code == 2


def test_an_option_takes_them():
    assert read_arguments(["run", "--lr", "0.1", "--max-steps", "1e5"]).options.max_steps == 100_000
