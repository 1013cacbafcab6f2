"""The command line: gdbias and its verbs."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .command import main

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"command": ["main"]})
