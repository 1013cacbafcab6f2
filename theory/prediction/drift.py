"""Where rules that never rest go on: along the interpolators to less sharpness.

Across the minimum a rule swings along the top eigenvector, and takes its gradients at a distance a to both sides. Their
mean is that of ``a^2 S / 2``, whose part along the interpolators nothing else cancels: a step of speed c moves by
``-c a^2 / 2 grad S`` there (2205.09745 for normalized steps, 2211.05729 for sharpness-aware ones). In the mirror
coordinate z that is a move of the effective start by ``-c a^2 / 2 rate dS/db``; the rule is where flow ends from there.
"""

from collections.abc import Callable

import numpy as np

from ..derivation.landscape import Landscape
from ..errors import GdbiasError, NoInterpolator
from .coordinates import Doubled
from .effective_starts import doubled_weights, moved_start
from .flow_endpoint import FlowEndpoint, end_of_moved

PIECE = 0.1  # of the sharpness, which grad S alone would take from it in one piece
MOST = 600  # pieces


def drifted(
    landscape: Landscape, coordinates: Doubled, theta: np.ndarray, steps: float, push: Callable[[float], float]
) -> FlowEndpoint:
    """The end of flow from a start theta (weight, d) that drifts for so many steps; ``push(S)`` is ``c a^2``.

    Raises:
        GdbiasError: a drift of more than 600 pieces, in each of which a tenth of the sharpness could go, or to starts
            that floats do not hold.
    """
    problem, L = landscape.problem, coordinates.degree
    lost, done = np.zeros((len(coordinates.signs), problem.d)), 0.0
    for _ in range(MOST):
        start = moved_start(coordinates, theta, -lost)
        try:
            end = end_of_moved(landscape, start)
        except NoInterpolator:  # the start is too small for floats
            break
        if done >= steps:
            return end
        w = np.abs(doubled_weights(coordinates, end.theta))
        kernel = (problem.X * coordinates.tangent(w**L)) @ problem.X.T / problem.n
        values, vectors = np.linalg.eigh(kernel)
        slope = coordinates.rate * L * (2 * L - 2) * w ** (L - 2) * (vectors[:, -1] @ problem.X) ** 2 / problem.n
        pace = push(float(values[-1])) / 2 * coordinates.rate * slope
        fall = float((slope * L**2 * w ** (2 * L - 2) * pace).sum())  # db/dz = L^2 w^(2 L - 2)
        taken = min(steps - done, PIECE * float(values[-1]) / fall) if fall else steps - done
        lost, done = lost + taken * pace, done + taken
    raise GdbiasError(
        f"{coordinates.model.name}: {steps:.0f} steps drift farther than was followed, towards the flattest "
        "interpolator (theory.frontier): ask for fewer, or run them with sims"
    )
