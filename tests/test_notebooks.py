"""The notebooks of the gallery run from beginning to end, and hold what they drew."""

import pytest

pytest.importorskip("nbclient", reason="notebooks need Jupyter's client: pip install 'gdbias[notebook]'")
pytest.importorskip("ipykernel", reason="notebooks need Jupyter's kernel: pip install 'gdbias[notebook]'")

import nbformat

from notebooks import FOLDER, executed

NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
DEEP = ("norm_against_sharpness.ipynb",)


def drawn(notebook):
    """The number of pictures of every cell."""
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    return [sum("image/png" in out.get("data", {}) for out in several) for several in outputs]


def test_there_are_four():
    assert len(NOTEBOOKS) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_and_its_pictures_are_those_that_are_kept(name):
    if name in DEEP:
        pytest.importorskip("equinox", reason="deep networks need JAX and Equinox: pip install 'gdbias[deep]'")
    kept = nbformat.read(FOLDER / name, 4)
    assert sum(drawn(kept)) >= 2 and drawn(executed(FOLDER / name)) == drawn(kept)
