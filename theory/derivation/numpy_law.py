"""The law as array functions: the generated text run on NumPy."""

from functools import lru_cache
from types import SimpleNamespace

import numpy as np

from ..loss import Loss
from .dynamics import Dynamics
from .law import loss_source


@lru_cache(maxsize=64)
def array_law(dynamics: Dynamics) -> SimpleNamespace:
    """The functions of :meth:`Dynamics.source` on NumPy arrays; weights are separate arguments."""
    return _run(dynamics.source("numpy"))


@lru_cache(maxsize=64)
def array_loss(loss: Loss) -> SimpleNamespace:
    """``loss_value``, ``loss_slope`` and ``loss_curvature`` on NumPy arrays."""
    return _run(loss_source(loss, "numpy"))


def _run(text: str) -> SimpleNamespace:
    functions: dict = {"xp": np}
    exec(text, functions)  # text printed from a SymPy tree, never typed by a user
    return SimpleNamespace(**functions)
