"""The convex programs of stable interpolators, by a primal-dual interior point of their own structure.

``min weight lam + f(b)  s.t.  C b = t,  K(b) = sum_j k(b_j) x_j x_j^T <= lam I,  b >= 0``, with ``k(b) = b^p``,
0 <= p < 2, f separable and convex, and lam free or held at a cap. With multipliers nu, z >= 0 and a matrix M >= 0

    ``f'(b_j) + k'(b_j) x_j^T M x_j = (C^T nu)_j + z_j,   tr M = weight,   b_j z_j = mu,   M (lam I - K) = mu I``

is followed to mu = 0 by Newton's method (the HKM direction), where columns meet in the matrix
``G_ij = (x_i^T M x_j)(x_i^T (lam I - K)^-1 x_j)`` alone: a step costs d^3, not the n^6 of a cone of n x n matrices.
Each feature has one or two columns, of opposite signs in C and the same in K.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..errors import GdbiasError

GAP = 1e-10  # between the bounds, relative
FIT = 1e-10  # of C b = t, relative
STEPS = 300
SHORT_OF = 0.95  # of the way to the boundary

Slopes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Iterate:
    """A point of the central path: b and z (block, d), lam, nu (rows,) and M (r, r)."""

    b: np.ndarray
    z: np.ndarray
    lam: float
    nu: np.ndarray
    M: np.ndarray


@dataclass(frozen=True)
class Program:
    """The constraints; columns that are not ``there`` (block, d) are held at b = 0.

    Attributes:
        C: rows of the fit, shape (rows, d), of full rank, times the sign of each block.
        t: their targets.
        X: columns x of the sharpness, shape (r, d).
        power: p.
        signs: of the blocks.
        there: which columns exist; every feature has one.
    """

    C: np.ndarray
    t: np.ndarray
    X: np.ndarray
    power: float
    signs: np.ndarray
    there: np.ndarray

    @cached_property
    def largest(self) -> float:
        """The size of the targets."""
        return float(np.linalg.norm(self.t))

    def sharpness(self, b: np.ndarray) -> float:
        """``lambda_max(K(b))``."""
        return float(np.linalg.eigvalsh(self.kernel(b))[-1])

    def flattest(self, b: np.ndarray, below: float | None = None) -> Iterate:
        """``min lam`` from b > 0 on; with ``below`` the first point with lam below it, if there is one.

        Raises:
            GdbiasError: the path was not followed to its end.
        """
        nothing = lambda b: (np.zeros_like(b), np.zeros_like(b))  # noqa: E731
        return self._followed(self._begun(b, self._above(b), nothing, 1.0), nothing, 1.0, free=True, below=below)

    def minimise(self, slopes: Slopes, b: np.ndarray, cap: float) -> Iterate:
        """``min f`` within ``K(b) < cap I``, from a b > 0 that is there; ``slopes`` gives f' and f''.

        Raises:
            GdbiasError: the path was not followed to its end.
        """
        return self._followed(self._begun(b, cap, slopes, 0.0), slopes, 0.0, free=False)

    def minimise_both(self, slopes: Slopes, b: np.ndarray, weight: float) -> Iterate:
        """``min weight lam + f`` from b > 0 on; raises as :meth:`minimise` does."""
        return self._followed(self._begun(b, self._above(b), slopes, weight), slopes, weight, free=True)

    def lower_bound(self, at: Iterate) -> float:
        """A value that lam is never below, whatever b: the dual of ``min lam`` at (nu, M), scaled to be feasible.

        ``inf_b sum_j m_j k(b_j) - (c_j . nu) b_j`` is in closed form, m_j = x_j^T M x_j with tr M = 1.
        """
        p, M = self.power, at.M / np.trace(at.M)
        m = np.broadcast_to((self.X * (M @ self.X)).sum(axis=0), self.there.shape)[self.there]
        pulled = np.maximum((self.signs[:, None] * (self.C.T @ at.nu))[self.there], 0)
        gain, on = float(self.t @ at.nu), pulled > 0
        if gain <= 0 or not on.any():
            return 0.0
        if p == 1:
            return gain / float((pulled[on] / m[on]).max())
        q = p / (p - 1)
        cost = float(((p - 1) * p**-q * m[on] ** (-1 / (p - 1)) * pulled[on] ** q).sum())
        best = (gain / (q * cost)) ** (1 / (q - 1))
        return best * gain - best**q * cost

    def kernel(self, b: np.ndarray) -> np.ndarray:
        """``K(b)``."""
        return (self.X * np.where(self.there, b**self.power, 0.0).sum(axis=0)) @ self.X.T

    def _above(self, b: np.ndarray) -> float:
        return 1.5 * self.sharpness(b) or 1.0

    def _begun(self, b: np.ndarray, lam: float, slopes: Slopes, weight: float) -> Iterate:
        """Where the path is joined: the multipliers that b and lam have at a mu of the size of f' b, or of lam."""
        filled = np.where(self.there, b, 1.0)
        inverse = np.linalg.inv(lam * np.eye(len(self.X)) - self.kernel(b))
        mu = float(np.abs(slopes(filled)[0] * b)[self.there].mean()) or weight / float(np.trace(inverse))
        return Iterate(b, np.where(self.there, mu / filled, 0.0), lam, np.zeros(len(self.t)), mu * inverse)

    def _followed(self, at: Iterate, slopes: Slopes, weight: float, free: bool, below: float | None = None) -> Iterate:
        size, shrink = int(self.there.sum()) + len(self.X), 0.1
        for _ in range(STEPS):
            newton = _Newton(self, at, slopes, weight, free)
            if free and below is not None and at.lam < below and newton.missing <= 1e-6 * self.largest:
                return at
            if newton.mu * size <= GAP * newton.size and newton.missing <= FIT * self.largest:
                return at
            with np.errstate(all="ignore"):
                moved = newton.step(shrink * newton.mu)
            if moved is None:
                break
            at, reached = moved
            shrink = 0.05 if reached > 0.9 else 0.2 if reached > 0.5 else 0.5
        newton = _Newton(self, at, slopes, weight, free)
        if newton.mu * size <= 1e3 * GAP * newton.size and newton.missing <= 1e3 * FIT * self.largest:
            return at  # as near as rounding lets it
        raise GdbiasError(
            f"a convex program of stable interpolators ended {newton.mu * size / newton.size:.1g} from its optimum, "
            f"{newton.missing / self.largest:.1g} from the targets: use columns or samples of sizes that differ less"
        )


class _Newton:
    """One point of the path: how far it is, and the step towards another mu."""

    def __init__(self, program: Program, at: Iterate, slopes: Slopes, weight: float, free: bool):
        self.program, self.at, self.weight, self.free = program, at, weight, free
        there, p = program.there, program.power
        b = np.where(there, at.b, 1.0)
        self.f1, self.f2 = slopes(b)
        self.k1 = np.where(there, p * b ** (p - 1), 0.0)
        self.k2 = np.where(there, p * (p - 1) * b ** (p - 2), 0.0)
        self.S = at.lam * np.eye(len(program.X)) - program.kernel(at.b)
        self.residual = program.t - program.C @ (program.signs @ at.b)
        self.missing = float(np.linalg.norm(self.residual))
        self.mu = float(((at.b * at.z).sum() + (at.M * self.S).sum()) / (there.sum() + len(program.X)))
        self.size = float(np.abs(self.f1 * at.b)[there].sum() + weight * at.lam)

    def step(self, mu: float) -> tuple[Iterate, float] | None:
        """The next point, and the share of Newton's step that was taken; None if there is no step."""
        program, at = self.program, self.at
        try:
            inverse = np.linalg.inv(self.S)
            inverse = (inverse + inverse.T) / 2
            db, dlam, dnu = self._direction(mu, inverse)
            dS = dlam * np.eye(len(program.X)) - (program.X * (self.k1 * db).sum(axis=0)) @ program.X.T
            turned = at.M @ dS @ inverse
            dM = mu * inverse - at.M - (turned + turned.T) / 2
            there = program.there
            dz = np.where(there, mu / np.where(there, at.b, 1.0) - at.z - at.z / np.where(there, at.b, 1.0) * db, 0.0)
            primal = SHORT_OF * min(_longest(at.b[there], db[there]), _longest_matrix(self.S, dS))
            dual = SHORT_OF * min(_longest(at.z[there], dz[there]), _longest_matrix(at.M, dM))
        except (np.linalg.LinAlgError, ValueError):
            return None
        primal, dual = min(primal, 1.0), min(dual, 1.0)
        while primal > 1e-8:  # K is not linear in b
            b, lam = at.b + primal * db, at.lam + primal * dlam
            if np.isfinite(b).all() and program.sharpness(b) < lam:
                moved = Iterate(b, at.z + dual * dz, lam, at.nu + dual * dnu, at.M + dual * dM)
                return moved, min(primal, dual)
            primal *= 0.7
        return None

    def _direction(self, mu: float, inverse: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """``(db, dlam, dnu)``: of a feature's columns the one farther from 0 stays, the other is eliminated."""
        program, at = self.program, self.at
        X, C, there, signs = program.X, program.C, program.there, program.signs[:, None]
        d, rows = X.shape[1], len(program.t)
        SX = inverse @ X
        s, a = (X * SX).sum(axis=0), (X * (at.M @ SX)).sum(axis=0)
        G = (X.T @ SX) * (X.T @ (at.M @ X))
        b = np.where(there, at.b, 1.0)
        h = np.where(there, self.f2 + self.k2 * (X * (at.M @ X)).sum(axis=0) + at.z / b, np.inf)
        g = self.f1 + self.k1 * mu * s - signs * (C.T @ at.nu) - mu / b
        pulls = np.zeros((len(signs), d, rows + self.free))  # of nu, and of lam
        pulls[:, :, :rows] = signs[..., None] * C.T
        if self.free:
            pulls[:, :, rows] = self.k1 * a
        # Unknowns: the column that stays, and q = (dnu, dlam). The other: h dy = pulls q - g - k w, w = G (sum k db).
        feature = np.arange(d)
        stays = np.argmin(np.where(there, h / np.maximum(self.k1, 1e-300) ** 2, np.inf), axis=0)
        hx, kx, gx, px = (v[stays, feature] for v in (h, self.k1, g, pulls))
        hy, ky, gy, py = (v[len(signs) - 1 - stays, feature] for v in (h, self.k1, g, pulls))
        coupling, inner, from_g, from_q = (
            G,
            np.zeros((rows + self.free,) * 2),
            np.zeros(d),
            np.zeros((d, rows + self.free)),
        )
        other_g = np.zeros(rows + self.free)
        if len(signs) == 2:
            root = ky / np.sqrt(hy)
            weighted = root[:, None] * G
            coupling = G - weighted.T @ scipy.linalg.cho_solve(
                scipy.linalg.cho_factor(np.eye(d) + weighted * root), weighted
            )
            eased = (ky / hy)[:, None] * py
            from_q, from_g = coupling @ eased, -coupling @ (ky / hy * gy)
            inner = py.T @ (py / hy[:, None]) - eased.T @ from_q
            other_g = -(py.T @ (gy / hy) + eased.T @ from_g)
        if self.free:
            inner[-1, -1] -= (at.M * inverse).sum()
        need = np.append(self.residual, self.weight - mu * np.trace(inverse)) if self.free else self.residual
        corner = px - kx[:, None] * from_q
        matrix = np.block([[np.diag(hx) + kx[:, None] * coupling * kx, -corner], [-corner.T, -inner]])
        right = np.concatenate([-gx - kx * from_g, other_g - need])
        unit = np.concatenate([1 / np.sqrt(np.diag(matrix)[:d]), np.ones(len(right) - d)])
        scaled = unit[:, None] * matrix * unit
        factors = scipy.linalg.lu_factor(scaled)
        found = scipy.linalg.lu_solve(factors, unit * right)
        found = unit * (found + scipy.linalg.lu_solve(factors, unit * right - scaled @ found))
        dx, q = found[:d], found[d:]
        db = np.zeros(there.shape)
        db[stays, feature] = dx
        if len(signs) == 2:
            w = coupling @ (kx * dx) + from_g + from_q @ q
            db[1 - stays, feature] = (py @ q - gy - ky * w) / hy
        return db, float(q[rows]) if self.free else 0.0, q[:rows]


def _longest(v: np.ndarray, dv: np.ndarray) -> float:
    fastest = float((-dv / v).max())
    return 1 / fastest if fastest > 0 else np.inf


def _longest_matrix(A: np.ndarray, dA: np.ndarray) -> float:
    L = np.linalg.cholesky(A)
    fastest = -float(np.linalg.eigvalsh(_solved(L, _solved(L, dA).T))[0])
    return 1 / fastest if fastest > 0 else np.inf


def _solved(L: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``L^-1 right`` of a lower triangle, by BLAS: LAPACK shares even the smallest one among threads, which wait."""
    return scipy.linalg.blas.dtrsm(1.0, np.asarray_chkfinite(L), np.asarray_chkfinite(right), lower=1)
