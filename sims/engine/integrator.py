"""Gradient flow in the weights, by an integrator that knows nothing of theory's dual variables."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ...theory.derivation.landscape import Landscape, divergence_limit
from ...theory.errors import GdbiasError
from ..options import FlowOptions
from ..status import Status

FASTEST = 1e150  # rate whose square floats hold; from there LSODA's own first step is 0, and so is every other
PATIENCE = 2000  # steps without a lower loss; those of a whole path are fewer
POINTS = 400  # of the path that a result keeps, at the integrator's own steps


@dataclass(frozen=True)
class FlowRun:
    """Gradient flow at the integrator's steps: times (T,), states (T, ...) and excess losses (T,)."""

    times: np.ndarray
    states: np.ndarray
    losses: np.ndarray
    converged: bool

    @property
    def kept(self) -> np.ndarray:
        """The steps of the path that a result keeps."""
        return np.unique(np.linspace(0, len(self.times) - 1, POINTS).round().astype(int))

    def outcome(self, along: dict, loss_min: float) -> dict:
        """The outcome variables, one entry; ``along`` are the measures at the steps kept."""
        rising = int((np.diff(self.losses) > 1e-12 * np.abs(self.losses[:-1]) + 1e-14).sum())
        bounded = self.losses[-1] < divergence_limit(self.losses[0])
        status = Status.CONVERGED if self.converged else Status.STEP_LIMIT if bounded else Status.DIVERGED
        top = float(np.max(along["sharpness"]))  # NaN of a state that is not finite, where the integrator failed
        return {name: values[-1:] for name, values in along.items()} | dict(
            status=np.array([status], dtype=np.int8),
            steps=np.array([len(self.times) - 1]),
            loss=self.losses[-1:] + loss_min,
            loss_min=np.array([loss_min]),
            sharpness_max=np.array([top]),
            monotone=np.array([rising == 0]),
            rising_steps=np.array([rising]),
            lr_critical=np.array([np.inf if top <= 0 else 2 / top]),
        )


def integrate_flow(
    name: str, velocity: Callable, jacobian: Callable | None, excess: Callable, start: np.ndarray, options: FlowOptions
) -> FlowRun:
    """``dx / dt = velocity(t, x)`` by LSODA from the vector ``start``, until ``excess(x)`` is below ``tol``.

    Raises:
        GdbiasError: the integrator failed, or lowers the loss no more.
    """

    tol, rtol = options.tol, options.rtol
    lowest, since = np.inf, 0

    def arrived(t, x):
        nonlocal lowest, since
        now = excess(x)
        lowest, since = (now, 0) if now < lowest else (lowest, since + 1)
        if since > PATIENCE:
            raise GdbiasError(
                f"{name}: the integrator rests at time {t:.3g}, with an excess loss of {lowest:.3g} above tol = {tol:g}"
                ": use a larger tol, a start of another size, or data in other units"
            )
        return now - tol

    arrived.terminal = True  # type: ignore[attr-defined]
    if excess(start) < tol:  # nowhere to go, and no crossing to be seen
        return FlowRun(np.zeros(1), start[None], np.array([excess(start)]), True)
    size = max(float(np.abs(start).max()), 1e-12)
    close = dict(rtol=rtol, atol=1e-3 * rtol * size)
    rate = float(np.abs(velocity(0, start)).max()) / (rtol * size)
    first = 1 / rate if rate > FASTEST else None
    path = scipy.integrate.solve_ivp(
        velocity, (0, options.max_time), start, "LSODA", jac=jacobian, events=arrived, first_step=first, **close
    )
    if path.status == -1:
        raise GdbiasError(
            f"{name}: the integrator gave up at time {path.t[-1]:.3g} ({path.message}): "
            f"try a start of another size, or another rtol than {rtol:g}"
        )
    return FlowRun(path.t, path.y.T, np.array([excess(state) for state in path.y.T]), path.status == 1)


def integrate(landscape: Landscape, start: np.ndarray, smallest: float, options: FlowOptions) -> FlowRun:
    """Gradient flow of a diagonal network from ``start`` (weight, feature); ``smallest`` is the smallest loss.

    Raises:
        GdbiasError: the integrator failed.
    """
    law, d = landscape.law, landscape.problem.d
    floor = smallest - landscape.samples[2]

    def velocity(_, flat):
        theta = flat.reshape(start.shape)
        g = landscape.slope(landscape.predictions(*theta))
        return -(np.stack([np.broadcast_to(s, (d,)) for s in law.jacobian(*theta)]) * g).ravel()

    def jacobian(_, flat):
        return -landscape.dense_hessian(flat.reshape(start.shape))

    def excess(flat) -> float:
        return float(landscape.mean_loss(landscape.predictions(*flat.reshape(start.shape)))) - floor

    name = landscape.dynamics.model.name
    run = integrate_flow(name, velocity, jacobian, excess, start.ravel(), options)
    return replace(run, states=run.states.reshape(-1, *start.shape))
