"""Deep runs over learning rates, and the gradient flow they are compared with."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Unpack

import numpy as np
import xarray as xr

from ...theory.validate import truth, truth_or_none
from ..grid import Grid
from .architecture import Network
from .backend import jax
from .cases import computed
from .checkpoint import Checkpoint
from .data import Data
from .one_run import Tell, run
from .options import DeepOptions, DeepSweepChanges
from .plan import Case, planned
from .training_loss import Objective


def sweep(
    net: Network | Sequence[Network],
    data: Data | Sequence[Data],
    lr: float | np.ndarray | Sequence[float] | Grid,
    *,
    relative: bool = False,
    store: str | PathLike | None = None,
    progress: bool | None = None,
    options: DeepOptions | None = None,
    **changes: Unpack[DeepSweepChanges],
) -> xr.Dataset:
    """Gradient descent from one start at every learning rate, and gradient flow from the same start.

    ``theta <- theta - lr grad L(theta)`` until the training loss has been below ``tol`` for ``hold`` steps in a
    row, is not below ``1e6 max(1, L_0)``, or ``max_steps`` are taken (the protocol of arXiv 2505.21423).
    ``L`` is a mean over samples of ``|f - y|^2 / 2`` with one-hot y (``squared``) or of the cross-entropy.
    Lists of networks, data, losses and thresholds add the dimensions ``model``, ``seed``, ``objective``, ``tol``.
    With ``relative`` the learning rates are given as multiples of ``lr_critical``.

    With ``store`` every run is written when done (Zarr), and calling again with the same arguments computes only
    what is missing. Runs of a small network go side by side, one a core, with the same numbers; those under way are
    saved every minute, in ``<store>.checkpoint-<place>``, and go on from there. Gradient flow, which takes about as
    long as one run, starts again if it is interrupted. Options are those of :func:`gdbias.sims.deep.descend`.

    Returns a dataset over lr in the schema of :func:`gdbias.sims.sweep`: status, steps, loss, sharpness with its
    residual and its maximum along the path, adaptive sharpness, norms, test risk, accuracies; ``averaged_*`` of the
    mean of the next ``average`` weights and ``cooled_*`` after gradient flow for the time of as many steps;
    ``flow_*`` and ``lr_critical = 2 / flow_sharpness_max`` of gradient flow.

    ``momentum=b`` and ``batch=m`` make steps ``theta <- theta - lr grad L_B(theta) + b (theta - theta_before)`` with m
    samples B, each epoch in an order of its own that follows from ``noise_seed``; loss and convergence are those of
    all samples. A minimum is stable for ``sharpness_effective = lr S / (2 + 2 b)`` below 1, and of batches
    ``batch_sharpness = E_B [g_B' H_B g_B / |g_B|^2]`` is measured, which SGD holds at ``2 / lr`` (2412.20553).
    ``top=k`` adds the largest eigenvalues, ``spectrum`` (eigenvalue) with their residuals, ``layers=True`` the largest
    of each layer's block of the Hessian, ``layer_sharpness`` (layer), both of gradient flow's endpoint too, and
    ``distance=True`` the ``distance`` ``|theta - theta_flow(t)| / |theta_flow(t) - theta_0|`` from flow at the time
    ``t = lr steps / (1 - b)``.

    Raises:
        InputError: an unknown option, a value outside its limits, or a store that cannot be used, which stays as it
            is.
    """
    relative, progress = truth("relative", relative), truth_or_none("progress", progress)
    plan = planned("deep.sweep", net, data, lr, options, changes)
    return computed(plan, _one, relative, store, progress)


def _one(
    case: Case,
    target: Objective,
    theta0: jax.Array,
    lr: float,
    flow: Mapping[str, float],
    tell: Tell,
    checkpoint: Checkpoint | None,
) -> dict:
    return run(target, theta0, lr, case.options, 0, tell, checkpoint)[0]
