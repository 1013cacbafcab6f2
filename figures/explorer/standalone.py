"""A stored result as one file that needs no server: its numbers, and runs that are kept in it to be clicked on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from ...sims.machine import cores
from ...theory.errors import GdbiasError
from ..parts.axes import Plane
from .bokeh_door import bk, events, models
from .colours import colourings, layer
from .diagram_view import CELLS, SHOWN, DiagramView
from .explored import Explored
from .foretold import can_foretell, foretell
from .frame import Frame
from .lines import boundaries, least_norms
from .looks import SLOTS, TEXT, WRAPPED
from .norm_plane import NormPlane
from .run_view import RunView, slot_data
from .runs import with_prediction, with_run

KEPT = (8, 6)  # runs across and up that a click can show
MOST = (240, 160)  # pixels of a picture
HINT = "A click shows the nearest of the runs that this page keeps, which are ringed; fill B with another to compare."
COLOUR = """
    const k = layers.data.name.indexOf(cb_obj.value)
    const of = (column) => layers.data[column][k]
    number.setv({palette: of("palette"), low: of("low"), high: of("high")})
    flat.setv({palette: of("colors"), low: -0.5, high: of("colors").length - 0.5})
    shown.data = Object.fromEntries(names.map((name) => [name, [of(name)]]))
    bar.setv({title: of("label"), visible: of("known")})
    key.text = of("key")
    cells.data = Object.fromEntries(columns.map((name) => [name, [of(name)]]))
"""
LOOK = """
    const data = kept.data
    const cell = (edges, value) => edges.filter((edge) => edge <= value).length - 1
    const away = (k) => Math.hypot((data.column[k] - cell(x, lr)) / x.length, (data.row[k] - cell(y, at)) / y.length)
    const best = data.lr.map((_, k) => k).reduce((a, b) => away(b) < away(a) ? b : a)
    const slot = Object.keys(SLOTS)[choice.active]
    const of = (names) => Object.fromEntries(names.map((name) => [name, data[name][best]]))
    const part = (name) => parts[`${name} ${slot}`]
    part("path").data = of(paths)
    part("ends").data = of(ends)
    part("python").data = {text: [data.python[best]]}
    part("told").text = data.told[best]
    part("code").text = data.code[best]
    part("column").visible = true
    panels.visible = data.step[best].length > 0 || panels.visible
    const others = marks.data.slot.map((s, k) => k).filter((k) => marks.data.slot[k] !== slot)
    const put = (name, value) => [...others.map((k) => marks.data[name][k]), value]
    marks.data = {
        x: put("x", data.lr[best]), y: put("y", data.at_row[best]), slot: put("slot", slot),
        color: put("color", SLOTS[slot]),
    }
"""
TAPPED = "const lr = cb_obj.x, at = cb_obj.y"
CHOSEN = """
    if (cb_obj.indices.length !== 1) return
    const lr = points.data.lr[cb_obj.indices[0]], at = points.data.row[cb_obj.indices[0]]
"""


def single_file(explored: Explored, say: Callable[[str], None]) -> str:
    """The page as text: diagram, stored numbers, and a thinned set of runs with what is predicted for them.

    Raises:
        GdbiasError: a store that cannot be read.
    """
    found = explored.plane({})
    for dim, labels in explored.choices.items():
        say(f"the page has the cells of {dim} {labels[0]} alone, the first of {len(labels)}")
    if explored.foretold is None and can_foretell(explored):
        say("predicting where descent ends")
        try:
            explored = replace(explored, foretold=foretell(explored, found))
        except GdbiasError as error:
            say(f"nothing is predicted: {error}")
    document = bk.document.Document()
    frame = Frame(document, explored.title)
    diagram = DiagramView(found, True, True, explored.has_rows)
    diagram.draw_lines(boundaries(explored, {}))
    plane, runs = NormPlane(diagram.figure), RunView(explored)
    plane.show(found, None)
    plane.draw_frontier(least_norms(explored, {}))
    hint = models.Div(text=HINT, stylesheets=TEXT, sizing_mode="stretch_width")
    choice = models.RadioButtonGroup(labels=[f"click fills {slot}" for slot in SLOTS], active=0, name="slot")
    frame.put("choices", bk.layouts.row(_colour(explored, found, diagram), choice, styles=WRAPPED))
    frame.put("diagram", *diagram.parts)
    frame.put("told", hint, runs.words)
    frame.put("panels", plane.figure, runs.panels)
    kept = _kept(explored, found, runs.norms, say)
    diagram.figure.scatter("lr", "at_row", source=kept, size=6, fill_color=None, line_color="white", line_alpha=0.8)
    args = dict(
        kept=kept, x=list(found.edges[0]), y=list(found.edges[1]), choice=choice, panels=runs.panels,
        marks=diagram.marks, points=plane.points, SLOTS=SLOTS, parts=runs.parts(),
        paths=list(runs.paths["A"].data), ends=list(runs.coefficients["A"].data),
    )  # fmt: skip
    diagram.figure.js_on_event(events.Tap, models.CustomJS(args=args, code=TAPPED + LOOK))
    plane.points.selected.js_on_change("indices", models.CustomJS(args=args, code=CHOSEN + LOOK))
    frame.show()
    return bk.embed.file_html(document, bk.resources.INLINE, document.title, template=document.template)


def _colour(explored: Explored, found: Plane, diagram: DiagramView) -> Any:
    """The choice of colours, each with its picture in the page."""
    other = explored.other({})
    names = colourings(found, other is not None)
    pictures = [diagram.picture(layer(found, other, name), MOST)[0] for name in names]
    first = next(iter(names))
    diagram.show(layer(found, other, first))
    columns = {name: [picture[name] for picture in pictures] for name in pictures[0]}
    layers = models.ColumnDataSource(columns | {"name": list(names)}, name="layers")
    select = models.Select(title="colour", options=[*names.items()], value=first, name="colour", width=210)
    args = dict(
        layers=layers, number=diagram.number, flat=diagram.flat, shown=diagram.shown, bar=diagram.bar,
        cells=diagram.cells, key=diagram.key_of_cells, names=list(SHOWN), columns=list(CELLS),
    )  # fmt: skip
    select.js_on_change("value", models.CustomJS(args=args, code=COLOUR))
    return select


def _kept(explored: Explored, found: Plane, norms: list[str], say: Callable[[str], None]) -> Any:
    """Runs on a grid over the plane, made again, as a source with a line for each."""
    counts = found.ds.sizes["lr"], len(found.at)
    columns, rows = (
        np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
        for count, most in zip(counts, KEPT, strict=True)
    )
    cells = [(int(row), int(column)) for row in rows for column in columns]
    say(f"making {len(cells)} runs again")

    def one(cell: tuple[int, int]) -> dict[str, Any]:
        seen = with_prediction(explored, found, *cell, with_run(explored, found, *cell))
        data = slot_data(seen, norms)
        texts = {name: data[name] for name in ("python", "code", "told")}
        arrays = {name: value.astype(np.float32) for name, value in (data["path"] | data["ends"]).items()}
        where = dict(row=cell[0], column=cell[1], lr=seen.lr, at_row=float(found.at[cell[0]]))
        return texts | arrays | where

    with ThreadPoolExecutor(cores()) as pool:
        made = list(pool.map(one, cells))
    return models.ColumnDataSource({name: [each[name] for each in made] for name in made[0]}, name="kept")
