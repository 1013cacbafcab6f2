"""Many points a stretch at a time, whose arrays stay near the core that takes it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..engine.numba.lanes import LANES
from ..machine import cores

NUMBERS = 1 << 16  # weights of a stretch, and no less than a block of points


def over_pieces(function: Callable[[slice], dict[str, np.ndarray]], theta: np.ndarray) -> dict[str, np.ndarray]:
    """What a function finds of each stretch of points theta (point, weight, feature), put together; over the cores."""
    width = LANES * max(1, NUMBERS // (LANES * max(1, theta[:1].size)))

    def piece(at: int) -> dict[str, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            return function(slice(at, at + width))

    begins = range(0, max(len(theta), 1), width)
    if len(begins) == 1:
        return piece(0)
    with ThreadPoolExecutor(cores()) as pool:
        found = list(pool.map(piece, begins))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}
