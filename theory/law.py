"""The law as array functions: the generated text run on NumPy, or on any module with its interface."""

from functools import lru_cache
from types import ModuleType, SimpleNamespace

import numpy as np

from .derive import Dynamics
from .loss import Loss
from .source import loss_source


@lru_cache(maxsize=64)
def array_law(dynamics: Dynamics, xp: ModuleType = np) -> SimpleNamespace:
    """The functions of :meth:`Dynamics.source` on arrays of ``xp``; weights are separate arguments."""
    return _run(dynamics.source("numpy"), xp)


@lru_cache(maxsize=64)
def array_loss(loss: Loss) -> SimpleNamespace:
    """``loss_value``, ``loss_slope`` and ``loss_curvature`` on NumPy arrays."""
    return _run(loss_source(loss, "numpy"), np)


def _run(text: str, xp: ModuleType) -> SimpleNamespace:
    functions: dict = {"xp": xp}
    exec(text, functions)  # text printed from a SymPy tree, never typed by a user
    return SimpleNamespace(**functions)
