"""The page of one visitor: what is chosen, coloured and looked at."""

from collections.abc import Callable
from functools import cached_property, partial
from threading import Thread
from typing import Any

from ...theory.errors import GdbiasError
from ..parts.axes import Plane, plane
from .bokeh_door import bk, events, models
from .cells import cell_at
from .colours import DIFFERENCE, PREDICTED, colourings, layer
from .diagram_view import DiagramView
from .explored import UNREADABLE, Explored, sentence
from .foretold import can_foretell, foretell
from .frame import Frame
from .lines import Lines, boundaries, least_norms
from .looks import SLOTS, TEXT, WRAPPED
from .norm_plane import NormPlane
from .run_view import RunView
from .runs import Seen, stored, with_prediction, with_run

HINT = "Every cell is a run: click one to make it again and see its course; fill B with another to compare."
MOVE = 60  # milliseconds between pictures of a view that moves
PAUSE = 1500  # milliseconds between looks at a store that is being written
LONG = 250  # milliseconds that a run may take before its cell is shown without it


class Page:
    """A result in a frame, for one visitor.

    What takes time is done aside, so that the page answers: a cell is shown with its run, as stored alone where that
    takes long, then with its prediction; what comes late for a cell that is no longer looked at is dropped.
    """

    def __init__(self, document: Any, frame: Frame, explored: Explored):
        self.document, self.frame, self.explored = document, frame, explored
        self.chosen: dict[str, int] = {}
        self.foretold: dict[tuple, Plane] = {}  # by what was chosen
        self.begun: set[tuple] = set()  # what is being predicted, or was refused
        self.looked: dict[str, tuple[int, int]] = {}
        self.asked: dict[str, int] = dict.fromkeys(SLOTS, 0)  # how often a cell was asked for
        self.answered: dict[str, int] = dict.fromkeys(SLOTS, 0)  # which of these was shown
        self.hint = models.Div(text=HINT, stylesheets=TEXT, sizing_mode="stretch_width")
        self.left = self.warm = False
        frame.put("told", self.hint)
        self._make_choices()
        self._draw()
        warm = partial(with_run, explored, self.found, 0, self.found.ds.sizes["lr"] - 1)
        frame.once_shown(partial(self._aside, warm, self._warmed))
        if explored.unfinished(self.found):
            self._wait()

    @cached_property
    def runs(self) -> RunView:
        """The panels and texts of the cells looked at, half of the page: made when the diagram is there."""
        runs = RunView(self.explored)
        self.frame.put("told", self.hint, runs.words)
        return runs

    # What is chosen

    def _make_choices(self) -> None:
        foretold = self.explored.foretold is not None or can_foretell(self.explored)
        found = self.explored.plane(self.chosen)
        names = colourings(found, foretold)
        first = next(iter(names))
        self.colour = models.Select(title="colour", options=[*names.items()], value=first, name="colour", width=210)
        self.colour.on_change("value", lambda attr, old, new: self._colour())
        self.axes = models.CheckboxButtonGroup(labels=["log lr", "log rows"], active=[0, 1], name="axes")
        self.axes.on_change("active", lambda attr, old, new: self._draw())
        self.slot = models.RadioButtonGroup(labels=[f"click fills {slot}" for slot in SLOTS], active=0, name="slot")
        self.clear = models.Button(label="clear B", name="clear", width=80)
        self.clear.on_click(partial(self._forget, "B"))
        labels = ["all rows", *(found.labels or [f"{at:.4g}" for at in found.at])]
        named = models.CustomJSTickFormatter(args=dict(labels=labels), code="return labels[tick]")
        self.row = models.Slider(
            start=0, end=max(1, len(found.at)), value=0, step=1, format=named, name="row", width=200
        )
        self.row.title = "norm over sharpness"
        self.row.on_change("value_throttled", lambda attr, old, new: self._show_points())
        self.row.visible = len(found.at) > 1
        picks = []
        for dim, labels in self.explored.choices.items():
            pick = models.Select(title=dim, options=labels, value=labels[0], name=dim, width=150)
            pick.on_change("value", partial(self._choose, dim, labels))
            picks.append(pick)
        shown = [self.colour, *picks, self.row, self.axes, self.slot, self.clear]
        self.frame.put("choices", bk.layouts.row(*shown, styles=WRAPPED, sizing_mode="stretch_width"))

    def _choose(self, dim: str, labels: list[str], attr: str, old: str, new: str) -> None:
        self.chosen[dim] = labels.index(new)
        for slot in SLOTS:
            self._forget(slot)
        self._draw()

    # What is drawn

    def _draw(self) -> None:
        """The diagram anew, on the axes and of the plane that are chosen."""
        self.found = self.explored.plane(self.chosen)
        self.diagram = DiagramView(self.found, 0 in self.axes.active, 1 in self.axes.active, self.explored.has_rows)
        self.plane = None
        self.diagram.figure.on_event(events.Tap, self._tapped)
        self.diagram.figure.on_event(events.RangesUpdate, self._moved)
        self.whole, self.moving = True, False
        self._colour()
        self.diagram.mark(self.looked)
        self.frame.put("diagram", *self.diagram.parts)
        self.frame.once_shown(self._complete)

    def _complete(self) -> None:
        """What goes with the diagram: the linked plane of norm and sharpness, and the panels."""
        if self.left:  # before the browser had drawn it
            return
        self.plane = NormPlane(self.diagram.figure)
        self.plane.points.selected.on_change("indices", self._point_chosen)
        self._show_points()
        self.frame.put("panels", self.plane.figure, self.runs.panels)
        if self.warm:
            self._predict(self.diagram, self.plane)

    def _warmed(self, seen: Seen) -> None:
        """The kernels are loaded, which the first click waits for: now what is predicted, one after the other."""
        self.warm = True
        if self.plane is not None:
            self._predict(self.diagram, self.plane)

    def _predict(self, diagram: DiagramView, plane: NormPlane) -> None:
        chosen = dict(self.chosen)

        def follow(lines: Lines) -> None:
            diagram.draw_lines(lines)
            self._aside(partial(least_norms, self.explored, chosen), plane.draw_frontier)

        self._aside(partial(boundaries, self.explored, chosen), follow)

    def _other(self) -> Plane | None:
        return self.foretold.get(tuple(sorted(self.chosen.items())), None) or self.explored.other(self.chosen)

    def _colour(self) -> None:
        name, other = self.colour.value, self._other()
        if name in (PREDICTED, DIFFERENCE) and other is None:
            self._foretell(tuple(sorted(self.chosen.items())))
            return
        try:
            self.coloured = layer(self.found, other, name)
        except UNREADABLE as error:
            self.frame.say(sentence(error))
            return
        self._show()

    def _show(self) -> None:
        self.moving = False
        self.whole = self.diagram.show(self.coloured)

    def _moved(self, event: Any) -> None:
        """Another picture for another view, where one does not hold all cells; one for many moves of a wheel."""
        if not (self.whole or self.moving):
            self.moving = True
            self.document.add_timeout_callback(self._show, MOVE)

    def _foretell(self, key: tuple) -> None:
        if key not in self.begun:
            self.begun.add(key)
            self.frame.say("Predicting where descent ends in these cells, without any run ...")
            self._aside(partial(foretell, self.explored, self.found), partial(self._have_foretold, key))

    def _have_foretold(self, key: tuple, ds: Any) -> None:
        self.foretold[key] = plane(ds)
        self.frame.say("")
        self._colour()

    def _show_points(self) -> None:
        if self.plane is None:  # it comes with the diagram's first picture
            return
        row = self.row.value - 1
        try:
            self.plane.show(self.found, None if row < 0 else row)
        except UNREADABLE as error:
            self.frame.say(sentence(error))

    def _wait(self) -> None:
        """Look again in a while at a store that is being written."""
        self.document.add_timeout_callback(partial(self._aside, self._read_again, self._renew), PAUSE)

    def _read_again(self) -> tuple[dict[str, int], Explored, Plane]:
        """In a thread: what has been written since, with the values that are drawn."""
        chosen, explored = dict(self.chosen), self.explored.again()
        found = explored.plane(chosen)
        for name in ("status", "sharpness", self.colour.value):
            if name in found.ds:
                found.ds[name].load()
        return chosen, explored, found

    def _renew(self, read: tuple[dict[str, int], Explored, Plane]) -> None:
        chosen, explored, found = read
        if self.left:
            return
        if chosen == self.chosen:
            self.explored, self.found, self.diagram.found = explored, found, found
            self._colour()
            self._show_points()
        if explored.unfinished(found):
            self._wait()

    def leave(self) -> None:
        """No more looks at the store: another page takes the place of this one."""
        self.left = True

    # What is looked at

    def _tapped(self, event: Any) -> None:
        x, y = self.found.edges
        column, row = cell_at(x, event.x), cell_at(y, event.y)
        if column is not None and row is not None:
            self.look(row, column)

    def _point_chosen(self, attr: str, old: list[int], new: list[int]) -> None:
        if len(new) == 1 and self.plane is not None:
            data = self.plane.points.data
            self.look(int(data["i"][new[0]]), int(data["j"][new[0]]))

    def look(self, row: int, column: int) -> None:
        """Show a cell in the slot that is filled, and what takes time when it is there."""
        slot = list(SLOTS)[self.slot.active]
        self.hint.visible = False
        self.looked[slot] = row, column
        self.asked[slot] += 1
        explored, found, asked = self.explored, self.found, self.asked[slot]
        self.diagram.mark(self.looked)

        def show(late: Seen) -> None:
            if self.asked[slot] == asked:
                self.answered[slot] = asked
                self.runs.show(slot, late)

        def follow(late: Seen) -> None:
            show(late)
            self._aside(partial(with_prediction, explored, found, row, column, late), show)

        def early(seen: Seen) -> None:
            if self.answered[slot] != asked:
                show(seen)

        def meanwhile() -> None:
            if self.asked[slot] == asked != self.answered[slot]:
                self._aside(partial(stored, explored, found, row, column), early)

        self._aside(partial(with_run, explored, found, row, column), follow)
        self.document.add_timeout_callback(meanwhile, LONG)

    def _forget(self, slot: str) -> None:
        self.looked.pop(slot, None)
        self.asked[slot] += 1
        self.runs.show(slot, None)
        self.diagram.mark(self.looked)

    # What takes time

    def _aside(self, work: Callable[[], Any], use: Callable[[Any], None]) -> None:
        """Do ``work`` in a thread and ``use`` what it gives in the page; an error is told there."""

        def done() -> None:
            try:
                found = work()
            except (GdbiasError, *UNREADABLE) as error:
                self.document.add_next_tick_callback(partial(self.frame.say, sentence(error)))
                return
            self.document.add_next_tick_callback(partial(use, found))

        Thread(target=done, daemon=True).start()
