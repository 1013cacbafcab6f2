"""The prediction that belongs to a stored sweep, made again from what the store says of itself."""

import json

import numpy as np
import xarray as xr

from ..theory import GdbiasError, Prediction, Problem, parse, predict, single_point, sparse_regression


def stored_prediction(ds: xr.Dataset) -> Prediction | None:
    """:func:`gdbias.theory.predict` for the model and problem in the attributes of a diagonal sweep.

    None where there is more than one of either, or where the problem that is made again is not the one that ran.
    """
    try:
        spec = json.loads(ds.attrs["spec"])
        [name], [made] = spec["model"], spec["problem"]
        problem = _problem(made, ds.attrs.get("data"))
        if problem.fingerprint != made["fingerprint"]:
            return None
        return predict(parse(name), problem, np.asarray(spec["init_scale"], dtype=float))
    except (KeyError, TypeError, ValueError, GdbiasError):
        return None


def _problem(made: dict, data: str | None) -> Problem:
    if data is not None:
        [found] = json.loads(data)
        arrays: dict = {name: np.array(values) for name, values in found.items()}
        return Problem(**arrays, loss=made.get("loss", "squared"))
    options = {name: value for name, value in made.items() if name not in ("kind", "fingerprint")}
    return {"sparse_regression": sparse_regression, "single_point": single_point}[made["kind"]](**options)
