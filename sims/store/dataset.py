"""Arrays to xarray: single results in the common schema."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ...theory.parameterization import Parameterization
from ..schema import VARIABLES, attributes


def single_result(
    outcome: Mapping[str, Sequence | np.ndarray], model: Parameterization | None, coordinates: Mapping, attrs: Mapping
) -> xr.Dataset:
    """A dataset of one run: scalar variables and vectors, with the names of the weights of a diagonal network."""
    variables = {
        name: (variable.dims, np.asarray(outcome[name], variable.dtype)[0], attributes(name))
        for name, variable in VARIABLES.items()
        if name in outcome
    }
    coords: dict = {name: ((), value, attributes(name)) for name, value in coordinates.items()}
    if model is not None:
        coords["weight"] = ("weight", [w.name for w in model.weights], attributes("weight"))
    return xr.Dataset(variables, coords, dict(attrs))


def seed_labels(problems: Sequence[Any]) -> list:
    """The coordinate ``seed`` of each problem: its spec's where all have different ones, else 0, 1, 2 ..."""
    return labels_of([problem.spec for problem in problems])


def labels_of(specs: Sequence[Mapping[str, Any]]) -> list:
    """The same of the problems' specs."""
    seeds = [spec.get("seed") for spec in specs]
    distinct = None not in seeds and len(set(seeds)) == len(seeds)
    return seeds if distinct else list(range(len(seeds)))


def add_path(ds: xr.Dataset, dim: str, index: np.ndarray, path: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Add measures along a path, one entry for each value of ``dim``."""
    variables = {
        along: ((dim, *VARIABLES[along].dims), values, attributes(along))
        for name, values in path.items()
        if (along := f"path_{name}") in VARIABLES
    }
    return ds.assign(variables).assign_coords({dim: (dim, index, attributes(dim))})
