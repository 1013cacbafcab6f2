"""One run of gradient descent, or of gradient flow, on a deep linear network."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import xarray as xr

from ...theory.linear import chain
from ...theory.linear.network import LinearNetwork, require_network
from ...theory.validate import whole
from ..descent import check_history
from ..engine.integrator import integrate_flow
from ..grid import one_value
from ..measure.outcome import largest
from ..options import LARGEST, FlowChanges, FlowOptions, RunChanges, RunOptions, options_of
from ..store.dataset import add_path, single_result
from ..store.provenance import result_attributes
from .descent import advance, excess_loss
from .outcome import along, outcomes, spec_of

DENSE = 400  # parameters up to which the integrator is given the Hessian


def descend(
    net: LinearNetwork,
    lr: float,
    init_scale: float = 0.1,
    start: str = "spectral",
    seed: int = 0,
    *,
    theta0: Sequence[np.ndarray] | None = None,
    record_every: int = 0,
    options: RunOptions | None = None,
    **changes: Unpack[RunChanges],
) -> xr.Dataset:
    """Run ``W_l <- W_l - lr grad_l L(W)`` until the excess loss holds ``tol``, blows up, or ``max_steps``.

    Starts from :meth:`gdbias.theory.LinearNetwork.start` or from the layers ``theta0``. The result has the schema of
    :func:`gdbias.sims.descend`, with ``modes``, ``imbalance`` and ``parameters`` (all layers, one after another);
    ``path_*`` over ``step`` with ``record_every``.

    Further keywords, ``max_steps``, ``tol``, ``hold`` and ``track_every``, change single options of
    :class:`gdbias.sims.options.RunOptions`, or of those given together as ``options``.

    Raises:
        InputError: an unknown option, or a value outside its limits.
    """
    options = options_of("linear.descend", RunOptions(), options, changes)
    lr, record_every = one_value(lr, "lr"), whole("record_every", record_every, 0, LARGEST)
    begin, coordinates, told = _begin(net, init_scale, start, seed, theta0)
    check_history(options.max_steps, record_every, begin.size)
    attrs = result_attributes(spec_of("descend", net, options, lr=lr, record_every=record_every, **told), [])
    runs = advance(net, begin[None], np.array([lr]), options, record_every)
    found = outcomes(net, runs)
    path, index = None, np.empty(0, dtype=np.int64)
    if record_every:
        index = np.arange(int(runs.steps[0]) // record_every + 1) * record_every
        path = along(net, runs.history[0, : len(index), 0])
        found["sharpness_max"] = largest(found["sharpness_max"], path["sharpness"], found["status"]).max(keepdims=True)
    ds = single_result(found, None, {"lr": lr} | coordinates, attrs)
    if path is None:
        return ds
    return add_path(ds, "step", index, path).assign_coords(time=("step", index * lr))


def flow(
    net: LinearNetwork,
    init_scale: float = 0.1,
    start: str = "spectral",
    seed: int = 0,
    *,
    theta0: Sequence[np.ndarray] | None = None,
    options: FlowOptions | None = None,
    **changes: Unpack[FlowChanges],
) -> xr.Dataset:
    """Integrate ``dW_l / dt = -grad_l L(W)`` by LSODA until the excess loss is below ``tol``.

    The result has descent's schema without ``lr``: ``steps`` counts the integrator's, ``path_*`` runs over
    ``time``, and ``lr_critical = 2 / sharpness_max`` (arXiv 2505.21423). Options are those of :func:`gdbias.sims.flow`.

    Raises:
        InputError: an unknown option, or a value outside its limits.
        GdbiasError: the integrator failed.
    """
    options = options_of("linear.flow", FlowOptions(), options, changes)
    begin, coordinates, told = _begin(net, init_scale, start, seed, theta0)
    attrs = result_attributes(spec_of("flow", net, options, **told), [])

    def velocity(_, theta):
        return -chain.pack(chain.gradient(chain.unpack(theta, net.shapes), net.target))

    def jacobian(_, theta):
        points = np.broadcast_to(theta, (theta.size, theta.size))
        hessian = chain.ChainHessian(chain.unpack(points, net.shapes), net.target)
        return -(hessian @ np.eye(theta.size)[None])[0]

    def excess(theta) -> float:
        return float(excess_loss(net, chain.product(chain.unpack(theta, net.shapes))))

    run = integrate_flow(net.name, velocity, jacobian if begin.size <= DENSE else None, excess, begin, options)
    course = along(net, run.states[run.kept])
    found = run.outcome(course, net.loss_min)
    return add_path(single_result(found, None, coordinates, attrs), "time", run.times[run.kept], course)


def _begin(net, init_scale, start: str, seed: int, theta0) -> tuple[np.ndarray, dict, dict]:
    """The first weights (parameter,), the coordinates they give a result, and what its spec says of them."""
    require_network(net)
    if theta0 is not None:
        layers = net.check_layers(theta0)
        return chain.pack(layers), {}, {"theta0": [layer.tolist() for layer in layers]}
    scale = one_value(init_scale, "init_scale")
    layers = net.start(scale, start, seed)
    return chain.pack(layers), {"init_scale": scale}, {"init_scale": scale, "start": start, "seed": int(seed)}
