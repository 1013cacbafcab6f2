"""Gradient flow, by integrating the weights: independent of theory's dual variables."""

from typing import Unpack

import numpy as np
import xarray as xr

from ..theory import Parameterization, derive
from ..theory.blas import one_thread
from ..theory.derivation.landscape import Landscape
from ..theory.problem import Problem, require_problem
from .engine.integrator import integrate
from .grid import one_value
from .measure.block import smallest_losses
from .measure.outcome import measure
from .options import FlowChanges, FlowOptions, options_of
from .store.dataset import add_path, single_result
from .store.provenance import result_attributes, result_spec


@one_thread
def flow(
    model: Parameterization,
    problem: Problem,
    init_scale: float = 0.1,
    *,
    theta0: np.ndarray | None = None,
    options: FlowOptions | None = None,
    **changes: Unpack[FlowChanges],
) -> xr.Dataset:
    """Integrate ``d theta / dt = -grad L(theta)`` until the excess loss is below ``tol``.

    By LSODA, an error-controlled method that switches to a stiff one, with the Hessian as its Jacobian.
    The result has descent's schema without ``lr``: ``steps`` counts the integrator's, ``path_*`` runs over
    ``time``, and ``lr_critical = 2 / sharpness_max`` (arXiv 2505.21423).

    Further keywords, ``tol``, ``rtol`` and ``max_time``, change single options of
    :class:`gdbias.sims.options.FlowOptions`, or of those given together as ``options``.

    Raises:
        InputError: an unknown option, or a value outside its limits.
        GdbiasError: the integrator failed.
    """
    landscape = Landscape(derive(model, require_problem(problem).loss), problem)
    options = options_of("flow", FlowOptions(), options, changes)
    init = one_value(init_scale, "init_scale") if theta0 is None else None
    start = model.check_theta(theta0, problem.d) if init is None else model.theta0(init, problem.d)
    spec = result_spec(
        "flow", model, problem, options, init_scale=init, theta0=start if init is None else None,
    )  # fmt: skip
    attrs = result_attributes(spec, [problem])  # before the run, which nothing may spoil afterwards
    [smallest] = smallest_losses(landscape, start[None])
    run = integrate(landscape, start, smallest, options)
    along = measure(landscape, run.states[run.kept])
    found = run.outcome(along, smallest)
    ds = single_result(found, model, {} if init is None else {"init_scale": init}, attrs)
    return add_path(ds, "time", run.times[run.kept], along)
