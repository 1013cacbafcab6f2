"""How many steps descent takes until its loss is below a tolerance.

The constrained flow's time is that of descent. Once it has settled the rest is linear: the residual's part of the loss
falls as ``sum_i c_i (1 - lr lambda_i)^(2 t)``, by the eigenvalues of the tangent kernel that nothing holds. Where it
ends at the edge the oscillation dies out last, with the sharpness below ``2 / lr``: its part falls as
``exp(-4 (1 - lr S / 2) t)``, from the size at which it pushes the flow along ``{S = 2 / lr}``.
"""

import numpy as np

from .oscillation import Modes
from .settled import NEAR_END, Settled

LINEAR = 0.3  # of a weight's logarithm: what is left of its way where the rest of the course is taken as linear
SEVERAL = "how the oscillation of several directions dies out is not known: most runs took two to ten times as many"
ROUNDS = 100  # of Newton's method, which converges from one side


def steps_to_loss(state: Settled, loss: float, stays: bool) -> float:
    """Steps of descent until the loss is ``loss`` of that of beta = 0, for a flow that has settled after its warm-up.

    ``stays`` says that the flow's own endpoint is stable, and no oscillation is left at the end.
    """
    early = np.flatnonzero(state.losses < loss)
    if len(early):
        return float(early[0])
    if loss > NEAR_END:
        found = state.edge.follow(state.start, loss)
        steps, rest, swing = state.begun + found.steps, 0.0, found.swing
    else:
        steps, rest, swing = state.steps, _rest(state, loss, held=not stays), state.swing
    if stays or swing <= loss:
        return steps + rest
    below = state.undershoot[0]
    return steps + max(rest, float(np.log(swing / loss)) / (4 * below) if below else 0.0)


def doubt_of_steps(state: Settled, loss: float, stays: bool) -> str:
    """Why a run may take more steps than :func:`steps_to_loss` tells; empty where a law of its end is known."""
    if stays or state.ended or state.swing <= loss or (state.losses < loss).any():
        return ""
    below, several = state.undershoot
    return SEVERAL if several or not below else ""


def _rest(state: Settled, loss: float, held: bool) -> float:
    """Steps until the residual's part of the loss has fallen to ``loss``."""
    modes, y = state.modes, state.edge.problem.projected[1]
    with np.errstate(divide="ignore"):
        far = np.abs(np.log(state.w / modes.w)).max()
    if far < LINEAR:
        steps = linear_steps(modes, modes.columns @ state.w**modes.L - y, loss * float(y @ y), held)
        if np.isfinite(steps):
            return steps
    return state.edge.follow(state.w, loss).steps


def linear_steps(modes: Modes, residual: np.ndarray, square: float, held: bool) -> float:
    """Steps t in which ``sum_i c_i (1 - lr lambda_i)^(2 t)`` falls to ``square``, with c the residual's squares.

    Where eigenvalues are ``held`` at ``2 / lr``, lambda are those of what moves none of them. inf where the rest never
    does.
    """
    directions, shares = modes.samples, modes.shares
    if held:
        basis = np.linalg.qr(modes.slopes.T)[0]
        directions, singular, _ = np.linalg.svd(
            modes.jacobian - (modes.jacobian @ basis) @ basis.T, full_matrices=False
        )
        shares = modes.lr * singular**2 / modes.n / 2
    with np.errstate(divide="ignore"):
        rates = -2 * np.log(np.abs(1 - 2 * shares))
    parts, steps = (directions.T @ residual) ** 2, 0.0
    for _ in range(ROUNDS):  # its logarithm is convex in t, so that tangents cross from below
        left = parts * np.exp(-rates * steps)
        total = left.sum()
        if total <= square * (1 + 1e-9):
            return steps
        with np.errstate(divide="ignore", invalid="ignore"):
            steps += np.log(total / square) * total / (left @ rates)
        if not 0 <= steps < np.inf:  # a direction grows
            break
    return np.inf
