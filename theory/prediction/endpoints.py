"""Where gradient descent ends at a learning rate, predicted without a run.

Four predictors, from the coarsest to the closest: gradient flow's endpoint; the frontier point of least l1
norm with ``S <= 2 / lr``; the interpolator with ``S <= 2 / lr`` nearest to the start in the mirror divergence
(one implicit step of the constrained flow); and the endpoint of the constrained flow itself, followed to a small loss
and finished by such a step, to the sharpness below ``2 / lr`` at which descent's oscillation can die out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..errors import InputError, NoInterpolator
from ..problem import Problem
from ..validate import real
from .constrained import constrained_flow
from .coordinates import Doubled, doubled
from .frontiers import Interpolators
from .oscillation import undershoot

if TYPE_CHECKING:
    from .prediction import Prediction

NEAR_END = 1e-7  # loss from which one implicit step goes where the flow goes: endpoints move by 0.03 % at most

Method = Literal["flow", "frontier", "bregman", "constrained_flow"]


@dataclass(frozen=True, repr=False)
class Endpoint:
    """The predicted end of gradient descent at one learning rate.

    Attributes:
        lr: the learning rate.
        method: the predictor.
        beta: coefficients, shape (d,).
        sharpness: largest Hessian eigenvalue there, at most 2 / lr where the constraint binds.
        l1_norm: ``||beta||_1``.
        test_risk: loss on held-out samples, None without them.
        multiplier: of the constraint ``S <= 2 / lr``; 0 where it never binds. What the objective, ``||beta||_1`` or
            ``D_psi``, gains for each unit of sharpness (frontier, bregman), or the matrix of the whole push along
            the flow (constrained_flow).
        note: why the predictor may not apply here; empty where it does.
    """

    lr: float
    method: str
    beta: np.ndarray
    sharpness: float
    l1_norm: float
    test_risk: float | None
    multiplier: float | np.ndarray
    note: str

    def __repr__(self) -> str:
        risk = "" if self.test_risk is None else f", test_risk={self.test_risk:.4g}"
        found = f"lr={self.lr:g}, {self.method}, sharpness={self.sharpness:.4g}, l1_norm={self.l1_norm:.4g}{risk}"
        return f"Endpoint({found}{self.note and f'; {self.note}'})"


def endpoint(pred: "Prediction", lr: float, method: Method = "constrained_flow") -> Endpoint:
    """Predict where gradient descent from the one start of ``pred`` ends at ``lr``; see the module.

    Raises:
        InputError: an unknown method, an lr that is not positive, or a prediction of many starts.
        NoInterpolator: no interpolator with ``S <= 2 / lr`` exists, that is ``lr > lr_max``.
        NoClosedForm: a model, loss or start outside the doubled coordinates (every method but "flow").
    """
    if method not in get_args(Method):
        raise InputError(f"unknown method {method!r}: use one of {', '.join(get_args(Method))}")
    _require_one_start(pred, lr)
    flow, problem = pred.flow, pred.problem
    if method == "flow":
        stable = lr <= pred.lr_critical_final
        note = "" if stable else f"unstable for descent: lr > lr_critical_final = {pred.lr_critical_final:.4g}"
        top = float(flow.sharpness)
        return Endpoint(lr, method, flow.beta, top, float(flow.l1_norm), _number(flow.test_risk), 0.0, note)
    coordinates = doubled(pred.dynamics.model)
    kit, w0 = require_reachable(pred, coordinates, lr)
    if coordinates.degree == 1:  # the sharpness is the same everywhere
        return endpoint(pred, lr, "flow")
    if method == "constrained_flow":
        states = constrained_flow(coordinates, problem, w0, lr, loss=NEAR_END)
        b, multiplier = _nearest(kit, coordinates, states.b[-1], lr, "bregman")[0], states.multiplier
        below = lr / (1 - undershoot(coordinates, problem, b, w0 > 0, lr))  # where S at its cap is 2 / below
        if lr < below < pred.lr_max:
            b, _ = _nearest(kit, coordinates, states.b[-1], below, "bregman")
    else:
        b, multiplier = _nearest(kit, coordinates, w0**coordinates.degree, lr, method)
    return endpoint_at(kit, problem, b, lr, method, multiplier)


def endpoint_at(
    kit: Interpolators, problem: Problem, b: np.ndarray, lr: float, method: str, multiplier: float | np.ndarray
) -> Endpoint:
    """The endpoint of coefficients b (block, d)."""
    beta = kit.coordinates.beta(b)
    risk = _number(problem.test_risk(beta))
    return Endpoint(lr, method, beta, kit.sharpness_of(b), float(np.abs(beta).sum()), risk, multiplier, "")


def require_reachable(pred: "Prediction", coordinates: Doubled, lr: float) -> tuple[Interpolators, np.ndarray]:
    """The interpolators that the start reaches, and its weights (block, d); raises as :func:`endpoint` does."""
    _require_one_start(pred, lr)
    w0 = coordinates.start(pred.starts[0])
    kit = Interpolators(coordinates, pred.problem, w0 > 0)
    if lr > pred.lr_max:
        raise NoInterpolator(
            f"{pred.dynamics.model.name}: lr = {lr:g} is above lr_max = {pred.lr_max:.6g}, where no interpolator is "
            "stable: use a smaller lr"
        )
    return kit, w0


def _require_one_start(pred: "Prediction", lr: float) -> None:
    real("lr", lr, above=0)
    if len(pred.starts) != 1:
        raise InputError(f"the prediction has {len(pred.starts)} starts: endpoint needs predict with one init_scale")


def _nearest(kit: Interpolators, coordinates: Doubled, start: np.ndarray, lr: float, method: str):
    """The convex program: least l1 norm, or least ``D_psi(b, start)``, with the multiplier of its constraint."""
    import cvxpy as cp

    L, b, scale = coordinates.degree, kit.b, kit.scale
    moving = start > 0
    b0 = np.where(moving, start, 1.0) / scale
    if method == "frontier":
        objective = cp.sum(b)
    elif L == 2:
        objective = cp.sum(cp.multiply(moving, cp.kl_div(b, b0)))
    else:
        slope = np.where(moving, (2 / L) * b0 ** (2 / L - 1), 0.0)
        objective = cp.sum(cp.multiply(slope, b)) - cp.sum(cp.multiply(moving, cp.power(b, 2 / L)))
    cap = kit.sharpness <= kit.in_units(2 / lr)
    found = kit.minimise(objective, cap)
    unit = scale if method == "frontier" else coordinates.divergence_unit * scale ** (2 / L)
    return found, float(np.asarray(cap.dual_value).sum()) * unit * kit.in_units(1.0)


def _number(value) -> float | None:
    return None if value is None else float(value)
