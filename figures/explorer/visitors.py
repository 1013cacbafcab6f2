"""What a visitor of the server gets: the page of a store, a sentence where it cannot be read, or a live problem."""

from typing import Any

from ...theory.errors import GdbiasError
from .explored import UNREADABLE, Explored, sentence
from .frame import Frame
from .live import Live
from .page import Page


def visit(document: Any, store: str | None, predicted: str | None = None) -> None:
    """Fill the document of one visitor with the page of a store as it is now, or with a problem made there."""
    if store is None:
        Live(document)
        return
    try:
        explored = Explored.open(store, predicted)
    except (GdbiasError, *UNREADABLE) as error:
        frame = Frame(document, store)
        frame.say(sentence(error))
    else:
        frame = Frame(document, explored.title)
        Page(document, frame, explored)
    frame.show()
