"""Figures of no result, with options or predictions that cannot be meant, or no place: one line that names them."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.theory import InputError

MODEL, PROBLEM = theory.difference(2), theory.sparse_regression(n=4, d=8, sparsity=2, n_test=0)


@pytest.mark.parametrize("name", figures.FIGURES)
@pytest.mark.parametrize("value", [None, 3, "runs.zarr", [], {}, PROBLEM], ids=repr)
def test_a_figure_of_no_result(name, value):
    others = (None,) if name in ("regimes", "frontier", "minimisers") else (value,) if name == "contrast" else ()
    with pytest.raises(InputError, match="is not a result"):
        getattr(figures, name)(value, *others)


@pytest.fixture(scope="module")
def swept():
    return sims.sweep(MODEL, PROBLEM, [0.1, 0.2], [0.1, 0.2], max_steps=5)


@pytest.fixture(scope="module")
def one_sample():
    problem = theory.single_point([1.0, 0.5], 1.0)
    return theory.predict(MODEL, problem, 0.1), sims.sweep(MODEL, problem, [0.1, 0.2], [0.1, 0.2], max_steps=5)


NO_OPTION = ["result", "x", [0.1], {}, np.array([0.1, 0.2]), np.nan, -1, True, 1j]
OPTIONS = [(name, option) for name, (_, options) in figures.FIGURES.items() for option in options]
MORE = [
    ("bifurcation", "variable"),
    ("frontier", "points"),
    ("minimisers", "points"),
]  # keywords that the command line has not


@pytest.mark.parametrize("value", NO_OPTION, ids=repr)
@pytest.mark.parametrize(("name", "option"), [*(pair for pair in OPTIONS if pair[1] != "predict"), *MORE])
def test_an_option_of_a_figure_that_is_none(name, option, value, swept, one_sample, recwarn):
    pred = theory.predict(MODEL, PROBLEM, 0.1)
    first = {"contrast": (swept, swept), "frontier": (pred, swept), "regimes": (swept, pred)}.get(name, (swept,))
    if name == "minimisers":
        first = one_sample
    given = {option: swept if value is NO_OPTION[0] else value}
    if option == "deep":
        first = first[:1]
    with pytest.raises(InputError) as error:
        getattr(figures, name)(*first, **given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pred", [3, "pred", [3], [], [None], PROBLEM], ids=repr)
@pytest.mark.parametrize("name", ["phase_diagram", "norm_sharpness", "regimes"])
def test_a_figure_with_no_prediction(name, pred, swept):
    with pytest.raises(InputError):
        getattr(figures, name)(swept, pred)


def test_a_contrast_is_with_a_deep_network(swept, tmp_path, capsys):
    with pytest.raises(InputError, match="the second is not of a deep network"):
        figures.contrast(swept, swept)
    store = str(tmp_path / "a.zarr")
    sims.store.save_result(swept, store)
    with pytest.raises(SystemExit) as end:
        main(["plot", "contrast", store, "--deep", store])
    assert end.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("figure", [None, "a.png", 3])
def test_no_figure_is_saved(figure, tmp_path, swept):
    for given in (figure, swept):
        with pytest.raises(InputError, match="is no figure"):
            figures.save(given, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [None, 3, "a.jpg", "none/a.png"])
def test_no_place_for_a_figure(path, swept):
    with pytest.raises(InputError):
        figures.save(figures.phase_diagram(swept), path)


def test_a_prediction_of_another_rule_is_refused(swept):
    pred = theory.predict(MODEL, PROBLEM, [0.1, 0.2], rule=theory.UpdateRule(momentum=0.5))
    with pytest.raises(InputError, match="momentum=0.5.*without a rule"):
        figures.phase_diagram(swept, pred)
