"""Where clipped descent ends above its edge, after a warm-up of its own steps, and where clipping moves that end."""

import re

import numpy as np
import pytest

from endpoint_runs import DENSE, SIGNED, distance, predicted, run_of
from gdbias import sims, theory
from gdbias.theory import NoClosedForm, UpdateRule
from gdbias.theory.prediction.constrained import Edge
from gdbias.theory.prediction.coordinates import doubled


def clipped(max_norm):
    return UpdateRule(step="clipped_descent", step_parameters={"max_norm": max_norm})


def above(pred, way):
    return float(pred.lr_critical_final + way * (pred.lr_max - pred.lr_critical_final))


@pytest.mark.parametrize(
    "name, way, max_norm", [("difference(2)", 0.1, 2.0), ("product(2)", 0.1, 2.0), ("power(3)", 0.2, 2.0)]
)
def test_it_ends_where_the_constrained_flow_does_after_a_warm_up(name, way, max_norm):
    pred = predicted(name, clipped(max_norm))
    lr = above(pred, way)
    run, told = run_of(pred, lr), pred.endpoint(lr, warmup=50)
    assert run.status == sims.Status.CONVERGED and told.method == "constrained_flow" and not told.note
    assert distance(told.beta, run.beta.values) < 0.01 < distance(pred.flow.beta, run.beta.values)
    assert told.sharpness == pytest.approx(float(run.sharpness), rel=0.01)


@pytest.mark.parametrize("name", ["difference(2)", "product(2)", "power(3)", "product(3)"])
@pytest.mark.parametrize("scale_x, scale_y", [(1, 1), (1e-6, 1), (1e8, 1e3)])
def test_the_first_steps_are_its_own_in_any_units(name, scale_x, scale_y):
    plain = DENSE if name.startswith("power") else SIGNED
    problem, model = theory.Problem(plain.X * scale_x, plain.y * scale_y), theory.parse(name)
    unit = (scale_y / scale_x) ** (1 / model.degree)  # of weights
    max_norm = 0.3 * scale_y**2 / unit
    start = dict(theta0=np.full((3, 16), 0.3 * unit)) if name == "product(3)" else dict(init_scale=0.3 * unit)
    pred = theory.predict(model, problem, rule=clipped(max_norm), **start)
    lr, coordinates = 1.2 * pred.lr_critical_final, doubled(model)
    edge = Edge(coordinates, problem, coordinates.start(pred.starts[0]), lr)
    losses = edge.warmed(100, lr, max_norm=max_norm).losses
    of_run = run_of(pred, lr, max_steps=len(losses) - 1, record_every=1).path_loss
    np.testing.assert_allclose(losses, 2 * problem.n * of_run / (problem.y @ problem.y), rtol=1e-6)
    unclipped = edge.warmed(100, lr).losses
    assert abs(unclipped[50] / losses[50] - 1) > 0.1


def gradients(run):
    """The norms of the gradient along a recorded run of difference(2)."""
    beta = (run.path_theta.values * np.abs(run.path_theta.values) * [[[1], [-1]]]).sum(axis=1)
    slopes = (beta @ SIGNED.X.T - SIGNED.y) @ SIGNED.X / SIGNED.n
    return np.linalg.norm(2 * run.path_theta.values * slopes[:, None], axis=(1, 2))


def test_what_clips_the_oscillation_is_refused_and_what_is_advised_works():
    """Clipped, the oscillation cannot hold the sharpness, and the run ends elsewhere."""
    free = predicted("difference(2)", clipped(1e9))
    lr = above(free, 0.3)
    end = free.endpoint(lr, warmup=50)
    assert distance(end.beta, run_of(free, lr).beta.values) < 0.01
    tight = predicted("difference(2)", clipped(0.02))
    assert distance(end.beta, run_of(tight, lr).beta.values) > 0.02
    with pytest.raises(NoClosedForm, match="clips the gradients that swing at the edge of stability") as refused:
        tight.endpoint(lr, warmup=50)
    told, enough = (float(found) for found in re.findall(r"(?:up to|max_norm of) ([\d.]+)[: ]", str(refused.value)))
    seen = gradients(run_of(free, lr, record_every=1))
    assert 0.5 < told / seen.max() < 2
    advised = predicted("difference(2)", clipped(enough))
    assert distance(advised.endpoint(lr, warmup=50).beta, run_of(advised, lr).beta.values) < 0.01


def test_a_warm_up_is_advised_above_the_edge():
    pred = predicted("difference(2)", clipped(2.0))
    lr = above(pred, 0.1)
    with pytest.raises(NoClosedForm, match=r"the constrained flow after a warm-up of 50 steps \(--warmup 50\)"):
        pred.endpoint(lr)
    assert pred.endpoint(lr, warmup=50).method == "constrained_flow"
