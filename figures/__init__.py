"""What we see: prediction against measurement. Every figure function returns a matplotlib Figure."""

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "orbits": ["bifurcation"],
        "deep_contrast": ["contrast"],
        "frontier_plane": ["frontier"],
        "trade_off": ["norm_sharpness"],
        "diagram": ["phase_diagram"],
        "overview": ["regimes"],
        "look": ["save", "style"],
        "course": ["trajectory"],
    },
)

if TYPE_CHECKING:
    from .course import trajectory
    from .deep_contrast import contrast
    from .diagram import phase_diagram
    from .frontier_plane import frontier
    from .look import save, style
    from .orbits import bifurcation
    from .overview import regimes
    from .trade_off import norm_sharpness
