"""How far below ``2 / lr`` the sharpness ends: descent's oscillation must die out before descent can stop.

Along the top eigenvector u the weights are ``w + (-1)^t x u``, and x loses ``2 (1 - lr S / 2)`` of itself in a step.
The oscillation pushes the mean w by ``-lr x^2 T / 2``, ``T = D^3 L(u, u)``, the residual pulls it back, and both die
out together, ``x^2 ~ exp(-rate t)``, so that ``1 - lr S / 2 = rate / 4``. In the linear flow about the end the mean is
``-lr x^2 (lr H - rate)^-1 T / 2`` away from it; x loses the same share at every x if T times this cancels
``x^2 D^4 L(u, u, u, u) / 6``, and that fixes the rate.
"""

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from .constrained import Edge

BINDING = 1e-4  # relative distance of S from its cap
PINNED = 1e-3  # the same of an eigenvalue that was held there
TWO = 0.6  # of the law of one direction, where two are pinned: a fit


class Modes:
    """The tangent kernel at the end b (block, d) of descent at the edge, by its eigenvectors.

    Attributes:
        shares: ``lr lambda / 2`` of its eigenvalues, descending.
    """

    def __init__(self, edge: Edge, b: np.ndarray):
        self.L, self.n, self.lr = edge.coordinates.degree, edge.problem.n, edge.lr * edge.coordinates.rate
        self.columns = edge.columns
        self.w = b[edge.moving] ** (1 / self.L)
        self.jacobian = self.columns * (self.L * self.w ** (self.L - 1))
        self.samples, singular, self.directions = np.linalg.svd(self.jacobian, full_matrices=False)
        self.shares = self.lr * singular**2 / self.n / 2

    @property
    def pinned(self) -> int:
        """Eigenvalues that are held at ``2 / lr``."""
        return int((self.shares > 1 - PINNED).sum())

    @property
    def slopes(self) -> np.ndarray:
        """Derivatives in w of the matrix whose largest eigenvalue is held, up to a factor, shape (pairs, moving)."""
        along = self.samples[:, : max(1, self.pinned)].T @ self.columns
        first, second = np.triu_indices(len(along))
        return along[first] * along[second] * self.w ** (2 * self.L - 3)

    def undershoot(self, u: np.ndarray) -> float:
        """``1 - lr S / 2`` for oscillation along u, at the lr at which the top eigenvalue is ``2 / lr``.

        ``sum_i t_i^2 / (lr lambda_i - rate) - |t_0|^2 / rate = D^4 L(u, u, u, u) / (3 lr)``, with ``lambda_i > 0`` the
        eigenvalues of the Hessian H, t the coefficients of T in its eigenvectors, t_0 the part of T at eigenvalue 0.
        0 where no rate balances them.
        """
        L, n, w, columns, jacobian = self.L, self.n, self.w, self.columns, self.jacobian
        values, lr = 2 * self.shares / self.shares[0], self.lr / self.shares[0]
        if not values[-1] > 0:  # samples that nothing fits but coefficients of 0
            return 0.0
        curvature = L * (L - 1) * w ** (L - 2)
        first, second = jacobian @ u, columns @ (curvature * u**2)  # derivatives of the residual along u
        third = columns @ (L * (L - 1) * (L - 2) * w ** (L - 3) * u**3) if L > 2 else np.zeros(len(columns))
        T = (2 * curvature * u * (columns.T @ first) + jacobian.T @ second) / n
        t = self.directions @ T
        rest, fourth = max(T @ T - t @ t, 0.0), (3 * second @ second + 4 * third @ first) / n

        def excess(rate: float) -> float:
            return (t**2 / (values - rate)).sum() - rest / rate - fourth / (3 * lr)

        low, high = 1e-12 * values[-1], (1 - 1e-12) * values[-1]
        if not excess(low) < 0 < excess(high):
            return 0.0
        return float(scipy.optimize.brentq(excess, low, high)) / 4  # type: ignore[arg-type]

    def most_pushed(self, push: np.ndarray) -> np.ndarray:
        """Of the two first directions the combination that the matrix of the whole push (rank, rank) moved most."""
        span = self.samples[:, :2]
        u = self.jacobian.T @ (span @ np.linalg.eigh(span.T @ push @ span)[1][:, -1])
        return u / np.linalg.norm(u)


def undershoot(modes: Modes, push: np.ndarray) -> tuple[float, bool]:
    """``1 - lr S / 2`` where descent ends, for the modes at the end of the constrained flow.

    It is the law of one oscillation, or what leaves the second eigenvalue where it is; ``push`` (rank, rank) is the
    matrix of the whole push. 0 where no oscillation explains the end: S stays below, or three are pinned. And whether
    several are.
    """
    second, pinned = float(modes.shares[1]) if len(modes.shares) > 1 else 0.0, modes.pinned
    if modes.shares[0] > 1 - BINDING and pinned == 2:
        return TWO * modes.undershoot(modes.most_pushed(push)), True
    if pinned > 2:
        return 0.0, True
    alone = modes.undershoot(modes.directions[0])
    if modes.shares[0] > 1 - BINDING:
        return min(alone, 1 - second), False
    return (alone if second < 1 - alone else 0.0), pinned > 1
