"""The deep part of the quickstart: a small network on digits beside the diagonal one."""

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from ...sims import deep
from ...theory import MissingExtra, Prediction
from ..deep_contrast import contrast
from ..look import save
from .deep_verb import table

MULTIPLES = (0.6, 0.8, 0.95, 1.1, 1.25, 1.5, 1.75, 2.0)  # of lr_critical


def deep_quickstart(
    diagonal: xr.Dataset, pred: Prediction, init_scale: float, folder: Path, say: Callable[[str], None], progress: bool
) -> list[str]:
    """Train a tanh network 64-48-48-10 on 500 digits, draw ``contrast.png``, and say in Markdown what was found."""
    try:
        net = deep.network("fcn", width=48, depth=2, activation="tanh")
        data = deep.load("digits", train=500)
        say("training a small deep network on digits at eight learning rates")
        ds = deep.sweep(
            net, data, MULTIPLES, tol=0.02, relative=True, store=folder / "deep.zarr", progress=progress
        )  # fmt: skip
    except MissingExtra:
        return ["A deep network beside this one: `pip install 'gdbias[deep]'` and run the quickstart again."]
    save(contrast(diagonal, ds, pred, init_scale), folder / "contrast.png")
    return [
        "## A deep network, by the same measures",
        "",
        "A fully connected tanh network 64-48-48-10 on 500 digits, squared loss until it is below 0.02 "
        "(`contrast.png`, `deep.zarr`):",
        "",
        *(f"    {line}" for line in table(ds).splitlines()),
    ]
