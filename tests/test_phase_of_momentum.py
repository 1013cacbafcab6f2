"""With momentum a loss that rises tells nothing: whether the sharpness met the rule's edge does."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Phase, Status

MODEL, PROBLEM, SCALE = theory.difference(2), theory.sparse_regression(n=10, d=30, sparsity=3, seed=0), 0.1
RULES = {
    "heavy ball": theory.UpdateRule(momentum=0.3),
    "nesterov": theory.UpdateRule(step="nesterov", momentum=0.5),
}


def swept(rule, shares, **options):
    told = theory.predict(MODEL, PROBLEM, SCALE, rule=rule)
    rates = np.array(shares) * told.lr_critical
    return sims.sweep(MODEL, PROBLEM, rates, SCALE, rule=rule, max_steps=50_000, **options).isel(init_scale=0)


def dense_hessian(theta):
    """That of difference(2), ``J^T X^T X J / n`` and the slopes of beta's second derivatives."""
    X, (u, v) = PROBLEM.X, theta
    J = X @ np.hstack([np.diag(2 * u), np.diag(-2 * v)])
    slopes = 2 * X.T @ (X @ (u**2 - v**2) - PROBLEM.y) / PROBLEM.n
    return J.T @ J / PROBLEM.n + np.diag(np.concatenate([slopes, -slopes]))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_phase_says_whether_the_sharpness_met_the_edge(rule):
    ds = swept(rule, [0.2, 0.6, 1.1], track_every=1)
    assert (ds.status == Status.CONVERGED).all()
    assert ds.phase.values.tolist() == [Phase.UNDECIDED, Phase.UNDECIDED, Phase.EDGE_OF_STABILITY]
    for run in (ds.isel(lr=j) for j in range(3)):
        steps = min(int(run.steps), 400)
        path = sims.descend(MODEL, PROBLEM, float(run.lr), SCALE, rule=rule, max_steps=steps, record_every=1).path_theta
        top = max(np.linalg.eigvalsh(dense_hessian(theta))[-1] for theta in path.values)
        b = rule.momentum
        edge = (2 + 2 * b) / (1 + 2 * b) if rule.step.name == "nesterov" else 2 + 2 * b
        assert (top * float(run.lr) > edge) == (int(run.phase) == Phase.EDGE_OF_STABILITY)


def test_what_was_not_looked_at_is_undecided():
    ds = swept(RULES["heavy ball"], [0.2], track_every=0)
    assert ds.status.item() == Status.CONVERGED and ds.phase.item() == Phase.UNDECIDED


@pytest.mark.parametrize(
    "rule",
    [theory.UpdateRule(step="adam"), theory.UpdateRule(momentum=0.3, schedule=theory.ramp(100, start=0.5))],
    ids=["adam", "ramp"],
)
def test_an_edge_that_moves_tells_nothing(rule):
    ds = sims.sweep(MODEL, PROBLEM, 0.02, SCALE, rule=rule, max_steps=50_000)
    assert ds.status.item() == Status.CONVERGED and ds.phase.item() == Phase.UNDECIDED
