"""The runs looked at: loss, sharpness, norms and coefficients of cells A and B, and what is said of each."""

from html import escape
from typing import Any

import numpy as np

from .bokeh_door import bk, models
from .explored import Explored
from .looks import LOW, NORM_COLORS, SLOTS, TEXT, WRAPPED, dressed
from .runs import NORMS, Seen
from .words import SHORT, described

LETTERS = 12  # of a coefficient's name below its panel
DASHES = {"A": "solid", "B": "dashed"}
COPY = """
    const told = () => { button.label = "copied"; setTimeout(() => button.label = "copy", 1500) }
    const text = source.data.text[0] ?? ""
    const by_hand = () => {
        const area = document.createElement("textarea")
        area.value = text
        document.body.append(area)
        area.select()
        document.execCommand("copy")
        area.remove()
        told()
    }
    if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text).then(told, by_hand)
    else by_hand()
"""


class RunView:
    """Panels for the norms that a result has; ``show`` fills those of a slot."""

    def __init__(self, explored: Explored):
        self.norms, self.explored = [name for name in NORMS if name in explored.ds], explored
        self.columns: dict[str, Any] = {}
        self.seen: dict[str, Seen | None] = {}
        self.paths = {slot: models.ColumnDataSource(_path(None, self.norms), name=f"path {slot}") for slot in SLOTS}
        self.coefficients = {slot: models.ColumnDataSource(_ends(None), name=f"ends {slot}") for slot in SLOTS}
        self.texts = {slot: models.ColumnDataSource(dict(text=[""]), name=f"python {slot}") for slot in SLOTS}
        wide = dict(stylesheets=TEXT, sizing_mode="stretch_width")
        self.told = {slot: models.Div(text="", name=f"told {slot}", **wide) for slot in SLOTS}
        self.code = {slot: models.Div(text="", name=f"code {slot}", **wide) for slot in SLOTS}
        self.copy = {slot: self._button(slot) for slot in SLOTS}
        panels = self._loss(), self._stability(), self._norms(), self._coefficients()
        self.panels = bk.layouts.column(*panels, sizing_mode="stretch_width", visible=False)  # one layout shows all
        from_top = WRAPPED | {"align-items": "start"}
        self.words = bk.layouts.row(*map(self._column, SLOTS), styles=from_top, sizing_mode="stretch_width")

    def parts(self) -> dict[str, Any]:
        """What a slot is filled by, each by its name and the slot's."""
        texts = dict(python=self.texts, told=self.told, code=self.code)
        parts = dict(path=self.paths, ends=self.coefficients, column=self.columns) | texts
        return {f"{name} {slot}": of[slot] for name, of in parts.items() for slot in SLOTS}

    def show(self, slot: str, seen: Seen | None) -> None:
        """Fill the panels and texts of a slot; empty them without a cell."""
        data = slot_data(seen, self.norms)
        before, self.seen[slot] = self.seen.get(slot), seen
        if before is None or seen is None or seen.path is not before.path:  # else four panels would be drawn again
            self.paths[slot].data = data["path"]
        self.coefficients[slot].data = data["ends"]
        self.texts[slot].data = dict(text=[data["python"]])
        self.told[slot].text, self.code[slot].text = data["told"], data["code"]
        self.columns[slot].visible = seen is not None
        self.panels.visible = any(len(path.data["step"]) for path in self.paths.values())

    def _column(self, slot: str) -> Any:
        parts = self.told[slot], self.code[slot], self.copy[slot]
        column = bk.layouts.column(*parts, min_width=280, sizing_mode="stretch_width", visible=False)
        self.columns[slot] = column
        return column

    def _button(self, slot: str) -> Any:
        button = models.Button(label="copy", width=70, name=f"copy {slot}")
        button.js_on_event(
            "button_click", models.CustomJS(args=dict(button=button, source=self.texts[slot]), code=COPY)
        )
        return button

    def _panel(self, name: str, label: str, **rest) -> Any:
        tools = "pan,box_zoom,wheel_zoom,reset"
        figure = bk.plotting.figure(
            name=name, height=LOW, sizing_mode="stretch_width", tools=tools, title=label, **rest
        )
        return dressed(figure)

    def _curve(self, figure: Any, column: str, colors: dict[str, str], label: str = "") -> None:
        for slot, source in self.paths.items():
            named = dict(legend_label=label) if label and slot == "A" else {}
            figure.line(
                "step", column, source=source, color=colors[slot], line_dash=DASHES[slot], line_width=1.5, **named
            )

    def _loss(self) -> Any:
        figure = self._panel("loss", "loss over steps: A solid, B dashed", y_axis_type="log")
        self._curve(figure, "loss", SLOTS)
        return figure

    def _stability(self) -> Any:
        figure = self._panel("stability", "lr S / 2 over steps; 1: edge")
        figure.add_layout(models.Span(location=1, dimension="width", line_dash="dashed", line_width=1))
        self._curve(figure, "stability", SLOTS)
        return figure

    def _norms(self) -> Any:
        figure = self._panel("norms", "norms over steps")
        for name, color in zip(self.norms, NORM_COLORS, strict=False):
            self._curve(figure, name, dict.fromkeys(SLOTS, color), SHORT[name])
        if self.norms:
            figure.legend.update(
                label_text_font_size="12px", padding=0, margin=0, spacing=8, border_line_color=None,
                orientation="horizontal", location="left",
            )  # fmt: skip
            figure.legend.click_policy = "hide"
            figure.add_layout(figure.legend[0], "above")  # over the curves it hides them
        return figure

    def _coefficients(self) -> Any:
        truth = ", - truth" if self.explored.has_truth else ""
        figure = self._panel("coefficients", f"{self.explored.ends}: dots run, x predicted{truth}")
        dots = []
        for slot, source in self.coefficients.items():
            figure.segment("at", 0, "at", "found", source=source, color=SLOTS[slot], line_alpha=0.4)
            dots.append(figure.scatter("at", "found", source=source, color=SLOTS[slot], size=5))
            figure.scatter("at", "predicted", source=source, color="black", marker="x", size=7)
            figure.scatter("at", "teacher", source=source, color="#7f7f7f", marker="dash", size=10, line_width=2)
        if names := self.explored.features:
            figure.xaxis.ticker = list(range(len(names)))
            short = [name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…" for name in names]
            figure.xaxis.major_label_overrides = dict(enumerate(short))
            figure.xaxis.major_label_orientation = 0.6
            named = models.CustomJSHover(args=dict(names=names), code="return names[Math.round(value)]")
            tips = [("", "@at{custom}"), ("run", "@found")]
            figure.add_tools(models.HoverTool(renderers=dots, tooltips=tips, formatters={"@at": named}))
        return figure


def slot_data(seen: Seen | None, norms: list[str]) -> dict[str, Any]:
    """What fills a slot: data of its sources, and its texts."""
    python = "" if seen is None else seen.python
    code = f"<details><summary>the same in Python</summary><pre>{escape(python)}</pre></details>" if python else ""
    told = "" if seen is None else described(seen)
    return dict(path=_path(seen, norms), ends=_ends(seen), python=python, code=code, told=told)


def _path(seen: Seen | None, norms: list[str]) -> dict[str, np.ndarray]:
    known = {} if seen is None else seen.path
    empty = np.full(len(known.get("step", ())), np.nan)
    return {name: np.asarray(known.get(name, empty), dtype=float) for name in ("step", "loss", "stability", *norms)}


def _ends(seen: Seen | None) -> dict[str, np.ndarray]:
    known = {} if seen is None else seen.ends
    count = max(map(len, known.values()), default=0)
    shift = np.arange(count, dtype=float)
    empty = np.full(count, np.nan)
    ends = {name: np.asarray(known.get(name, empty), dtype=float) for name in ("found", "predicted", "teacher")}
    return ends | {"at": shift, "teacher": np.where(ends["teacher"] == 0, np.nan, ends["teacher"])}
