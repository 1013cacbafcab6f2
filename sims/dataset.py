"""Arrays to xarray: single results in the common schema."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..theory.parameterization import Parameterization
from .schema import VARIABLES, VECTORS, attributes


def single_result(
    outcome: Mapping[str, np.ndarray], model: Parameterization, coordinates: Mapping, attrs: Mapping
) -> xr.Dataset:
    """A dataset of one run: scalar variables, beta (feature), theta (weight, feature)."""
    variables = {}
    for name, values in outcome.items():
        value = np.asarray(values)[0]
        variables[name] = (VECTORS.get(name, ()), value, attributes(name))
    return _finish(variables, model, coordinates, attrs)


def add_path(ds: xr.Dataset, dim: str, index: np.ndarray, path: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Add measures along a path, one entry for each value of ``dim``."""
    variables = {
        f"path_{name}": ((dim, *VECTORS.get(name, ())), values, attributes(f"path_{name}"))
        for name, values in path.items()
        if f"path_{name}" in VARIABLES
    }
    return ds.assign(variables).assign_coords({dim: (dim, index, attributes(dim))})


def _finish(variables: Mapping, model: Parameterization, coordinates: Mapping, attrs: Mapping) -> xr.Dataset:
    ordered = {name: variables[name] for name in VARIABLES if name in variables}
    coords: dict = {name: ((), value, attributes(name)) for name, value in coordinates.items()}
    coords["weight"] = ("weight", [w.name for w in model.weights], attributes("weight"))
    return xr.Dataset(ordered, coords, dict(attrs))
