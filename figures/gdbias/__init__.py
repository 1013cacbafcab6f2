"""Which solution gradient descent picks on linear and diagonal networks, and why.

Three rooms: :mod:`gdbias.theory` (what is predicted), :mod:`gdbias.sims` (what happens), :mod:`gdbias.figures` (what we
see). They are imported when they are first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from . import figures, sims, theory

_rooms, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["figures", "sims", "theory"])


def __getattr__(name: str):
    if name == "__version__":
        from importlib.metadata import version  # takes longer than all else here

        return version("gdbias")
    return _rooms(name)
