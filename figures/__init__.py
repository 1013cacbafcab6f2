"""What we see: prediction against measurement. Every figure function returns a matplotlib Figure."""

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bifurcation": ["bifurcation"],
        "contrast": ["contrast"],
        "frontier": ["frontier"],
        "norm_sharpness": ["norm_sharpness"],
        "phase_diagram": ["phase_diagram"],
        "regimes": ["regimes"],
        "style": ["save", "style"],
        "trajectory": ["trajectory"],
    },
)

if TYPE_CHECKING:
    from .bifurcation import bifurcation
    from .contrast import contrast
    from .frontier import frontier
    from .norm_sharpness import norm_sharpness
    from .phase_diagram import phase_diagram
    from .regimes import regimes
    from .style import save, style
    from .trajectory import trajectory
