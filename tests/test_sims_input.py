"""What runs cannot be made of is refused before any runs."""

import importlib
import importlib.util

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.theory import InputError, MissingExtra


def paper_point():
    return theory.single_point((0.5, 1, 1.5, 2, 2.5), 3)


@pytest.mark.parametrize(
    "bad",
    [
        dict(lr=[]),
        dict(lr=-0.1),
        dict(lr=0.0),
        dict(lr=np.nan),
        dict(lr=[0.1, np.inf]),
        dict(lr=[0.1, 0.1]),
        dict(lr="fast"),
        dict(lr=[[0.1]]),
        dict(init_scale=0),
        dict(init_scale=[0.1, -0.1]),
        dict(init_scale=[0.1, 0.1]),
        dict(max_steps=-1),
        dict(max_steps=1.5),
        dict(tol=0),
        dict(tol=np.nan),
        dict(hold=0),
        dict(track_every=-1),
        dict(threads=0),
        dict(backend="torch"),
        dict(keep=("gamma",)),
        dict(model=[]),
        dict(problem=[]),
    ],
)
def test_bad_input_to_a_sweep(bad):
    with pytest.raises(InputError):
        sims.sweep(**(dict(model=theory.power(2), problem=paper_point(), lr=0.1) | bad))


@pytest.mark.parametrize(
    "bad",
    [
        dict(lr=[0.1, 0.2]),
        dict(lr=np.nan),
        dict(init_scale=0),
        dict(max_steps=-1),
        dict(tol=0),
        dict(backend="torch"),
        dict(record_every=-1),
        dict(record_every=1, max_steps=10**9),
        dict(theta0=np.ones((2, 5))),
        dict(theta0=np.ones(5)),
        dict(theta0=np.full((1, 5), np.nan)),
    ],
)
def test_bad_input_to_descend(bad):
    with pytest.raises(InputError):
        sims.descend(**(dict(model=theory.power(2), problem=paper_point(), lr=0.1) | bad))


@pytest.mark.parametrize("bad", [(0.0, 1.0, 3), (0.1, np.nan, 3), (0.1, 1.0, 0), (0.1, 1.0, 3, "cube")])
def test_bad_grids(bad):
    with pytest.raises(InputError):
        sims.Grid(*bad)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is here")
def test_cupy_without_cupy_says_what_to_install():
    with pytest.raises(MissingExtra, match="gpu"):
        sims.descend(theory.power(2), paper_point(), 0.01, backend="cupy")
