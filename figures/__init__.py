"""What we see: prediction against measurement. Every figure function returns a matplotlib Figure."""

from typing import TYPE_CHECKING

import lazy_loader

FIGURES = {  # each with its module, and the options of gdbias plot that change it: its keywords, and predict
    "phase_diagram": ("diagram", ("by", "predict", "predicted")),
    "norm_sharpness": ("trade_off", ("init_scale", "endpoints", "panels", "predict", "predicted")),
    "frontier": ("frontier_plane", ("init_scale", "endpoints")),
    "regimes": ("overview", ("init_scale", "endpoints", "runs")),
    "trajectory": ("course", ("panels",)),
    "contrast": ("deep_contrast", ("init_scale", "deep", "predict", "predicted")),
    "spectrum": ("deep_spectrum", ()),
    "bifurcation": ("orbits", ("init_scale", "iterates", "predict")),
    "rules": ("rule_panels", ("init_scale", "endpoints", "panels", "predict")),
    "minimisers": ("one_sample", ("init_scale",)),
}
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={module: [name] for name, (module, _) in FIGURES.items()} | {"look": ["save", "style"]}
)

if TYPE_CHECKING:
    from .course import trajectory
    from .deep_contrast import contrast
    from .deep_spectrum import spectrum
    from .diagram import phase_diagram
    from .frontier_plane import frontier
    from .look import save, style
    from .one_sample import minimisers
    from .orbits import bifurcation
    from .overview import regimes
    from .rule_panels import rules
    from .trade_off import norm_sharpness
