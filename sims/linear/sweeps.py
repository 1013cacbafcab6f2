"""Many runs of a deep linear network over learning rates and initialization scales."""

from collections.abc import Sequence
from contextlib import suppress
from os import PathLike
from typing import Unpack

import numpy as np
import xarray as xr

from ...theory import NoInterpolator
from ...theory.linear import chain
from ...theory.linear.network import LinearNetwork, require_network
from ...theory.validate import truth_or_none
from ..options import RunChanges, RunOptions, options_of
from ..store.filling import filled
from ..store.provenance import result_attributes
from .descent import advance
from .grid import Values, filler, layout_of
from .outcome import outcomes, spec_of


def sweep(
    net: LinearNetwork,
    lr: Values,
    init_scale: Values = 0.1,
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
    layout = layout_of(require_network(net), lr, init_scale, keep, "linear", net.parameters)
    scales, lrs = layout.axes["init_scale"], layout.axes["lr"]
    starts = [chain.pack(net.start(scale, start, seed)) for scale in scales.tolist()]
    told = dict(lr=lrs.tolist(), init_scale=scales.tolist(), start=start, seed=int(seed), keep=list(keep))
    told |= dict(average=0, cool=False)  # as in the stores of before
    attrs = result_attributes(spec_of("sweep", net, options, **told), [])
    with suppress(NoInterpolator):  # too narrow for the target: nothing is at rest there
        attrs["lr_max"] = net.lr_max

    def run(row: int, rates: np.ndarray) -> dict[str, np.ndarray]:
        return outcomes(net, advance(net, np.tile(starts[row], (len(rates), 1)), rates, options))

    return filled(layout, {}, attrs, store, filler(layout, "runs", progress, run))
