"""Where gradient descent goes at the edge of stability: mirror flow held inside ``{S <= 2 / lr}``.

With period-2 oscillations of the residual the slow drift of descent points along the normal cone of the
convex set ``{S <= 2 / lr}``: descent follows ``dz/dt in -grad L - N(beta)``, ``z = psi'(b)``, the form that the
central flow (arXiv 2410.24206) takes on diagonal networks. All in the doubled coordinates of ``w^L``.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..errors import GdbiasError, NoInterpolator
from ..problem import Problem
from .coordinates import Doubled

SUBSTEPS = 4  # for a step of gradient descent; the endpoint moves by 0.01 to 0.7 % at 16
SLOW = 0.01  # no weight moves by more of itself in a step of descent: then 2 substeps are as close
LOSS = 1e-11  # at which the flow has ended, for targets of size 1
STEPS = 400_000  # of a quarter of descent's
LEAST_FACTOR = 0.05  # of a weight in one step, where descent itself would change its sign
OVERSHOOT = 1e-7  # relative, of the sharpness over its cap


@dataclass(frozen=True)
class FlowStates:
    """States along a constrained flow, in doubled coordinates.

    Attributes:
        time: ``lr`` times the number of descent steps they stand for, shape (states,).
        b: shape (states, block, d).
        multiplier: the matrix ``int M dt >= 0`` of the push ``-k' diag(X^T M X) / n``, (rank X, rank X), in the
            coordinates of ``Problem.projected``.
    """

    time: np.ndarray
    b: np.ndarray
    multiplier: np.ndarray


def constrained_flow(
    coordinates: Doubled,
    problem: Problem,
    w0: np.ndarray,
    lr: float,
    exact_drift: bool = True,
    record_every: int = 0,
    loss: float = LOSS,
) -> FlowStates:
    """Follow the constrained flow from weights w0 (block, d) until the loss is ``loss`` of the targets' size.

    ``exact_drift`` takes a quarter of descent's own step in z instead of ``-lr grad L / 4``; half of it where that is
    small. ``record_every`` counts steps of descent.

    Raises:
        NoInterpolator: the constraint set holds no interpolator that the flow reaches.
        GdbiasError: the flow did not end.
    """
    lapack = scipy.linalg.lapack
    L, dual, weights = coordinates.degree, coordinates.dual, coordinates.weights
    y = problem.projected[1]
    lr_w = lr * coordinates.rate  # the learning rate of w^L
    moving = w0 > 0
    columns = coordinates.columns(problem, moving)
    w, cap = w0[moving].astype(float), 2 / lr_w

    z, target = dual(w), loss * max(float(y @ y) / (2 * problem.n), 1e-300)
    multiplier = np.zeros((len(y), len(y)))
    limit = cap * (1 + OVERSHOOT) * np.eye(len(y))
    states, times, clock = [], [], 0  # the clock counts substeps
    while clock < STEPS:
        residual = columns @ w**L - y
        if record_every and clock % (record_every * SUBSTEPS) == 0:
            states.append(w)
            times.append(clock / SUBSTEPS * lr)
        if residual @ residual / (2 * problem.n) < target:
            break
        g = columns.T @ residual / problem.n
        change = lr_w * L * w ** (L - 2) * g  # relative, of the weights in a step of descent
        count = 2 if clock % 2 == 0 and abs(change).max() < SLOW else 1
        if exact_drift:
            z = z + count / SUBSTEPS * (dual(w * np.maximum(LEAST_FACTOR, 1 - change)) - dual(w))
        else:
            z = z - count / SUBSTEPS * lr_w * g
        clock += count
        w = weights(z)
        for _ in range(1000):
            if not np.isfinite(w).all():
                raise NoInterpolator(
                    f"{coordinates.model.name}: the constrained flow at lr = {lr:g} left its domain: use a smaller lr"
                )
            scaled = columns * w ** (L - 1)
            kernel = scaled @ scaled.T * (L**2 / problem.n)
            if not lapack.dpotrf(limit - kernel)[
                1
            ]:  # positive definite: S is below its cap, and no eigenvector is needed
                break
            values, vectors, _ = lapack.dsyev(kernel)
            if values[-1] <= cap * (1 + OVERSHOOT):
                break
            top = vectors[:, -1]
            m = 2 * L * (L - 1) * w ** (L - 2) * (columns.T @ top) ** 2 / problem.n
            push = (values[-1] - cap) / (L**2 * (m * w ** (L - 1)) @ (m * w ** (L - 1)))
            z, multiplier = z - push * m, multiplier + push * np.outer(top, top)
            w = weights(z)
    else:
        raise GdbiasError(
            f"{coordinates.model.name}: the constrained flow at lr = {lr:g} did not end within {STEPS // SUBSTEPS} "
            "steps: use a smaller lr, or method='bregman'"
        )

    def full(w):
        b = np.zeros(w0.shape)
        b[moving] = w**L
        return b

    times.append(clock / SUBSTEPS * lr)
    return FlowStates(np.array(times), np.array([full(v) for v in [*states, w]]), multiplier)
