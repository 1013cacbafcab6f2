"""What the explorer is made of: cells under pixels, colours, runs made again, who may connect, nothing evaluated."""

import json
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import xarray as xr

import browsing
from gdbias import sims, theory
from gdbias.sims.status import Phase, Status
from gdbias.theory import InputError

pytest.importorskip("bokeh", reason="needs pip install 'gdbias[explore]'")

from gdbias.figures.cli import command  # noqa: E402
from gdbias.figures.explorer import colours, runs, service, words  # noqa: E402
from gdbias.figures.explorer.cells import cell_at, pixels  # noqa: E402
from gdbias.figures.explorer.explored import Explored  # noqa: E402
from gdbias.figures.explorer.foretold import can_foretell, foretell  # noqa: E402
from gdbias.figures.explorer.lines import boundaries, least_norms  # noqa: E402
from gdbias.figures.parts.axes import plane  # noqa: E402

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=20)
LR, SCALES = [0.05, 0.1, 0.4, 60.0], [0.1, 0.3]


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    store = tmp_path_factory.mktemp("explored") / "runs.zarr"
    sims.sweep(MODEL, PROBLEM, LR, SCALES, max_steps=2000, threads=1, store=store)
    return Explored.open(str(store))


@pytest.mark.parametrize("logarithmic", [True, False])
@pytest.mark.parametrize(("low", "high"), [(0.01, 1), (0.03, 0.2), (1e-5, 9.0)])
def test_a_pixel_shows_the_cell_under_its_middle(logarithmic, low, high):
    edges = np.sort(np.random.default_rng(0).uniform(0.01, 1, 300))
    found = pixels(edges, low, high, logarithmic, 100)
    space = np.geomspace if logarithmic else np.linspace
    ends = space(found.low, found.high, 201)
    for cell, middle in zip(found.cells, ends[1::2], strict=True):
        assert edges[cell] <= middle * (1 + 1e-9)
        assert middle <= edges[cell + 1] * (1 + 1e-9)
    assert found.low <= max(low, edges[0])
    assert found.high >= min(high, edges[-1])


def test_even_cells_are_pixels_and_many_are_thinned():
    edges = np.geomspace(0.01, 1, 49)
    whole = pixels(edges, 1e-3, 10, True, 100)
    np.testing.assert_array_equal(whole.cells, np.arange(48))
    assert whole.whole
    thinned = pixels(edges, 1e-3, 10, True, 20)
    assert len(thinned.cells) == 20
    assert not thinned.whole
    part = pixels(edges, edges[10] * 1.01, edges[20] * 0.99, True, 20)
    np.testing.assert_array_equal(part.cells, np.arange(10, 20))


def test_a_cell_is_found_by_its_edges():
    edges = np.array([0.1, 0.2, 0.5])
    assert [cell_at(edges, value) for value in (0.05, 0.1, 0.19, 0.2, 0.5, 0.6)] == [None, 0, 0, 1, 1, None]


def test_cells_have_the_colours_of_their_ends(explored):
    found = explored.plane({})
    status = found.ds.status.values
    stable = colours.layer(found, None, "stability")
    share = np.array(LR) * found.ds.sharpness.values / 2
    np.testing.assert_allclose(stable.values, np.where(status == Status.CONVERGED, share, np.nan))
    assert [[stable.names[k] for k in row] for row in stable.flat] == [[Status(c).label for c in row] for row in status]
    phase = colours.layer(found, None, "phase")
    assert [phase.names[k] for k in phase.flat.ravel()] == [Phase(c).label for c in found.ds.phase.values.ravel()]


def test_what_is_predicted_stands_where_no_run_is_and_differences_are_of_the_same_cells(explored):
    told = sims.predicted(MODEL, PROBLEM, LR, SCALES, keep=())
    found, other = explored.plane({}), plane(told)
    apart = colours.layer(found, other, "difference")
    both = (found.ds.status.values == Status.CONVERGED) & (told.status.values == Status.CONVERGED)
    off = np.array(LR) * (found.ds.sharpness.values - told.sharpness.values) / 2
    np.testing.assert_allclose(apart.values, np.where(both, off, np.nan))
    thin = plane(told.isel(lr=[2]))
    np.testing.assert_allclose(colours.layer(found, thin, "difference").values, apart.values[:, [2]])
    ds = found.ds.load().copy(deep=True)
    ds.status[0] = int(Status.NOT_RUN)
    half = colours.layer(plane(ds), other, "stability")
    np.testing.assert_allclose(half.values[0], colours.layer(other, None, "stability").values[0])
    np.testing.assert_allclose(half.values[1], colours.layer(found, None, "stability").values[1])


def test_the_plane_that_is_foretold_is_that_of_the_same_problem(explored):
    told, found = sims.predicted(MODEL, PROBLEM, LR, SCALES, keep=()), explored.plane({})
    assert can_foretell(explored)
    xr.testing.assert_identical(foretell(explored, found).drop_attrs(), told.drop_attrs())


def test_a_scale_of_many_decades_is_logarithmic(explored):
    ds = explored.ds.load().copy()
    ds["steps"] = ds.steps.copy(data=np.geomspace(10, 1e5, ds.steps.size).astype(int).reshape(ds.steps.shape))
    found = colours.layer(plane(ds), None, "steps")
    assert found.logarithmic
    np.testing.assert_allclose(found.values, np.log10(ds.steps.values))


def test_a_run_is_made_again_bit_for_bit_and_its_text_makes_it_too(explored):
    seen = runs.with_run(explored, explored.plane({}), 1, 2)
    cell = explored.ds.isel(init_scale=1, lr=2)
    np.testing.assert_array_equal(seen.ends["found"], cell.beta.values)
    assert seen.notes == ()
    names = {}
    exec(seen.python, names)
    np.testing.assert_array_equal(names["run"].theta.values, cell.theta.values)
    assert len(seen.path["step"]) >= min(runs.FEW, int(cell.steps))


def test_a_cell_of_several_rules_is_made_again_by_its_own(tmp_path):
    rules = [theory.gradient_descent, theory.UpdateRule(momentum=0.5)]
    sims.sweep(MODEL, PROBLEM, LR, SCALES, rule=rules, max_steps=300, threads=1, store=tmp_path / "rules.zarr")
    several = Explored.open(str(tmp_path / "rules.zarr"))
    for k in range(2):
        seen, cell = (
            runs.with_run(several, several.plane({"rule": k}), 1, 1),
            several.ds.isel(rule=k, init_scale=1, lr=1),
        )
        assert (seen.at["rule"], seen.notes) == (rules[k].label, ())
        np.testing.assert_array_equal(seen.ends["found"], cell.beta.values)
        names = {}
        exec(seen.python, names)
        np.testing.assert_array_equal(names["run"].theta.values, cell.theta.values)
    found = several.plane({"rule": 0})
    foreseen = runs.with_prediction(several, found, 1, 1, runs.stored(several, found, 1, 1))
    assert foreseen.predicted["sharpness"][0] == theory.predict(MODEL, PROBLEM, SCALES[1]).endpoint(LR[1]).sharpness


def test_the_least_norm_is_told_where_theory_has_it(explored, tmp_path):
    sharpness, norm = least_norms(explored, {})
    found = explored.ds.where(explored.ds.status == Status.CONVERGED)
    bound = np.interp(found.sharpness, sharpness[::-1], norm[::-1])  # of no coefficients that fit the norm is less
    assert (found.beta_l1 > bound - 0.02).where(found.sharpness.notnull(), True).all()
    sims.sweep(MODEL, theory.Problem(np.eye(3)[:, :2] + 0.1, [1.0, 2.0, 4.0]), LR, SCALES, store=tmp_path / "none.zarr")
    assert least_norms(Explored.open(str(tmp_path / "none.zarr")), {}) is None


def test_a_run_that_is_not_the_stored_one_is_told(explored):
    ds = explored.ds.load().copy(deep=True)
    ds.steps[1, 2] += 1
    other = Explored(explored.store, ds)
    assert len(runs.with_run(other, other.plane({}), 1, 2).notes) == 1


def test_endpoints_are_those_of_the_theory(explored):
    found = explored.plane({})
    seen = runs.with_prediction(explored, found, 1, 1, runs.stored(explored, found, 1, 1))
    pred = theory.predict(MODEL, PROBLEM, SCALES[1])
    end = pred.endpoint(LR[1])
    assert seen.predicted["sharpness"] == (end.sharpness, end.error.sharpness[0])
    assert seen.predicted["beta_l1"] == (end.l1_norm, end.error.l1_norm[0])
    assert seen.predicted["steps"][0] == np.ceil(pred.steps(LR[1])) + explored.spec["hold"] - 1  # as a run counts
    assert (seen.flow["sharpness"], seen.flow["beta_l1"]) == (pred.flow.sharpness, pred.flow.l1_norm)
    beyond = runs.with_prediction(explored, found, 1, 3, runs.stored(explored, found, 1, 3))
    assert not beyond.predicted
    assert len(beyond.notes) == 1


def test_a_predicted_plane_is_explored_too(tmp_path):
    told = sims.predicted(MODEL, PROBLEM, LR[:2], SCALES, store=tmp_path / "plane.zarr")
    other = Explored.open(str(tmp_path / "plane.zarr"))
    seen = runs.with_run(other, other.plane({}), 1, 1)
    assert seen.measured["sharpness"] == told.sharpness.values[1, 1]
    run = sims.descend(MODEL, PROBLEM, LR[1], SCALES[1])
    np.testing.assert_array_equal(seen.ends["found"], run.beta)


def test_a_start_beyond_the_edge_is_told(tmp_path):
    far = theory.sparse_regression(n=5, d=8, sparsity=2)
    sims.sweep(MODEL, far, [0.05, 0.7], [0.1, 0.4], max_steps=2000, threads=1, store=tmp_path / "far.zarr")
    starts = Explored.open(str(tmp_path / "far.zarr"))
    found = starts.plane({})
    for row, column, beyond in ((0, 0, False), (0, 1, False), (1, 1, True)):
        w = np.full((2, 8), found.at[row])
        J = np.concatenate([2 * far.X * w[0], -2 * far.X * w[1]], axis=1)
        assert (found.ds.lr.values[column] * np.linalg.eigvalsh(J @ J.T / far.n)[-1] > 2) == beyond
        seen = runs.with_prediction(starts, found, row, column, runs.stored(starts, found, row, column))
        assert any("beyond the edge" in note for note in seen.notes) == beyond


def test_a_run_far_from_what_is_predicted_is_told(explored):
    ds = explored.ds.load().copy(deep=True)
    found = plane(ds)
    near = runs.with_prediction(explored, found, 1, 1, runs.stored(explored, found, 1, 1))
    bar = near.predicted["sharpness"][1]
    for off, told in ((2 * bar, 0), (4 * bar, 1)):
        ds.sharpness[1, 1] = near.predicted["sharpness"][0] + off
        seen = runs.with_prediction(explored, found, 1, 1, runs.stored(explored, plane(ds), 1, 1))
        assert sum("times its bar" in note for note in seen.notes) == told


def test_what_a_predicted_plane_does_not_carry_is_drawn_over_it_too(explored):
    told = sims.predicted(MODEL, PROBLEM, LR, SCALES, keep=())
    alone, beside = (boundaries(each, {}) for each in (explored, Explored(explored.store, explored.ds, told)))
    most = theory.predict(MODEL, PROBLEM, SCALES[0]).lr_max
    for lines in (alone, beside):
        assert [lr for lr, _ in lines["lr_max"]] == pytest.approx([most, most])


def test_lines_have_the_rows_of_the_runs_beside_a_plane_of_fewer():
    ds = sims.sweep(MODEL, PROBLEM, LR, [0.05, 0.1, 0.2, 0.4], max_steps=10)
    few = sims.predicted(MODEL, PROBLEM, LR, [0.05, 0.4], keep=())
    lines = boundaries(Explored("in memory", ds, few), {})
    preds = theory.predict(MODEL, PROBLEM, ds.init_scale.values)
    for name in ("lr_critical", "lr_critical_final", "lr_divergence"):
        np.testing.assert_allclose(lines[name], np.c_[getattr(preds, name), ds.init_scale])


def test_differences_are_of_the_run_from_the_prediction_and_what_contradicts_words_changes_them(explored):
    seen = replace(
        runs.stored(explored, explored.plane({}), 0, 0), status=Status.CONVERGED, phase=Phase.FLOW_ALIGNED,
        measured={"sharpness": 11.0}, predicted={"sharpness": (10.0, np.nan)},
    )  # fmt: skip
    assert "+10.0%" in words.described(seen)
    calm, beyond = (replace(seen, path={"stability": np.array([0.5, top])}) for top in (0.9, 1.2))
    assert words.outcome(calm) == words.outcome(seen) != words.outcome(beyond)


def test_a_number_of_steps_far_from_the_predicted_one_is_told(explored):
    ds = explored.ds.load().copy(deep=True)
    near = runs.with_prediction(explored, plane(ds), 1, 1, runs.stored(explored, plane(ds), 1, 1))
    for factor, told in ((1.5, 0), (3, 1), (0.3, 1)):
        ds.steps[1, 1] = round(factor * near.predicted["steps"][0])
        seen = runs.with_prediction(explored, plane(ds), 1, 1, runs.stored(explored, plane(ds), 1, 1))
        assert sum("times the steps" in note for note in seen.notes) == told


def test_a_deep_linear_network_is_made_again(tmp_path):
    net = theory.linear_network(np.diag([2.0, 1.0]), depth=2)
    ds = sims.linear.sweep(net, [0.05, 0.2], [0.1, 0.3], max_steps=2000, store=tmp_path / "net.zarr")
    other = Explored.open(str(tmp_path / "net.zarr"))
    found = other.plane({})
    seen = runs.with_prediction(other, found, 1, 1, runs.with_run(other, found, 1, 1))
    np.testing.assert_array_equal(seen.ends["found"], ds.modes.values[1, 1])
    names = {}
    exec(seen.python, names)
    assert names["run"].steps == ds.steps[1, 1]
    told = sims.linear.predicted(net, [0.2], [0.3])
    assert seen.predicted["sharpness"][0] == told.sharpness.item()
    assert seen.flow["sharpness"] == 2 / told.lr_critical_final.item()


def test_what_is_stored_of_deep_networks_is_shown_and_not_made_again():
    kept = Path(__file__).parent.parent / "figures" / "gallery" / "mnist1k.json"
    deep = Explored.open(str(kept))
    found = deep.plane({})
    seen = runs.with_prediction(deep, found, 0, 3, runs.with_run(deep, found, 0, 3))
    assert seen.at == {"lr": deep.ds.lr.values[3]}
    assert seen.measured["theta_l1"] == deep.ds.theta_l1.values[3]
    assert (seen.path, seen.predicted) == ({}, {})
    assert seen.flow["theta_l1"] == deep.ds.flow_theta_l1.item()
    assert len(seen.notes) == 2
    told = deep.ds.assign_attrs(spec=json.dumps(deep.spec | {"kind": "deep predicted"}))
    beside = Explored(deep.store, deep.ds, told)
    seen = runs.with_prediction(beside, found, 0, 3, runs.stored(beside, found, 0, 3))
    assert seen.predicted["sharpness"][0] == deep.ds.sharpness.values[3]
    [(lr, _), _] = boundaries(deep, {})["lr_critical"]
    assert lr == deep.ds.lr_critical.item()


def test_names_in_a_store_are_text_in_the_page(explored):
    ds = explored.ds.load().copy()
    spec = json.loads(ds.attrs["spec"]) | {"model": ["<script>alert(1)</script>"]}
    evil = Explored("<b>runs</b>.zarr", ds.assign_attrs(spec=json.dumps(spec)))
    seen = runs.with_run(evil, evil.plane({}), 0, 0)
    assert seen.notes  # no such model: whatever is named is read by the whitelist
    told = words.described(seen)
    assert "<script" not in told
    assert "&lt;script" in told


def asked(port, origin):
    """What the server answers to a web page of this origin that asks for a socket: the status of HTTP."""
    with socket.create_connection((service.HERE, port), timeout=10) as line:
        lines = [
            "GET /ws HTTP/1.1", f"Host: {service.HERE}:{port}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", f"Origin: {origin}",
        ]  # fmt: skip
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(line.recv(100).split()[1])


def test_pages_of_other_origins_cannot_connect():
    with browsing.served(lambda document: None) as address:
        port = int(address.strip("/").rsplit(":", 1)[1])
        for origin in ("http://evil.example", f"http://evil.example:{port}", "http://127.0.0.1:1", "null"):
            assert asked(port, origin) == 403
        assert asked(port, address.strip("/")) != 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_a_server_on_every_address_is_refused(host):
    with pytest.raises(InputError, match="name the one"):
        service.made(lambda document: None, host, 0)


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind((service.HERE, 0))
        taken.listen()
        with pytest.raises(InputError, match="--port"):
            service.made(lambda document: None, service.HERE, taken.getsockname()[1])


def test_one_run_is_no_diagram(tmp_path):
    run = sims.descend(MODEL, PROBLEM, 0.1, max_steps=5, backend="numpy")
    sims.store.save_result(run, tmp_path / "run.zarr")
    with pytest.raises(InputError, match="one run"):
        Explored.open(str(tmp_path / "run.zarr"))


def test_a_store_that_is_only_just_begun_is_refused(explored, tmp_path):
    begun = explored.ds.load().drop_vars("status")
    sims.store.save_result(begun, tmp_path / "begun.zarr")
    with pytest.raises(InputError, match="not yet"):
        Explored.open(str(tmp_path / "begun.zarr"))


def test_a_predicted_plane_of_other_cells_is_refused(explored, tmp_path):
    sims.predicted(MODEL, PROBLEM, LR[:2], SCALES, store=tmp_path / "plane.zarr")
    with pytest.raises(InputError, match="2 x 2"):
        Explored.open(explored.store, str(tmp_path / "plane.zarr"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("explore nowhere.zarr", "does not exist"),
        ("explore --html page.html", "a store"),
        ("explore --predicted plane.zarr", "a store"),
        ("explore runs.zarr --html page.html --port 5006", "a server"),
        ("explore runs.zarr --html nowhere/page.html", "folder that exists"),
    ],
)
def test_what_cannot_be_explored_is_refused_before_there_is_a_page(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=told):
        command.read_arguments(words.split())()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(explored):
    code = (
        "import signal, sys; from gdbias.figures.cli.command import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which a program started in the background lacks\n"
        "main(sys.argv[1:])"
    )
    arguments = [sys.executable, "-c", code, "explore", explored.store, "--no-browser"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = next(word for word in server.stderr.readline().split() if word.startswith("http://127.0.0.1:"))
            with urlopen(address) as page:
                assert explored.title in page.read().decode()
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
        finally:
            server.kill()


@pytest.mark.slow
def test_without_the_extra_it_says_what_to_install(explored):
    code = "import sys; sys.modules['bokeh'] = None; from gdbias.figures.cli.command import main; main(sys.argv[1:])"
    told = subprocess.run([sys.executable, "-c", code, "explore", explored.store], capture_output=True, text=True)
    assert told.returncode == 2
    assert "gdbias[explore]" in told.stderr
    assert told.stderr.count("\n") == 1
