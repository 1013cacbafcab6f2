"""What is measured on the results of a claim's runs: each function of where these end is one number.

Only converged runs count, and NaN says that there are too few.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import spearmanr

from .ends import Ends

FEWEST = 3  # runs that tell a course
FAINT = 1e-4  # relative growth that rounding in float32 makes too

Results = Sequence[Ends]
Measure = Callable[[Results], float]


def part(chosen: slice, measure: Measure) -> Measure:
    """The measure on some of the results."""
    return lambda runs: measure(runs[chosen])


def typical(measure: Measure) -> Measure:
    """The median of the measure over the results that tell it, each by itself."""

    def median(runs: Results) -> float:
        values = np.array([measure([ends]) for ends in runs])
        return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan

    return median


def departure_from_flow(name: str) -> Measure:
    """The largest ``|v / v_flow - 1|`` of calm runs."""

    def measure(runs: Results) -> float:
        off = [np.abs(ends.at(ends.calm, name) / ends.once(f"flow_{name}") - 1) for ends in runs]
        return float(np.max([values.max() if values.size else np.nan for values in off]))

    return measure


def departure_from_edge(name: str = "sharpness", limit: float = 2.0) -> Measure:
    """The median ``|lr S / limit - 1|`` of runs at the edge, of the result where it is largest."""

    def measure(runs: Results) -> float:
        off = [np.abs(ends.at(ends.edge, "lr") * ends.at(ends.edge, name) / limit - 1) for ends in runs]
        return float(np.max([np.median(values) if values.size >= FEWEST else np.nan for values in off]))

    return measure


def share_of_edge(name: str = "sharpness", limit: float = 2.0) -> Measure:
    """The median ``lr S / limit`` of runs above lr_critical, of the result where it is largest."""

    def measure(runs: Results) -> float:
        shares = [ends.at(ends.edge, "lr") * ends.at(ends.edge, name) / limit for ends in runs]
        return float(np.max([np.median(values) if values.size >= FEWEST else np.nan for values in shares]))

    return measure


def _over_edge(of: Callable[[np.ndarray, np.ndarray], float], name: str) -> Measure:
    """The median over results of a function of lr and of a variable at the edge."""

    def measure(runs: Results) -> float:
        found = [(ends.at(ends.edge, "lr"), ends.at(ends.edge, name)) for ends in runs]
        return float(np.median([of(lr, values) if len(lr) > FEWEST else np.nan for lr, values in found]))

    return measure


def slope(name: str) -> Measure:
    """``d log v / d log lr`` at the edge, the median over results; -1 is the hyperbola."""
    return _over_edge(lambda lr, values: np.polyfit(np.log(lr), np.log(values), 1)[0], name)


def order(name: str) -> Measure:
    """Spearman's rank correlation with lr at the edge, the median over results."""
    return _over_edge(lambda lr, values: spearmanr(lr, values)[0] if np.ptp(values) else 0.0, name)


def straightness(name: str) -> Measure:
    """The share of the variance at the edge that a line in lr explains, the median over results."""
    return _over_edge(lambda lr, values: np.corrcoef(lr, values)[0, 1] ** 2 if np.ptp(values) else 0.0, name)


def growth(name: str) -> Measure:
    """``v / v_flow - 1`` at the largest rate that converges, the median over results."""
    return lambda runs: float(np.median([_growth(ends, name) for ends in runs]))


def _growth(ends: Ends, name: str) -> float:
    values = ends.at(ends.edge, name)
    plain = name.removeprefix("averaged_").removeprefix("cooled_")
    return float(values[-1] / ends.once(f"flow_{plain}")) - 1 if values.size else np.nan


def kept(without: str, name: str) -> Measure:
    """The share of the growth that is left without oscillation (averaged or cooled), the least over results."""

    def measure(runs: Results) -> float:
        grown = [(_growth(ends, name), _growth(ends, f"{without}_{name}")) for ends in runs]
        return float(np.min([left / whole if whole > FAINT else np.nan for whole, left in grown]))

    return measure


def depth_of_the_u(runs: Results) -> float:
    """How much less the least test risk is than at both ends of the converged rates, the median over results."""
    risks = [ends["test_risk"] for ends in runs]
    return float(np.median([min(r[0], r[-1]) / r.min() - 1 if len(r) > FEWEST else np.nan for r in risks]))


def place_of_the_best(runs: Results) -> float:
    """``lr / lr_critical`` of the least test risk, the median over results."""
    return float(np.median([_best(ends)[0] for ends in runs]))


def risk_of_least_norm(runs: Results) -> float:
    """The test risk of the run of least l1 norm over the least, minus 1; the least over results."""
    found = [(ends["test_risk"], ends["theta_l1"]) for ends in runs]
    return float(np.min([r[l1.argmin()] / r.min() - 1 if len(r) > FEWEST else np.nan for r, l1 in found]))


def above_minimiser(name: str) -> Measure:
    """How far the least risk of a run is above that of the norm or of the sharpness minimiser, in units of gradient
    flow's risk, the median over results; below 0 it is less."""

    def measure(runs: Results) -> float:
        above = [(_best(ends)[1] - ends.once(f"{name}_minimiser_risk")) / ends.once("flow_test_risk") for ends in runs]
        return float(np.median(above))

    return measure


def beside_least(runs: Results) -> float:
    """The least risk of a run over the least of any interpolator, minus 1, the median over results."""
    return float(np.median([_best(ends)[1] / ends.once("least_risk") - 1 for ends in runs]))


def least_beside_minimiser(name: str) -> Measure:
    """The least risk of any interpolator over that of the norm or of the sharpness minimiser, the largest."""
    return lambda runs: float(np.max([ends.once("least_risk") / ends.once(f"{name}_minimiser_risk") for ends in runs]))


def _best(ends: Ends) -> tuple[float, float]:
    risk = ends["test_risk"]
    if len(risk) <= FEWEST:
        return np.nan, np.nan
    return float(ends.x[ends.converged][risk.argmin()]), float(risk.min())


def fall_of_critical(runs: Results) -> float:
    """lr_critical of the last result over that of the first, where it falls from each to the next; 1 elsewhere."""
    rates = np.array([ends.once("lr_critical") for ends in runs])
    return float(rates[-1] / rates[0]) if len(rates) > 1 and (np.diff(rates) < 0).all() else 1.0


def spread(name: str) -> Measure:
    """Largest over least among the results at the same multiple of lr_critical, minus 1: the largest of all."""

    def measure(runs: Results) -> float:
        values = np.array([ends.every(name) for ends in runs])
        known = np.isfinite(values).all(axis=0)
        apart = values[:, known].max(axis=0) / values[:, known].min(axis=0) - 1
        return float(apart.max()) if known.sum() >= FEWEST else np.nan

    return measure


def spread_of_critical(runs: Results) -> float:
    """Largest lr_critical over the least, minus 1."""
    rates = [ends.once("lr_critical") for ends in runs]
    return max(rates) / min(rates) - 1


def sharpening(runs: Results) -> float:
    """The largest sharpness along gradient flow over that of the start, the least over results."""
    return min(2 / ends.once("lr_critical") / ends.once("start_sharpness") for ends in runs)


def beside(name: str) -> Measure:
    """Of two results at the same rates, the second's value over the first's, the median of converged pairs."""

    def measure(runs: Results) -> float:
        first, second = (ends.every(name) for ends in runs)
        ratio = (second / first)[np.isfinite(first) & np.isfinite(second)]
        return float(np.median(ratio)) if ratio.size >= FEWEST else np.nan

    return measure
