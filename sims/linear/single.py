"""One run of gradient descent, or of gradient flow, on a deep linear network."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp

from ...theory import chain
from ...theory.errors import GdbiasError, InputError
from ...theory.linear_network import LinearNetwork, require_network
from ...theory.validate import real, whole
from ..descend import LARGEST_HISTORY
from ..grid import one_value
from ..options import Options
from ..provenance import result_attributes
from ..runs import DIVERGENCE
from ..schema import LINEAR_VECTORS, VARIABLES, attributes
from ..status import Status
from .descent import advance, excess_loss
from .outcome import along, outcomes, spec_of

POINTS = 400  # of gradient flow's path, at the integrator's own steps
DENSE = 400  # parameters up to which the integrator is given the Hessian


def descend(
    net: LinearNetwork,
    lr: float,
    init_scale: float = 0.1,
    start: str = "spectral",
    seed: int = 0,
    theta0: Sequence[np.ndarray] | None = None,
    max_steps: int = 100_000,
    tol: float = 1e-10,
    hold: int = 20,
    track_every: int = 11,
    record_every: int = 0,
) -> xr.Dataset:
    """Run ``W_l <- W_l - lr grad_l L(W)`` until the excess loss holds ``tol``, blows up, or ``max_steps``.

    Starts from :meth:`gdbias.theory.LinearNetwork.start` or from the layers ``theta0``. The result has the schema of
    :func:`gdbias.sims.descend`, with ``modes``, ``imbalance`` and ``parameters`` (all layers, one after another);
    ``path_*`` over ``step`` with ``record_every``.

    Raises:
        InputError: a value outside its limits.
    """
    options = Options(max_steps, tol, hold, track_every, backend="numpy")
    lr, record_every = one_value(lr, "lr"), whole("record_every", record_every, 0)
    begin, coordinates, told = _begin(net, init_scale, start, seed, theta0)
    records = options.max_steps // record_every + 1 if record_every else 0
    if records * begin.size > LARGEST_HISTORY:
        raise InputError(
            f"record_every = {record_every} keeps {records} states of {begin.size} weights, more than "
            f"{LARGEST_HISTORY} numbers: raise record_every or lower max_steps"
        )
    attrs = result_attributes(spec_of("descend", net, options, lr=lr, record_every=record_every, **told), [])
    runs = advance(net, begin[None], np.array([lr]), options, record_every)
    found = outcomes(net, runs)
    path, index = None, np.empty(0, dtype=np.int64)
    if record_every:
        index = np.arange(int(runs.steps[0]) // record_every + 1) * record_every
        path = along(net, runs.history[: len(index)])
        found["sharpness_max"] = np.fmax(found["sharpness_max"], np.nanmax(path["sharpness"], initial=-np.inf))
    ds = _dataset(found, {"lr": lr} | coordinates, attrs, "step", index, path)
    return ds.assign_coords(time=("step", index * lr)) if record_every else ds


def flow(
    net: LinearNetwork,
    init_scale: float = 0.1,
    start: str = "spectral",
    seed: int = 0,
    theta0: Sequence[np.ndarray] | None = None,
    tol: float = 1e-10,
    rtol: float = 1e-9,
    max_time: float = 1e9,
) -> xr.Dataset:
    """Integrate ``dW_l / dt = -grad_l L(W)`` by LSODA until the excess loss is below ``tol``.

    The result has descent's schema without ``lr``: ``steps`` counts the integrator's, ``path_*`` runs over
    ``time``, and ``lr_critical = 2 / sharpness_max`` (arXiv 2505.21423).

    Raises:
        InputError: a value outside its limits.
        GdbiasError: the integrator failed.
    """
    options = Options(tol=tol, hold=1, track_every=1, backend="numpy")
    rtol = real("rtol", rtol, above=0, below=1, hint="use for example 1e-9")
    max_time = real("max_time", max_time, above=0, hint="use for example 1e9")
    begin, coordinates, told = _begin(net, init_scale, start, seed, theta0)
    attrs = result_attributes(spec_of("flow", net, options, rtol=rtol, max_time=max_time, **told), [])

    def velocity(_, theta):
        return -chain.pack(chain.gradient(chain.unpack(theta, net.shapes), net.target))

    def jacobian(_, theta):
        points = np.broadcast_to(theta, (theta.size, theta.size))
        hessian = chain.ChainHessian(chain.unpack(points, net.shapes), net.target)
        return -(hessian @ np.eye(theta.size)[None])[0]

    def excess(theta) -> float:
        return float(excess_loss(net, chain.product(chain.unpack(theta, net.shapes))))

    def arrived(_, theta):
        return excess(theta) - options.tol

    arrived.terminal = True  # type: ignore[attr-defined]
    if excess(begin) < options.tol:  # nowhere to go, and no crossing to be seen
        times, states, converged = np.zeros(1), begin[None], True
    else:
        path = solve_ivp(
            velocity, (0, max_time), begin, "LSODA", jac=jacobian if begin.size <= DENSE else None, events=arrived,
            rtol=rtol, atol=1e-3 * rtol * max(float(np.abs(begin).max()), 1e-12),
        )  # fmt: skip
        times, states, converged = path.t, path.y.T, path.status == 1
        if path.status == -1:
            raise GdbiasError(
                f"{net.name}: the integrator gave up at time {times[-1]:.3g} ({path.message}): "
                f"try a start of another size, or another rtol than {rtol:g}"
            )
    kept = np.unique(np.linspace(0, len(times) - 1, POINTS).round().astype(int))
    course = along(net, states[kept])
    losses = np.array([excess(state) for state in states])
    rising = int((np.diff(losses) > 1e-12 * np.abs(losses[:-1]) + 1e-14).sum())
    bounded = losses[-1] < DIVERGENCE * max(1.0, losses[0])
    top = float(np.nanmax(course["sharpness"]))
    status = Status.CONVERGED if converged else Status.STEP_LIMIT if bounded else Status.DIVERGED
    found = {name: values[-1:] for name, values in course.items()} | dict(
        status=np.array([status], dtype=np.int8),
        steps=np.array([len(times) - 1]),
        loss_min=np.array([net.loss_min]),
        sharpness_max=np.array([top]),
        monotone=np.array([rising == 0]),
        rising_steps=np.array([rising]),
        lr_critical=np.array([2 / top if top > 0 else np.inf]),
    )
    return _dataset(found, coordinates, attrs, "time", times[kept], course)


def _begin(net, init_scale, start: str, seed: int, theta0) -> tuple[np.ndarray, dict, dict]:
    """The first weights (parameter,), the coordinates they give a result, and what its spec says of them."""
    require_network(net)
    if theta0 is not None:
        layers = net.check_layers(theta0)
        return chain.pack(layers), {}, {"theta0": [layer.tolist() for layer in layers]}
    scale = one_value(init_scale, "init_scale")
    layers = net.start(scale, start, seed)
    return chain.pack(layers), {"init_scale": scale}, {"init_scale": scale, "start": start, "seed": int(seed)}


def _dataset(found: dict, coordinates: dict, attrs: dict, dim: str, index: np.ndarray, path: dict | None) -> xr.Dataset:
    variables = {n: (LINEAR_VECTORS.get(n, ()), found[n][0], attributes(n)) for n in VARIABLES if n in found}
    ds = xr.Dataset(variables, {n: ((), value, attributes(n)) for n, value in coordinates.items()}, attrs)
    if path is None:
        return ds
    named = {
        f"path_{n}": ((dim, *LINEAR_VECTORS.get(n, ())), values, attributes(f"path_{n}"))
        for n, values in path.items()
        if f"path_{n}" in VARIABLES
    }
    return ds.assign(named).assign_coords({dim: (dim, index, attributes(dim))})
