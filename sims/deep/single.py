"""One deep run and one gradient flow, with their histories."""

import json
from typing import Unpack

import numpy as np
import xarray as xr

from ...theory.validate import one, real, whole
from ..grid import one_value
from ..options import LARGEST, options_of
from ..schema import attributes
from ..store.dataset import add_path, single_result
from ..store.provenance import result_attributes
from .architecture import Network
from .data import Data
from .gradient_flow import RTOL
from .one_run import flow_to_its_end, in_precision, run
from .options import DeepChanges, DeepOptions
from .plan import INNER, places
from .training_loss import objective


def descend(
    net: Network,
    data: Data,
    lr: float,
    *,
    record_every: int = 0,
    options: DeepOptions | None = None,
    **changes: Unpack[DeepChanges],
) -> xr.Dataset:
    """One run of gradient descent, as in :func:`gdbias.sims.deep.sweep`.

    With ``record_every`` the variables ``path_*`` over ``step`` hold loss, sharpness, adaptive sharpness, norms and
    test risk, every so many steps, and at the end, and what options ask for beside: ``path_spectrum`` (step,
    eigenvalue) with its residuals, ``path_layer_sharpness`` (step, layer), ``path_batch_sharpness``,
    ``path_sharpness_effective`` and ``path_distance``.

    Further keywords, ``loss``, ``tol``, ``hold``, ``max_steps``, ``track_every``, ``average``, ``precision``,
    ``chunk``, ``momentum``, ``batch``, ``noise_seed``, ``top``, ``layers`` and ``distance``, change single options of
    :class:`gdbias.sims.deep.options.DeepOptions`, or of those given together as ``options``.

    Raises:
        InputError: an unknown option, or a value outside its limits.
    """
    options = options_of("deep.descend", DeepOptions(), options, changes)
    lr, record_every = one_value(lr, "lr"), whole("record_every", record_every, 0, LARGEST)
    net, data = one(net, Network, "sims.deep.network"), one(data, Data, "sims.deep.load")
    options.check(data.n)
    spec = _spec("deep descend", net, data, options.deciding(), lr=float(lr))
    with in_precision(options.precision):
        theta0, target = objective(net, data, options.loss, options.precision, options.chunk)
        found, watch = run(target, theta0, float(lr), options, record_every)
    return _dataset(found, spec, {"lr": float(lr)}, "step", watch.steps, watch.states)


def flow(
    net: Network,
    data: Data,
    loss: str = DeepOptions.loss,
    tol: float = DeepOptions.tol,
    rtol: float = RTOL,
    precision: str = DeepOptions.precision,
    hold: int = DeepOptions.hold,
    top: int = DeepOptions.top,
    layers: bool = DeepOptions.layers,
) -> xr.Dataset:
    """Gradient flow ``d theta / dt = -grad L(theta)`` until the training loss is ``tol``.

    Its end is measured a time of ``(hold - 1) lr_critical`` later, since a run holds ``tol`` for ``hold`` steps.

    By a Runge-Kutta-Chebyshev method whose local error stays below ``rtol |theta|`` a step. The result has the
    schema of a run, ``path_*`` over ``time``, and ``lr_critical = 2 / sharpness_max`` (arXiv 2505.21423); with ``top``
    and ``layers`` the largest eigenvalues of the Hessian and of its blocks too, as a run has them.

    Raises:
        InputError: a value outside its limits.
    """
    tol = real("tol", tol, above=0, hint=f"use for example {DeepOptions.tol}")
    options = DeepOptions(loss, tol, hold=hold, precision=precision, top=top, layers=layers)  # type: ignore[arg-type]
    rtol = real("rtol", rtol, above=0, below=1, hint=f"use for example {RTOL}")
    net, data = one(net, Network, "sims.deep.network"), one(data, Data, "sims.deep.load")
    asked = {name: getattr(options, name) for name in options.changed}
    spec = _spec("deep flow", net, data, dict(loss=loss, tol=tol, rtol=rtol, precision=precision, hold=hold) | asked)
    with in_precision(precision):
        theta0, target = objective(net, data, loss, precision)
        found, path = flow_to_its_end(target, theta0, options, rtol, along=True)
    return _dataset(found, spec, {}, "time", path.times, path.states)


def _spec(kind: str, net: Network, data: Data, options: dict, **rest) -> dict:
    problem = dict(data.spec) | {"fingerprint": data.fingerprint}
    return json.loads(json.dumps(dict(kind=kind, model=net.spec(), problem=problem, **options, **rest)))


def _dataset(found: dict, spec: dict, coordinates: dict, dim: str, at: list, states: list[dict]) -> xr.Dataset:
    ds = single_result({name: [value] for name, value in found.items()}, None, coordinates, result_attributes(spec, []))
    ds = ds.assign_coords({name: (name, places(ds.sizes[name]), attributes(name)) for name in INNER if name in ds.dims})
    path = {name: np.array([state[name] for state in states]) for name in (states[0] if states else ())}
    return add_path(ds, dim, np.array(at), path) if states else ds
