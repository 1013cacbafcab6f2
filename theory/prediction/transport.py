"""The characteristic flow in numbers: weights at the clock s, by closed form where there is one."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy  # its parts on first use: they take half a second to import
import sympy as sp

from ..derivation.characteristic import CLOCK, characteristic_flow, start_symbols
from ..derivation.dynamics import Dynamics
from ..derivation.separable import separate
from ..parameterization import Parameterization

BLOW_UP = 1e12  # weights, in units of the start, at which a numerical characteristic has left its domain


class Transport:
    """``theta(s)`` with ``d theta_i / ds = grad effective(theta_i)``, ``theta_i(0) = theta0_i``.

    Called with clocks s of shape (..., d), returns weights of shape (weight, ..., d): NaN outside the
    domain of s, where the flow has blown up. ``linear`` says that the clock is logarithmic in the weights
    (degree 2 at most), so that weights of every size are resolved by clocks of similar size.
    """

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        model = dynamics.model
        self.linear = sp.Poly(model.effective, *model.weights).total_degree() <= 2
        if self.linear:
            self._at = _Linear(model, theta0)
        elif _is_chain_from_zero(model, theta0):
            self._at = _Chain(model, theta0)
        elif separate(model.effective, model.weights):
            self._at = _Closed(model, theta0)
        else:
            self._at = _Integrated(dynamics, theta0)

    def __call__(self, s: np.ndarray) -> np.ndarray:
        return self._at(np.asarray(s, dtype=float))

    @property
    def closed(self) -> bool:
        """Whether the weights at a clock are a formula, with no integration."""
        return not isinstance(self._at, _Integrated)


class _Linear:
    """Degree 2 at most: ``d theta / ds = M theta + b`` in the eigenvectors of the symmetric matrix M."""

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        matrix, push = _linear_system(model)
        self.rates, self.vectors = np.linalg.eigh(matrix)
        self.start = self.vectors.T @ theta0
        self.push = self.vectors.T @ push

    def __call__(self, s: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            growth = np.multiply.outer(self.rates, s)
            modes = _rows(self.start, s) * np.exp(growth)
            if self.push.any():
                modes += _rows(self.push, s) * s * np.where(growth == 0, 1.0, np.expm1(growth) / growth)
            return (self.vectors @ modes.reshape(len(modes), -1)).reshape(modes.shape)


@lru_cache(maxsize=64)
def _linear_system(model: Parameterization) -> tuple[np.ndarray, np.ndarray]:
    at_zero = dict.fromkeys(model.weights, 0)
    matrix = sp.hessian(model.effective, model.weights).subs(at_zero)
    push = [sp.diff(model.effective, w).subs(at_zero) for w in model.weights]
    return np.array(matrix, dtype=float), np.array(push, dtype=float)[:, None]


class _Closed:
    """The formulas of :func:`characteristic_flow`, with the domain where their roots have positive bases."""

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        self.paths, self.bases = _formulas(model)
        self.theta0 = theta0

    def __call__(self, s: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            theta = np.stack([np.broadcast_to(w, s.shape) for w in self.paths(s, *self.theta0)])
            for base in self.bases(s, *self.theta0):
                theta = np.where(base > 0, theta, np.nan)
        return theta


@lru_cache(maxsize=64)
def _formulas(model: Parameterization) -> tuple[Callable, Callable]:
    solution = characteristic_flow(model)
    arguments = [CLOCK, *start_symbols(model)]
    bases = {
        power.base for path in solution.values() for power in path.atoms(sp.Pow)
        if power.exp.is_negative and power.base.has(CLOCK)
    }  # fmt: skip
    return sp.lambdify(arguments, list(solution.values()), "numpy"), sp.lambdify(arguments, list(bases), "numpy")


class _Chain:
    """``beta = c u_1 ... u_L`` from ``|u_p| = a`` for all layers but one, which starts at 0.

    With x = u/a for that layer and ``q = x^2 / (1 + x^2)``, the others are ``a sqrt(1 + x^2)`` and the clock
    is the incomplete beta function ``s a^(L-2) c = x 2F1(1/2, (L-1)/2; 3/2; -x^2) = B(q; 1/2, (L-2)/2) / 2``.
    """

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        zero = np.argmin(np.abs(theta0), axis=0)
        self.others = np.arange(len(theta0))[:, None] != zero
        signs, scale = np.where(self.others, np.sign(theta0), 1.0), np.abs(theta0).max(axis=0)
        coefficient = float(sp.Poly(model.effective, *model.weights).coeffs()[0])
        self.start = signs * scale
        self.half = (len(theta0) - 2) / 2
        self.clock = (
            coefficient * np.prod(signs, axis=0) * scale ** (len(theta0) - 2) / (scipy.special.beta(0.5, self.half) / 2)
        )

    def __call__(self, s: np.ndarray) -> np.ndarray:
        share = s * self.clock  # in (-1, 1) of the whole incomplete beta function
        past = np.abs(share)
        betaincinv = scipy.special.betaincinv
        q, rest = betaincinv(0.5, self.half, past), betaincinv(self.half, 0.5, 1 - past)  # rest = 1 - q
        with np.errstate(all="ignore"):
            x = np.copysign(np.sqrt(np.where(past < 0.5, q / (1 - q), (1 - rest) / rest)), share)
        return np.where(_rows(self.others, s), np.sqrt(1 + x * x), x) * _rows(self.start, s)


class _Integrated:
    """All coordinates at once by an explicit Runge-Kutta method, each with its own clock scaled to 1."""

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        self.law, self.theta0 = dynamics.law.arrays, theta0

    def __call__(self, s: np.ndarray) -> np.ndarray:
        start = np.broadcast_to(_rows(self.theta0, s), (len(self.theta0), *s.shape))
        far = BLOW_UP * (1 + np.abs(start).max())

        def velocity(_, flat):
            theta = flat.reshape(start.shape)
            return (s * np.stack([np.broadcast_to(slope, s.shape) for slope in self.law.jacobian(*theta)])).ravel()

        def blown_up(_, flat):
            return far - np.abs(flat).max()

        blown_up.terminal = True  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):
            path = scipy.integrate.solve_ivp(
                velocity, (0, 1), start.ravel(), "DOP853", rtol=1e-12, atol=1e-14, events=blown_up
            )
        return path.y[:, -1].reshape(start.shape) if path.status == 0 else np.full(start.shape, np.nan)


def _rows(rows: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Rows (weight, d) shaped to go with clocks s of shape (..., d)."""
    return rows.reshape(len(rows), *(1,) * (s.ndim - 1), rows.shape[1])


def _is_chain_from_zero(model: Parameterization, theta0: np.ndarray) -> bool:
    terms = sp.Poly(model.effective, *model.weights).terms()
    if len(theta0) < 3 or len(terms) != 1 or set(terms[0][0]) != {1}:
        return False
    sizes = np.sort(np.abs(theta0), axis=0)
    return bool((sizes[0] == 0).all() and (sizes[1] > 0).all() and (sizes[1:] == sizes[1]).all())
