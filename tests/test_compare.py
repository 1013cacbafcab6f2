"""Predictors beside runs: what compare reports is what descent and the predictors say, one by one."""

import json

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims.status import Status

MODEL, SCALE = theory.power(2), 0.1
PROBLEM = theory.sparse_regression(n=5, d=20, sparsity=3, signs="positive", seed=3, n_test=50)
PRED = theory.predict(MODEL, PROBLEM, SCALE)
BETWEEN = 0.5 * (PRED.lr_critical_final + PRED.lr_max)


@pytest.fixture(scope="module")
def ds():
    return sims.compare(MODEL, PROBLEM, [1.3 * PRED.lr_max, 0.8 * PRED.lr_critical, BETWEEN], SCALE)


def test_errors_are_those_of_the_predictors_against_the_runs(ds):
    for j, lr in ((1, 0.8 * PRED.lr_critical), (2, BETWEEN)):
        run = sims.descend(MODEL, PROBLEM, lr, SCALE, max_steps=400_000)
        assert int(ds.status[j]) == int(run.status) == Status.CONVERGED
        np.testing.assert_array_equal(ds.beta[j], run.beta)
        near = sims.descend(MODEL, PROBLEM, 1.003 * lr, SCALE, max_steps=400_000).beta.values
        size = np.linalg.norm(run.beta)
        np.testing.assert_allclose(ds.sensitivity[j], np.linalg.norm(near - run.beta.values) / size)
        for method in ("flow", "frontier", "bregman", "constrained_flow"):
            end, found = PRED.endpoint(lr, method), ds.sel(predictor=method).isel(lr=j)
            np.testing.assert_allclose(found.predicted_beta, end.beta, rtol=1e-6)
            np.testing.assert_allclose(found.beta_error, np.linalg.norm(end.beta - run.beta.values) / size, rtol=1e-5)
            for name, value, true in (
                ("l1", end.l1_norm, run.beta_l1), ("sharpness", end.sharpness, run.sharpness),
                ("test_risk", end.test_risk, run.test_risk),
            ):  # fmt: skip
                np.testing.assert_allclose(found[f"{name}_error"], abs(value - float(true)) / float(true), rtol=1e-3)


def test_where_nothing_is_predicted_the_reason_is_kept(ds):
    assert int(ds.status[0]) == Status.DIVERGED and np.isnan(ds.beta_error[:, 0]).all() and np.isnan(ds.sensitivity[0])
    missing = json.loads(ds.attrs["not_predicted"])
    assert {method for method, *_ in missing} == {"frontier", "bregman", "constrained_flow"}
    assert all(lr == float(ds.lr[0]) and "lr_max" in reason for _, lr, reason in missing)
    assert np.isfinite(ds.predicted_sharpness.sel(predictor="flow")).all()  # it is gradient flow's at every lr


@pytest.mark.filterwarnings("ignore:power")  # the sweep says what it cannot fit
@pytest.mark.parametrize(
    "model, problem",
    [
        (theory.custom("u*v - w**2"), PROBLEM),
        (theory.product(3), PROBLEM),
        (theory.difference(2), theory.Problem(np.eye(5)[:, :2] + 0.1, np.arange(5.0))),
        (theory.power(2), theory.Problem([[1.0], [2.0]], [1.0, -1.0], loss="logistic")),
    ],
)
def test_models_without_predictors_are_compared_all_the_same(model, problem):
    ds = sims.compare(model, problem, 0.01, 0.3, methods=["bregman", "constrained_flow"], max_steps=50, backend="numpy")
    assert ds.sizes["lr"] == 1 and np.isnan(ds.beta_error).all() and int(ds.status[0]) != Status.NOT_RUN
    assert len(json.loads(ds.attrs["not_predicted"])) == 2


def test_what_is_no_method_is_refused():
    with pytest.raises(theory.InputError, match="nonsense"):
        sims.compare(MODEL, PROBLEM, 0.1, methods=["nonsense"])  # type: ignore[list-item]


def test_the_result_can_be_rebuilt(ds):
    [model], [problem] = sims.rebuild(ds)
    assert model.name == MODEL.name and problem.fingerprint == PROBLEM.fingerprint
    assert all(variable.attrs["long_name"] for variable in ds.variables.values() if variable.dims != ("feature",))


@pytest.mark.parametrize("lr", [PRED.lr_critical_final * 1.1, BETWEEN])
def test_descent_follows_the_constrained_flow_but_for_its_oscillation(lr):
    run = sims.descend(MODEL, PROBLEM, lr, SCALE, max_steps=20_000, record_every=1)
    path, mean = PRED.path(lr), sims.paired(run)
    np.testing.assert_allclose(mean.time, lr * mean.step)
    distance = np.linalg.norm(path.at(mean.time.values) - mean.beta.values, axis=1)
    moving = mean.time.values < path.time[-1]
    assert np.median(distance[moving]) < 0.03 * np.linalg.norm(mean.beta, axis=1).max()


def test_a_path_starts_at_the_start_and_ends_at_the_endpoint_under_its_cap():
    path, end = PRED.path(BETWEEN), PRED.endpoint(BETWEEN)
    np.testing.assert_allclose(path.beta[0], SCALE**2)
    assert np.linalg.norm(path.beta[-1] - end.beta) < 0.03 * np.linalg.norm(end.beta)  # the end lies below the cap
    assert (path.sharpness <= 2 / BETWEEN * (1 + 1e-4)).all() and path.loss[-1] < 1e-9 < path.loss[0]
    np.testing.assert_allclose(np.diff(path.time)[:-1], BETWEEN)
    coarse = PRED.path(BETWEEN, record_every=10)
    np.testing.assert_array_equal(coarse.beta[:-1], path.beta[:-1:10])
    with pytest.raises(theory.NoInterpolator, match="lr_max"):
        PRED.path(1.01 * PRED.lr_max)


def test_pairs_are_means_of_consecutive_states():
    run = sims.descend(MODEL, PROBLEM, 0.1, SCALE, max_steps=5, record_every=1)
    beta = run.path_theta.values[:, 0] ** 2
    np.testing.assert_allclose(sims.paired(run).beta, (beta[1:] + beta[:-1]) / 2)
    short = [sims.descend(MODEL, PROBLEM, 0.1, max_steps=9, record_every=every) for every in (0, 2)]
    for bad in short:
        with pytest.raises(theory.InputError, match="record_every=1"):
            sims.paired(bad)


def test_a_rule_that_does_not_rest_is_compared_where_it_is_told_to_be():
    """After its own steps at each rate, or after those asked for; descent takes none."""
    problem, asked = theory.sparse_regression(n=6, d=16, sparsity=3, seed=1, n_test=0), dict(progress=False)
    rule = theory.UpdateRule(step="sam", step_parameters={"rho": 0.02})
    pred, methods = theory.predict(theory.difference(2), problem, 0.3, rule=rule), ["constrained_flow"]
    at_arrival = sims.compare(theory.difference(2), problem, [0.05, 0.1], 0.3, rule=rule, methods=methods, **asked)
    assert at_arrival.steps.values.tolist() == [np.ceil(pred.endpoint(lr).steps) for lr in (0.05, 0.1)]
    later = sims.compare(
        theory.difference(2), problem, [0.05, 0.1], 0.3, rule=rule, methods=methods, steps=8000, **asked
    )
    assert (later.steps == 8000).all() and later.attrs["not_predicted"] == "[]"
    for ds in (at_arrival, later):
        assert (ds.beta_error < 0.04).all() and (ds.sensitivity < 0.04).all()
    beside = sims.compare(theory.difference(2), problem, [0.05, 0.05 * 1.003], 0.3, rule=rule, methods=methods, **asked)
    assert beside.steps.values.tolist() == [np.ceil(pred.endpoint(lr).steps) for lr in (0.05, 0.05 * 1.003)]
    for other in (theory.gradient_descent, theory.UpdateRule(step="nesterov", momentum=0.5)):
        with pytest.raises(theory.InputError, match="steps = 5 is of rules that do not rest"):
            sims.compare(theory.difference(2), problem, 0.1, rule=other, steps=5)
    with pytest.raises(theory.InputError, match="steps = 5000 must be a whole number from 1 to 2000"):
        sims.compare(theory.difference(2), problem, 0.1, rule=rule, steps=5000, max_steps=2000)
