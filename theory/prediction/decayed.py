"""Where descent with weight decay ends, for degree 2: the LASSO, whatever the start, the learning rate or momentum.

``w^2 = b`` turns ``decay |theta|^2 / 2`` into an l1 penalty (EXT-2): ``min |C b - y|^2 / (2 n) + p 1 . b, b >= 0``. Its
residual is the point of ``{C^T u <= n p}`` nearest to y, by one problem of non-negative least squares.
"""

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..errors import NoClosedForm
from ..problem import Problem
from .coordinates import Doubled


def penalty(coordinates: Doubled, decay: float) -> float:
    """Of each unit of ``||beta||_1``: ``decay / 2`` for power(2) and difference(2), ``decay`` for product(2)."""
    if coordinates.degree != 2:
        raise NoClosedForm(
            f"{coordinates.model.name}: with weight decay the end is predicted for degree 2, the LASSO; for others it "
            "depends on the start: leave it out, or run it with sims"
        )
    return decay / (2 * coordinates.rate)


def lasso(coordinates: Doubled, problem: Problem, moving: np.ndarray, decay: float) -> np.ndarray:
    """The b (block, d) of the LASSO among the moving coefficients; raises NoClosedForm for degrees other than 2."""
    level = penalty(coordinates, decay) * problem.n
    _, y, _ = problem.projected
    columns, size = coordinates.columns(problem, moving), float(np.linalg.norm(y)) or 1.0
    length = float(np.linalg.norm(columns, 2)) or 1.0
    C, t, level = columns / length, y / size, level / (length * size)
    # The shortest x with C^T x >= h (Lawson and Hanson's LDP), x = y - u, is the fit C b.
    h = C.T @ t - level
    b = np.zeros(moving.shape)
    if (h > 0).any():
        v, _ = scipy.optimize.nnls(np.vstack([C, h]), np.append(np.zeros(len(t)), 1.0), maxiter=100 * len(h))
        b[moving] = v / (1 - h @ v) * size / length
    return b


def sharpness(coordinates: Doubled, problem: Problem, b: np.ndarray) -> float:
    """The largest eigenvalue of the loss's Hessian at b (block, d), the residual's part included."""
    X, y, _ = problem.projected
    columns = np.concatenate([X * sign for sign in coordinates.signs], axis=1)
    half = columns * 2 * np.sqrt(b.ravel())
    pulled = 2 * columns.T @ (X @ coordinates.beta(b) - y)
    H = (half.T @ half + np.diag(pulled)) / problem.n
    return coordinates.rate * float(np.linalg.eigvalsh(H)[-1])
