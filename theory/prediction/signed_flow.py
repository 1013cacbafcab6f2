"""Sign descent in small steps: every weight moves at unit speed, and coefficients whose slope is 0 slide.

``theta_pi' = -sign(J_pi) v_i`` with ``v_i`` in ``Sign(g_i)``: a coefficient moves by ``beta_i' = -kappa_i v_i`` with
``kappa_i = sum_p |J_pi|``, at full speed while its slope g_i has a sign; where that is 0, by the v_i in [-1, 1] that
keep it 0, as steps that switch sides do on average (Filippov). A weight of even power stops at 0 until its slope turns.
RMSProp and Adam have the same limit: where steps are small beside what they remember, nu is ``g^2``, and
``g / sqrt(nu)`` is the sign.

A step of length h takes the v of ``min |X (beta - h kappa v) - y|`` in the box, whose conditions are these signs at
its end.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..derivation.landscape import Landscape
from ..derivation.separable import separate
from ..errors import NoClosedForm, NotFollowed

FEW, MANY = 200, 1000  # steps by which the time of the flow is found, and of the flow itself
MOST = 20  # times as many, where the flow has not ended
END = 1e-7  # of the first residual
TURNS = 30  # of the active set in a step, before the whole program is solved
ROUNDING = 1e-12

Move = Callable[[np.ndarray, np.ndarray, float], np.ndarray]  # theta, v, length -> theta after a step


@dataclass(frozen=True)
class SignFlow:
    """The end of the flow.

    Attributes:
        theta: weights there, (weight, d).
        time: its length, which is lr times the steps of sign descent.
        passed: which weights came to 0 on the way, (weight, d).
    """

    theta: np.ndarray
    time: float
    passed: np.ndarray


def sign_flow(landscape: Landscape, theta0: np.ndarray, through: bool = True) -> SignFlow:
    """Follow sign descent in small steps from theta0 (weight, d).

    A weight of odd power goes ``through`` 0, where its gradient vanishes; else it stays there, as averages of squares
    and what is added to their roots may have it for long.

    Raises:
        NoClosedForm: a model that is neither a sum of powers nor one product.
        NotFollowed: a flow that does not end.
    """
    model, (X, y, _) = landscape.dynamics.model, landscape.samples
    size = (np.linalg.norm(y) / np.linalg.norm(X, 2)) ** (1 / (model.degree or 1))
    move = _mover(landscape, theta0, through)
    found = _followed(landscape, theta0, move, float(max(size, np.abs(theta0).max())) / FEW)
    return _followed(landscape, theta0, move, found.time / MANY)


def _followed(landscape: Landscape, theta0: np.ndarray, move: Move, step: float) -> SignFlow:
    (X, y, _), law, theta = landscape.samples, landscape.law, theta0
    residual = landscape.predictions(*theta) - y
    first, box = np.linalg.norm(residual), _Box(np.sign(X.T @ residual))
    passed = np.zeros_like(theta, bool)

    def speeds(at: np.ndarray) -> np.ndarray:
        return np.abs([slope + np.zeros(X.shape[1]) for slope in law.jacobian(*at)]).sum(axis=0)

    for count in range(1, MOST * MANY):
        for length in (step / 2, step):  # with the speeds of the middle
            between = theta if length < step else move(theta, box.v, step / 2)
            box.solve(X * (length * speeds(between)), residual, X.T @ residual)
        theta = move(theta, box.v, step)
        passed |= theta * theta0 <= 0
        residual = landscape.predictions(*theta) - y
        if np.linalg.norm(residual) < END * first:
            return SignFlow(theta, count * step, passed)
    raise NotFollowed(f"{landscape.dynamics.model.name}: the flow of signs did not end: run it with sims")


class _Box:
    """``min |A v - r|`` over ``|v| <= 1``, from the answer of the step before.

    Attributes:
        v: the answer, shape (d,).
        free: which of its entries are not at a bound.
    """

    def __init__(self, v: np.ndarray):
        self.v, self.free = v, np.zeros(len(v), dtype=bool)

    def solve(self, A: np.ndarray, r: np.ndarray, slope: np.ndarray) -> None:
        still = ~A.any(axis=0)  # weights at 0, which their slope alone moves
        self.free &= ~still
        self.v = np.where(still, np.sign(slope), self.v)
        for _ in range(TURNS):
            v = np.where(self.free | still, self.v, np.where(self.v < 0, -1.0, 1.0))
            if self.free.any():
                v[self.free] = np.linalg.lstsq(A[:, self.free], r - A[:, ~self.free] @ v[~self.free])[0]
            outside = self.free & (np.abs(v) > 1 + ROUNDING)
            pull = A.T @ (r - A @ v)
            wrong = ~self.free & ~still & (pull * v < -ROUNDING * np.linalg.norm(A.T @ r))
            self.v = np.clip(v, -1, 1)
            if outside.any():
                self.free &= ~outside
            elif wrong.any():
                self.free[np.argmax(np.where(wrong, np.abs(pull), -1.0))] = True
            else:
                return
        found = scipy.optimize.lsq_linear(A, r, (-1, 1), method="bvls").x
        self.v, self.free = np.where(still, self.v, found), ~still & (np.abs(found) < 1)


def _mover(landscape: Landscape, theta0: np.ndarray, through: bool) -> Move:
    model, law = landscape.dynamics.model, landscape.law
    terms = separate(model.effective, model.weights)
    if not terms:
        if len(model.effective.as_ordered_terms()) > 1:
            raise NoClosedForm(
                f"{model.name}: the flow of signs is known for sums of separate powers (power, difference) and for "
                "products of all weights: run it with sims"
            )

        def along(theta: np.ndarray, v: np.ndarray, length: float) -> np.ndarray:
            sides = np.sign([slope + np.zeros(theta.shape[1]) for slope in law.jacobian(*theta)])
            return theta - length * sides * v

        return along
    sides = np.array([[np.sign(float(terms[w][0]))] for w in model.weights])
    even = np.array([[float(terms[w][1]) % 2 == 0] for w in model.weights])
    sides = sides * np.where(even & (theta0 < 0), -1.0, 1.0)

    def apart(theta: np.ndarray, v: np.ndarray, length: float) -> np.ndarray:
        moved = theta - length * sides * v
        kept = np.where(theta0 < 0, np.minimum(moved, 0.0), np.maximum(moved, 0.0))
        odd = moved if through else np.where(theta == 0, 0.0, kept)
        return np.where(even, kept, odd)

    return apart
