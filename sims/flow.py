"""Gradient flow, by integrating the weights: independent of theory's dual variables."""

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp

from ..theory.derive import derive
from ..theory.errors import GdbiasError
from ..theory.hessian import dense_hessian
from ..theory.law import array_law
from ..theory.parameterization import Parameterization
from ..theory.problem import Problem, require_problem
from ..theory.validate import real
from .block import smallest_losses
from .dataset import add_path, single_result
from .grid import one_value
from .options import Options
from .outcome import measure
from .provenance import result_attributes, result_spec
from .runs import DIVERGENCE
from .status import Status

POINTS = 400  # of the path, at the integrator's own steps


def flow(
    model: Parameterization,
    problem: Problem,
    init_scale: float = 0.1,
    theta0: np.ndarray | None = None,
    tol: float = 1e-10,
    rtol: float = 1e-9,
    max_time: float = 1e9,
) -> xr.Dataset:
    """Integrate ``d theta / dt = -grad L(theta)`` until the excess loss is below ``tol``.

    By LSODA, an error-controlled method that switches to a stiff one, with the Hessian as its Jacobian.
    The result has descent's schema without ``lr``: ``steps`` counts the integrator's, ``path_*`` runs over
    ``time``, and ``lr_critical = 2 / sharpness_max`` (arXiv 2505.21423).

    Raises:
        InputError: a value outside its limits.
        GdbiasError: the integrator failed.
    """
    dynamics = derive(model, require_problem(problem).loss)
    law, d = array_law(dynamics), problem.d
    options = Options(tol=tol, hold=1, track_every=1)
    rtol = real("rtol", rtol, above=0, below=1, hint="use for example 1e-9")
    max_time = real("max_time", max_time, above=0, hint="use for example 1e9")
    init = one_value(init_scale, "init_scale") if theta0 is None else None
    start = model.check_theta(theta0, d) if init is None else model.theta0(init, d)
    spec = result_spec(
        "flow", model, problem, options, init_scale=init, theta0=start if init is None else None, rtol=rtol,
        max_time=max_time,
    )  # fmt: skip
    attrs = result_attributes(spec, [problem])  # before the run, which nothing may spoil afterwards
    [smallest] = smallest_losses(dynamics, problem, start[None])
    X, y, outside = problem.projected

    def beta_at(theta: np.ndarray) -> np.ndarray:
        return np.broadcast_to(law.effective(*theta), (d,))

    def velocity(_, flat):
        theta = flat.reshape(start.shape)
        return -(np.stack([np.broadcast_to(s, (d,)) for s in law.jacobian(*theta)]) * gradient(theta)).ravel()

    def gradient(theta):
        return X.T @ law.loss_slope(X @ beta_at(theta), y) / problem.n

    def jacobian(_, flat):
        return -dense_hessian(dynamics, problem, flat.reshape(start.shape))

    def excess(flat) -> float:
        f = X @ beta_at(flat.reshape(start.shape))
        return float(np.sum(law.loss_value(f, y))) / problem.n - (smallest - outside)

    def arrived(_, flat):
        return excess(flat) - options.tol

    arrived.terminal = True  # type: ignore[attr-defined]
    if excess(start) < options.tol:  # nowhere to go, and no crossing to be seen
        times, states, converged = np.zeros(1), start[None], True
    else:
        size = max(float(np.abs(start).max()), 1e-12)
        path = solve_ivp(
            velocity, (0, max_time), start.ravel(), "LSODA", jac=jacobian, events=arrived, rtol=rtol,
            atol=1e-3 * rtol * size,
        )  # fmt: skip
        times, states, converged = path.t, path.y.T.reshape(-1, *start.shape), path.status == 1
        if path.status == -1:
            raise GdbiasError(
                f"{model.name}: the integrator gave up at time {times[-1]:.3g} ({path.message}): "
                f"try a start of another size, or another rtol than {rtol:g}"
            )
    kept = np.unique(np.linspace(0, len(times) - 1, POINTS).round().astype(int))
    along = measure(dynamics, problem, states[kept])
    along["loss"] = problem.loss_at(along["beta"])
    losses = np.array([excess(state.ravel()) for state in states])
    rising = int((np.diff(losses) > 1e-12 * np.abs(losses[:-1]) + 1e-14).sum())
    bounded = losses[-1] < DIVERGENCE * max(1.0, losses[0])
    status = Status.CONVERGED if converged else Status.STEP_LIMIT if bounded else Status.DIVERGED
    top = float(np.nanmax(along["sharpness"]))
    found = {name: values[-1:] for name, values in along.items() if name != "loss"} | dict(
        status=np.array([status], dtype=np.int8),
        steps=np.array([len(times) - 1]),
        loss=losses[-1:] + smallest,
        loss_min=np.array([smallest]),
        sharpness_max=np.array([top]),
        monotone=np.array([rising == 0]),
        rising_steps=np.array([rising]),
        lr_critical=np.array([2 / top if top > 0 else np.inf]),
    )
    ds = single_result(found, model, {} if init is None else {"init_scale": init}, attrs)
    return add_path(ds, "time", times[kept], along)
