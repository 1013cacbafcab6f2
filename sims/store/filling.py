"""A result that is computed into its arrays: in memory, or in a store, where it goes on from what is there."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr

from ..schema import ALONG, VARIABLES, attributes
from .group import open_for_writing, open_result
from .layout import Layout


def filled(
    layout: Layout, beside: Mapping[str, np.ndarray], attrs: Mapping, store: str | PathLike | None,
    fill: Callable[[Mapping[str, Any]], None], load: bool = True,
) -> xr.Dataset:  # fmt: skip
    """The result whose arrays ``fill`` is given by name, to compute what has status NOT_RUN in them.

    ``beside`` are coordinates that are no axes. Without ``load`` a variable of a store is read when it is first used.

    Raises:
        InputError: a store that cannot be used.
    """
    coordinates = {**layout.axes, **beside}
    if store is not None:
        with open_for_writing(store, layout, coordinates, attrs) as group:
            fill({name: group[name] for name in layout.variables})
        return open_result(store, load)
    arrays = {n: np.full(layout.shape(n), VARIABLES[n].fill, VARIABLES[n].dtype) for n in layout.variables}
    fill(arrays)
    variables = {n: (layout.dims(n), arrays[n], attributes(n)) for n in VARIABLES if n in arrays}
    return xr.Dataset(
        variables, {n: (ALONG.get(n, n), values, attributes(n)) for n, values in coordinates.items()}, dict(attrs)
    )
