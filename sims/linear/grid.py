"""The grid of scales and learning rates that runs of a deep linear network lie on, and what is predicted of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...theory.linear.network import LinearNetwork
from ..grid import Grid, learning_rates
from ..parallel.plan import check_distinct, check_kept
from ..parallel.progress import progress_bar
from ..schema import VARIABLES, Kind, measured, vectors
from ..status import Status
from ..store.layout import Layout, kept

Values = float | np.ndarray | Sequence[float] | Grid
NUMBERS = 1 << 22  # of the cells that go side by side


def layout_of(net: LinearNetwork, lr: Values, init_scale: Values, keep: Sequence[str], kind: Kind, size: int) -> Layout:
    """The arrays of a result of this kind, whose cells have ``size`` numbers each; raises InputError."""
    scales, lrs = np.atleast_1d(learning_rates(init_scale, "init_scale")), np.atleast_1d(learning_rates(lr))
    axes = {"init_scale": scales, "lr": lrs}
    check_kept(keep, vectors(kind))
    check_distinct(**axes)
    inner = {"parameter": net.parameters, "mode": len(net.singular_values)}
    columns = max(1, min(len(lrs), NUMBERS // size))
    return Layout(axes, kept(measured(kind), keep), inner, {"lr": columns})


def filler(
    layout: Layout, title: str, progress: bool | None, outcomes: Callable[[int, np.ndarray], Mapping[str, np.ndarray]]
) -> Callable[[Mapping[str, Any]], None]:
    """What computes the cells that are missing, by the ``outcomes`` of a row at some learning rates."""

    def fill(arrays: Mapping[str, Any]) -> None:
        with progress_bar(title, layout.runs, progress) as add:
            for row, rates in layout.regions():
                lrs = layout.axes["lr"][rates]
                if (np.asarray(arrays["status"][row, rates]) == Status.NOT_RUN).any():
                    found = outcomes(row.start, lrs)
                    for name in layout.variables:
                        at = (row,) if VARIABLES[name].at == ("flow",) else (row, rates)
                        arrays[name][at] = found[name][None]
                add(len(lrs))

    return fill
