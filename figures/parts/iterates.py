"""The next iterates of runs that have ended: the orbit that each is on, of which a result keeps one point."""

import numpy as np
import xarray as xr

from ...sims.remake import rebuild, rebuild_rule
from ...theory import GdbiasError, derive, gradient_descent
from ...theory.derivation.hessian import columns, rows
from ...theory.derivation.landscape import Landscape


def next_iterates(ds: xr.Dataset, count: int) -> np.ndarray | None:
    """Weights (init_scale, lr, count, weight, feature) from the last of every run on, by plain gradient descent.

    ``ds`` has one model and one problem. None where the weights were not kept, the rule is another, or the result
    cannot be rebuilt. Runs that diverged give what is not finite.
    """
    if "theta" not in ds:
        return None
    try:
        (model,), (problem,) = rebuild(ds)
        if rebuild_rule(ds) != gradient_descent:
            return None
    except (GdbiasError, ValueError):  # data that are not stored, or several of them
        return None
    landscape = Landscape(derive(model, problem.loss), problem)
    theta = ds["theta"].transpose("init_scale", "lr", "weight", "feature").values
    found = np.empty((*theta.shape[:2], count, *theta.shape[2:]))
    weights, lr = columns(theta.reshape(-1, *theta.shape[2:])), np.tile(ds["lr"].values, len(theta))
    with np.errstate(all="ignore"):
        for k in range(count):
            found[:, :, k] = rows(weights).reshape(theta.shape)
            slope = landscape.slope(landscape.predictions(*weights))
            weights = np.stack(landscape.law.step(lr, slope, *weights))
    return found
