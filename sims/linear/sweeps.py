"""Many runs of a deep linear network over learning rates and initialization scales."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from typing import Any, Unpack

import numpy as np
import xarray as xr

from ...theory import NoInterpolator
from ...theory.linear import chain
from ...theory.linear.network import LinearNetwork, require_network
from ...theory.validate import truth_or_none
from ..grid import Grid, learning_rates
from ..options import RunChanges, RunOptions, options_of
from ..parallel.plan import check_distinct, check_kept
from ..parallel.progress import progress_bar
from ..schema import measured, vectors
from ..status import Status
from ..store.filling import filled
from ..store.layout import Layout, kept
from ..store.provenance import result_attributes
from .descent import advance
from .outcome import outcomes, spec_of

NUMBERS = 1 << 22  # weights of the runs that go side by side


def sweep(
    net: LinearNetwork,
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float | np.ndarray | Sequence[float] | Grid = 0.1,
    start: str = "spectral",
    seed: int = 0,
    *,
    keep: Sequence[str] = ("modes", "parameters"),
    store: str | PathLike | None = None,
    progress: bool | None = None,
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
    options, progress = options_of("linear.sweep", RunOptions(), options, changes), truth_or_none("progress", progress)
    scales, lrs = np.atleast_1d(learning_rates(init_scale, "init_scale")), np.atleast_1d(learning_rates(lr))
    check_kept(keep, vectors("linear"))
    check_distinct(lr=lrs, init_scale=scales)
    inner = {"parameter": require_network(net).parameters, "mode": len(net.singular_values)}
    columns = max(1, min(len(lrs), NUMBERS // net.parameters))
    layout = Layout({"init_scale": scales, "lr": lrs}, kept(measured("linear"), keep), inner, {"lr": columns})
    starts = [chain.pack(net.start(scale, start, seed)) for scale in scales.tolist()]
    told = dict(lr=lrs.tolist(), init_scale=scales.tolist(), start=start, seed=int(seed), keep=list(keep))
    told |= dict(average=0, cool=False)  # as in the stores of before
    attrs = result_attributes(spec_of("sweep", net, options, **told), [])
    with suppress(NoInterpolator):  # too narrow for the target: nothing is at rest there
        attrs["lr_max"] = net.lr_max

    def fill(arrays: Mapping[str, Any]) -> None:
        with progress_bar("runs", layout.runs, progress) as add:
            for row, rates in layout.regions():
                if (np.asarray(arrays["status"][row, rates]) == Status.NOT_RUN).any():
                    begin = np.tile(starts[row.start], (len(lrs[rates]), 1))
                    found = outcomes(net, advance(net, begin, lrs[rates], options))
                    for name in layout.variables:
                        arrays[name][row, rates] = found[name][None]
                add(len(lrs[rates]))

    return filled(layout, {}, attrs, store, fill)
