"""What theory says before any run: where gradient flow ends, and the critical learning rates."""

from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np

from ..derivation.dynamics import Dynamics, derive
from ..derivation.hessian import sharpness
from ..derivation.numpy_law import array_law
from ..errors import InputError, NoClosedForm
from ..loss import squared
from ..parameterization import Parameterization
from ..problem import Problem, require_problem
from ..validate import real_array
from .attainable import require_interpolator
from .divergence import HIGHEST, divergence_ratio
from .dual import dual_root, path_sharpness_max
from .endpoints import Endpoint, Method, endpoint
from .frontiers import sharpness_min
from .paths import Path, path
from .transport import Transport


@dataclass(frozen=True)
class FlowEndpoint:
    """Where gradient flow ends. Arrays gain a leading axis when ``init_scale`` is an array.

    Attributes:
        beta: coefficients, shape (d,).
        theta: weights, shape (weight, d).
        nu: the dual vector with ``s = X^T nu``, shape (n,); the shortest where samples depend on each other.
        sharpness: largest Hessian eigenvalue there.
        l1_norm: ``||beta||_1``.
        test_risk: loss on held-out samples, None without them.
    """

    beta: np.ndarray
    theta: np.ndarray
    nu: np.ndarray
    sharpness: float | np.ndarray
    l1_norm: float | np.ndarray
    test_risk: float | np.ndarray | None


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Predictions for gradient descent started at ``init_scale``; see :func:`predict`."""

    dynamics: Dynamics
    problem: Problem
    init_scale: float | np.ndarray | None
    starts: tuple[np.ndarray, ...]  # (weight, feature) each

    def __repr__(self) -> str:
        start = "theta0 given" if self.init_scale is None else f"init_scale={np.ravel(self.init_scale).tolist()}"
        return f"Prediction({self.dynamics.model}, {self.problem}, {start})"

    @cached_property
    def flow(self) -> FlowEndpoint:
        """The endpoint of gradient flow: the interpolator nearest to the start in the mirror divergence.

        ``beta = argmin {D_psi(b, beta_0): X b = y}``, computed as the dual root ``X beta(X^T nu) = y``
        (2002.09277). With more samples than features, the least-squares solution.

        Raises:
            NoInterpolator: no interpolator is attainable from this start.
            NoClosedForm: a loss other than squared, whose flow has no finite endpoint or no dual root.
        """
        if self.problem.loss != squared:
            raise NoClosedForm(
                f"the {self.problem.loss} loss has no closed-form flow endpoint: lr_critical is available, "
                "and sims.flow integrates"
            )
        return self._stack([self._endpoint(*start) for start in zip(self.starts, self._transports, strict=True)])

    @cached_property
    def lr_critical_final(self) -> float | np.ndarray:
        """``2 / S(flow endpoint)``: above it the flow's endpoint is unstable for gradient descent."""
        return 2 / self.flow.sharpness

    @cached_property
    def sharpness_max(self) -> float | np.ndarray:
        """The largest sharpness along the gradient-flow path, its endpoint included."""
        ends = self.flow.sharpness if self.problem.loss == squared else -np.inf  # refuses before any path
        values = [
            path_sharpness_max(self.dynamics, self.problem, theta0, transport)
            for theta0, transport in zip(self.starts, self._transports, strict=True)
        ]
        values = np.maximum(values, ends)
        return np.array(values) if self._many else float(np.ravel(values)[0])

    @cached_property
    def lr_critical(self) -> float | np.ndarray:
        """``2 / max_t S(flow(t))``: below it descent follows gradient flow (arXiv 2505.21423)."""
        return 2 / self.sharpness_max

    @cached_property
    def _transports(self) -> tuple[Transport, ...]:
        return tuple(Transport(self.dynamics, theta0) for theta0 in self.starts)

    @cached_property
    def sharpness_min(self) -> float:
        """The least sharpness of any interpolator, by a convex program; raises as :func:`frontier` does."""
        return sharpness_min(self.dynamics.model, self.problem)

    @cached_property
    def lr_max(self) -> float:
        """``2 / sharpness_min``: above it no interpolator is linearly stable for gradient descent."""
        return 2 / self.sharpness_min

    @cached_property
    def lr_divergence(self) -> float | np.ndarray:
        """Above it descent from below the minimum diverges, for ``w^L`` on one feature and almost every lr.

        ``lr S / 2`` is 2, 2.150, 2.409 there for L = 2, 3, 4, with S the sharpness at the minimum.

        Raises:
            NoClosedForm: several features, or a model of several weights: no such learning rate is known.
        """
        model, degree = self.dynamics.model, self.dynamics.model.degree
        if self.problem.d > 1 or len(model.weights) > 1 or degree is None or not 2 <= degree <= HIGHEST:
            raise NoClosedForm(f"{model.name}: where descent diverges is known for w^L on one feature: use lr_max")
        return divergence_ratio(degree) * self.lr_critical_final

    def endpoint(self, lr: float, method: Method = "constrained_flow") -> Endpoint:
        """Where gradient descent ends at ``lr``; see :func:`gdbias.theory.prediction.endpoints.endpoint`."""
        return endpoint(self, lr, method)

    def path(self, lr: float, record_every: int = 1) -> Path:
        """The course of gradient descent at ``lr`` without its oscillation; see :func:`.paths.path`."""
        return path(self, lr, record_every)

    @property
    def _many(self) -> bool:
        return np.ndim(self.init_scale) == 1 if self.init_scale is not None else False

    def _endpoint(self, theta0: np.ndarray, transport: Transport) -> FlowEndpoint:
        require_interpolator(self.dynamics.model, self.problem, theta0)
        nu = dual_root(self.dynamics, self.problem, transport)
        clock = self.problem.projected[0].T @ nu
        theta = transport(clock)
        beta = array_law(self.dynamics).effective(*theta)
        nu = np.linalg.lstsq(self.problem.X.T, clock)[0]
        top = float(sharpness(self.dynamics, self.problem, theta[..., None]).value[0])
        risk = self.problem.test_risk(beta)
        return FlowEndpoint(beta, theta, nu, top, float(np.abs(beta).sum()), None if risk is None else float(risk))

    def _stack(self, endpoints: list[FlowEndpoint]) -> FlowEndpoint:
        if not self._many:
            return endpoints[0]
        beta, theta, nu, top, l1_norm, risk = zip(*map(astuple, endpoints), strict=True)
        risks = None if risk[0] is None else np.array(risk)
        return FlowEndpoint(np.array(beta), np.array(theta), np.array(nu), np.array(top), np.array(l1_norm), risks)


def predict(
    model: Parameterization,
    problem: Problem,
    init_scale: float | np.ndarray = 0.1,
    theta0: np.ndarray | None = None,
) -> Prediction:
    """Predict gradient flow's endpoint and the critical learning rates, computed when first read.

    ``init_scale`` may be a one-dimensional array: every prediction then has a leading axis. ``theta0``
    (weight, feature) overrides the standard start.

    Raises:
        InputError: an init_scale or theta0 outside its limits.
        NoInterpolator: (on reading) nothing attainable from the start fits the data.
    """
    dynamics = derive(model, require_problem(problem).loss)
    if theta0 is not None:
        return Prediction(dynamics, problem, None, (model.check_theta(theta0, problem.d),))
    scales = real_array("init_scale", init_scale, "use for example 0.1")
    if scales.ndim > 1 or not scales.size:
        raise InputError(f"init_scale has shape {scales.shape}: give one number or a one-dimensional array")
    starts = tuple(model.theta0(float(scale), problem.d) for scale in scales.ravel())
    return Prediction(dynamics, problem, scales if scales.ndim else float(scales), starts)
