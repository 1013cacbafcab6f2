"""The verb ``gdbias explore``: a stored result in the browser, every cell a run."""

import sys
from dataclasses import dataclass
from functools import partial

import tyro


@dataclass(frozen=True)
class Explore:
    """Look at a stored result in the browser: a diagram whose every cell is a run that a click makes again.

    gdbias explore runs.zarr --predicted plane.zarr
    """

    store: tyro.conf.Positional[str]
    """Folder or URL that a sweep wrote, or one that a sweep is writing."""
    predicted: str | None = None
    """Folder that gdbias predict, or gdbias deep --predict, wrote for the same cells."""
    port: int = 0
    """Port of the server; a free one unless given."""
    host: str = "127.0.0.1"
    """Address of this machine to serve at; the default is reached from this machine alone."""
    browser: bool = True
    """Open the page in the browser."""

    def __call__(self) -> None:
        from ..explorer.explored import Explored  # Bokeh
        from ..explorer.service import serve
        from ..explorer.visitors import visit

        Explored.open(self.store, self.predicted)  # a wrong store is an error here, before there is a page
        fill = partial(visit, store=self.store, predicted=self.predicted)
        serve(fill, self.host, self.port, self.browser, lambda text: print(text, file=sys.stderr, flush=True))
