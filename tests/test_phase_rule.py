"""Which phases theory allows by its boundaries, and the boundary at which one dimension diverges."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims.measure.phase import Phase
from gdbias.theory.prediction.divergence import divergence_ratio
from gdbias.theory.prediction.phase_rule import BANDS, NOT_CONVERGED, allowed

CONVERGED = (Phase.FLOW_ALIGNED, Phase.CATAPULT, Phase.EDGE_OF_STABILITY)


@pytest.mark.parametrize("degree, kappa", [(2, 2.0), (3, 1.433449), (4, 1.204537)])
def test_one_dimension_diverges_where_bounded_orbits_end(degree, kappa):
    assert divergence_ratio(degree) == pytest.approx(kappa * degree / 2, abs=1e-5)


@pytest.mark.parametrize("degree", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_runs_of_one_feature_are_bounded_below_and_diverge_above(degree):
    """Of even degree: odd powers have a saddle at 0 that catches some."""
    model, problem = theory.power(degree), theory.Problem([[1.5], [0.5]], [2.0, 1.0])  # noise: no interpolator
    pred = theory.predict(model, problem, 0.3)
    runs = sims.sweep(model, problem, pred.lr_divergence * np.array([0.98, 1.02]), 0.3, max_steps=20_000, window=1000)
    below, above = runs.phase.values[0]
    assert below not in (*CONVERGED, Phase.DIVERGED) and above == Phase.DIVERGED


def test_where_descent_diverges_is_refused_elsewhere():
    one, many = theory.single_point([1.0], 1.0), theory.single_point([1.0, 2.0], 1.0)
    for model, problem in ((theory.power(4), many), (theory.difference(4), one), (theory.power(1), one)):
        with pytest.raises(theory.NoClosedForm, match="lr_max"):
            _ = theory.predict(model, problem).lr_divergence


@pytest.mark.parametrize(("name", "scale"), [("difference(2)", 0.5), ("product(2)", 0.5), ("power(3)", 0.7)])
def test_on_several_features_runs_diverge_above_and_not_below(name, scale):
    right = cells = 0
    for seed in range(4):
        problem = theory.sparse_regression(
            n=8, d=24, sparsity=4, seed=seed, n_test=0, signs="positive" if "power" in name else "random"
        )
        pred = theory.predict(theory.parse(name), problem, scale)
        rates = pred.lr_divergence * np.array([0.6, 0.75, 1.3, 1.6])
        runs = sims.sweep(theory.parse(name), problem, rates, scale, max_steps=2000, track_every=0)
        right += ((runs.status.values[0] == sims.Status.DIVERGED) == (rates > pred.lr_divergence)).sum()
        cells += len(rates)
    assert right >= 0.9 * cells


def test_every_band_has_its_phases_and_an_unknown_boundary_says_less():
    lr = np.array([0.5, 1.0, 1.6, 2.0, 3.0, 4.0, 6.0])
    names = [band.phases for band in BANDS]
    assert allowed(lr, (1.0, 1.5, 2.0, 4.0)) == [*names[:3], *3 * [NOT_CONVERGED], names[4]]
    assert allowed(lr, (1.0, 1.5, 2.0, 4.0), exact=True) == [*names[:3], *3 * [names[3]], names[4]]
    assert allowed(lr, (1.0, 1.5, 5.0, 1.8)) == [*names[:3], *3 * [names[4]], names[4]]  # diverged on the way
    assert allowed(lr, (1.0, 1.5, 2.0, np.nan)) == [*names[:3]] + 4 * [NOT_CONVERGED]
    assert allowed(lr, (1.0, 1.5, np.nan, np.nan)) == [*names[:2]] + 5 * [()]
    assert allowed(lr, (np.nan,) * 4) == 7 * [()]
    assert {phase.upper() for phases in names for phase in phases} <= set(Phase.__members__)
