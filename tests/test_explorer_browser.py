"""The explorer in a real browser: what its page holds is what the store and the theory have."""

import json
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
import xarray as xr

import browsing
from gdbias import sims, theory
from gdbias.sims.status import Phase, Status

pytest.importorskip("bokeh", reason="needs pip install 'gdbias[explore]'")
pytestmark = pytest.mark.slow

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=20)
LR, SCALES = np.geomspace(0.02, 0.6, 12), np.geomspace(0.05, 0.4, 5)
HIDDEN_OF_TABLES = """() => {
    const found = []
    const walk = (root) => {
        for (const one of root.querySelectorAll("*")) {
            if (one.tagName == "TABLE") found.push(one.scrollWidth - one.clientWidth)
            if (one.shadowRoot) walk(one.shadowRoot)
        }
    }
    walk(document)
    return found
}"""
TITLE_WIDTH = """(name) => {
    const context = document.createElement("canvas").getContext("2d"), title = named(name).title
    context.font = `${title.text_font_size} ${title.text_font}`
    return context.measureText(title.text).width
}"""


def swept(folder, lr=LR, init_scale=SCALES, **other):
    options = dict(max_steps=2000, threads=1, store=folder / "runs.zarr", chunk_runs=12) | other
    return sims.sweep(MODEL, PROBLEM, lr, init_scale, **options)


@pytest.fixture(scope="module")
def browser():
    with browsing.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored")
    return str(folder / "runs.zarr"), swept(folder).load()


@pytest.fixture
def visit(browser):
    """Visit the page of a store."""
    from gdbias.figures.explorer.visitors import visit

    closing = []

    def opened(store, predicted=None, **size):
        server = browsing.served(partial(visit, store=str(store), predicted=predicted))
        visitor = browsing.Visitor(browser, server.__enter__(), **size)
        closing.extend([visitor.close, partial(server.__exit__, None, None, None)])
        return visitor

    yield opened
    for close in closing:
        close()


def test_the_picture_holds_the_cells(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    flat, values = np.array(here.data("cells", "flat")[0]), np.array(here.data("cells", "values")[0])
    names = here.data("shown", "names")[0]
    status = ds.status.values
    assert np.ravel([[names[k] for k in row] for row in flat.reshape(status.shape)]).tolist() == [
        Status(code).label for code in status.ravel()
    ]
    share = np.where(status == Status.CONVERGED, ds.lr.values * ds.sharpness.values / 2, np.nan)
    np.testing.assert_allclose(values.astype(float).reshape(share.shape), share, rtol=1e-6)
    here.until("model('frontier').data.norm.length > 0")
    curve = theory.frontier(MODEL, PROBLEM, len(here.data("frontier", "norm")))
    np.testing.assert_allclose(here.data("frontier", "sharpness"), curve.sharpness)
    np.testing.assert_allclose(here.data("frontier", "norm"), curve.l1_norm)
    here.until("model('lr_critical').data.x.length > 0")
    found = theory.predict(MODEL, PROBLEM, SCALES).lr_critical
    np.testing.assert_allclose(here.data("lr_critical", "x"), found)
    here.shot("loaded")


def test_colours_are_chosen(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    here.page.locator("select").first.select_option("phase")
    here.until("model('shown').data.label[0] == 'phase'")
    names = here.data("shown", "names")[0]
    told = [names[k] for k in np.ravel(here.data("cells", "flat")[0])]
    assert told == [Phase(code).label for code in ds.phase.values.ravel()]
    here.page.locator("select").first.select_option("steps")
    here.until("model('shown').data.label[0] == 'steps'")
    values = np.ravel(here.data("cells", "values")[0]).astype(float)
    steps = np.log10(ds.steps.values.ravel()) if here.data("shown", "logarithmic")[0] else ds.steps.values.ravel()
    np.testing.assert_allclose(values, steps, rtol=1e-6)


def test_hovering_tells_a_number_or_that_there_is_none(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    status = ds.status.values
    for converged in (True, False):
        i, j = np.argwhere((status == Status.CONVERGED) == converged)[0]
        number = f"{float(LR[j] * ds.sharpness[i, j] / 2):#.4g}" if converged else "no number here"
        here.hover(LR[j], SCALES[i])
        here.page.get_by_text(Status(status[i, j]).label, exact=True).last.wait_for()
        here.page.get_by_text(number, exact=True).wait_for()
    assert here.page.get_by_text("NaN").count() == 0


def test_a_click_makes_the_run_of_the_cell_again(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    here.click(LR[6], SCALES[2])
    here.until("model('path A').data.step.length > 0")
    cell = ds.isel(init_scale=2, lr=6)
    run = sims.descend(MODEL, PROBLEM, LR[6], SCALES[2], record_every=1, max_steps=2000)
    steps = np.array(here.data("path A", "step"), dtype=int)
    np.testing.assert_allclose(here.data("path A", "loss"), run.path_loss.values[steps])
    np.testing.assert_allclose(here.data("path A", "stability"), run.path_sharpness.values[steps] * LR[6] / 2)
    np.testing.assert_allclose(here.data("ends A", "found"), cell.beta.values)
    assert f"{int(cell.steps):,}" in here.value("told A", "text")
    here.until("model('told A').text.includes('±')")
    end = theory.predict(MODEL, PROBLEM, float(SCALES[2])).endpoint(float(LR[6]))
    np.testing.assert_allclose(here.data("ends A", "predicted"), end.beta)
    here.shot("clicked")


def test_a_run_that_takes_long_is_shown_as_stored_until_it_is_there(visit, stored, monkeypatch):
    from gdbias.figures.explorer import page

    made, there = page.with_run, threading.Event()
    monkeypatch.setattr(page, "with_run", lambda *cell: there.wait(60) and made(*cell))
    here = visit(stored[0]).until_drawn()
    here.click(LR[6], SCALES[2])
    here.until("model('told A').text.includes('Converged after')")
    assert here.data("path A", "step") == []
    there.set()
    here.until("model('path A').data.step.length > 0")


def test_two_cells_are_compared(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    here.click(LR[3], SCALES[1])
    here.until("model('path A').data.step.length > 0")
    here.page.get_by_text("click fills B").click()
    here.until("model('slot').active == 1")
    here.click(LR[11], SCALES[4])
    here.until("model('path B').data.step.length > 0")
    assert here.data("marks", "slot") == ["A", "B"]
    np.testing.assert_allclose(here.data("marks", "x"), LR[[3, 11]])
    found = [int(ds.steps.values[1, 3]), int(ds.steps.values[4, 11])]
    assert [here.data(f"path {slot}", "step")[-1] <= steps for slot, steps in zip("AB", found, strict=True)]
    here.shot("compared")
    here.page.get_by_text("clear B").click()
    here.until("model('path B').data.step.length == 0 && model('marks').data.slot.length == 1")


def test_what_is_copied_makes_the_run(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    here.click(LR[7], SCALES[3])
    here.until("model('python A').data.text[0].length > 0")
    here.page.get_by_role("button", name="copy").first.click()
    here.until("model('copy A').label == 'copied'")
    names = {}
    exec(here.page.evaluate("navigator.clipboard.readText()"), names)
    cell = ds.isel(init_scale=3, lr=7)
    assert int(names["run"].steps) == int(cell.steps)
    np.testing.assert_array_equal(names["run"].theta, cell.theta)


@pytest.mark.parametrize("width", [1400, 800, 400])
def test_the_page_fits_its_window(visit, stored, width):
    here = visit(stored[0], width=width, height=900).until_drawn()
    here.click(LR[6], SCALES[2])
    here.until("model('path A').data.step.length > 0")
    here.until("model('told A').text.includes('±')")
    assert here.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert here.value("diagram", "inner_width") > width / 4
    for name in ("norm plane", "loss", "stability", "norms", "coefficients"):
        assert here.page.evaluate(TITLE_WIDTH, name) < here.value(name, "inner_width")
    beyond = here.page.evaluate(HIDDEN_OF_TABLES)
    assert beyond and max(beyond) <= 0
    here.shot(f"width {width}")


def test_points_of_the_plane_are_cells(visit, stored):
    store, ds = stored
    here = visit(store).until_drawn()
    here.until("model('points').data.lr.length > 0")
    converged = ds.status.values == Status.CONVERGED
    np.testing.assert_allclose(here.data("points", "sharpness"), ds.sharpness.values[converged])
    k = 5
    here.page.evaluate("k => { named('points').selected.indices = [k] }", k)
    here.until("model('marks').data.slot.length > 0")
    i, j = np.argwhere(converged)[k]
    assert (here.data("marks", "x"), here.data("marks", "y")) == ([LR[j]], [SCALES[i]])


def test_cells_appear_while_another_process_writes(visit, tmp_path):
    import zarr

    whole = swept(tmp_path).load()
    group = zarr.open_group(tmp_path / "runs.zarr", mode="r+")
    group["status"][2:] = int(Status.NOT_RUN)  # as a sweep leaves them that is not there yet
    here = visit(tmp_path / "runs.zarr").until_drawn()
    names = here.data("shown", "names")[0]
    assert np.ravel(here.data("cells", "flat")[0]).tolist()[24:] == [names.index("not run")] * 36
    code = (
        "import sys; sys.path.insert(0, 'tests'); from pathlib import Path; import test_explorer_browser as t\n"
        f"t.swept(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    here.until("!Array.from(model('cells').data.flat[0]).includes(args[0])", names.index("not run"))
    told = [names[k] for k in np.ravel(here.data("cells", "flat")[0])]
    assert told == [Status(code).label for code in whole.status.values.ravel()]


def test_a_store_of_one_cell(visit, tmp_path):
    ds = swept(tmp_path, lr=0.1, init_scale=0.2)
    here = visit(tmp_path / "runs.zarr").until_drawn()
    here.click(0.1, 0.2)
    here.until("model('path A').data.step.length > 0")
    assert ds.steps.item() - 10 < here.data("path A", "step")[-1] <= ds.steps.item()


def test_a_store_of_runs_that_all_diverged(visit, tmp_path):
    ds = swept(tmp_path, lr=[40.0, 60.0], init_scale=[0.2, 0.4])
    assert (ds.status == Status.DIVERGED).all()
    here = visit(tmp_path / "runs.zarr").until_drawn()
    names = here.data("shown", "names")[0]
    assert {names[k] for k in np.ravel(here.data("cells", "flat")[0])} == {"diverged"}
    here.click(60.0, 0.4)
    here.until("model('told A').text.includes('Diverged')")
    here.until("model('path A').data.step.length > 0")


def million(folder):
    """A store of a million cells, whose sharpness tells where it is from: lr S / 2 = row / 1000."""
    lr, scales = np.geomspace(0.01, 1, 1000), np.geomspace(0.001, 1, 1000)
    small = sims.sweep(MODEL, PROBLEM, 0.01, 0.001, max_steps=10)
    spec = json.loads(small.attrs["spec"]) | dict(lr=lr.tolist(), init_scale=scales.tolist(), max_steps=2000)
    share = np.broadcast_to(np.arange(1000)[:, None] / 1000, (1000, 1000))
    cells = {"sharpness": 2 * share / lr, "beta_l1": share, "steps": np.full(share.shape, 5)}
    ds = xr.Dataset({name: (("init_scale", "lr"), values) for name, values in cells.items()})
    ds["status"] = ds.steps.astype("i1") * 0
    ds = ds.assign_coords(lr=lr, init_scale=scales).assign_attrs(small.attrs | {"spec": json.dumps(spec)})
    return sims.store.save_result(ds, folder / "million.zarr")


def test_a_million_cells_are_thinned_and_zoomed_into(visit, tmp_path):
    here = visit(million(tmp_path)).until_drawn()
    shown = np.ravel(here.data("cells", "values")[0])
    assert shown.size <= 200_000
    assert np.ptp(shown) > 0.99
    here.page.mouse.move(*here.page.evaluate(browsing.PLACE, ["diagram", 0.102, 0.102]))
    for _ in range(5):
        here.page.mouse.wheel(0, -400)
    here.until("model('cells').data.dh[0] < 0.02")
    here.page.wait_for_timeout(500)  # for the last of the pictures
    bottom = here.data("cells", "y")[0]
    top = bottom + here.data("cells", "dh")[0]
    scales = np.geomspace(0.001, 1, 1000)
    inside = np.flatnonzero((scales > bottom) & (scales < top)) / 1000
    seen = np.unique(np.ravel(here.data("cells", "values")[0]))
    assert len(inside) < 260  # pixels
    np.testing.assert_allclose(seen, inside, rtol=1e-6)  # every row that is seen is drawn
    here.click(here.data("cells", "x")[0] + here.data("cells", "dw")[0] / 2, bottom + (top - bottom) / 2)
    here.until("model('path A').data.step.length > 0")


def test_a_page_without_a_server(browser, stored, tmp_path):
    from gdbias.figures.explorer.explored import Explored
    from gdbias.figures.explorer.standalone import single_file

    store, ds = stored
    page = tmp_path / "page.html"
    page.write_text(single_file(Explored.open(store), lambda text: None), encoding="utf-8")
    assert page.stat().st_size < 10e6
    here = browsing.Visitor(browser, page.as_uri(), asked := []).until_drawn()
    share = np.where(ds.status.values == Status.CONVERGED, ds.lr.values * ds.sharpness.values / 2, np.nan)
    values = np.ravel(here.data("cells", "values")[0]).astype(float)
    np.testing.assert_allclose(values, np.ravel(share), rtol=1e-6)
    here.page.locator("select").first.select_option("phase")
    here.until("model('shown').data.label[0] == 'phase'")
    names = here.data("shown", "names")[0]
    told = [names[k] for k in np.ravel(here.data("cells", "flat")[0])]
    assert told == [Phase(code).label for code in ds.phase.values.ravel()]
    here.click(LR[-1], SCALES[2])
    here.until("model('path A').data.step.length > 0")
    cell = ds.isel(init_scale=2, lr=-1)
    np.testing.assert_allclose(here.data("ends A", "found"), cell.beta.values, rtol=1e-6)
    end = theory.predict(MODEL, PROBLEM, float(SCALES[2])).endpoint(float(LR[-1]))
    np.testing.assert_allclose(here.data("ends A", "predicted"), end.beta, rtol=1e-6)
    here.page.get_by_text("click fills B").click()
    here.page.wait_for_timeout(500)  # or it is the second half of a double click
    here.click(LR[0], SCALES[0])
    here.until("model('path B').data.step.length > 0 && model('marks').data.slot.length == 2")
    here.shot("single file")
    here.close()
    assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []


def test_a_problem_is_made_in_the_page(browser, tmp_path):
    from gdbias.figures.explorer.live import FIELDS, Live

    small = FIELDS | {"n": "5", "d": "8", "sparsity": "2", "init_scale": "0.1:0.4:3:log"}
    with browsing.served(partial(Live, fields=small)) as address:
        here = browsing.Visitor(browser, address)
        here.until("model('cells').data.flat.length > 0")
        here.until("!model('go').disabled && model('points').data.lr.length > 0")
        lr, row, sharpness = (here.data("points", name)[-1] for name in ("lr", "row", "sharpness"))
        problem = theory.sparse_regression(n=5, d=8, sparsity=2)
        run = sims.descend(MODEL, problem, lr, row, max_steps=20_000)
        np.testing.assert_allclose(run.sharpness, sharpness, rtol=1e-9)
        here.click(lr, row)
        here.page.get_by_text("Converged after").wait_for()
        here.shot("live")
        trace = tmp_path / "evaluated"
        here.set("model", value=f"custom(open({str(trace)!r}, 'w'))")
        here.page.get_by_text("predict and run").click()
        here.until("model('note').text.length > 0")
        here.set("model", value="difference(2)")
        here.set("n", value=f"open({str(trace)!r}, 'w')")
        here.page.get_by_text("predict and run").click()
        here.until("model('note').text.includes('is no number')")
        assert not trace.exists()
        here.set("n", value="5")
        here.set("max_steps", value="12")
        here.page.get_by_text("predict and run").click()
        here.until("!model('go').disabled && model('note').text.length == 0")
        here.click(lr, row)
        here.page.get_by_text("after 12 steps").wait_for()
        here.close()


@pytest.mark.parametrize("damage", ["lost", "cut short"])
def test_a_damaged_store_is_a_sentence(visit, tmp_path, damage):
    swept(tmp_path)
    part = next(part for part in (tmp_path / "runs.zarr" / "sharpness" / "c").rglob("*") if part.is_file())
    if damage == "lost":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:-5])
    here = visit(tmp_path / "runs.zarr")
    here.until("model('note').text.length > 0")
    assert ("sharpness is lost" if damage == "lost" else "cannot be read") in here.value("note", "text")
    assert "same" in here.value("note", "text")  # as the remedy
