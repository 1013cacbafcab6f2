"""The norm-sharpness frontier: the least norm of an interpolator at every sharpness, as a convex program.

For interpolators ``S = lambda_max(X diag(k(b)) X^T) / n`` with k convex in the doubled coordinates b >= 0,
so ``{S <= s}`` is convex: ``min ||beta||_1  s.t.  X beta = y, S <= s``. Its ends are the norm minimiser and the
sharpness minimiser of arXiv 2505.21423, here for any number of samples. No learning rate above
``lr_max = 2 / sharpness_min`` has a stable interpolator.
"""

import warnings
from dataclasses import dataclass

import lazy_loader
import numpy as np

from ..errors import GdbiasError, NoClosedForm, NoInterpolator
from ..loss import squared
from ..parameterization import Parameterization, require_model
from ..problem import Problem, require_problem
from ..validate import whole
from .coordinates import Doubled, doubled

cp = lazy_loader.load("cvxpy")  # on first use, since it is slow to import
SLACK = 1e-7  # relative, by which an end of the frontier is relaxed to choose among its minimisers
FIT = 1e-6  # largest residual of an interpolator, relative to the targets


@dataclass(frozen=True, repr=False)
class Frontier:
    """Interpolators of least l1 norm at given sharpness, from the norm minimiser to the sharpness minimiser.

    Attributes:
        sharpness: shape (points,), falling; in units of the loss over the squared weights.
        l1_norm: ``||beta||_1``, shape (points,), rising.
        l2_norm: ``||beta||_2``, shape (points,).
        beta: shape (points, d).
        test_risk: shape (points,), None without held-out samples.
    """

    sharpness: np.ndarray
    l1_norm: np.ndarray
    l2_norm: np.ndarray
    beta: np.ndarray
    test_risk: np.ndarray | None

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


class Interpolators:
    """The interpolators of a problem in doubled coordinates, over which convex functions are minimised."""

    def __init__(self, coordinates: Doubled, problem: Problem, free: np.ndarray | None = None):
        """``free`` (block, d) marks the coefficients that are not held at 0."""
        model = coordinates.model
        if problem.loss != squared:
            raise NoClosedForm(f"{model.name}: the frontier needs squared loss, not {problem.loss}")
        X, y, floor = problem.projected
        self.coordinates, self.problem, self.X, self.y, self.n = coordinates, problem, X, y, problem.n
        size = float(np.linalg.norm(y))
        if not size:
            raise NoInterpolator(f"{model.name}: the targets are all 0 and beta = 0 fits them: there is no trade-off")
        if floor > FIT**2 * size**2:
            raise NoInterpolator(
                f"{model.name}: no coefficients fit the {problem.n} samples exactly (least loss {floor:.3g}), so there "
                "is no frontier of interpolators: use fewer samples than features, or noise-free targets"
            )
        shape = (len(coordinates.signs), problem.d)
        self.scale = size / float(np.linalg.norm(X, 2))  # of the coefficients, for the solver's sake
        self.b = cp.Variable(shape, nonneg=True)
        exponent = 2 - 2 / coordinates.degree
        tangent = (
            cp.sum(self.b if exponent == 1 else cp.power(self.b, exponent), axis=0) if exponent else np.ones(shape[1])
        )
        bound = cp.Variable(shape[1])
        self._unit = coordinates.rate * coordinates.degree**2 * self.scale**exponent / problem.n
        self.sharpness = cp.lambda_max(X @ cp.diag(bound) @ X.T)  # in units of self._unit
        residual = (coordinates.signs @ self.b) @ X.T * self.scale - y
        self.fit = [residual / size == 0, bound >= tangent]
        if free is not None and not free.all():
            self.fit.append(self.b[~free] == 0)

    def in_units(self, sharpness: float) -> float:
        return sharpness / self._unit

    def minimise(self, objective, *constraints) -> np.ndarray:
        """The minimiser b (block, d) of a CVXPY expression.

        Raises:
            NoInterpolator: nothing fits the data.
        """
        return self.solve(cp.Problem(cp.Minimize(objective), [*self.fit, *constraints]))

    def solve(self, program) -> np.ndarray:
        name = self.coordinates.model.name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of low accuracy, which is looked at below
                program.solve(solver=cp.CLARABEL)
        except cp.SolverError:
            raise GdbiasError(f"{name}: the convex program of the frontier failed: rescale X and y") from None
        if program.status in ("infeasible", "infeasible_inaccurate"):
            raise NoInterpolator(
                f"{name}: no coefficients within its reach fit the data at this sharpness: use a signed family such as "
                "difference(2), more features, or a learning rate below lr_max"
            )
        b = np.maximum(np.nan_to_num(np.asarray(self.b.value, dtype=float), nan=np.inf), 0) * self.scale
        missed = np.linalg.norm(self.X @ self.coordinates.beta(b) - self.y)
        if not missed <= FIT * np.linalg.norm(self.y):
            raise GdbiasError(f"{name}: the convex program of the frontier ended {program.status}: rescale X and y")
        return b

    def sharpness_of(self, b: np.ndarray) -> float:
        """``lambda_max(X diag(k) X^T) / n`` at b (block, d)."""
        return float(np.linalg.eigvalsh((self.X * self.coordinates.tangent(b)) @ self.X.T)[-1]) / self.n


def frontier(model: Parameterization, problem: Problem, points: int = 50) -> Frontier:
    """The least ``||beta||_1`` of an interpolator at each of ``points`` values of the sharpness.

    The values are dense at the sharpness minimiser, where the norm may rise as a square root.

    Raises:
        NoInterpolator: no interpolator exists: the wrong signs for the model, or noise with n > d.
        NoClosedForm: a model or loss without a convex frontier.
        InputError: no model, no problem, or fewer than 2 points.
    """
    coordinates, points = doubled(require_model(model)), whole("points", points, 2)
    kit = Interpolators(coordinates, require_problem(problem))
    first, last = _ends(kit)
    limit = cp.Parameter(nonneg=True)
    program = cp.Problem(cp.Minimize(cp.sum(kit.b)), [*kit.fit, kit.sharpness <= limit])
    found = [first]
    high, low = kit.sharpness_of(first), kit.sharpness_of(last)
    for level in low * (high / low) ** (np.linspace(1, 0, points)[1:-1] ** 2):
        limit.value = kit.in_units(level)
        found.append(kit.solve(program))
    found.append(last)
    beta = np.array([kit.coordinates.beta(b) for b in found])
    return Frontier(
        np.array([kit.sharpness_of(b) for b in found]),
        np.abs(beta).sum(axis=1),
        np.linalg.norm(beta, axis=1),
        beta,
        problem.test_risk(beta),
    )


def _ends(kit: Interpolators) -> tuple[np.ndarray, np.ndarray]:
    """The norm minimiser of least sharpness and the sharpness minimiser of least norm, (block, d) each."""
    norm = cp.sum(kit.b)
    least = float(np.abs(kit.coordinates.beta(kit.minimise(norm))).sum()) / kit.scale
    flat = kit.minimise(kit.sharpness, norm <= least * (1 + SLACK))
    lowest = kit.in_units(kit.sharpness_of(kit.minimise(kit.sharpness)))
    return flat, kit.minimise(norm, kit.sharpness <= lowest * (1 + SLACK))


def sharpness_min(model: Parameterization, problem: Problem) -> float:
    """The least sharpness of any interpolator, ``2 / lr_max``; raises as :func:`gdbias.theory.frontier` does."""
    kit = Interpolators(doubled(model), problem)
    return kit.sharpness_of(kit.minimise(kit.sharpness))
