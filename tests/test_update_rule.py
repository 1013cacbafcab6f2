"""Update rules agree with hand-typed twins, with themselves on every path, and with what theory says of them."""

import numpy as np
import pytest
import scipy.optimize

import reference
from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.sims.engine import draws
from gdbias.theory import InputError, UpdateRule
from gdbias.theory.rules.schedule import parse_schedule

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)
RULES = [
    UpdateRule(momentum=0.9),
    UpdateRule(momentum=0.5, weight_decay=0.01, schedule="ramp(100, start=0.5)"),
    UpdateRule(batch=2, label_noise=0.1, noise_seed=3),
    UpdateRule(momentum=0.3, label_noise=0.1, noise_steps=20, schedule=theory.cosine(50)),
]


def run(rule, lr=0.01, **options):
    return sims.descend(MODEL, PROBLEM, lr, rule=rule, **(dict(max_steps=200, tol=1e-14) | options))


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_backends_and_sweep_agree(rule):
    fast, slow = run(rule), run(rule, backend="numpy")
    assert int(fast.steps) == int(slow.steps) and int(fast.rising_steps) == int(slow.rising_steps)
    np.testing.assert_allclose(fast.theta, slow.theta, rtol=0, atol=1e-12)
    one, two = (
        sims.sweep(MODEL, PROBLEM, [0.005, 0.01, 0.02], [0.05, 0.1], max_steps=200, tol=1e-14, threads=k, rule=rule)
        for k in (1, 2)
    )
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(one.sel(lr=0.01, init_scale=0.1).theta, fast.theta)


def test_momentum_and_decay_are_the_hand_typed_twin():
    rule, lr = RULES[1], 0.02
    before = theta = reference.standard_start("difference", 2, 0.1, PROBLEM.d)
    for t in range(150):
        rate = lr * 0.5 ** (1 - min(t / 100, 1))
        slope = reference.gradient("difference", 2, theta, PROBLEM.X, PROBLEM.y) + 0.01 * theta
        before, theta = theta, theta - rate * slope + 0.5 * (theta - before)
    np.testing.assert_allclose(run(rule, lr, max_steps=150).theta, theta, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_batches_have_their_size_and_draw_every_sample_alike():
    # With targets 0 and X = identity a sample that is drawn moves its own weight, so that draws can be counted.
    drawn = theory.Problem(np.eye(5), np.zeros(5))
    w0 = np.full((1, 5), 1.0)
    path = sims.descend(
        theory.power(1), drawn, 0.1, theta0=w0, max_steps=1500, tol=1e-300, record_every=1, rule=UpdateRule(batch=2)
    ).path_theta.values[:, 0]
    picked = np.diff(path, axis=0) != 0
    assert (picked.sum(axis=1) == 2).all()
    counts = picked.sum(axis=0) / len(picked)
    np.testing.assert_allclose(counts, 0.4, atol=4 * np.sqrt(0.24 / len(picked)))


def by_hand(rule, lr, steps, key=None, theta=None):
    """Stochastic descent of difference(2), typed from its definition with the numbers of sims.draws."""
    X, y, n = PROBLEM.X, PROBLEM.y, PROBLEM.n
    theta = reference.standard_start("difference", 2, 0.1, PROBLEM.d) if theta is None else theta
    key = draws.run_keys(rule.noise_seed, np.array([lr]), theta[None]) if key is None else key
    for t in range(steps):
        noise = draws.normal(draws.stream(key, t), 3 * np.arange(n) + 1)
        targets = y + rule.label_noise * noise * (t < (rule.noise_steps or steps))
        chance, chosen = draws.uniform(draws.stream(key, t), 3 * np.arange(n)), []
        for i in range(n):  # every subset of the size asked is equally likely
            if chance[i] < (rule.batch - len(chosen)) / (n - i):
                chosen.append(i)
        theta = theta - lr * reference.gradient("difference", 2, theta, X[chosen], targets[chosen])
    return theta


@pytest.mark.parametrize(
    "backend, batch, noise, noise_steps",
    [("numba", 2, 0.1, None), ("numpy", 2, 0.1, None), ("numba", 1, 0.0, None), ("numpy", 6, 0.3, 50)],
)
def test_batches_and_label_noise_are_the_hand_typed_twin(backend, batch, noise, noise_steps):
    rule = UpdateRule(batch=batch, label_noise=noise, noise_steps=noise_steps, noise_seed=7)
    found = run(rule, 0.03, backend=backend, max_steps=120)
    np.testing.assert_allclose(found.theta, by_hand(rule, 0.03, 120), rtol=0, atol=1e-12)
    other = run(UpdateRule(**rule.spec | {"noise_seed": 8}), 0.03, backend=backend, max_steps=120)
    assert np.abs(other.theta - found.theta).max() > 1e-4


@pytest.mark.parametrize(
    "rule, lr, backend",
    [
        (UpdateRule(batch=1), 0.05, "numba"),
        (UpdateRule(batch=2), 0.1, "numba"),
        (UpdateRule(label_noise=0.3, noise_steps=300, schedule="ramp(100, start=0.5)"), 0.1, "numpy"),
    ],
    ids=str,
)
def test_stochastic_descent_ends_where_the_exact_formula_says(rule, lr, backend):
    # beta = 2 c sinh(4 X^T nu + delta) with X beta = y (arXiv 2302.08982), c and delta from the course of the run.
    ds = run(rule, lr, backend=backend, max_steps=60_000, tol=1e-22, record_every=1)
    assert int(ds.status) == Status.CONVERGED
    u, v = np.moveaxis(ds.path_theta.values, 1, 0)
    x = 1 - u[1:] / u[:-1]  # 2 lr_t g_t
    np.testing.assert_allclose(v[1:] / v[:-1] - 1, x, rtol=0, atol=1e-13)
    outside = np.eye(PROBLEM.d) - np.linalg.pinv(PROBLEM.X) @ PROBLEM.X
    np.testing.assert_allclose(outside @ x.sum(axis=0), 0, atol=1e-11)  # steps are in range X^T
    c = 0.01 * np.exp(np.log(np.abs(1 - x * x)).sum(axis=0))
    delta = (np.log(np.abs(1 - x)) - np.log(np.abs(1 + x)) + 2 * x).sum(axis=0)

    def end(scale, shift):
        def s(nu):
            return 4 * PROBLEM.X.T @ nu + shift

        def height(nu):
            return (scale * np.cosh(s(nu))).sum() / 2 - PROBLEM.y @ nu

        def misfit(nu):
            return PROBLEM.X @ (2 * scale * np.sinh(s(nu))) - PROBLEM.y

        def slope(nu):
            return 8 * (PROBLEM.X * (scale * np.cosh(s(nu)))) @ PROBLEM.X.T

        near = scipy.optimize.minimize(height, np.zeros(PROBLEM.n), jac=misfit, hess=slope, method="trust-exact").x
        return 2 * scale * np.sinh(s(scipy.optimize.root(misfit, near, jac=slope, tol=1e-14).x))

    beta = ds.beta.values
    assert np.linalg.norm(end(c, delta) - beta) < 1e-9 * np.linalg.norm(beta)
    assert np.linalg.norm(end(0.01, 0.0) - beta) > 0.03 * np.linalg.norm(beta)  # where gradient flow ends


@pytest.mark.parametrize("rule", RULES[2:3], ids=str)
def test_random_draws_depend_on_no_chunk_store_or_grid(rule, tmp_path):
    grid = dict(lr=[0.005, 0.01, 0.02, 0.03, 0.04], init_scale=[0.05, 0.1, 0.2])
    options = dict(max_steps=150, tol=1e-14, rule=rule)
    whole = sims.sweep(MODEL, PROBLEM, **grid, **options)
    assert len(np.unique(whole.theta.values.reshape(15, -1), axis=0)) == 15
    for threads in (1, 2):
        shared = dict(threads=threads, chunk_runs=2, store=tmp_path / f"{threads}.zarr")
        stored = sims.sweep(MODEL, PROBLEM, **grid, **options, **shared)
        for name in ("theta", "loss", "steps", "rising_steps", "status"):
            np.testing.assert_array_equal(stored[name], whole[name])
    part = sims.sweep(MODEL, PROBLEM, [0.03, 0.01], [0.2], **options)
    np.testing.assert_array_equal(part.theta, whole.theta.sel(lr=[0.03, 0.01], init_scale=[0.2]))
    with pytest.raises(InputError):  # the store is of another rule
        sims.sweep(MODEL, PROBLEM, **grid, **options | {"rule": UpdateRule(batch=3)}, store=tmp_path / "1.zarr")


@pytest.mark.parametrize("rule, backend", [(RULES[0], "numba"), (RULES[1], "numpy")], ids=str)  # a ramp that is over
def test_the_average_is_of_the_next_steps_of_the_rule(rule, backend):
    options = dict(max_steps=150, backend=backend)
    ds, longer = run(rule, average=4, **options), run(rule, **options | dict(max_steps=154, record_every=1))
    mean = longer.path_theta.values[151:].mean(axis=0)
    assert float(ds.averaged_theta_l2) == pytest.approx(np.linalg.norm(mean), rel=1e-12)
    rule = UpdateRule(batch=2, label_noise=0.1)
    ds, start = run(rule, average=2, **options), reference.standard_start("difference", 2, 0.1, PROBLEM.d)
    key = ~draws.run_keys(0, np.array([0.01]), start[None])  # draws of its own
    mean = (by_hand(rule, 0.01, 1, key, ds.theta.values) + by_hand(rule, 0.01, 2, key, ds.theta.values)) / 2
    assert float(ds.averaged_theta_l2) == pytest.approx(np.linalg.norm(mean), rel=1e-12)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("share", [0.98, 1.02])
def test_momentum_threshold(momentum, share):
    rule, lr = UpdateRule(momentum=momentum), share * (2 + 2 * momentum) / 4
    problem = theory.single_point([1.0], 1.0)  # power(2) has its minimum at w = 1, where S = 4
    stable = share < 1
    assert (4 <= rule.sharpness_limit(lr)) == stable
    linear = np.array([[1 + momentum - 4 * lr, -momentum], [1.0, 0.0]])
    assert (np.abs(np.linalg.eigvals(linear)).max() < 1) == stable
    options = dict(max_steps=5000, rule=rule, tol=1e-20)
    at, near = (sims.descend(theory.power(2), problem, lr, theta0=[[w]], **options) for w in (1.0, 1 + 1e-4))
    assert int(at.status) == (Status.CONVERGED if stable else Status.UNSTABLE_MINIMUM)
    # From beside it the run leaves for a cycle of two, whose loss stays far above tol.
    assert int(near.status) == (Status.CONVERGED if stable else Status.STEP_LIMIT)
    assert (float(near.loss) < 1e-18) == stable


def test_weight_decay_ends_at_the_lasso():
    decay = 0.1
    ds = run(UpdateRule(weight_decay=decay), 0.05, max_steps=200_000, tol=1e-26)
    assert int(ds.status) == Status.CONVERGED
    beta = ds.beta.values
    slope = PROBLEM.X.T @ (PROBLEM.X @ beta - PROBLEM.y) / PROBLEM.n  # in (decay / 2) times the subgradient of |beta|
    inside = np.abs(beta) > 1e-6
    assert inside.any() and not inside.all()
    np.testing.assert_allclose(slope[inside], -decay / 2 * np.sign(beta[inside]), atol=1e-9)
    assert (np.abs(slope[~inside]) <= decay / 2 + 1e-9).all()


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
def test_convergence_waits_for_the_schedule(backend):
    pred = theory.predict(MODEL, PROBLEM, 0.1)
    rule = UpdateRule(schedule=theory.ramp(300, start=0.5))
    ds = run(rule, 0.5 * pred.lr_critical, theta0=pred.flow.theta, tol=1e-10, max_steps=1000, backend=backend)
    assert int(ds.status) == Status.CONVERGED and int(ds.steps) == 300 + 19


@pytest.mark.parametrize(
    "bad",
    [
        dict(momentum=1.0),
        dict(weight_decay=-1),
        dict(batch=0),
        dict(schedule="ramp(x)"),
        dict(schedule="ramp(0)"),
        dict(schedule="ramp(5, **{'start': 0.5})"),
        dict(schedule=3),
    ],
)
def test_bad_rules(bad):
    with pytest.raises(InputError):
        UpdateRule(**bad)


def test_rules_that_do_not_fit():
    for rule, options in ((UpdateRule(batch=7), {}), (UpdateRule(batch=1), dict(window=600)), ("momentum", {})):
        with pytest.raises(InputError):
            run(rule, **options)


def test_a_rule_is_its_spec():
    for rule in RULES:
        assert UpdateRule(**rule.spec) == rule
        assert sims.rebuild_rule(run(rule, max_steps=1, backend="numpy")) == rule
        assert repr(rule).startswith("UpdateRule(") and "\n" not in repr(rule)


@pytest.mark.parametrize(
    "text", ["constant", "ramp(5)", "ramp(5, start=0.5)", "ramp(5, start_lr=0.01)", "cosine(5)", "cosine(5, final=1.0)"]
)
def test_a_schedule_is_its_text(text):
    schedule = parse_schedule(text)
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize(
    "bad",
    [
        dict(final=0.5), dict(start=0.5), dict(steps=5), dict(shape="ramp", steps=5, final=0.5),
        dict(shape="cosine", steps=5, start=0.5), dict(shape="ramp", steps=5, start=0.5, start_lr=0.1),
    ],
)  # fmt: skip
def test_a_schedule_that_its_text_could_not_say_is_refused(bad):
    with pytest.raises(InputError, match=next(reversed(bad)).removesuffix("_lr")):
        theory.Schedule(**bad)


def test_measures_that_a_rule_would_falsify_are_refused():
    with pytest.raises(InputError, match="average = 20 begins after max_steps = 200.*settles at step 300"):
        run(UpdateRule(schedule=theory.ramp(300, start=0.5)), average=20)
    with pytest.raises(InputError, match="cool follows gradient flow of the loss alone"):
        run(UpdateRule(weight_decay=0.1), cool=True)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("lr", [1e100, 1e300])
def test_a_loss_that_is_no_number_has_risen(backend, lr):
    blown = run(theory.gradient_descent, lr, backend=backend)
    assert int(blown.status) == Status.DIVERGED and not blown.monotone and int(blown.rising_steps) == 1
