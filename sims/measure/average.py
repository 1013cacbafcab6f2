"""The course of descent without its oscillation, to lay beside a flow."""

import json

import numpy as np
import xarray as xr

from ...theory import InputError, derive, parse
from ..schema import attributes


def paired(run: xr.Dataset) -> xr.Dataset:
    """Means of consecutive states of a run: at the edge of stability descent alternates between two sides.

    ``beta_k = (beta(theta_k) + beta(theta_{k+1})) / 2`` at the time ``lr (k + 1/2)``, for a run recorded at every step.

    Returns a dataset over ``step``: ``beta`` (step, feature), ``beta_l1``, the coordinate ``time``.

    Raises:
        InputError: not a run of ``descend`` with ``record_every=1``, or one of fewer than two states.
    """
    if not isinstance(run, xr.Dataset) or "path_theta" not in run or "lr" not in run.coords:
        raise InputError("the result has no recorded states: give a run of sims.descend with record_every=1")
    step = run["step"].values
    if len(step) < 2 or (np.diff(step) != 1).any():
        raise InputError(f"{len(step)} states that are not consecutive steps: give a run with record_every=1")
    dynamics = derive(parse(json.loads(run.attrs["spec"])["model"][0]))
    theta = run["path_theta"].transpose("weight", "feature", "step").values
    beta = dynamics.law.arrays.effective(*theta).T  # (step, feature)
    beta = (beta[:-1] + beta[1:]) / 2
    variables = {"beta": (("step", "feature"), beta), "beta_l1": (("step",), np.abs(beta).sum(axis=1))}
    coordinates = {"step": (("step",), step[:-1] + 0.5), "time": (("step",), float(run["lr"]) * (step[:-1] + 0.5))}
    return xr.Dataset(
        {name: (*variable, attributes(name)) for name, variable in variables.items()},
        {name: (*coordinate, attributes(name)) for name, coordinate in coordinates.items()} | {"lr": run["lr"]},
        run.attrs,
    )
