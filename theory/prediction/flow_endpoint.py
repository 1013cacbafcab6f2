"""Where gradient flow ends, and what is measured there."""

import warnings
from dataclasses import astuple, dataclass

import numpy as np

from ..derivation.dynamics import Dynamics
from ..derivation.landscape import Landscape
from ..errors import NoClosedForm, NoInterpolator
from ..problem import Problem
from .attainable import AtBoundary, attainable_range, require_interpolator
from .coordinates import doubled
from .dual import DualRoot, dual_root
from .integration import flow_path
from .interpolators import Interpolators
from .transport import Transport

NEAR_END, ACCURACY = 1e-4, 1e-8  # of the first slope, to which the path is followed, and of its steps


@dataclass(frozen=True, eq=False, repr=False)
class FlowEndpoint:
    """Where gradient flow ends. Arrays gain a leading axis when ``init_scale`` is an array.

    Attributes:
        beta: coefficients, shape (d,).
        theta: weights, shape (weight, d).
        nu: the dual vector with ``s = X^T nu``, shape (n,); the shortest where samples depend on each other, NaN where
            the weights have no closed form in s.
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

    def __repr__(self) -> str:
        measured = dict(sharpness=self.sharpness, l1_norm=self.l1_norm, test_risk=self.test_risk)
        known = {name: np.array2string(np.asarray(x), precision=4) for name, x in measured.items() if x is not None}
        return f"FlowEndpoint({', '.join(f'{name}={text}' for name, text in known.items())})"


def end_of_flow(dynamics: Dynamics, problem: Problem, theta0: np.ndarray, transport: Transport) -> FlowEndpoint:
    """The endpoint from one start theta0 (weight, feature), by the dual root; raises NoInterpolator."""
    try:
        require_interpolator(dynamics.model, problem, attainable_range(dynamics.model, theta0))
    except AtBoundary as reason:
        return _limit(dynamics, problem, theta0, reason)
    landscape, nu = Landscape(dynamics, problem), np.full(problem.n, np.nan)
    if transport.closed:
        root = dual_root(dynamics, problem, transport)
        nu = np.linalg.lstsq(problem.X.T, root.clock)[0]
    else:  # a clock from a small start has too few digits: the endpoint of what flow passes is the same
        root = _passed_root(landscape, theta0)
    return measured(landscape, root.theta, nu)


def end_of_moved(landscape: Landscape, theta: np.ndarray) -> FlowEndpoint:
    """The endpoint from a start theta (weight, d) moved from one that is known to reach an interpolator.

    Raises NoInterpolator.
    """
    dynamics, problem = landscape.dynamics, landscape.problem
    transport = Transport(dynamics, theta)
    if not transport.closed:
        return end_of_flow(dynamics, problem, theta, transport)
    try:
        root = dual_root(dynamics, problem, transport)
    except NoInterpolator:  # on the boundary, perhaps
        return end_of_flow(dynamics, problem, theta, transport)
    return measured(landscape, root.theta, np.linalg.lstsq(problem.X.T, root.clock)[0])


def measured(landscape: Landscape, theta: np.ndarray, nu: np.ndarray) -> FlowEndpoint:
    """What an end of weights theta (weight, d) and dual vector nu (n,) has."""
    problem, beta = landscape.problem, landscape.beta(theta[None])[0]
    top = float(landscape.sharpness(theta[None]).value[0])
    risk = problem.test_risk(beta)
    return FlowEndpoint(beta, theta, nu, top, float(np.abs(beta).sum()), None if risk is None else float(risk))


def _limit(dynamics: Dynamics, problem: Problem, theta0: np.ndarray, reason: AtBoundary) -> FlowEndpoint:
    """The limit of a flow whose coefficients that are 0 in every fit fall to 0 for ever: the end of the others' alone.

    It is the fit nearest in ``D_psi``, finite on the boundary, and what falls adds the same to it for each fit.
    """
    try:
        coordinates = doubled(dynamics.model)
        there = Interpolators(coordinates, problem, coordinates.start(theta0) > 0).there
    except NoClosedForm:
        raise reason from None
    kept = there[0]
    if len(there) > 1 or not kept.any():
        raise reason
    warnings.warn(
        f"{dynamics.model.name}: {kept.size - kept.sum()} of {kept.size} coefficients are 0 in whatever fits the "
        f"{problem.n} samples: gradient flow tends to it ever more slowly, and its endpoint is that limit",
        stacklevel=2,
    )
    rest = end_of_flow(
        dynamics, Problem(problem.X[:, kept], problem.y), theta0[:, kept], Transport(dynamics, theta0[:, kept])
    )
    theta = np.zeros(theta0.shape)
    theta[:, kept] = rest.theta
    return measured(Landscape(dynamics, problem), theta, np.full(problem.n, np.nan))


def _passed_root(landscape: Landscape, theta0: np.ndarray) -> DualRoot:
    """The root from where flow passes, which may wait there for weights that are still small: then from farther on."""
    passed = theta0
    while True:
        before, passed = passed, flow_path(landscape, passed, NEAR_END, ACCURACY).theta[-1]
        try:
            return dual_root(landscape.dynamics, landscape.problem, Transport(landscape.dynamics, passed))
        except NoInterpolator:
            if np.allclose(passed, before, rtol=ACCURACY, atol=0):
                raise


def stacked(endpoints: list[FlowEndpoint]) -> FlowEndpoint:
    """Endpoints of several starts as one, with a leading axis."""
    beta, theta, nu, top, l1_norm, risk = zip(*map(astuple, endpoints), strict=True)
    risks = None if risk[0] is None else np.array(risk)
    return FlowEndpoint(np.array(beta), np.array(theta), np.array(nu), np.array(top), np.array(l1_norm), risks)
