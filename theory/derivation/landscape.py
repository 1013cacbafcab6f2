"""The loss of a model's weights on data: what descent walks on, asked at many points at once."""

from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from ..lanczos import Sharpness, largest_eigenvalues
from ..problem import Problem
from .dynamics import Dynamics
from .hessian import Hessian, columns, rows, stacked

DIVERGENCE = 1e6  # times max(1, first loss)


@dataclass(frozen=True, eq=False)
class Landscape:
    """``L(theta) = (1/n) sum_j l((X beta(theta))_j, y_j)`` at points theta of shape (point, weight, feature).

    Vectors in the weights have that shape too, coefficients beta (point, feature). Array programs and the law take
    each weight by itself, with the points behind: (feature, ...), and predictions ``f = X beta`` (sample, ...).

    Attributes:
        rotated: whether the samples are those of :attr:`Problem.projected`, or as they are.
    """

    dynamics: Dynamics
    problem: Problem
    rotated: bool = True

    @cached_property
    def law(self) -> SimpleNamespace:
        """The functions of the law on arrays, each weight by itself."""
        return self.dynamics.law.arrays

    @cached_property
    def samples(self) -> tuple[np.ndarray, np.ndarray, float]:
        """``(X, y, floor)``: the samples, and what no coefficients can take from the loss."""
        return self.problem.projected if self.rotated else (self.problem.X, self.problem.y, 0.0)

    @property
    def stepped(self) -> "Landscape":
        """The same on the samples that steps are made on: as they are where the rule draws from them."""
        return replace(self, rotated=False) if self.dynamics.rule.stochastic else self

    def predictions(self, *weights: np.ndarray) -> np.ndarray:
        """``f = X beta``, shape (sample, ...), at weights of shape (feature, ...) each."""
        return self.samples[0] @ self.law.effective(*weights)

    def targets(self, f: np.ndarray) -> np.ndarray:
        """The targets shaped to go with predictions (sample, ...)."""
        return self.samples[1].reshape(-1, *(1,) * (f.ndim - 1))

    def mean_loss(self, f: np.ndarray) -> np.ndarray:
        """The loss of predictions (sample, ...) above the floor of the samples, shape (...)."""
        return (self.law.loss_value(f, self.targets(f)) + np.zeros(f.shape)).sum(axis=0) / self.problem.n

    def slope(self, f: np.ndarray) -> np.ndarray:
        """``g = dL/dbeta = X^T l'(f, y) / n``, shape (feature, ...), at predictions (sample, ...)."""
        return self.pulled(self.law.loss_slope(f, self.targets(f)))

    def pulled(self, values: np.ndarray) -> np.ndarray:
        """``X^T v / n`` of one value a sample, shape (feature, ...)."""
        return self.samples[0].T @ values / self.problem.n

    def beta(self, theta: np.ndarray) -> np.ndarray:
        """The coefficients, shape (point, feature)."""
        return self.law.effective(*columns(theta)).T

    def divergence_limits(self, theta: np.ndarray) -> np.ndarray:
        """The loss above the floor at which runs from each of the points have diverged, shape (point,)."""
        return divergence_limit(self.problem.loss_at(self.beta(theta)) - self.problem.projected[2])

    def hessian(self, theta: np.ndarray, adaptive: bool = False, scale: np.ndarray | None = None) -> Hessian:
        """The Hessian at each point; with a ``scale`` ``diag(scale) H diag(scale)``.

        With ``adaptive`` the scale is ``|theta|``, of relative changes.
        """
        points, law = columns(theta), self.law
        f = self.predictions(*points)
        g, shape = self.slope(f), points.shape[1:]
        seconds = law.curvature(*points)
        diagonal = np.empty((len(seconds), *shape))
        for pair, second in enumerate(seconds):
            diagonal[pair] = g * second
        hessian = Hessian(
            self.samples[0],
            stacked(law.jacobian(*points), shape),
            diagonal,
            np.full(f.shape, law.loss_curvature(f, self.targets(f)) / self.problem.n),
        )
        scale = np.abs(theta) if adaptive else scale
        return hessian if scale is None else hessian.scaled(columns(scale))

    def hessian_product(self, theta: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """``H v``, one vector a point."""
        return rows(self.hessian(theta) @ columns(vectors))

    def dense_hessian(self, theta: np.ndarray) -> np.ndarray:
        """The Hessian at one point (weight, feature), shape (m d, m d), weights outermost."""
        size = theta.size
        basis = np.eye(size).reshape(*theta.shape, size)
        points = np.broadcast_to(theta, (size, *theta.shape))
        return (self.hessian(points) @ basis).reshape(size, size)

    def trace(self, theta: np.ndarray) -> np.ndarray:
        """The trace of the Hessian at each point, shape (point,), exact."""
        return self.hessian(theta).trace()

    def sharpness(self, theta: np.ndarray, start: np.ndarray | None = None, adaptive: bool = False) -> Sharpness:
        """Largest algebraic Hessian eigenvalue at each point; at a minimum this equals the operator norm.

        By :func:`gdbias.theory.lanczos.largest_eigenvalues`, from ``start`` where given: read ``residual``. Points
        that are not finite give NaN. With ``adaptive``, of ``diag|theta| H diag|theta|``, the adaptive sharpness
        (2102.11600).
        """
        exponent = np.zeros(len(theta), dtype=int)

        def operator(part: np.ndarray) -> Hessian:
            hessian, exponent[part] = self.hessian(theta[part], adaptive).near_one()
            return hessian

        finite = np.asarray(np.isfinite(theta).all(axis=(1, 2)))
        found = largest_eigenvalues(operator, finite, theta.shape[1:], None if start is None else columns(start))
        found = found._replace(value=np.ldexp(found.value, exponent), residual=np.ldexp(found.residual, exponent))
        return found._replace(vector=rows(found.vector))


def divergence_limit(first):
    """The loss from which a run has diverged, by its first one: ``1e6 max(1, L_0)``."""
    return DIVERGENCE * np.maximum(1.0, first)
