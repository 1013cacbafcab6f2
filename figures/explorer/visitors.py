"""What a visitor of the server gets: the page of a store, or a sentence where it cannot be read."""

from typing import Any

from ...theory.errors import GdbiasError
from .explored import UNREADABLE, Explored, sentence
from .frame import Frame
from .page import Page


def visit(document: Any, store: str, predicted: str | None = None) -> None:
    """Fill the document of one visitor with the page of a store as it is now."""
    try:
        explored = Explored.open(store, predicted)
    except (GdbiasError, *UNREADABLE) as error:
        frame = Frame(document, store)
        frame.say(sentence(error))
    else:
        frame = Frame(document, explored.title)
        Page(document, frame, explored)
    frame.show()
