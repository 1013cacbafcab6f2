"""What happens: runs of gradient descent and gradient flow, one or many. Draws nothing."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from . import checks, deep, linear, store
    from .average import paired
    from .checks import verify
    from .compare import compare
    from .descend import descend
    from .estimate import estimate
    from .flow import flow
    from .grid import Grid
    from .phase import Phase
    from .rebuild import rebuild, rebuild_rule
    from .status import Status
    from .sweep import sweep

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["checks", "deep", "linear", "store"],
    submod_attrs={
        "average": ["paired"],
        "checks": ["verify"],
        "compare": ["compare"],
        "descend": ["descend"],
        "estimate": ["estimate"],
        "flow": ["flow"],
        "grid": ["Grid"],
        "phase": ["Phase"],
        "rebuild": ["rebuild", "rebuild_rule"],
        "status": ["Status"],
        "sweep": ["sweep"],
    },
)
