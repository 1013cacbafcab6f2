"""Where descent of a deep network ends at every learning rate, by the central flow."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Unpack

import numpy as np
import xarray as xr

from ...theory.validate import truth, truth_or_none
from ..grid import Grid
from ..options import check_names, options_of
from .architecture import Network
from .backend import jax
from .cases import computed
from .checkpoint import Checkpoint
from .data import Data
from .one_prediction import predict
from .one_run import Tell
from .options import DeepOptions, FollowingChanges, FollowingOptions
from .plan import Case, planned
from .training_loss import Objective


def predicted(
    net: Network | Sequence[Network],
    data: Data | Sequence[Data],
    lr: float | np.ndarray | Sequence[float] | Grid,
    *,
    relative: bool = False,
    store: str | PathLike | None = None,
    progress: bool | None = None,
    options: DeepOptions | None = None,
    **changes: Unpack[FollowingChanges],
) -> xr.Dataset:
    """The result that :func:`gdbias.sims.deep.sweep` would have, by the central flow (arXiv 2410.24206).

    ``d theta / dt = -grad L - 1/2 sum_ij X_ij grad(u_i' H u_j)``: gradient flow, and what the oscillation of covariance
    ``X >= 0`` along the top eigenvectors adds, just so that the sharpness stays at ``2 / lr``, beside what steps are
    finite by, ``-lr / 2 H grad L`` off these (2009.11162). It begins after ``warm`` steps of descent itself and has a
    local error by ``rtol |theta|`` a step. A run ends where its oscillation happens to be small: of the w steps
    from where L is below ``tol`` to where the mean loss of descent ``L + tr(X) / lr`` is, a share of
    ``1 / (1 + w / 300)`` passes, and so much of the oscillation is left; the 300 is a fit. ``loss``, ``test_risk`` and
    norms are means over that oscillation. With ``land``, descent itself goes on from the flow so many steps before its
    loss is below ``tol``. Other options are those of ``sweep``.

    ``low_*`` and ``high_*`` of steps and norms are brackets, made to hold nine in ten: from where L is below ``tol`` to
    where the mean loss is, 1 % wider in steps, and in norms by a tenth of the growth and 0.075 %.
    ``doubts`` says what speaks against a value (:class:`gdbias.sims.status.Doubt`): ``NOT_SEPARATED``, oscillation
    begins within 50 steps, and brackets are widened three times as far; ``KINKS``, the curvature over a swing is not
    its center's; ``NO_ARRIVAL`` at ``tol``; ``FAINT``, a norm has grown by less than its bracket is wide. Where the
    status is NOT_RUN nothing is predicted. Trust it for the squared loss and smooth activations.

    With ``store`` every learning rate is written when done, and calling again computes only what is missing.

    Raises:
        InputError: an unknown option, a value outside its limits, or a store that cannot be used.
    """
    relative, progress = truth("relative", relative), truth_or_none("progress", progress)
    check_names("deep.predicted", FollowingChanges.__annotations__, changes)
    chosen = {name: changes.pop(name) for name in ("warm", "land", "rtol") if name in changes}  # type: ignore[misc]
    following = options_of("deep.predicted", FollowingOptions(), None, chosen)
    plan = planned("deep.predicted", net, data, lr, options, changes, following)
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
    assert case.following is not None
    return predict(target, theta0, lr, case.options, case.following, flow, case.net.activation == "relu", tell)
