"""The diagram as Bokeh draws it: the cells as one picture, predicted lines over them, marks on the cells looked at."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..parts.axes import Plane
from .bokeh_door import bk, models
from .cells import pixels
from .colours import Layer
from .looks import HEIGHT, LINES, SLOTS, TEXT, dressed

MOST = (420, 260)  # pixels of a picture, across and up
CELLS = ("values", "flat", "x", "y", "dw", "dh")  # of a picture, what the source of the cells holds
SHOWN = ("names", "logarithmic", "label")  # and what hovering reads
NEAREST = """
    const at = across ? special_vars.x : special_vars.y
    let i = 0
    while (i < names.length - 1 && at > edges[i + 1]) i++
    return names[i]
"""
HOVERED = """
    if (format === "name") return shown.data.names[0][value] ?? ""
    const number = cells.data.values[0][special_vars.image_index.flat_index]  // a NaN would never come here as a value
    if (!Number.isFinite(number)) return "no number here"
    return (shown.data.logarithmic[0] ? 10 ** number : number).toPrecision(4)
"""
WITHIN = (6, 100)  # between the ends of a logarithmic axis, where even ticks crowd at its upper end
TICKER = """
    const ratio = span.end / span.start
    axis.ticker = %d < ratio && ratio < %d ? few : fine
"""
TICK = "return Number((shown.data.logarithmic[0] ? 10 ** tick : tick).toPrecision(3)).toString()"


class DiagramView:
    """The diagram of a plane; the model is ``figure``."""

    def __init__(self, found: Plane, log_lr: bool, log_row: bool, has_rows: bool):
        self.found, self.log = found, (log_lr, log_row and found.labels is None)
        x, y = found.edges
        kind = ["log" if one else "linear" for one in self.log]
        self.figure = dressed(bk.plotting.figure(
            name="diagram", height=HEIGHT, sizing_mode="stretch_width", x_axis_type=kind[0], y_axis_type=kind[1],
            x_range=models.Range1d(*x[[0, -1]]), y_range=models.Range1d(*y[[0, -1]]),
            tools="pan,wheel_zoom,box_zoom,reset,save", active_scroll="wheel_zoom",
            x_axis_label="learning rate", y_axis_label=_plain(found.title),
        ))  # fmt: skip
        if found.labels is not None:
            self.figure.yaxis.ticker = list(found.at)
            self.figure.yaxis.major_label_overrides = dict(zip(found.at, found.labels, strict=True))
        _tick_decades(self.figure, self.log)
        wide: dict[str, Any] = dict(stylesheets=TEXT, sizing_mode="stretch_width")
        self.key_of_lines, self.key_of_cells = models.Div(name="key of lines", **wide), models.Div(name="key", **wide)
        self.parts = self.figure, self.key_of_lines, self.key_of_cells
        self.figure.yaxis.visible = has_rows
        self._draw_cells(has_rows)
        self._draw_over()

    def _draw_cells(self, has_rows: bool) -> None:
        self.cells = models.ColumnDataSource({name: [] for name in CELLS}, name="cells")
        self.shown = models.ColumnDataSource(dict(names=[[]], logarithmic=[False], label=[""]), name="shown")
        self.number = models.LinearColorMapper(palette="Viridis256", nan_color="rgba(0,0,0,0)")
        self.flat = models.LinearColorMapper(palette=["white"], low=-0.5, high=0.5)
        where: dict[str, Any] = dict(x="x", y="y", dw="dw", dh="dh", source=self.cells)
        below = self.figure.image("flat", color_mapper=self.flat, **where)
        self.figure.image("values", color_mapper=self.number, **where)
        args = dict(shown=self.shown)
        ticks = models.CustomJSTickFormatter(args=args, code=TICK)
        self.bar = models.ColorBar(
            color_mapper=self.number, formatter=ticks, width=12, padding=4, title_text_font_style="normal"
        )
        self.figure.add_layout(self.bar, "right")
        rows = self.found.labels or [f"{at:.5g}" for at in self.found.at]
        names = [f"{lr:.5g}" for lr in self.found.ds["lr"].values], rows
        near = [
            models.CustomJSHover(args=dict(edges=list(edges), names=list(called), across=k == 0), code=NEAREST)
            for k, (edges, called) in enumerate(zip(self.found.edges, names, strict=True))
        ]
        self.figure.add_tools(models.HoverTool(
            renderers=[below],
            tooltips=[
                ("lr", "$x{custom}"), *([(_plain(self.found.title), "$y{custom}")] if has_rows else []),
                ("", "@flat{name}"), ("value", "@flat{number}"),
            ],
            formatters={
                "$x": near[0], "$y": near[1],
                "@flat": models.CustomJSHover(args=args | dict(cells=self.cells), code=HOVERED),
            },
        ))  # fmt: skip

    def _draw_over(self) -> None:
        self.lines: dict[str, Any] = {}
        for name, dash in LINES.items():
            source = self.lines[name] = models.ColumnDataSource(dict(x=[], y=[]), name=name)
            drawn: dict[str, Any] = dict(source=source, line_dash=dash)
            self.figure.line("x", "y", line_color="black", line_width=4, **drawn)
            self.figure.line("x", "y", line_color="white", line_width=2, **drawn)
        self.marks = models.ColumnDataSource(dict(x=[], y=[], slot=[], color=[]), name="marks")
        self.figure.scatter(
            "x", "y", source=self.marks, size=15, fill_color="color", line_color="white", line_width=2, marker="circle"
        )
        self.figure.text(
            "x", "y", "slot", source=self.marks, text_color="white", text_font_size="10px", text_font_style="bold",
            text_align="center", text_baseline="middle",
        )  # fmt: skip

    def show(self, layer: Layer) -> bool:
        """Colour the cells that are seen; whether all of the plane's cells are in the picture."""
        picture, whole = self.picture(layer)
        self.number.update(palette=picture["palette"], low=picture["low"], high=picture["high"])
        self.flat.update(palette=picture["colors"], low=-0.5, high=len(picture["colors"]) - 0.5)
        self.shown.data = {name: [picture[name]] for name in SHOWN}
        self.bar.update(title=picture["label"], visible=picture["known"])
        self.cells.data = {name: [picture[name]] for name in CELLS}
        self.key_of_cells.text = picture["key"]
        return whole

    def picture(self, layer: Layer, most: tuple[int, int] = MOST) -> tuple[dict[str, Any], bool]:
        """The picture of what is seen, of at most so many pixels: its cells, where they are, and their colours."""
        ranges = self.figure.x_range, self.figure.y_range
        across, up = (
            pixels(edges, min(r.start, r.end), max(r.start, r.end), log, count)
            for edges, r, log, count in zip(layer.edges, ranges, self.log, most, strict=True)
        )
        at = np.ix_(up.cells, across.cells)
        values, flat = layer.values[at].astype(np.float32), layer.flat[at].astype(np.uint8)
        occurring = np.unique(flat[np.isnan(values)]).tolist()
        picture = dict(
            values=values, flat=flat, x=across.low, y=up.low, dw=across.high - across.low,
            dh=up.high - up.low, palette=_palette(layer.diverging),
            low=float(layer.low), high=float(layer.high), colors=layer.colors, names=layer.names, label=layer.label,
            logarithmic=layer.logarithmic, key=_key_of_cells(layer, occurring), known=bool(np.isfinite(values).any()),
        )  # fmt: skip
        return picture, across.whole and up.whole

    def draw_lines(self, boundaries: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        """The predicted learning rates, each as points (lr, row) from below to above."""
        for name, source in self.lines.items():
            points = np.array(boundaries.get(name, ()), dtype=float).reshape(-1, 2)
            low, high = self.found.edges[0][[0, -1]]
            if not ((points[:, 0] > low) & (points[:, 0] < high)).any():
                points = points[:0]
            source.data = dict(x=points[:, 0], y=points[:, 1])
        drawn = [name for name, source in self.lines.items() if len(source.data["x"])]
        self.key_of_lines.text = key("".join(f"{_stroke(LINES[name])}{name}" for name in drawn))

    def mark(self, cells: Mapping[str, tuple[int, int]]) -> None:
        """A mark with its letter on the cell (row, column) of each slot."""
        x = [float(self.found.ds["lr"].values[column]) for _, column in cells.values()]
        y = [float(self.found.at[row]) for row, _ in cells.values()]
        self.marks.data = dict(x=x, y=y, slot=list(cells), color=[SLOTS[slot] for slot in cells])


def _tick_decades(figure: Any, log: tuple[bool, bool]) -> None:
    """Ticks on logarithmic axes of one to two decades, where Bokeh's are even: those below a tenth would be left out.

    Of a view that is narrower they are Bokeh's.
    """
    for k, (axis, span) in enumerate(((figure.xaxis[0], figure.x_range), (figure.yaxis[0], figure.y_range))):
        if log[k]:
            few = models.FixedTicker(ticks=[f * 10.0**p for p in range(-12, 7) for f in (1, 2, 3, 5)])
            fine = models.LogTicker()
            args = dict(axis=axis, span=span, few=few, fine=fine)
            axis.ticker = few if WITHIN[0] < span.end / span.start < WITHIN[1] else fine
            span.js_on_change("end", models.CustomJS(args=args, code=TICKER % WITHIN))


def _palette(diverging: bool) -> Sequence[str]:
    return bk.palettes.interp_palette(bk.palettes.RdBu[11], 255) if diverging else bk.palettes.Viridis256


def _key_of_cells(layer: Layer, occurring: list[int]) -> str:
    """What the flat colours mean that occur."""
    return key("".join(f"<i style='background: {layer.colors[k]}'></i>{escape(layer.names[k])}" for k in occurring))


def _stroke(dashes: list[int]) -> str:
    dashed = " ".join(map(str, dashes))
    line = f"<line x2='34' y1='4' y2='4' stroke='black' stroke-width='2' stroke-dasharray='{dashed}'/>"
    return f"<svg width='34' height='8'>{line}</svg>"


def key(entries: str) -> str:
    """A legend as HTML, which goes on below where it is wide."""
    return f"<p class='key'>{entries}</p>" if entries else ""


def _plain(title: str) -> str:
    """A title without the formula that Matplotlib sets."""
    return title.split("$")[0].strip() or title.replace("$", "")
