"""How far below ``2 / lr`` the sharpness ends: descent's oscillation must die out before descent can stop.

Along the top eigenvector u the weights are ``w + (-1)^t x u``, and x loses ``2 (1 - lr S / 2)`` of itself in a step.
The oscillation pushes the mean w by ``-lr x^2 T / 2``, ``T = D^3 L(u, u)``, the residual pulls it back, and both die
out together, ``x^2 ~ exp(-rate t)``, so that ``1 - lr S / 2 = rate / 4``. In the linear flow about the end the mean is
``-lr x^2 (lr H - rate)^-1 T / 2`` away from it; x loses the same share at every x if T times this cancels
``x^2 D^4 L(u, u, u, u) / 6``, and that fixes the rate.
"""

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..problem import Problem
from .coordinates import Doubled

BINDING = 1e-4  # relative distance of S from its cap


def undershoot(coordinates: Doubled, problem: Problem, b: np.ndarray, moving: np.ndarray, lr: float) -> float:
    """``1 - lr S / 2`` where descent ends, for the end b (block, d) of the constrained flow with support ``moving``.

    ``sum_i t_i^2 / (lr lambda_i - rate) - |t_0|^2 / rate = D^4 L(u, u, u, u) / (3 lr)``, with ``lambda_i > 0`` the
    eigenvalues of the Hessian H, t the coefficients of T in its eigenvectors, t_0 the part of T at eigenvalue 0.
    0 where one oscillation does not explain the end: S is below ``2 / lr``, or two eigenvalues are at it.
    """
    L, n = coordinates.degree, problem.n
    lr_w = lr * coordinates.rate
    columns = coordinates.columns(problem, moving)  # (rank, c)
    w = b[moving] ** (1 / L)
    jacobian = columns * (L * w ** (L - 1))
    _, singular, directions = np.linalg.svd(jacobian, full_matrices=False)
    values, u = lr_w * singular**2 / n, directions[0]
    if abs(1 - values[0] / 2) > BINDING:
        return 0.0
    curvature = L * (L - 1) * w ** (L - 2)
    first, second = jacobian @ u, columns @ (curvature * u**2)  # derivatives of the residual along u
    third = columns @ (L * (L - 1) * (L - 2) * w ** (L - 3) * u**3) if L > 2 else np.zeros(len(columns))
    T = (2 * curvature * u * (columns.T @ first) + jacobian.T @ second) / n
    t = directions @ T
    rest, fourth = max(T @ T - t @ t, 0.0), (3 * second @ second + 4 * third @ first) / n

    def excess(rate: float) -> float:
        return (t**2 / (values - rate)).sum() - rest / rate - fourth / (3 * lr_w)

    low, high = 1e-12 * values[-1], (1 - 1e-12) * values[-1]
    if not excess(low) < 0 < excess(high):
        return 0.0
    share = float(scipy.optimize.brentq(excess, low, high)) / 4  # type: ignore[arg-type]
    return share if len(values) == 1 or values[1] / 2 < 1 - share else 0.0
