"""The places of a page, which its parts are put into, and the theme around them."""

import re
from collections.abc import Callable
from html import escape
from typing import Any

from .bokeh_door import bk, events, models
from .looks import PAGE, TEXT

bk.core.validation.silence(bk.core.validation.warnings.EMPTY_LAYOUT, True)  # parts are filled later, or never
UNUSED = re.compile(r'src="[^"]*bokeh-(mathjax|tables|gl)[.]')  # half of the script that a browser would read first
PARTS = ("form", "choices", "note", "diagram", "told", "panels")


class Frame:
    """An empty page in a document; ``put`` fills a part of it, ``say`` tells one sentence."""

    def __init__(self, document: Any, title: str):
        wide = dict(sizing_mode="stretch_width")
        self.parts = {name: bk.layouts.column(name=f"{name} part", **wide) for name in PARTS}
        self.note = models.Div(text="", name="note", stylesheets=TEXT, **wide)
        self.parts["note"].children = [self.note]
        self.document, document.title = document, title
        self.shown, self.waiting = False, list[Callable[[], None]]()
        document.on_event(events.DocumentReady, self._drawn)
        document.template = bk.core.templates.get_env().from_string(PAGE, globals={"unused": UNUSED})

    def put(self, name: str, *children: Any) -> None:
        self.parts[name].children = list(children)

    def once_shown(self, work: Callable[[], None]) -> None:
        """Do what can wait for the first picture when the browser has drawn it; at once if it has."""
        if self.shown:
            work()
        else:
            self.waiting.append(work)

    def _drawn(self, event: Any) -> None:
        self.shown, waiting, self.waiting = True, self.waiting, []
        for work in waiting:
            work()

    def show(self) -> None:
        """Give the parts to the document: once they are filled, for it looks through all of them at each change."""
        with self.document.models.freeze():
            for part in self.parts.values():
                self.document.add_root(part)

    def say(self, sentence: str) -> None:
        """A sentence at the top of the page, as plain text."""
        self.note.text = escape(sentence)
