"""The edge of stability of the runs of a result, under the update rule that they ran with."""

from typing import Any

import numpy as np
import xarray as xr

from ... import sims
from ...theory.errors import InputError
from .results import spec_of

OWN = r"\mathrm{the\ step's\ edge}"


def sharpness_limit(ds: xr.Dataset, lr: Any) -> np.ndarray | None:
    """The largest sharpness of a stable minimum at each lr, ``2 / lr`` for plain gradient descent.

    None where no theory gives it: a step without a linear map at a minimum, several rules, or none to read back.
    """
    if "rule" not in spec_of(ds):
        return 2 / np.asarray(lr, dtype=float)
    try:
        limit = np.asarray(sims.rebuild_rule(ds).sharpness_limit(np.asarray(lr, dtype=float)))
        return limit if np.isfinite(limit).all() else None
    except InputError:
        return None


def limit_label(ds: xr.Dataset) -> str:
    """The limit as a formula, with momentum b and weight decay lambda; in words for a step of one's own."""
    try:
        rule = sims.rebuild_rule(ds).spec if "rule" in spec_of(ds) else {}
    except InputError:  # several, or none to read back
        return OWN
    if "step" in rule:
        return OWN
    edge = r"(2 + 2b)\,/\,\eta" if rule.get("momentum") else r"2\,/\,\eta"
    return edge + (r" - \lambda" if rule.get("weight_decay") else "")
