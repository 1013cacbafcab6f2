"""The characteristic flow in numbers: weights at the clock s, by closed form where there is one."""

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp
from scipy.special import hyp2f1

from .characteristic import CLOCK, characteristic_flow, start_symbols
from .derive import Dynamics
from .errors import NoClosedForm
from .law import array_law
from .parameterization import Parameterization

BLOW_UP = 1e12  # weights, in units of the start, at which a numerical characteristic has left its domain


class Transport:
    """``theta(s)`` with ``d theta_i / ds = grad effective(theta_i)``, ``theta_i(0) = theta0_i``.

    Called with clocks s of shape (..., d), returns weights of shape (weight, ..., d): NaN outside the
    domain of s, where the flow has blown up. ``closed`` tells whether a closed form is used.
    """

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        self.theta0 = theta0
        self.closed = True
        if _is_chain_from_zero(dynamics.model, theta0):
            self._at = _Chain(dynamics.model, theta0)
            return
        try:
            self._at = _Closed(dynamics, theta0)
        except NoClosedForm:
            self.closed = False
            self._at = _Integrated(dynamics, theta0)

    def __call__(self, s: np.ndarray) -> np.ndarray:
        return self._at(np.asarray(s, dtype=float))


class _Closed:
    """The formulas of :func:`characteristic_flow`, with the domain where their roots have positive bases."""

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        solution = characteristic_flow(dynamics.model)
        arguments = [CLOCK, *start_symbols(dynamics.model)]
        bases = {
            power.base for path in solution.values() for power in path.atoms(sp.Pow)
            if power.exp.is_negative and power.base.has(CLOCK)
        }  # fmt: skip
        self.paths = sp.lambdify(arguments, list(solution.values()), "numpy")
        self.bases = sp.lambdify(arguments, list(bases), "numpy")
        self.theta0 = theta0

    def __call__(self, s: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            theta = np.stack([np.broadcast_to(w, s.shape) for w in self.paths(s, *self.theta0)])
            for base in self.bases(s, *self.theta0):
                theta = np.where(base > 0, theta, np.nan)
        return theta


class _Chain:
    """``beta = c u_1 ... u_L`` from ``|u_p| = a`` for all layers but one, which starts at 0.

    With x = u/a for that layer, ``s a^(L-2) c = x 2F1(1/2, (L-1)/2; 3/2; -x^2)`` and the others are
    ``a sqrt(1 + x^2)``; inverted by Newton's method in asinh x, which climbs monotonically.
    """

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        self.order = len(theta0)
        self.zero = np.argmin(np.abs(theta0), axis=0)
        others = np.arange(self.order)[:, None] != self.zero
        self.signs = np.where(others, np.sign(theta0), 1.0)
        self.others, self.scale = others, np.abs(theta0).max(axis=0)
        coefficient = float(sp.Poly(model.effective, *model.weights).coeffs()[0])
        self.clock = coefficient * np.prod(self.signs, axis=0) * self.scale ** (self.order - 2)

    def __call__(self, s: np.ndarray) -> np.ndarray:
        target = s * self.clock
        x = np.sinh(self._invert(np.abs(target))) * np.sign(target)
        theta = np.where(self._layers(self.others, s), np.sqrt(1 + x * x), x)
        return theta * self._layers(self.signs * self.scale, s)

    def _layers(self, rows: np.ndarray, s: np.ndarray) -> np.ndarray:
        return rows.reshape(self.order, *(1,) * (s.ndim - 1), rows.shape[1])

    def _invert(self, target: np.ndarray) -> np.ndarray:
        half = (self.order - 1) / 2
        y = np.zeros_like(target)
        with np.errstate(all="ignore"):
            for _ in range(400):
                x = np.sinh(y)
                gap = target - x * hyp2f1(0.5, half, 1.5, -x * x)
                step = gap * np.cosh(y) ** (self.order - 2)
                y = np.where(np.isfinite(step), y + np.minimum(step, 1.0), np.nan)
                if not ((np.abs(step) > 1e-15 * (1 + y)) & (np.abs(gap) > 1e-15 * target)).any():
                    break
        return np.where(y < 300, y, np.nan)


class _Integrated:
    """All coordinates at once by an explicit Runge-Kutta method, each with its own clock scaled to 1."""

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        self.law, self.theta0 = array_law(dynamics), theta0

    def __call__(self, s: np.ndarray) -> np.ndarray:
        start = np.broadcast_to(self._spread(self.theta0, s), (len(self.theta0), *s.shape))
        far = BLOW_UP * (1 + np.abs(start).max())

        def velocity(_, flat):
            theta = flat.reshape(start.shape)
            return (s * np.stack([np.broadcast_to(slope, s.shape) for slope in self.law.jacobian(*theta)])).ravel()

        def blown_up(_, flat):
            return far - np.abs(flat).max()

        blown_up.terminal = True  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):
            path = solve_ivp(velocity, (0, 1), start.ravel(), "DOP853", rtol=1e-12, atol=1e-14, events=blown_up)
        return path.y[:, -1].reshape(start.shape) if path.status == 0 else np.full(start.shape, np.nan)

    @staticmethod
    def _spread(rows: np.ndarray, s: np.ndarray) -> np.ndarray:
        return rows.reshape(len(rows), *(1,) * (s.ndim - 1), rows.shape[1])


def _is_chain_from_zero(model: Parameterization, theta0: np.ndarray) -> bool:
    terms = sp.Poly(model.effective, *model.weights).terms()
    if len(theta0) < 3 or len(terms) != 1 or set(terms[0][0]) != {1}:
        return False
    sizes = np.sort(np.abs(theta0), axis=0)
    return bool((sizes[0] == 0).all() and (sizes[1] > 0).all() and (sizes[1:] == sizes[1]).all())
