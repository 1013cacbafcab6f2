"""The law as array functions: the generated text run on NumPy."""

from functools import lru_cache
from types import SimpleNamespace

from ..elementwise import on_arrays
from .dynamics import Dynamics


@lru_cache(maxsize=64)
def array_law(dynamics: Dynamics) -> SimpleNamespace:
    """The functions of :meth:`Dynamics.source` on NumPy arrays; weights are separate arguments."""
    return on_arrays(dynamics.source("numpy"))
