"""The verb ``gdbias explore``: a stored result in the browser, every cell a run."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from ...sims.store.place import check_file
from .effect import require_effect
from .predict_verb import say
from .text_file import write_text


@dataclass(frozen=True)
class Explore:
    """Look at a stored result in the browser: a diagram whose every cell is a run that a click makes again."""

    store: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="STORE")] = None
    """Folder or URL that a sweep wrote, or one that a sweep is writing. Without one a problem is made in the page."""
    predicted: str | None = None
    """Folder that gdbias predict, or gdbias deep --predict, wrote for the same cells."""
    port: int = 0
    """Port of the server; a free one unless given."""
    host: str = "127.0.0.1"
    """Address of this machine to serve at; the default is reached from this machine alone."""
    browser: bool = True
    """Open the page in the browser."""
    html: Path | None = None
    """Write one file that needs no server instead, with some of the runs in it."""

    def __call__(self) -> None:
        if self.store is None:
            require_effect(self, dict.fromkeys(("html", "predicted"), ("a store",)), "a problem made in the page")
        if self.html is not None:
            require_effect(self, dict.fromkeys(("port", "host", "browser"), ("a server",)), "--html")
            check_file(self.html)  # before the work
        from ..explorer.explored import Explored  # Bokeh
        from ..explorer.service import serve
        from ..explorer.standalone import single_file
        from ..explorer.visitors import visit

        if self.store is not None:
            explored = Explored.open(self.store, self.predicted)  # a wrong store is an error here, and no page
            if self.html is not None:
                write_text(self.html, single_file(explored, say))
                return
        serve(partial(visit, store=self.store, predicted=self.predicted), self.host, self.port, self.browser, say)
