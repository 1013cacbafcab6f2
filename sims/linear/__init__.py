"""Deep linear networks under the same measures: descent, gradient flow and sharpness of chains of matrices."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .planes import predicted
    from .single import descend, flow
    from .sweeps import sweep

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"planes": ["predicted"], "single": ["descend", "flow"], "sweeps": ["sweep"]}
)
