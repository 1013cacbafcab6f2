"""Where rules that never rest go on: along the interpolators, to less of the curvature across which they swing.

A rule takes its gradients at ``theta + y`` and ``theta - y`` in turn. Their mean is ``D^3 L(y, y) / 2``, whose part
along the interpolators nothing else cancels (2205.09745 for normalized steps, 2211.05729 for sharpness-aware ones). In
the mirror coordinate z of the doubled weights w, with ``a = X J y``, a step of speed c moves by

    ``dz = -c rate (L - 1) X^T a / n y_w / w``,

which is a move of the effective start, as that of a lag is: the rule is where flow ends from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..derivation.landscape import Landscape
from ..errors import GdbiasError, NoInterpolator
from .coordinates import Doubled
from .effective_starts import doubled_weights, moved_start
from .flow_endpoint import FlowEndpoint, end_of_moved
from .swings import Swing

PIECE = 0.1  # of the curvature, which the drift alone would take from it in one piece
MOST = 600  # pieces
TURNS = 1000  # of signs
STEPS = 3000  # to the first of them

Across = Callable[[Landscape, Doubled, np.ndarray], tuple[np.ndarray, float]]


def drifted(
    landscape: Landscape, coordinates: Doubled, theta: np.ndarray, steps: float, across: Across
) -> FlowEndpoint:
    """The end of flow from a start theta (weight, d) that drifts for so many steps.

    ``across`` tells at weights (weight, d) what z loses in a step, (block, d), and the share that the curvature does.

    Raises:
        GdbiasError: a drift of more than 600 pieces, in each of which a tenth of the curvature could go, or to starts
            that floats do not hold.
    """
    lost, done = np.zeros((len(coordinates.signs), landscape.problem.d)), 0.0
    for _ in range(MOST):
        start = moved_start(coordinates, theta, -lost)
        try:
            end = end_of_moved(landscape, start)
        except (NoInterpolator, np.linalg.LinAlgError):  # the start is too small for floats
            break
        if done >= steps:
            return end
        pace, share = across(landscape, coordinates, end.theta)
        taken = min(steps - done, PIECE / share) if share else steps - done
        lost, done = lost + taken * pace, done + taken
    raise GdbiasError(
        f"{coordinates.model.name}: {steps:.0f} steps drift farther than was followed, towards the flattest "
        "interpolator (theory.frontier): ask for fewer, or run them with sims"
    )


@dataclass(frozen=True)
class AcrossTop:
    """Swings along the top eigenvector, of sharpness S: z loses ``push(S) / 2 rate dS/db``."""

    swing: Swing

    def __call__(self, landscape: Landscape, coordinates: Doubled, theta: np.ndarray) -> tuple[np.ndarray, float]:
        problem, L = landscape.problem, coordinates.degree
        w = np.abs(doubled_weights(coordinates, theta))
        kernel = (problem.X * coordinates.tangent(w**L)) @ problem.X.T / problem.n
        values, vectors = np.linalg.eigh(kernel)
        slope = coordinates.rate * L * (2 * L - 2) * w ** (L - 2) * (vectors[:, -1] @ problem.X) ** 2 / problem.n
        pace = self.swing.push(float(values[-1])) / 2 * coordinates.rate * slope
        fall = (slope * L**2 * w ** (2 * L - 2) * pace).sum()  # db/dz = L^2 w^(2 L - 2)
        return pace, float(fall / values[-1])

    def displaced(self, landscape: Landscape, theta: np.ndarray) -> np.ndarray:
        """How far the weights are from theta on one side, (weight, d)."""
        A = _residuals(landscape, theta)
        values, vectors = np.linalg.eigh(A @ A.T)
        top = vectors[:, -1] @ A
        return (self.swing.size(float(values[-1])) * top / np.linalg.norm(top)).reshape(theta.shape)


def _residuals(landscape: Landscape, theta: np.ndarray) -> np.ndarray:
    """``X J / sqrt(n)`` at theta (weight, d), of shape (n, weight d): its square is the Hessian of a minimum there."""
    problem = landscape.problem
    slopes = np.array([slope + np.zeros(problem.d) for slope in landscape.law.jacobian(*theta)])
    return (problem.X[:, None, :] * slopes).reshape(problem.n, -1) / np.sqrt(problem.n)


@dataclass
class AcrossSigns:
    """Swings of descent whose ascent is ``rho sign(g)``, at the signs s that they turn over in each step.

    On a quadratic ``delta <- delta - lr H (delta + rho s)``, ``s = sign(H delta)``, turns over where
    ``delta = lr rho (2 - lr H)^-1 H s``: then ``y = delta + rho s``, and s is a fixed point of
    ``s -> sign((2 - lr H)^-1 H^2 s)``. There are several, as for many samples: the first is that to which the steps
    come from ``begun``, and then each from the one before.

    Attributes:
        begun: the residual ``X beta - y`` at arrival, (n,).
    """

    lr: float
    rho: float
    begun: np.ndarray
    signs: np.ndarray = field(default_factory=lambda: np.empty(0), init=False)  # the last ones, (weight d,)

    def __call__(self, landscape: Landscape, coordinates: Doubled, theta: np.ndarray) -> tuple[np.ndarray, float]:
        problem, L = landscape.problem, coordinates.degree
        y, a = self.swing(landscape, theta)
        w = doubled_weights(coordinates, theta)
        along = np.divide(doubled_weights(coordinates, y), w, out=np.zeros_like(w), where=w != 0)
        force = (L - 1) * coordinates.signs[:, None] * (a @ problem.X / problem.n) * along
        pace = self.lr * coordinates.rate * force
        fall = (2 * force * L**2 * w ** (2 * L - 2) * pace).sum()  # db/dz = L^2 w^(2 L - 2)
        return pace, float(fall / (a @ a / problem.n))

    def swing(self, landscape: Landscape, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y of the shape of theta, and ``a = X J y``, (n,)."""
        A = _residuals(landscape, theta)
        y = self._turned(A) + self.rho * self.signs
        return y.reshape(theta.shape), np.sqrt(landscape.problem.n) * (A @ y)

    def displaced(self, landscape: Landscape, theta: np.ndarray) -> np.ndarray:
        """delta, (weight, d): how far the weights are from theta on one side."""
        return self._turned(_residuals(landscape, theta)).reshape(theta.shape)

    def _turned(self, A: np.ndarray) -> np.ndarray:
        """delta, (weight d,), at the signs that are kept from here on."""
        values, vectors = np.linalg.eigh(A @ A.T)
        signs = self.signs if self.signs.size else self._first(A)

        def ahead() -> np.ndarray:
            return vectors @ (vectors.T @ (A @ signs) / (2 - self.lr * values))

        for _ in range(TURNS):
            turned = np.sign((vectors @ (values * (vectors.T @ ahead()))) @ A)
            if (turned == signs).all():
                break
            signs = turned
        self.signs = signs
        return self.lr * self.rho * (ahead() @ A)

    def _first(self, A: np.ndarray) -> np.ndarray:
        """The signs to which the steps come in residuals ``q = A delta``."""
        kernel, q = A @ A.T, self.begun / np.sqrt(len(A))
        for _ in range(STEPS):
            q = q - self.lr * kernel @ (q + self.rho * (A @ np.sign(q @ A)))
        return np.sign(q @ A)
