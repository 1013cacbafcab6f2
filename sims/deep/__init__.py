"""Deep networks under the same measures: full-batch descent, gradient flow and sharpness on real images."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .data import Data, load
    from .network import Network, network
    from .single import descend, flow
    from .sweep import sweep

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": ["Data", "load"],
        "network": ["Network", "network"],
        "single": ["descend", "flow"],
        "sweep": ["sweep"],
    },
)
