"""The characteristic flow in numbers: weights at the clock s, by closed form where there is one."""

from functools import lru_cache

import numpy as np
import scipy  # its parts on first use: they take half a second to import
import sympy as sp

from ..derivation.dynamics import Dynamics
from ..derivation.separable import separate
from ..parameterization import Parameterization

BLOW_UP = 1e12  # weights, in units of the start, at which a numerical characteristic has left its domain


class Transport:
    """``theta(s)`` with ``d theta_i / ds = grad effective(theta_i)``, ``theta_i(0) = theta0_i``.

    Called with clocks s of shape (..., d), returns weights of shape (weight, ..., d): NaN outside the domain of s,
    where the flow has blown up. From a start of size alpha a clock is of size ``alpha^(2 - L)`` and weights of size 1
    differ in digits of it that floats do not have. So a *state*, shape (k, ..., d), holds how far the clock is from
    where it blows up, and is moved by changes of the clock: what it rounds is as if the start were rounded.
    """

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        model = dynamics.model
        terms = separate(model.effective, model.weights)
        if sp.Poly(model.effective, *model.weights).total_degree() <= 2:
            self._at = _Linear(model, theta0)
        elif _is_chain_from_zero(model, theta0):
            self._at = _Chain(model, theta0)
        elif terms:
            self._at = _Powers([terms[w] for w in model.weights], theta0)
        elif _is_balanced_chain(model, theta0):
            self._at = _BalancedChain(model, theta0)
        else:
            self._at = _Integrated(dynamics, theta0)

    def __call__(self, s: np.ndarray) -> np.ndarray:
        s = np.asarray(s, dtype=float)
        return self.weights(self.moved(self.start(s.shape), s))

    def start(self, shape: tuple[int, ...]) -> np.ndarray:
        """The state at clocks of 0, of shape (..., d)."""
        return self._at.start(shape)

    def moved(self, state: np.ndarray, change: np.ndarray) -> np.ndarray:
        """The state after the clocks have changed."""
        return state + _rows(self._at.rates, change) * change

    def weights(self, state: np.ndarray) -> np.ndarray:
        """The weights at a state, shape (weight, ..., d)."""
        return self._at.weights(state)

    @property
    def closed(self) -> bool:
        """Whether the weights at a clock are a formula, with no integration."""
        return not isinstance(self._at, _Integrated)


class _OnClock:
    """States that are the clocks themselves."""

    def __init__(self, d: int):
        self.rates = np.ones((1, d))

    def start(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros((1, *shape))


class _Linear(_OnClock):
    """Degree 2 at most: ``d theta / ds = M theta + b`` in the eigenvectors of the symmetric matrix M."""

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        super().__init__(theta0.shape[1])
        matrix, push = _linear_system(model)
        self.growths, self.vectors = np.linalg.eigh(matrix)
        self.modes = self.vectors.T @ theta0
        self.push = self.vectors.T @ push

    def weights(self, state: np.ndarray) -> np.ndarray:
        [s] = state
        with np.errstate(all="ignore"):
            growth = np.multiply.outer(self.growths, s)
            modes = _rows(self.modes, s) * np.exp(growth)
            if self.push.any():
                modes += _rows(self.push, s) * s * np.where(growth == 0, 1.0, np.expm1(growth) / growth)
            return (self.vectors @ modes.reshape(len(modes), -1)).reshape(modes.shape)


@lru_cache(maxsize=64)
def _linear_system(model: Parameterization) -> tuple[np.ndarray, np.ndarray]:
    at_zero = dict.fromkeys(model.weights, 0)
    matrix = sp.hessian(model.effective, model.weights).subs(at_zero)
    push = [sp.diff(model.effective, w).subs(at_zero) for w in model.weights]
    return np.array(matrix, dtype=float), np.array(push, dtype=float)[:, None]


class _Powers:
    """Separate terms ``c w^L``: ``w = w0 x^(-1 / (L - 2))``, where x falls linearly from 1 to 0 at the blow-up.

    A weight of degree 2 is ``w0 exp(x)``, one of degree 1 ``w0 + x``.
    """

    def __init__(self, terms: list[tuple[sp.Expr, int]], theta0: np.ndarray):
        c, L = np.array([[float(c), float(L)] for c, L in terms]).T[..., None]
        self.theta0, self.L = theta0, L
        self.first = np.where(L > 2, 1.0, 0.0)
        self.rates = np.where(L > 2, -c * L * (L - 2) * theta0 ** np.maximum(L - 2, 0), c * L)

    def start(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros((len(self.L), *shape)) + _rows(self.first, np.empty(shape))

    def weights(self, state: np.ndarray) -> np.ndarray:
        theta0, L = (_rows(rows, state[0]) for rows in (self.theta0, self.L))
        with np.errstate(all="ignore"):
            steep = theta0 * np.where(state > 0, state, np.nan) ** (-1 / np.maximum(L - 2, 1))
            return np.where(L > 2, steep, np.where(L == 2, theta0 * np.exp(state), theta0 + state))


class _BalancedChain(_Powers):
    """``beta = c u_1 ... u_L`` from layers of one absolute value, which they keep: each is as a weight of degree L."""

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        L = len(theta0)
        coefficient = float(sp.Poly(model.effective, *model.weights).coeffs()[0])
        self.theta0, self.L, self.first = theta0, np.full((L, 1), L), np.ones((L, 1))
        whole = np.prod(np.sign(theta0), axis=0) * np.abs(theta0[0]) ** (L - 2)
        self.rates = -coefficient * (L - 2) * np.tile(whole, (L, 1))


class _Chain:
    """``beta = c u_1 ... u_L`` from ``|u_p| = a`` for all layers but one, which starts at 0.

    With x = u/a for that layer and ``q = x^2 / (1 + x^2)``, the others are ``a sqrt(1 + x^2)`` and the clock
    is the incomplete beta function ``s a^(L-2) c = x 2F1(1/2, (L-1)/2; 3/2; -x^2) = B(q; 1/2, (L-2)/2) / 2``. A state
    is its share in (-1, 1) of the whole function, and how much is left to either end.
    """

    def __init__(self, model: Parameterization, theta0: np.ndarray):
        zero = np.argmin(np.abs(theta0), axis=0)
        self.others = np.arange(len(theta0))[:, None] != zero
        signs, scale = np.where(self.others, np.sign(theta0), 1.0), np.abs(theta0).max(axis=0)
        coefficient = float(sp.Poly(model.effective, *model.weights).coeffs()[0])
        self.theta0 = signs * scale
        self.half = (len(theta0) - 2) / 2
        whole = scipy.special.beta(0.5, self.half) / 2
        rate = coefficient * np.prod(signs, axis=0) * scale ** (len(theta0) - 2) / whole
        self.rates = np.array([[1.0], [-1.0], [1.0]]) * rate

    def start(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros((3, *shape)) + np.array([0.0, 1.0, 1.0]).reshape(3, *(1,) * len(shape))

    def weights(self, state: np.ndarray) -> np.ndarray:
        share, *left = state
        past, left = np.abs(share), np.minimum(*left)
        betaincinv = scipy.special.betaincinv
        q, rest = betaincinv(0.5, self.half, past), betaincinv(self.half, 0.5, left)  # rest = 1 - q
        with np.errstate(all="ignore"):
            x = np.copysign(np.sqrt(np.where(past < 0.5, q / (1 - q), (1 - rest) / rest)), share)
        return np.where(_rows(self.others, share), np.sqrt(1 + x * x), x) * _rows(self.theta0, share)


class _Integrated(_OnClock):
    """All coordinates at once by an explicit Runge-Kutta method, each with its own clock scaled to 1."""

    def __init__(self, dynamics: Dynamics, theta0: np.ndarray):
        super().__init__(theta0.shape[1])
        self.law, self.theta0 = dynamics.law.arrays, theta0

    def weights(self, state: np.ndarray) -> np.ndarray:
        [s] = state
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


def _is_chain(model: Parameterization) -> bool:
    terms = sp.Poly(model.effective, *model.weights).terms()
    return len(model.weights) > 2 and len(terms) == 1 and set(terms[0][0]) == {1}


def _is_balanced_chain(model: Parameterization, theta0: np.ndarray) -> bool:
    sizes = np.abs(theta0)
    return _is_chain(model) and bool(np.allclose(sizes, sizes[0], rtol=1e-14, atol=0))


def _is_chain_from_zero(model: Parameterization, theta0: np.ndarray) -> bool:
    sizes = np.sort(np.abs(theta0), axis=0)
    alike = bool((sizes[0] == 0).all() and (sizes[1:] > 0).all() and (sizes[1:] == sizes[1:2]).all())
    return _is_chain(model) and alike
