"""What happens: runs of gradient descent and gradient flow, one or many. Draws nothing."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from . import checks, claims, deep, linear, store
    from .checks import verify
    from .claims import reproduce
    from .cost import estimate
    from .descent import descend
    from .gradient_flow import flow
    from .grid import Grid
    from .measure.average import paired
    from .predictions.comparison import compare
    from .predictions.planes import predicted
    from .remake import rebuild, rebuild_rule, rebuild_rules
    from .status import Phase, Status
    from .sweeps import sweep

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["checks", "claims", "deep", "linear", "store"],
    submod_attrs={
        "measure.average": ["paired"],
        "checks": ["verify"],
        "claims": ["reproduce"],
        "descent": ["descend"],
        "cost": ["estimate"],
        "gradient_flow": ["flow"],
        "grid": ["Grid"],
        "predictions.comparison": ["compare"],
        "predictions.planes": ["predicted"],
        "remake": ["rebuild", "rebuild_rule", "rebuild_rules"],
        "status": ["Phase", "Status"],
        "sweeps": ["sweep"],
    },
)
