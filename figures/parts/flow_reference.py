"""Gradient flow's endpoint, the reference of a figure: predicted, or stored beside the runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .panels import NORMS
from .results import read

if TYPE_CHECKING:
    from ...theory.prediction.flow_endpoint import FlowEndpoint
    from ...theory.prediction.prediction import Prediction

ORDERS = {"l1": 1, "l2": 2}


@dataclass(frozen=True)
class Reference:
    """Sharpness, norms by name and test risk where gradient flow ends."""

    sharpness: float
    norms: Mapping[str, float]
    test_risk: float | None


def reference(ds: xr.Dataset, pred: "Prediction | None", notes: list[str]) -> Reference | None:
    """From the prediction where there is one, else from the ``flow_*`` variables of a deep result, else None."""
    flow: FlowEndpoint | None = read(pred, "flow", notes)
    if flow is not None:
        norms = {name: float(np.linalg.norm(np.ravel(getattr(flow, name[:-3])), ORDERS[name[-2:]])) for name in NORMS}
        return Reference(float(flow.sharpness), norms, None if flow.test_risk is None else float(flow.test_risk))
    if "flow_sharpness" not in ds or not np.isfinite(ds["flow_sharpness"]).all():
        return None
    norms = {name: float(ds[f"flow_{name}"]) for name in NORMS if f"flow_{name}" in ds}
    risk = float(ds["flow_test_risk"]) if "flow_test_risk" in ds else np.nan
    return Reference(float(ds["flow_sharpness"]), norms, risk if np.isfinite(risk) else None)
