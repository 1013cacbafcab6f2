"""Deep networks under the same measures: full-batch descent, gradient flow and sharpness on real images."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .architecture import Network, network
    from .data import Data, load
    from .predictions import predicted
    from .single import descend, flow
    from .sweeps import sweep

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": ["Data", "load"],
        "architecture": ["Network", "network"],
        "predictions": ["predicted"],
        "single": ["descend", "flow"],
        "sweeps": ["sweep"],
    },
)
