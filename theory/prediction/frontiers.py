"""The norm-sharpness frontier: the least norm of an interpolator at every sharpness, as a convex program.

For interpolators ``S = lambda_max(X diag(k(b)) X^T) / n`` with k convex in the doubled coordinates b >= 0,
so ``{S <= s}`` is convex: ``min ||beta||_1  s.t.  X beta = y, S <= s``. Its ends are the norm minimiser and the
sharpness minimiser of arXiv 2505.21423, here for any number of samples. No learning rate above
``lr_max = 2 / sharpness_min`` has a stable interpolator.
"""

from dataclasses import dataclass

import numpy as np

from ..blas import one_thread
from ..parameterization import Parameterization, require_model
from ..problem import Problem, require_problem
from ..validate import whole
from .coordinates import doubled
from .interpolators import Interpolators

SLACK = 1e-7  # relative, by which an end of the frontier is relaxed to choose among its minimisers


@dataclass(frozen=True, eq=False, repr=False)
class Frontier:
    """Interpolators of least l1 norm at given sharpness, from the norm minimiser to the sharpness minimiser.

    Attributes:
        sharpness: shape (points,), falling; in units of the loss over the squared weights.
        l1_norm: ``||beta||_1``, shape (points,), rising.
        l2_norm: ``||beta||_2``, shape (points,).
        beta: shape (points, d).
        test_risk: shape (points,), None without held-out samples.
        l1_bound: shape (points,), a value that ``||beta||_1`` of no interpolator of at most this sharpness is below.
    """

    sharpness: np.ndarray
    l1_norm: np.ndarray
    l2_norm: np.ndarray
    beta: np.ndarray
    test_risk: np.ndarray | None
    l1_bound: np.ndarray

    def __repr__(self) -> str:
        (s, *_, t), (a, *_, b) = self.sharpness, self.l1_norm
        return f"Frontier({len(self.beta)} points, sharpness {s:.4g} to {t:.4g}, l1_norm {a:.4g} to {b:.4g})"

    @property
    def sharpness_min(self) -> float:
        """The least sharpness of any interpolator."""
        return float(self.sharpness[-1])

    @property
    def lr_max(self) -> float:
        """``2 / sharpness_min``: above it no interpolator is linearly stable."""
        return 2 / self.sharpness_min


@one_thread
def frontier(model: Parameterization, problem: Problem, points: int = 50) -> Frontier:
    """The least ``||beta||_1`` of an interpolator at each of ``points`` values of the sharpness.

    The values are dense at the sharpness minimiser, where the norm may rise as a square root.

    Raises:
        NoInterpolator: no interpolator exists: the wrong signs for the model, or noise with n > d.
        NoClosedForm: a model or loss without a convex frontier.
        InputError: no model, no problem, or fewer than 2 points.
    """
    coordinates, points = doubled(require_model(model)), whole("points", points, 2, 100_000)
    kit = Interpolators(coordinates, require_problem(problem))
    first, (flat, _) = kit.flattest_of_least_norm(), kit.flattest()
    low = kit.sharpness_of(flat) * (1 + SLACK)
    high = max(kit.sharpness_of(first[0]), low)
    levels = low * (high / low) ** (np.linspace(1, 0, points)[1:] ** 2)
    found, bounds = zip(first, *kit.least_norms(levels[::-1])[::-1], strict=True)
    beta = np.array([kit.coordinates.beta(b) for b in found])
    return Frontier(
        np.array([kit.sharpness_of(b) for b in found]),
        np.abs(beta).sum(axis=1),
        np.linalg.norm(beta, axis=1),
        beta,
        problem.test_risk(beta),
        np.array(bounds),
    )


def sharpness_bounds(model: Parameterization, problem: Problem) -> tuple[float, float]:
    """The least sharpness of any interpolator: a value that none is below, and that of one that was found.

    Raises as :func:`gdbias.theory.frontier` does.
    """
    kit = Interpolators(doubled(model), problem)
    b, least = kit.flattest()
    return least, kit.sharpness_of(b)
