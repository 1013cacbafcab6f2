"""Figures draw the edge of the rule that ran, and refuse in one line what they cannot draw."""

import numpy as np
import pytest
import zarr

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.figures.parts.edge import limit_label
from gdbias.figures.parts.predicted import POINTS
from gdbias.figures.parts.results import stored_prediction
from gdbias.sims import Phase, Status
from gdbias.theory import InputError, UpdateRule

PROBLEM = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=10)
MODEL = theory.difference(2)
NET = theory.linear_network(np.random.default_rng(0).standard_normal((4, 4)), depth=3)


def swept(rule=theory.gradient_descent, **other):
    asked = dict(lr=sims.Grid(0.05, 0.5, 6), init_scale=[0.1, 0.2], max_steps=3000, rule=rule)
    return sims.sweep(MODEL, PROBLEM, **(asked | other))


def line(figure, gid):
    return next((artist for axes in figure.axes for artist in axes.lines if artist.get_gid() == gid), None)


def test_figures_name_the_rule_and_draw_one_of_several(tmp_path):
    store = tmp_path / "rules.zarr"
    ds = swept([UpdateRule(step="adam"), UpdateRule(momentum=0.5)], store=store, lr=[0.01, 0.02], max_steps=50)
    for one, name in zip(ds.rule.values, ("adam", "heavy_ball(momentum=0.5)"), strict=True):
        figure = figures.norm_sharpness(ds.sel(rule=[one]))
        assert line(figure, "sharpness").get_label() == name
        assert name in " ".join(figure.get_suptitle().split())
    own = figures.norm_sharpness(swept(UpdateRule(step="weight - lr*gradient/2"), lr=[0.1, 0.2], max_steps=50))
    assert "gradient/2" not in own.get_suptitle()
    main(["plot", "norm_sharpness", str(store), "--rule", "adam", "--out", str(tmp_path / "a.png")])
    with pytest.raises(InputError, match="gdbias plot --rule"):
        figures.norm_sharpness(ds)


def test_plain_descent_among_several_rules_has_its_prediction():
    rules = [theory.gradient_descent, UpdateRule(momentum=0.5)]
    ds = swept(rules, max_steps=50)
    pred = stored_prediction(ds.isel(rule=0))
    np.testing.assert_array_equal(pred.lr_critical, theory.predict(MODEL, PROBLEM, [0.1, 0.2]).lr_critical)
    figures.phase_diagram(ds.isel(rule=[0]), pred)
    assert [limit_label(ds.isel(rule=k)) for k in (0, 1)] == [limit_label(swept(rule, max_steps=1)) for rule in rules]
    with pytest.raises(InputError, match="predictions are for plain gradient descent"):
        stored_prediction(ds.isel(rule=1))
    np.testing.assert_array_equal(stored_prediction(ds).lr_critical, pred.lr_critical)  # of the flow beside them all


def test_the_edge_is_that_of_the_rule():
    ds = swept(UpdateRule(momentum=0.5))
    drawn = line(figures.norm_sharpness(ds), "hyperbola")
    lr, limit = drawn.get_data()
    np.testing.assert_allclose(limit, 3 / np.asarray(lr), rtol=1e-12)
    mesh = next(c for c in figures.phase_diagram(ds).axes[0].collections if c.get_gid() == "stability")
    converged = ds.status.values == Status.CONVERGED
    np.testing.assert_allclose(
        np.ma.getdata(mesh.get_array()).reshape(converged.shape)[converged],
        (ds.lr * ds.sharpness / 3).transpose("init_scale", "lr").values[converged],
    )
    run = sims.descend(MODEL, PROBLEM, 0.1, rule=UpdateRule(momentum=0.5), max_steps=50, record_every=1)
    assert line(figures.trajectory(run), "edge").get_ydata()[0] == pytest.approx(30)


def test_a_step_of_ones_own_has_its_own_edge():
    ds = swept(UpdateRule(step="weight - lr*gradient/2"), max_steps=300, backend="numpy")
    drawn = line(figures.norm_sharpness(ds), "hyperbola")
    np.testing.assert_allclose(drawn.get_ydata(), 4 / drawn.get_xdata())
    figures.phase_diagram(ds)


def test_a_step_without_a_linear_map_has_no_edge():
    ds = swept(UpdateRule(step="weight - lr*sign(gradient)"), max_steps=300, backend="numpy")
    assert line(figures.norm_sharpness(ds), "hyperbola") is None
    figures.phase_diagram(ds)


@pytest.mark.parametrize("figure", ["phase_diagram", "regimes", "frontier"])
def test_predictions_of_plain_descent_are_not_drawn_over_a_rule(figure):
    ds, pred = swept(UpdateRule(momentum=0.5)), theory.predict(MODEL, PROBLEM, np.array([0.1, 0.2]))
    given = (pred, ds) if figure == "frontier" else (ds, pred)
    with pytest.raises(InputError, match="momentum=0.5.*plain gradient descent"):
        getattr(figures, figure)(*given)


def test_contrast_refuses_a_rule(tmp_path, capsys):
    ds = swept(UpdateRule(momentum=0.5), store=tmp_path / "a.zarr")
    with pytest.raises(InputError, match="momentum=0.5"):
        figures.contrast(ds.isel(init_scale=0), ds.isel(init_scale=0))
    with pytest.raises(SystemExit):
        main(["plot", "contrast", str(tmp_path / "a.zarr"), "--deep", str(tmp_path / "a.zarr")])
    [told] = capsys.readouterr().err.splitlines()
    assert "momentum=0.5" in told


def test_the_command_line_draws_a_rule_without_predictions(tmp_path, capsys):
    swept(UpdateRule(momentum=0.5), store=tmp_path / "a.zarr")
    main(["plot", "phase_diagram", str(tmp_path / "a.zarr"), "--out", str(tmp_path / "a.png")])
    assert "no prediction: the runs are of heavy_ball(momentum=0.5)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["plot", "regimes", str(tmp_path / "a.zarr")])
    assert "plain gradient descent" in capsys.readouterr().err


def test_panels_are_chosen_by_name(tmp_path, capsys):
    ds = swept(store=tmp_path / "a.zarr", lr=[0.1, 0.2])
    figure = figures.norm_sharpness(ds, panels=["test_risk", "sharpness"])
    assert [bool(line(figure, name)) for name in ("sharpness", "beta_l1", "test_risk")] == [True, False, True]
    run = sims.descend(MODEL, PROBLEM, 0.1, max_steps=50, record_every=1)
    for panels, names in ((["loss"], ["loss"]), (["norms", "loss"], ["loss", "beta_l1"])):
        figure = figures.trajectory(run, panels=panels)
        assert len(figure.axes) == len(panels) and all(line(figure, name) for name in names)
        assert line(figure, "sharpness") is None and figure.axes[-1].get_xlabel() == "step"
    with pytest.raises(InputError, match="'norm'.*norms.*test_risk"):
        figures.norm_sharpness(ds, panels=["norm"])
    with pytest.raises(InputError, match="empty"):
        figures.trajectory(run, panels=[])
    main(["plot", "norm_sharpness", str(tmp_path / "a.zarr"), "--panels", "norms", "--out", str(tmp_path / "a.png")])
    for wrong in (["norm_sharpnes"], ["frontier", "--panels", "norms"]):
        with pytest.raises(SystemExit):
            main(["plot", wrong[0], str(tmp_path / "a.zarr"), *wrong[1:]])
        assert "norm_sharpness" in capsys.readouterr().err.split("trajectory")[0]


def test_a_title_names_the_file_of_a_table(tmp_path):
    table = tmp_path / "prices of houses.csv"
    np.savetxt(table, np.random.default_rng(1).normal(size=(4, 6)), delimiter=",", header="a,b,c,d,e,y", comments="")
    ds = sims.sweep(MODEL, theory.Problem.from_csv(table, "y"), [0.1, 0.2], 0.1, max_steps=5, backend="numpy")
    assert "on prices of houses.csv, d = 5" in " ".join(figures.phase_diagram(ds).get_suptitle().split())


def test_the_least_norm_is_below_every_run():
    """Also between the points of the curve, near lr_max, where it is steep."""
    problem = theory.sparse_regression(n=20, d=40, signs="random", n_test=0)
    pred = theory.predict(MODEL, problem, 0.1)
    lr = np.linspace(0.9, 0.995, 8) * pred.lr_max
    curve = theory.frontier(MODEL, problem, POINTS)
    drawn = np.interp(lr, 2 / curve.sharpness, curve.l1_norm)
    exact = np.array([pred.endpoint(rate, "frontier").l1_norm for rate in lr])
    np.testing.assert_allclose(drawn, exact, rtol=3e-3)


@pytest.mark.slow
def test_deep_linear_runs_below_lr_max_converge():
    linear = sims.linear.sweep(NET, sims.Grid(0.02, 0.16, 32), [0.3, 1.0], start="random", max_steps=20_000)
    below = linear.lr.values < NET.lr_max
    assert 20 < below.sum() < 32
    assert (linear.status.values[:, below] == Status.CONVERGED).all()
    assert not (linear.status.values[:, ~below] == Status.CONVERGED).any()


def test_figures_of_deep_linear_networks(tmp_path, capsys):
    linear = sims.linear.sweep(NET, [0.05, 0.1], [0.3, 1.0], start="random", max_steps=500)
    assert f"= {NET.lr_max:.3g}, right of the plane" in line(figures.phase_diagram(linear), "lr_max beyond").get_label()
    further = sims.linear.sweep(NET, [0.05, 0.2], [0.3, 1.0], start="random", max_steps=500)
    assert line(figures.phase_diagram(further), "lr_max").get_xdata()[0] == pytest.approx(NET.lr_max)
    with pytest.raises(InputError, match="no Lyapunov exponents"):
        figures.bifurcation(linear)
    for figure in (figures.frontier, figures.regimes):
        with pytest.raises(InputError, match="needs pred = theory.predict"):
            figure(*((linear,) if figure is figures.frontier else (linear, None)))
    store = str(tmp_path / "a.zarr")
    sims.linear.sweep(NET, [0.05, 0.1], 0.3, max_steps=500, store=store)
    for name in ("phase_diagram", "norm_sharpness"):
        main(["plot", name, store, "--out", str(tmp_path / "a.png")])
        assert "no prediction" not in capsys.readouterr().err
    for name in ("bifurcation", "frontier", "regimes"):
        with pytest.raises(SystemExit):
            main(["plot", name, store])
        [told] = capsys.readouterr().err.splitlines()
        assert "drawn by phase_diagram, norm_sharpness or trajectory" in told


@pytest.mark.parametrize("figure", [figures.norm_sharpness, figures.regimes])
def test_a_negative_number_of_endpoints_is_refused(figure):
    with pytest.raises(InputError, match="endpoints = -2"):
        figure(swept(), theory.predict(MODEL, PROBLEM, np.array([0.1, 0.2])), endpoints=-2)


def test_four_runs_are_too_many_for_regimes():
    with pytest.raises(InputError, match="at most 3 runs, got 4"):
        figures.regimes(swept(), theory.predict(MODEL, PROBLEM, np.array([0.1, 0.2])), runs=[swept()] * 4)


@pytest.mark.parametrize(
    ("scales", "asked", "told"),
    [
        ([0.1], 0.7, "has 0.1:"),
        ([0.1, 0.2], 0.7, "has 0.1, 0.2:"),
        ([0.1, 1.0], 0.7, "has 0.1, 1:"),  # between two rows, far from both
        (sims.Grid(0.01, 1, 8), 0.1, "nearest of its 8 are 0.019307.*0.517947"),
    ],
)
def test_a_row_that_is_not_there_is_refused(scales, asked, told):
    with pytest.raises(InputError, match=f"init_scale = {asked} is not in the result, .*{told}"):
        figures.norm_sharpness(swept(init_scale=scales, max_steps=5), init_scale=asked)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--loss", "logistic"], "--loss logistic has no effect on synthetic data: it needs --csv or --npz"),
        (["--diabetes", "20", "--n", "5"], "--n 5 has no effect on --diabetes: it needs synthetic data"),
        (["--csv", "a.csv", "--target", "y", "--signs", "random"], "--signs random has no effect on --csv"),
        (["--npz", "a.npz", "--seed", "1"], "--seed 1 has no effect on --npz"),
        (["--target", "y"], "--target y has no effect on synthetic data: it needs --csv"),
    ],
)
def test_options_without_effect_are_refused(options, told, capsys):
    with pytest.raises(SystemExit):
        main(["predict", *options])
    assert told in capsys.readouterr().err


def test_one_model_and_one_n_of_a_store_are_drawn(tmp_path, capsys):
    store = tmp_path / "a.zarr"
    asked = ["--lr", "0.02:0.3:6:log", "--init-scale", "0.1,0.2", "--d", "8", "--sparsity", "2", "--max-steps", "2000"]
    main(["sweep", str(store), "--model", "power(2),difference(2)", "--n", "4,5", *asked])
    draw = ["plot", "norm_sharpness", str(store), "--out", str(tmp_path / "a.png")]
    main([*draw, "--model", "difference(2)", "--n", "5"])
    assert "no prediction" not in capsys.readouterr().err
    for options, told in (
        (["--model", "power(3)", "--n", "5"], "--model power(3) is not in the result: use power(2), difference(2)"),
        (["--model", "power(2)"], "--n"),
        ([], "--model"),
    ):
        with pytest.raises(SystemExit):
            main([*draw, *options])
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(("rule", "told"), [(dict(momentum=0.9), False), (dict(weight_decay=0.1), True), ({}, True)])
def test_a_loss_that_rings_is_no_edge_of_stability(rule, told):
    run = sims.descend(MODEL, PROBLEM, 0.02, 0.3, tol=1e-8, max_steps=200_000, rule=UpdateRule(**rule))
    assert run.status == Status.CONVERGED and bool(run.monotone) == told
    assert run.phase == (Phase.FLOW_ALIGNED if told else Phase.UNDECIDED)


def test_the_report_of_an_unfinished_store_says_so(tmp_path, capsys):
    store = tmp_path / "a.zarr"
    swept(store=store)
    zarr.open_group(store, mode="r+")["status"][0] = Status.NOT_RUN
    main(["report", str(store)])
    assert "unfinished: 6 of 12 runs are done" in capsys.readouterr().out


def test_a_report_tells_how_long_runs_take_and_makes_a_predicted_plane_again(tmp_path, capsys):
    asked = dict(lr=[0.05, 0.1], init_scale=[0.1, 0.2], store=str(tmp_path / "a.zarr"))
    plane = sims.predicted(MODEL, PROBLEM, **asked)
    main(["report", asked["store"]])
    told = capsys.readouterr().out
    assert f"{plane.steps.max().item()} at most, predicted for 4" in " ".join(told.split())
    names: dict = {}
    exec(told.split("The same in Python")[1].replace("\n    ", "\n"), names)  # noqa: S102
    assert names["ds"].drop_attrs().equals(plane.drop_attrs())


@pytest.mark.parametrize("verb", ["sweep", "predicted"])
def test_the_report_of_a_deep_linear_network_makes_it_again(verb, tmp_path, capsys):
    options = dict(max_steps=300) if verb == "sweep" else dict(warmup=20)
    store = str(tmp_path / "a.zarr")
    ds = getattr(sims.linear, verb)(NET, [0.05, 0.1], [0.3, 1.0], start="random", store=store, **options)
    main(["report", store])
    names: dict = {}
    exec(capsys.readouterr().out.split("The same in Python")[1].replace("\n    ", "\n"), names)  # noqa: S102
    assert names["ds"].drop_attrs().equals(ds.drop_attrs())
    assert names["ds"].attrs["spec"] == ds.attrs["spec"]


def test_a_dry_run_is_for_this_machine(capsys):
    with pytest.raises(SystemExit):
        main(["sweep", "a.zarr", "--dry-run", "--scheduler", "tcp://127.0.0.1:1"])
    assert "leave out --scheduler" in capsys.readouterr().err


def test_a_store_at_a_url_is_drawn_and_reported(tmp_path, capsys):
    url = f"file://{tmp_path}/a.zarr"
    small = ["--n", "5", "--d", "8", "--sparsity", "2", "--lr", "0.05:0.2:3:log", "--max-steps", "200"]
    main(["sweep", url, *small])
    main(["report", url])
    assert f"open_result({url!r})" in capsys.readouterr().out
    main(["plot", "phase_diagram", url, "--out", str(tmp_path / "a.png")])
    assert (tmp_path / "a.png").exists() and (tmp_path / "a.zarr").is_dir()


def test_one_of_several_problems_is_chosen_by_its_seed(tmp_path, capsys):
    problems = [theory.sparse_regression(n=n, d=8, sparsity=2, n_test=10, seed=s) for n, s in ((5, 3), (5, 4), (6, 5))]
    sims.sweep(MODEL, problems, [0.05, 0.1, 0.2], 0.1, max_steps=2000, store=tmp_path / "a.zarr")
    draw = ["plot", "frontier", str(tmp_path / "a.zarr"), "--out", str(tmp_path / "a.png")]
    for options, told in (
        ([], "gdbias plot --n SAMPLES or --seed SEED"),
        (["--n", "5"], "2 entries along 'seed'"),
        (["--seed", "7"], "--seed 7 is not in the result: use 3, 4, 5"),
        (["--n", "7"], "--n 7 is not in the result: use 5, 6"),
    ):
        with pytest.raises(SystemExit):
            main([*draw, *options])
        [line] = capsys.readouterr().err.splitlines()
        assert told in line
    main([*draw, "--seed", "4"])
    assert "written to" in capsys.readouterr().err


def test_an_orbit_diagram_says_which_init_scales_it_holds():
    ds = sims.sweep(MODEL, PROBLEM, [0.1, 0.2, 0.9], [0.1, 0.2], max_steps=600, window=600)
    points = [a.get_ydata().size for a in figures.bifurcation(ds, iterates=1).axes[0].lines]
    assert "2 init_scales together, 0.1 to 0.2" in figures.bifurcation(ds).get_suptitle().replace("\n", " ")
    one = figures.bifurcation(ds, init_scale=0.2, iterates=1)
    assert "init_scale 0.2 (one of 2)" in one.get_suptitle().replace("\n", " ")
    drawn = [a.get_ydata().size for a in one.axes[0].lines]
    assert sum(drawn) == np.isfinite(ds.theta_l2.sel(init_scale=0.2)).sum() < sum(points)
    with pytest.raises(InputError, match="has 0.1, 0.2"):
        figures.bifurcation(ds, init_scale=0.5)
