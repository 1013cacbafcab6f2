"""Phases agree with what is known of the one-dimensional map, and do not depend on how they were computed."""

import numpy as np
import pytest
import sympy as sp

from gdbias import figures, sims, theory
from gdbias.sims import Phase, Status
from gdbias.sims.checks.period_doublings import doublings
from gdbias.sims.measure.phase import phases
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError
from gdbias.theory.rules.update_rule import GRADIENT, LEARNING_RATE, WEIGHT
from phase_table import share

WINDOW = 1000
CONVERGED = (Phase.FLOW_ALIGNED, Phase.CATAPULT, Phase.EDGE_OF_STABILITY)
DOUBLINGS = (1.0, 1.2360680, 1.2880317, 1.2992283)  # kappa at which periods 2, 4, 8, 16 of the 1-D map appear

velocity = sp.Symbol("velocity", real=True)
MOVE = sp.Rational(9, 10) * velocity - LEARNING_RATE * GRADIENT
HEAVY_BALL = theory.Step("heavy_ball", WEIGHT + MOVE, (theory.StateVariable(velocity, sp.Integer(0), MOVE),))


def line(kappa, **other):
    """power(2) on one sample of one feature, X = y = 1: ``u <- u - kappa (u^2 - 1) u`` with ``kappa = 2 lr``."""
    arguments = dict(init_scale=0.5, max_steps=20_000, window=WINDOW) | other
    ds = sims.sweep(theory.power(2), theory.single_point((1.0,), 1.0), lr=np.asarray(kappa) / 2, **arguments)
    return ds.squeeze("init_scale")


def several(**other):
    """A sweep in which every phase occurs."""
    problem = theory.sparse_regression(n=5, d=8, sparsity=3, signs="positive", seed=0)
    lr = sims.Grid(0.45, 1.4, 36)
    arguments = dict(lr=lr, init_scale=[0.3, 1.0], max_steps=4000, window=WINDOW, track_every=0) | other
    return sims.sweep(theory.power(2), problem, **arguments)


@pytest.fixture(scope="module")
def bifurcation():
    kappa = np.linspace(0.8, 2.2, 200)
    return kappa, line(kappa)


def test_phases_of_the_line_are_those_of_its_bifurcations(bifurcation):
    kappa, ds = bifurcation
    phase, period = ds.phase.values, ds.period.values
    first, second, third, fourth = DOUBLINGS
    clear = np.abs(kappa[:, None] / [*DOUBLINGS, 2] - 1).min(axis=1) > 0.01
    fixed = phase <= Phase.EDGE_OF_STABILITY
    assert (fixed == (kappa < first))[clear].all()
    assert ((period == 2) == ((first < kappa) & (kappa < second)))[clear].all()
    ordered = clear & (kappa < 1.302)  # beyond, windows of period 4 lie in the chaos too
    assert ((period == 4) == ((second < kappa) & (kappa < third)))[ordered].all()
    assert ((phase == Phase.DIVERGED) == (kappa > 2))[clear].all()
    beyond = clear & (kappa > fourth) & (kappa < 2)
    assert np.isin(phase[beyond], (Phase.PERIODIC, Phase.CHAOTIC)).all()
    assert (phase[beyond] == Phase.PERIODIC).any()  # windows of other periods
    assert (ds.status.values[beyond] == Status.STEP_LIMIT).all()


def test_period_and_exponent_never_contradict_each_other(bifurcation):
    _, ds = bifurcation
    phase, period, lyapunov = ds.phase.values, ds.period.values, ds.lyapunov.values
    assert ((period > 1) == (phase == Phase.PERIODIC)).all()
    assert (lyapunov[phase == Phase.PERIODIC] < 0).all()
    assert (lyapunov[phase == Phase.CHAOTIC] > 0.005).all()
    known = np.isin(phase, (Phase.PERIODIC, Phase.CHAOTIC, Phase.UNDECIDED, Phase.CONVERGING))
    np.testing.assert_array_equal(np.isnan(lyapunov), ~known)


@pytest.mark.parametrize("kappa, period", [(1.2366, 4), (1.2355, 2), (1.2886, 8), (1.2875, 4), (1.2999, 16)])
def test_periods_double_where_they_should(kappa, period):
    ds = line([kappa])
    assert (int(ds.phase[0]), int(ds.period[0])) == (Phase.PERIODIC, period)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_exponent_of_a_two_cycle_is_exact(backend):
    kappa = np.array([1.02, 1.1, 1.15, 1.2, 1.23])
    ds = line(kappa, backend=backend, max_steps=3000)
    assert (ds.period.values == 2).all()
    np.testing.assert_allclose(ds.lyapunov, 0.5 * np.log(np.abs(9 - 2 * (1 + kappa) ** 2)), rtol=1e-9)


def test_the_exponent_of_a_chebyshev_map_is_log_3():
    ds = line([2.0], window=40_000)
    assert int(ds.phase[0]) == Phase.CHAOTIC
    assert abs(float(ds.lyapunov[0]) - np.log(3)) < 0.01


def test_the_superstable_cycle_is_periodic():
    ds = line([3 / np.sqrt(2) - 1])
    assert int(ds.period[0]) == 2 and float(ds.lyapunov[0]) < -10


def test_periods_other_than_powers_of_two():
    ds = line([1.7], window=2000, max_steps=3000)
    again = line([1.7], window=2003, max_steps=3000, backend="numpy")
    assert int(ds.period[0]) == int(again.period[0]) == 6
    np.testing.assert_allclose(ds.lyapunov, again.lyapunov, rtol=1e-9)  # over whole cycles, whatever the window


def test_phases_do_not_depend_on_threads_or_neighbours():
    one, two = several(threads=1), several(threads=2)
    found = set(np.unique(one.phase))
    assert found >= {Phase.FLOW_ALIGNED, Phase.EDGE_OF_STABILITY, Phase.PERIODIC, Phase.CHAOTIC, Phase.DIVERGED}
    for name in ("phase", "period", "lyapunov", "theta", "status"):
        np.testing.assert_array_equal(one[name].values, two[name].values, err_msg=name)
    alone = several(lr=one.lr.values[28:29], init_scale=[0.3])
    same = one.isel(init_scale=[0], lr=[28])
    for name in ("phase", "period", "lyapunov"):
        np.testing.assert_array_equal(alone[name].values, same[name].values, err_msg=name)


@pytest.mark.parametrize(
    "model", [theory.power(2), theory.difference(2), pytest.param(theory.product(2), marks=pytest.mark.slow)], ids=str
)
def test_the_kernel_is_the_array_program(model):
    problem = theory.sparse_regression(n=5, d=7, sparsity=3, signs="positive", correlation=0.4, seed=0)
    top = theory.predict(model, problem, init_scale=0.3).lr_critical
    arguments = dict(lr=top * np.linspace(0.9, 2.0, 12), init_scale=0.3, max_steps=3000, window=600, track_every=0)
    kernel = sims.sweep(model, problem, **arguments)
    array = sims.sweep(model, problem, backend="numpy", **arguments)
    regular = (kernel.status == Status.STEP_LIMIT) & (array.lyapunov < 0)  # chaos amplifies rounding
    assert int(regular.sum()) >= 3
    for name in ("phase", "period"):
        np.testing.assert_array_equal(kernel[name].values[regular], array[name].values[regular], err_msg=name)
    np.testing.assert_allclose(kernel.lyapunov.values[regular], array.lyapunov.values[regular], rtol=1e-6, atol=1e-9)


def test_the_exponent_is_that_of_the_dense_hessian():
    """A tangent vector by hand, through the dense ``I - lr H`` at every recorded state."""
    from gdbias.sims.engine.runs import power_noise
    from gdbias.theory.derivation.landscape import Landscape

    model, problem = theory.difference(2), theory.sparse_regression(n=3, d=4, sparsity=2, seed=1)
    lr = 1.3 * theory.predict(model, problem, init_scale=0.3).lr_critical
    window, steps = 640, 500
    options = dict(lr=lr, init_scale=0.3, tol=1e-300)
    ds = sims.descend(model, problem, max_steps=steps, window=window, **options)
    path = sims.descend(model, problem, max_steps=steps + window, record_every=1, **options).path_theta.values
    landscape = Landscape(theory.derive(model), problem)
    delta, growth = power_noise(2, problem.d).ravel(), []
    for theta in path[steps:-1]:
        delta = delta - lr * landscape.dense_hessian(theta) @ delta
        growth.append(np.log(np.linalg.norm(delta)))
        delta /= np.linalg.norm(delta)
    np.testing.assert_allclose(float(ds.lyapunov), np.mean(growth[-480:]), rtol=1e-9)


@pytest.mark.parametrize("name", ["power(3)", "difference(2)", "product(3)", "custom(u*v - w**2)"])
@pytest.mark.parametrize("rule", [theory.gradient_descent.step, HEAVY_BALL], ids=lambda rule: rule.name)
def test_the_tangent_of_a_step_is_its_derivative(name, rule):

    dynamics = theory.derive(theory.parse(name), rule=theory.UpdateRule(step=rule))
    law, count = dynamics.law.arrays, len(dynamics.model.weights) * (1 + len(rule.state))
    point, dot = np.random.default_rng([3, count]).standard_normal((2, count + 1, 5))  # g, weights, state
    h = 1e-5
    ahead, behind = (np.stack(law.step(0.1, *(point + s * dot))) for s in (h, -h))
    tangent = np.stack(law.tangent(0.1, point[0], dot[0], *point[1:], *dot[1:]))
    np.testing.assert_allclose(tangent, (ahead - behind) / (2 * h), rtol=1e-7, atol=1e-8)


def test_without_a_window_bounded_runs_stay_undecided_and_nothing_else_changes():
    plain, seen = several(window=0), several()
    unended = plain.status.values == Status.STEP_LIMIT
    assert (plain.phase.values[unended] == Phase.UNDECIDED).all() and plain.lyapunov.isnull().all()
    np.testing.assert_array_equal(plain.phase.values[~unended], seen.phase.values[~unended])
    for name in ("status", "steps", "loss", "theta"):
        np.testing.assert_array_equal(plain[name].values, seen[name].values)


def test_phases_are_stored_and_resumed(tmp_path, monkeypatch):
    import importlib

    local = importlib.import_module("gdbias.sims.parallel.local")
    memory, write = several(), local.write
    calls = []

    def fail_second(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(local, "write", fail_second)
    with pytest.raises(KeyboardInterrupt):
        several(store=tmp_path / "a.zarr", chunk_runs=36)  # one init_scale a chunk
    half = open_result(tmp_path / "a.zarr")
    assert (half.phase.values == Phase.NOT_RUN).sum() == 36 == (half.status.values == Status.NOT_RUN).sum()
    monkeypatch.setattr(local, "write", write)
    stored = several(store=tmp_path / "a.zarr", chunk_runs=36)
    for name in ("phase", "period", "lyapunov"):
        np.testing.assert_array_equal(stored[name].values, memory[name].values)
        assert stored[name].dtype == memory[name].dtype and stored[name].attrs == memory[name].attrs
    assert stored.phase.attrs["flag_meanings"].split()[1 + Phase.EDGE_OF_STABILITY] == "edge_of_stability"
    assert stored.phase.attrs["flag_values"] == [int(p) for p in Phase]


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_run_that_is_not_there_yet_is_converging(backend):
    """Stopped on its way to the minimum; on the plateau beside the saddle nearby runs part; at rest nothing rises."""
    options = dict(window=512, backend=backend, tol=1e-10)
    slow = line([1e-3], max_steps=3000, **options)
    assert int(slow.status[0]) == Status.STEP_LIMIT and int(slow.phase[0]) == Phase.CONVERGING
    assert int(line([1e-3], max_steps=9000, **options).phase[0]) == Phase.FLOW_ALIGNED
    plateau = line([1e-2], init_scale=1e-9, max_steps=500, **options)
    assert bool(plateau.monotone[0]) and int(plateau.phase[0]) == Phase.UNDECIDED
    rest = line([0.5], max_steps=1000, **options | dict(tol=0.0))
    assert float(rest.loss[0]) < 1e-30 and int(rest.phase[0]) == Phase.CONVERGING


def test_what_converges_later_was_converging():
    problem = theory.sparse_regression(n=5, d=8, sparsity=3, signs="positive", seed=0)
    at = dict(lr=sims.Grid(0.003, 0.6, 24), init_scale=[1e-3, 0.3], track_every=0)
    early = sims.sweep(theory.power(2), problem, max_steps=1000, window=WINDOW, **at).phase.values
    late = sims.sweep(theory.power(2), problem, max_steps=300_000, **at).status.values
    there = early == Phase.CONVERGING
    assert there.sum() >= 10 and (late[there] == Status.CONVERGED).all()


def test_a_chance_crossing_is_bounded_not_converged():
    """A start on an unstable minimum holds the tolerance, then leaves it in the window."""
    problem = theory.single_point((1.0,), 1.0)
    ds = sims.descend(
        theory.power(2), problem, lr=0.55, theta0=np.array([[1 + 1e-9]]), tol=1e-12, window=WINDOW, max_steps=100
    )
    assert int(ds.status) == Status.UNSTABLE_MINIMUM
    assert (int(ds.phase), int(ds.period)) == (Phase.PERIODIC, 2)


def test_a_run_that_blows_up_in_the_window_has_diverged():
    ds = line([2.001], max_steps=3, window=20_000)
    assert int(ds.status[0]) == Status.STEP_LIMIT
    assert int(ds.phase[0]) == Phase.DIVERGED and np.isnan(float(ds.lyapunov[0])) and int(ds.period[0]) == 0


def test_the_rule_in_words():
    S, P = Status, Phase
    rows = [  # status, rising, period, lyapunov, peak, lost, fell, near, phase
        (S.CONVERGED, 0, 0, np.nan, np.nan, False, False, False, P.FLOW_ALIGNED),
        (S.CONVERGED, 10, 0, np.nan, np.nan, False, False, False, P.CATAPULT),
        (S.CONVERGED, 11, 0, np.nan, np.nan, False, False, False, P.EDGE_OF_STABILITY),
        (S.DIVERGED, 3, 0, np.nan, np.nan, False, False, False, P.DIVERGED),
        (S.STEP_LIMIT, 9, 0, np.nan, np.nan, True, False, False, P.DIVERGED),
        (S.STEP_LIMIT, 9, 3, -0.1, 1.0, False, False, False, P.PERIODIC),
        (S.STEP_LIMIT, 9, 3, -np.inf, 1.0, False, False, False, P.PERIODIC),
        (S.STEP_LIMIT, 9, 3, 0.1, 1.0, False, False, False, P.UNDECIDED),
        (S.STEP_LIMIT, 9, 3, -0.1, 1e-7, False, False, False, P.UNDECIDED),
        (S.STEP_LIMIT, 0, 1, -0.1, 1.0, False, False, False, P.UNDECIDED),
        (S.STEP_LIMIT, 9, 0, 0.1, 1.0, False, False, False, P.CHAOTIC),
        (S.UNSTABLE_MINIMUM, 9, 0, 0.1, 1.0, False, False, False, P.CHAOTIC),
        (S.STEP_LIMIT, 9, 0, 0.004, 1.0, False, False, False, P.UNDECIDED),
        (S.STEP_LIMIT, 9, 0, np.nan, np.nan, False, False, False, P.UNDECIDED),
        (S.NOT_RUN, 9, 0, np.nan, np.nan, False, False, False, P.NOT_RUN),
        (S.STEP_LIMIT, 0, 0, -0.1, 1.0, False, True, True, P.CONVERGING),
        (S.STEP_LIMIT, 9, 1, 0.0, 1e-9, False, True, True, P.CONVERGING),
        (S.STEP_LIMIT, 9, 3, -0.1, 1.0, False, True, True, P.PERIODIC),
        (S.STEP_LIMIT, 0, 0, np.nan, np.nan, True, True, True, P.DIVERGED),
        (S.UNSTABLE_MINIMUM, 0, 0, -0.1, 1e-9, False, True, True, P.UNDECIDED),
        (S.CONVERGED, 0, 0, np.nan, np.nan, False, False, False, P.FLOW_ALIGNED),
        (S.STEP_LIMIT, 0, 0, 0.1, 1.0, False, True, False, P.UNDECIDED),
        (S.STEP_LIMIT, 9, 0, -0.1, 1.0, False, False, True, P.UNDECIDED),
    ]
    *columns, expected = (np.array(column) for column in zip(*rows, strict=True))
    np.testing.assert_array_equal(phases(*columns), expected)
    ringing = phases(*columns, rising_tells=False)
    assert (ringing[np.isin(expected, (*CONVERGED, P.CONVERGING))] == P.UNDECIDED).all()
    above = phases(*columns, rising_tells=False, met=np.full(len(expected), True))
    np.testing.assert_array_equal(above, np.where(np.isin(expected, CONVERGED), P.EDGE_OF_STABILITY, ringing))


def test_a_window_too_short_is_refused():
    with pytest.raises(InputError, match="window = 100 is too short"):
        several(window=100)
    with pytest.raises(InputError, match="window"):
        several(window=-1)


def test_an_orbit_diagram_holds_the_runs_it_was_given():
    ds = line(np.linspace(0.9, 2.1, 13), max_steps=2000)
    figure = figures.bifurcation(ds, iterates=1)
    lines = {str(drawn.get_gid()): drawn.get_xydata() for axes in figure.axes for drawn in axes.lines}
    for phase, name in ((Phase.PERIODIC, "periodic"), (Phase.CHAOTIC, "chaotic")):
        where = ds.phase.values == phase
        assert where.any()
        np.testing.assert_array_equal(lines[f"orbit {name}"][:, 0], ds.lr.values[where])
        np.testing.assert_array_equal(lines[f"orbit {name}"][:, 1], ds.theta.values.squeeze()[where])
        np.testing.assert_array_equal(lines[f"lyapunov {name}"][:, 1], np.maximum(ds.lyapunov.values[where], -1))
    with pytest.raises(InputError, match="beta"):
        figures.bifurcation(ds, "beta")
    with pytest.raises(InputError, match="iterates"):
        figures.bifurcation(ds, iterates=0)
    with pytest.raises(InputError, match="no 'phase'"):
        figures.bifurcation(ds.drop_vars("phase"))


def test_an_orbit_diagram_draws_every_point_of_a_cycle():
    ds = line(np.linspace(0.9, 2.1, 13), max_steps=2000)
    lines = {str(drawn.get_gid()): drawn.get_xydata() for drawn in figures.bifurcation(ds, iterates=8).axes[0].lines}
    theta, points = ds.theta.values.squeeze(), lines["orbit periodic"].reshape(-1, 8, 2)
    where = np.flatnonzero(ds.phase.values == Phase.PERIODIC)
    np.testing.assert_array_equal(points[:, 0, 1], theta[where])
    (model,), (problem,) = sims.rebuild(ds)
    for k, orbit in zip(where, points, strict=True):
        np.testing.assert_array_equal(orbit[:, 0], ds.lr.values[k])
        run = sims.descend(model, problem, float(ds.lr[k]), theta0=[[theta[k]]], max_steps=7, record_every=1, tol=0)
        np.testing.assert_allclose(orbit[:, 1], run.path_theta.values.squeeze(), rtol=1e-6)
        period = int(ds.period[k])
        np.testing.assert_allclose(orbit[period:, 1], orbit[:-period, 1], rtol=1e-6)
    chaotic = lines["orbit chaotic"].reshape(-1, 8, 2)[:, :, 1]
    assert all(len(np.unique(np.round(orbit, 6))) == 8 for orbit in chaotic)


def test_a_phase_diagram_by_phase_says_how_many_theory_foresaw():
    ds = several()
    problem = theory.sparse_regression(n=5, d=8, sparsity=3, signs="positive", seed=0)
    pred = theory.predict(theory.power(2), problem, init_scale=ds.init_scale.values)
    figure = figures.phase_diagram(ds, pred, by="phase")
    [mesh] = [c for c in figure.axes[0].collections if c.get_gid() == "phase"]
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(ds.phase.shape), ds.phase)
    bounds = [(pred.lr_critical[i], pred.lr_critical_final[i], pred.lr_max, pred.lr_divergence[i]) for i in range(2)]
    right, cells = share(ds.lr.values, ds.phase.values, bounds)
    told = " ".join(figure.get_supxlabel().split())
    assert told.startswith(f"{right} of {cells} runs") and f"{ds.phase.size - cells} are undecided" in told
    assert right / cells > 0.9
    with pytest.raises(InputError, match="by = 'status'"):
        figures.phase_diagram(ds, pred, by="status")


@pytest.mark.parametrize("L, steps", [(2, 2000), pytest.param(3, 5000, marks=pytest.mark.slow)])
def test_no_period_is_doubled_before_its_doubling(L, steps):
    """The flip and the next doublings of ``w^L`` on one sample, where what alternates dies out ever more slowly."""
    at = np.array(doublings(L, 4))
    beside = np.r_[np.geomspace(1e-7, 1e-2, 60), np.linspace(1e-4, 2e-3, 60)]
    kappa = np.sort(np.concatenate([a * (1 + np.r_[beside, -beside]) for a in at[:3]]))
    lr = kappa / L  # kappa L = lr L^2 for X = y = 1
    ds = sims.sweep(theory.power(L), theory.single_point([1.0], 1.0), lr, 0.6, max_steps=steps, window=512, tol=1e-30,
                    track_every=0)  # fmt: skip
    found, true = ds.period.values.ravel(), 2 ** np.searchsorted(at, kappa)
    labelled = found > 0
    np.testing.assert_array_equal(found[labelled], true[labelled])
    assert all((found == period).any() for period in (2, 4, 8))
