"""What is measured on the results of a claim's runs: each function of datasets over lr is one number.

``x = lr / lr_critical``. Runs are calm up to x = 0.97 and at the edge from x = 1.05 on; between them the boundary is
passed, which is gradient flow's. Only converged runs count, and NaN says that there are too few.
"""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from ..status import Status

CALM, EDGE = 0.97, 1.05
FEWEST = 3  # runs at the edge that tell a course
FAINT = 1e-4  # relative growth that rounding in float32 makes too

Results = Sequence[xr.Dataset]


def part(chosen: slice, measure: Callable[[Results], float]) -> Callable[[Results], float]:
    """The measure on some of the results."""
    return lambda runs: measure(runs[chosen])


def typical(measure: Callable[[Results], float]) -> Callable[[Results], float]:
    """The median of the measure over the results that tell it, each by itself."""

    def median(runs: Results) -> float:
        values = np.array([measure([ds]) for ds in runs])
        return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan

    return median


def calm(ds: xr.Dataset) -> xr.Dataset:
    """Converged runs below lr_critical."""
    return _converged(ds, ds.lr / ds.lr_critical <= CALM)


def edge(ds: xr.Dataset) -> xr.Dataset:
    """Converged runs above it."""
    return _converged(ds, ds.lr / ds.lr_critical >= EDGE)


def _converged(ds: xr.Dataset, where=True) -> xr.Dataset:
    return ds.sortby("lr").isel(lr=np.flatnonzero(((ds.status == Status.CONVERGED) & where).sortby("lr")))


def departure_from_flow(name: str) -> Callable[[Results], float]:
    """The largest ``|v / v_flow - 1|`` of calm runs."""

    def measure(runs: Results) -> float:
        off = [np.abs(calm(ds)[name] / ds[f"flow_{name}"] - 1).values for ds in runs]
        return float(np.max([values.max() if values.size else np.nan for values in off]))

    return measure


def departure_from_edge(name: str = "sharpness", limit: float = 2.0) -> Callable[[Results], float]:
    """The median ``|lr S / limit - 1|`` of runs at the edge, of the result where it is largest."""

    def measure(runs: Results) -> float:
        off = [np.abs(edge(ds).lr * edge(ds)[name] / limit - 1).values for ds in runs]
        return float(np.max([np.median(values) if len(values) >= FEWEST else np.nan for values in off]))

    return measure


def slope(runs: Results) -> float:
    """``d log S / d log lr`` at the edge, the median over results; -1 is the hyperbola."""
    found = []
    for ds in map(edge, runs):
        enough = ds.lr.size >= FEWEST
        found.append(np.polyfit(np.log(ds.lr.values), np.log(ds.sharpness.values), 1)[0] if enough else np.nan)
    return float(np.median(found))


def order(name: str) -> Callable[[Results], float]:
    """Spearman's rank correlation with lr at the edge, the median over results."""

    def measure(runs: Results) -> float:
        ends = [edge(ds) for ds in runs]
        return float(np.median([spearmanr(ds.lr, ds[name])[0] if ds.lr.size >= FEWEST else np.nan for ds in ends]))

    return measure


def growth(name: str) -> Callable[[Results], float]:
    """``v / v_flow - 1`` at the largest rate that converges, the median over results."""
    return lambda runs: float(np.median([_growth(ds, name) for ds in runs]))


def _growth(ds: xr.Dataset, name: str) -> float:
    ends, plain = edge(ds), name.removeprefix("averaged_").removeprefix("cooled_")
    return float(ends[name][-1] / ds[f"flow_{plain}"]) - 1 if ends.lr.size else np.nan


def straightness(name: str) -> Callable[[Results], float]:
    """The share of the variance at the edge that a line in lr explains, the median over results."""

    def measure(runs: Results) -> float:
        ends = [edge(ds) for ds in runs]
        shares = [np.corrcoef(ds.lr, ds[name])[0, 1] ** 2 if ds.lr.size > FEWEST else np.nan for ds in ends]
        return float(np.median(shares))

    return measure


def kept(without: str, name: str) -> Callable[[Results], float]:
    """The share of the growth that is left without oscillation (averaged or cooled), the least over results."""

    def measure(runs: Results) -> float:
        shares = []
        for ds in runs:
            whole = _growth(ds, name)
            shares.append(_growth(ds, f"{without}_{name}") / whole if whole > FAINT else np.nan)
        return float(np.min(shares))

    return measure


def depth_of_the_u(runs: Results) -> float:
    """How much less the least test risk is than at both ends of the converged rates, the median over results."""
    depths = []
    for ds in map(_converged, runs):
        risk = ds.test_risk.values
        depths.append(float(min(risk[0], risk[-1]) / risk.min() - 1) if len(risk) > FEWEST else np.nan)
    return float(np.median(depths))


def place_of_the_best(runs: Results) -> float:
    """``lr / lr_critical`` of the least test risk, the median over results."""
    return float(np.median([_best(ds)[0] for ds in runs]))


def risk_of_least_norm(runs: Results) -> float:
    """The test risk of the run of least l1 norm over the least, minus 1; the least over results."""
    found = []
    for ds in map(_converged, runs):
        risk, norm = ds.test_risk.values, ds.theta_l1.values
        found.append(float(risk[norm.argmin()] / risk.min()) - 1 if len(risk) > FEWEST else np.nan)
    return float(np.min(found))


def beside_minimiser(name: str) -> Callable[[Results], float]:
    """The least risk of a run over that of the norm or of the sharpness minimiser, the median over results."""
    return lambda runs: float(np.median([_best(ds)[1] / float(ds[f"{name}_minimiser_risk"]) for ds in runs]))


def beside_least(runs: Results) -> float:
    """The least risk of a run over the least of any interpolator, minus 1, the median over results."""
    return float(np.median([_best(ds)[1] / float(ds.least_risk) - 1 for ds in runs]))


def least_beside_minimiser(name: str) -> Callable[[Results], float]:
    """The least risk of any interpolator over that of the norm or of the sharpness minimiser, the largest."""
    return lambda runs: float(np.max([float(ds.least_risk / ds[f"{name}_minimiser_risk"]) for ds in runs]))


def _best(ds: xr.Dataset) -> tuple[float, float]:
    ends = _converged(ds)
    if ends.lr.size <= FEWEST:
        return np.nan, np.nan
    best = int(ends.test_risk.values.argmin())
    return float(ends.lr[best] / ds.lr_critical), float(ends.test_risk[best])


def fall_of_critical(runs: Results) -> float:
    """lr_critical of the last result over that of the first, where it falls from each to the next; 1 elsewhere."""
    rates = np.array([float(ds.lr_critical) for ds in runs])
    return float(rates[-1] / rates[0]) if len(rates) > 1 and (np.diff(rates) < 0).all() else 1.0


def spread(name: str) -> Callable[[Results], float]:
    """Largest over least among the results at the same multiple of lr_critical, minus 1: the largest of all."""

    def measure(runs: Results) -> float:
        values = np.array([np.where(ds.status == Status.CONVERGED, ds[name], np.nan) for ds in runs])
        known = np.isfinite(values).all(axis=0)
        return float((values.max(axis=0) / values.min(axis=0))[known].max() - 1) if known.sum() >= FEWEST else np.nan

    return measure


def spread_of_critical(runs: Results) -> float:
    """Largest lr_critical over the least, minus 1."""
    rates = [float(ds.lr_critical) for ds in runs]
    return max(rates) / min(rates) - 1


def sharpening(runs: Results) -> float:
    """The largest sharpness along gradient flow over that of the start, the least over results."""
    return float(np.min([float(2 / ds.lr_critical / ds.start_sharpness) for ds in runs]))


def beside(name: str) -> Callable[[Results], float]:
    """Of two results at the same rates, the second's value over the first's, the median of converged pairs."""

    def measure(runs: Results) -> float:
        first, second = runs
        both = (first.status == Status.CONVERGED).values & (second.status == Status.CONVERGED).values
        return float(np.median((second[name].values / first[name].values)[both])) if both.sum() >= FEWEST else np.nan

    return measure
