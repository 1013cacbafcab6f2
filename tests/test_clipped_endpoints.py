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


def gradients(run, problem):
    """The norms of the gradient along a recorded run of difference(2)."""
    theta = run.path_theta.values
    slopes = ((theta[:, 0] ** 2 - theta[:, 1] ** 2) @ problem.X.T - problem.y) @ problem.X / problem.n
    return np.linalg.norm(2 * theta * slopes[:, None], axis=(1, 2))


@pytest.mark.parametrize("scale_x, scale_y", [(1, 1), (1e-6, 1), (1e8, 1e3)])
def test_what_clips_the_oscillation_is_refused_and_what_is_advised_works(scale_x, scale_y):
    """Clipped, the oscillation cannot hold the sharpness, and the run ends elsewhere."""
    problem, unit = theory.Problem(SIGNED.X * scale_x, SIGNED.y * scale_y), (scale_y / scale_x) ** 0.5  # of weights
    tol = 1e-10 * float(problem.y @ problem.y)

    def told_and_run(max_norm, **options):
        pred = theory.predict(theory.difference(2), problem, 0.1 * unit, rule=clipped(max_norm))
        return pred, run_of(pred, above(pred, 0.3), tol=tol, **options)

    free, run = told_and_run(1e9 * scale_y**2 / unit, record_every=1)
    lr = above(free, 0.3)
    end = free.endpoint(lr, warmup=50)
    assert distance(end.beta, run.beta.values) < 0.01
    tight, other = told_and_run(0.02 * scale_y**2 / unit)
    assert distance(end.beta, other.beta.values) > 0.02
    with pytest.raises(NoClosedForm, match="clips the gradients that swing at the edge of stability") as refused:
        tight.endpoint(lr, warmup=50)
    told, enough = map(float, re.findall(r"(?:up to|max_norm of) ([\d.e+-]+)[: ]", str(refused.value)))
    assert 0.5 < told / gradients(run, problem).max() < 2
    advised, run = told_and_run(enough)
    assert distance(advised.endpoint(lr, warmup=50).beta, run.beta.values) < 0.01


def test_a_warm_up_is_advised_above_the_edge():
    pred = predicted("difference(2)", clipped(2.0))
    lr = above(pred, 0.1)
    with pytest.raises(NoClosedForm, match=r"the constrained flow after a warm-up of 50 steps \(--warmup 50\)"):
        pred.endpoint(lr)
    assert pred.endpoint(lr, warmup=50).method == "constrained_flow"
