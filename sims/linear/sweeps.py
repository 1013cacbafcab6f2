"""Many runs of a deep linear network over learning rates and initialization scales."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from typing import Any, Unpack

import numpy as np
import xarray as xr

from ...theory import NoInterpolator
from ...theory.linear import chain
from ...theory.linear.network import LinearNetwork, require_network
from ..grid import Grid, learning_rates
from ..options import RunChanges, RunOptions, options_of
from ..parallel.plan import check_distinct, check_kept
from ..parallel.progress import progress_bar
from ..schema import VARIABLES, measured, vectors
from ..status import Status
from ..store.filling import filled
from ..store.provenance import result_attributes
from .descent import advance
from .outcome import outcomes, spec_of

NUMBERS = 1 << 22  # weights of the runs that go side by side


@dataclass(frozen=True)
class LinearPlan:
    """Axes (init_scale, lr); a store is written row by row, in pieces of ``columns`` learning rates."""

    net: LinearNetwork
    scales: np.ndarray
    lrs: np.ndarray
    keep: tuple[str, ...]

    def __post_init__(self):
        check_kept(self.keep, vectors("linear"))
        check_distinct(lr=self.lrs, init_scale=self.scales)

    @property
    def columns(self) -> int:
        return max(1, min(len(self.lrs), NUMBERS // self.net.parameters))

    @property
    def variables(self) -> list[str]:
        """The variables of the result, ``status`` last: written last, it marks a piece as done."""
        names = [n for n in measured("linear") if n in self.keep or not VARIABLES[n].dims]
        return [n for n in names if n != "status"] + ["status"]

    def dims(self, name: str) -> tuple[str, ...]:
        return ("init_scale", "lr", *VARIABLES[name].dims)

    def shape(self, name: str) -> tuple[int, ...]:
        inner = {"parameter": self.net.parameters, "mode": len(self.net.singular_values)}
        return (len(self.scales), len(self.lrs), *(inner[dim] for dim in VARIABLES[name].dims))

    def chunk_shape(self, name: str) -> tuple[int, ...]:
        return (1, self.columns, *self.shape(name)[2:])


def sweep(
    net: LinearNetwork,
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float | np.ndarray | Sequence[float] | Grid = 0.1,
    start: str = "spectral",
    seed: int = 0,
    *,
    keep: Sequence[str] = ("modes", "parameters"),
    store: str | PathLike | None = None,
    progress: bool = False,
    options: RunOptions | None = None,
    **changes: Unpack[RunChanges],
) -> xr.Dataset:
    """Gradient descent on a deep linear network from every scale at every learning rate, each run to its end.

    Runs, statuses and phases are those of :func:`gdbias.sims.sweep`, starts those of
    :meth:`gdbias.theory.LinearNetwork.start`. With ``store`` every piece is written when done (Zarr), and calling
    again with the same arguments computes only what is missing. Options are those of
    :func:`gdbias.sims.linear.descend`.

    Returns a dataset over (init_scale, lr): status, steps, loss, sharpness with its residual and its maximum along
    the path, norms, ``imbalance``, ``modes`` (mode), ``parameters`` (parameter).

    Raises:
        InputError: an unknown option, a value outside its limits, or a store that cannot be used, which stays as it
            is.
    """
    options = options_of("linear.sweep", RunOptions(), options, changes)
    scales = np.atleast_1d(learning_rates(init_scale, "init_scale"))
    plan = LinearPlan(require_network(net), scales, np.atleast_1d(learning_rates(lr)), tuple(keep))
    starts = [chain.pack(net.start(scale, start, seed)) for scale in scales.tolist()]
    told = dict(lr=plan.lrs.tolist(), init_scale=scales.tolist(), start=start, seed=int(seed), keep=list(plan.keep))
    told |= dict(average=0, cool=False)  # as in the stores of before
    attrs = result_attributes(spec_of("sweep", net, options, **told), [])
    with suppress(NoInterpolator):  # too narrow for the target: nothing is at rest there
        attrs["lr_max"] = net.lr_max
    coordinates = {"init_scale": scales, "lr": plan.lrs}

    def fill(arrays: Mapping[str, Any]) -> None:
        _fill(plan, options, starts, arrays, progress)

    return filled(plan, coordinates, attrs, store, fill)


def _fill(
    plan: LinearPlan, options: RunOptions, starts: list[np.ndarray], arrays: Mapping[str, Any], progress: bool
) -> None:
    with progress_bar("runs", len(starts) * len(plan.lrs), progress) as add:
        for row, begin in enumerate(starts):
            for at in range(0, len(plan.lrs), plan.columns):
                region = (row, slice(at, min(at + plan.columns, len(plan.lrs))))
                rates = plan.lrs[region[1]]
                if (np.asarray(arrays["status"][region]) == Status.NOT_RUN).any():
                    found = outcomes(plan.net, advance(plan.net, np.tile(begin, (len(rates), 1)), rates, options))
                    for name in plan.variables:  # status comes last
                        arrays[name][region] = found[name]
                add(len(rates))
