"""The learning rates at which theory expects a change, as lines over a plane."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ... import theory
from ...theory.errors import GdbiasError
from ..parts.axes import Plane
from ..parts.predicted import LARGE, POINTS
from ..parts.results import boundary, stored_prediction, value_in
from .explored import Explored
from .looks import LINES

ROWS = 24  # of a plane, at which lines are computed

Lines = dict[str, list[tuple[float, float]]]


def boundaries(explored: Explored, chosen: Mapping[str, int]) -> Lines:
    """For each boundary that is known its points (lr, row) from below to above; what takes minutes is left out."""
    found, other = explored.plane(chosen), explored.other(chosen)
    count = min(ROWS, len(found.at))
    for told in (other, found):
        if told is not None and len(told.at) >= count and value_in(told.ds, "lr_critical") is not None:
            return lines_of(told, _lr_max(explored, found) | _of_result(told.ds))
    rows = np.unique(np.linspace(0, len(found.at) - 1, count).astype(int))
    row = str(found.ds["status"].dims[0])
    some = Plane(found.ds.isel({row: rows}), found.at[rows], found.edges, found.labels, found.title, found.order[rows])
    try:
        return lines_of(some, _of_networks(explored, some) if "network" in explored.spec else _of_theory(some))
    except GdbiasError:  # an update rule, data that are not stored, a model without a prediction
        return {}


def least_norms(explored: Explored, chosen: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """Sharpness and the least ``||beta||_1`` of an interpolator there; None where theory has no curve in seconds."""
    found = explored.plane(chosen)
    if "beta_l1" not in found.ds or explored.row != "init_scale":
        return None
    try:
        model, problem = explored.setting_at(found.ds.isel({str(found.ds["status"].dims[0]): 0, "lr": 0}))
        if problem is None or problem.n * problem.d > LARGE:
            return None
        curve = theory.frontier(model, problem, POINTS)
    except GdbiasError:  # no interpolator, or no closed form
        return None
    return curve.sharpness, curve.l1_norm


def _of_result(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Those that a result carries."""
    known = {name: value_in(ds, name) for name in LINES}
    return {name: np.ravel(np.asarray(value, dtype=float)) for name, value in known.items() if value is not None}


def _lr_max(explored: Explored, found: Plane) -> dict[str, np.ndarray]:
    """Above which no interpolator is stable: no start decides it, and no predicted plane carries it."""
    if explored.row != "init_scale" or "rule" in explored.spec:
        return {}
    try:
        model, problem = explored.setting_at(found.ds.isel({str(found.ds["status"].dims[0]): 0, "lr": 0}))
        pred = None if problem is None else theory.predict(model, problem, float(found.at[0]))
    except GdbiasError:  # data that are not stored, or a deep network
        return {}
    return {} if pred is None else {"lr_max": boundary(pred, "lr_max", [])}


def _of_theory(found: Plane) -> dict[str, np.ndarray]:
    pred = stored_prediction(found.ds)
    return {} if pred is None else {name: boundary(pred, name, []) for name in LINES}


def _of_networks(explored: Explored, found: Plane) -> dict[str, np.ndarray]:
    spec, [net] = explored.spec, explored.setting[0]
    preds = [theory.predict_linear(net, float(scale), spec["start"], spec["seed"]) for scale in found.at]
    return {
        "lr_critical": np.array([pred.lr_critical for pred in preds]),
        "lr_critical_final": np.array([pred.lr_critical_final for pred in preds]),
        "lr_max": np.array([net.lr_max]),
    }


def lines_of(found: Plane, known: Mapping[str, np.ndarray]) -> Lines:
    """Values, one or one a row, as lines over the whole height; a piece for each row where rows have labels."""
    bottom, top = float(found.edges[1][0]), float(found.edges[1][-1])
    lines: Lines = {}
    for name, values in known.items():
        if not np.isfinite(values).any():
            continue
        if found.labels is not None and len(values) == len(found.at):
            gap = (np.nan, np.nan)
            pieces = zip(values, found.at, strict=True)
            lines[name] = [p for lr, at in pieces for p in ((lr, at - 0.5), (lr, at + 0.5), gap)]
        elif len(values) == len(found.at) > 1:
            lines[name] = [(lr, float(at)) for lr, at in zip(values, found.at, strict=True)]
        else:
            lines[name] = [(values[0], bottom), (values[0], top)]
    return lines
