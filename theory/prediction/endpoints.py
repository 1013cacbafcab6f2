"""Where gradient descent ends at a learning rate, predicted without a run.

Four predictors, from the coarsest to the closest: gradient flow's endpoint; the frontier point of least l1
norm with ``S <= 2 / lr``; the interpolator with ``S <= 2 / lr`` nearest to the start in the mirror divergence
(one implicit step of the constrained flow); and the endpoint of the constrained flow itself, followed to a small loss
and finished by such a step, to the sharpness below ``2 / lr`` at which descent's oscillation can die out.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import GdbiasError
from .constrained import Edge
from .flow_endpoint import FlowEndpoint
from .frontiers import Interpolators
from .oscillation import undershoot

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


def endpoint_of_flow(flow: FlowEndpoint, lr: float) -> Endpoint:
    """Gradient flow's endpoint as that of descent at ``lr``, with a note where descent cannot stay there."""
    top = float(flow.sharpness)
    note = "" if lr <= 2 / top else f"unstable for descent: lr > lr_critical_final = {2 / top:.4g}"
    return Endpoint(lr, "flow", flow.beta, top, float(flow.l1_norm), _number(flow.test_risk), 0.0, note)


def endpoint(reachable: Interpolators, w0: np.ndarray, lr: float, method: Method, warmup: int = 0) -> Endpoint:
    """The endpoint of descent from weights w0 (block, d) among the interpolators, at ``lr``."""
    edge, multiplier = Edge(reachable.coordinates, reachable.problem, w0, lr), 0.0
    if method == "frontier":
        b, multiplier = reachable.least_norm(2 / lr)
    elif method == "bregman":
        b, multiplier = reachable.nearest(w0**edge.coordinates.degree, 2 / lr)
    else:
        w, ended = edge.warmed(warmup) if warmup else (w0[edge.moving], False)
        if ended:
            note = "not predicted: descent itself ended within the warm-up"
            return replace(endpoint_at(reachable, edge.full(w), lr, method, multiplier), note=note)
        w, _, _, multiplier = edge.follow(w, NEAR_END)
        b = _finished(reachable, edge, w, multiplier)
    return endpoint_at(reachable, b, lr, method, multiplier)


def _finished(reachable: Interpolators, edge: Edge, w: np.ndarray, push: np.ndarray) -> np.ndarray:
    """Where the flow goes from w (moving,), near its end, and on to where descent's oscillation can die out."""
    b = _nearest(reachable, edge, w, edge.lr)
    below = undershoot(edge.coordinates, edge.problem, b, edge.moving, edge.lr, push)
    if below:
        try:
            return _nearest(reachable, edge, w, edge.lr / (1 - below))
        except GdbiasError:  # above lr_max, perhaps
            return b
    return b


def _nearest(reachable: Interpolators, edge: Edge, w: np.ndarray, lr: float) -> np.ndarray:
    """The interpolator under the cap nearest to w: by its dual, and where that fails as a convex program."""
    found = edge.project(w, lr)
    return reachable.nearest(edge.full(w), 2 / lr)[0] if found is None else edge.full(found)


def endpoint_at(
    reachable: Interpolators, b: np.ndarray, lr: float, method: str, multiplier: float | np.ndarray
) -> Endpoint:
    """The endpoint of coefficients b (block, d)."""
    beta = reachable.coordinates.beta(b)
    risk = _number(reachable.problem.test_risk(beta))
    return Endpoint(lr, method, beta, reachable.sharpness_of(b), float(np.abs(beta).sum()), risk, multiplier, "")


def _number(value) -> float | None:
    return None if value is None else float(value)
