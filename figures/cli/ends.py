"""How the runs of a sweep ended, as its verb tells it."""

import sys
from typing import TYPE_CHECKING

import numpy as np

from ...sims.options import SweepOptions
from ...sims.status import Phase, Status

if TYPE_CHECKING:
    import xarray as xr


def tell_ends(ds: "xr.Dataset", options: SweepOptions) -> None:
    """Print how many runs have each status and phase, and what runs need that were stopped."""
    for value, count in zip(*np.unique(ds.status.values, return_counts=True), strict=True):
        print(f"{count:8d} {Status(int(value)).name}")
    if options.window:
        for value, count in zip(*np.unique(ds.phase.values, return_counts=True), strict=True):
            print(f"{count:8d} {Phase(int(value)).name.lower()}")
    if stopped := int((ds.status.values == Status.STEP_LIMIT).sum()):
        print(
            f"gdbias: {stopped} runs were stopped after {options.max_steps} steps: to see where they end use a larger "
            "--max-steps and another STORE, since a store holds one sweep; some may never settle",
            file=sys.stderr,
        )
