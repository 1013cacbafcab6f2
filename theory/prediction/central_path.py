"""One step along the central path of the convex programs of stable interpolators.

``min f(b) - weight theta  s.t.  C b = theta t,  K(b) + S = cap I,  b >= 0,  S >= 0`` with theta free or held at 1. With
multipliers nu of the fit, z >= 0 and a matrix M >= 0 the path is

    ``f'(b_j) + k'(b_j) x_j^T M x_j = (C^T nu)_j + z_j,   t . nu = weight (theta free),   b_j z_j = mu,   M S = mu I``

and Newton's step (the HKM direction) is taken twice: once towards mu = 0, which tells how far mu can fall, and once
towards that mu, with the second order that the first has shown (Mehrotra). Columns meet in the matrix
``G_ij = (x_i^T M x_j)(x_i^T S^-1 x_j)`` alone: a step costs c^3, not the n^6 of a cone of n x n matrices.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from .costs import Cost

LEAST_FALL = 1e-6  # of mu, in one step
HELD = 0.1  # mu stays above this share of what is astray: the pairs b z are not to vanish before
LEAST_STEP = 1e-8
FAR = 0.3  # of K(b) + S from the cap, relative
JITTER = 1e-14  # added to a diagonal of ones that rounding has made indefinite

Solve = Callable[[float, np.ndarray | float, np.ndarray | None], tuple]


@dataclass(frozen=True)
class Columns:
    """The constraints of some columns.

    Attributes:
        C: rows of the fit, shape (rows, c), of full rank.
        t: their targets.
        X: columns x of the sharpness, shape (r, c).
        power: p of ``k(b) = b^p``.
    """

    C: np.ndarray
    t: np.ndarray
    X: np.ndarray
    power: float

    def kernel(self, b: np.ndarray) -> np.ndarray:
        """``K(b) = sum_j k(b_j) x_j x_j^T``."""
        return (self.X * (b if self.power == 1 else b**self.power)) @ self.X.T

    def sharpness(self, b: np.ndarray) -> float:
        """``lambda_max(K(b))``."""
        return float(np.linalg.eigvalsh(self.kernel(b))[-1])

    def squares(self, A: np.ndarray) -> np.ndarray:
        """``x_j^T A x_j`` of each column."""
        return np.einsum("ij,ij->j", self.X, A @ self.X)


@dataclass(frozen=True)
class Iterate:
    """A point beside the central path: b and z (c,), nu (rows,), M and S (r, r), and theta."""

    b: np.ndarray
    z: np.ndarray
    nu: np.ndarray
    M: np.ndarray
    S: np.ndarray
    theta: float = 1.0


class Point:
    """How far an iterate is from the optimum, and the step from it; theta is free where it has a weight.

    Attributes:
        mu: the mean of ``b_j z_j`` and of the eigenvalues of M S.
        gap: what is left of the duality gap, and what the slopes that are missed may add to it, relative.
        missing: the length of ``theta t - C b``, relative.
        above: the size of ``K(b) + S - cap I``, relative.
    """

    def __init__(self, columns: Columns, at: Iterate, cost: Cost, cap: float, weight: float):
        self.columns, self.at, self.cap, self.weight = columns, at, cap, weight
        p, b, C = columns.power, at.b, columns.C
        f1, self.f2 = cost.slopes(b)
        self.k1 = np.ones_like(b) if p == 1 else p * b ** (p - 1)
        self.MX = at.M @ columns.X
        self.m = np.einsum("ij,ij->j", columns.X, self.MX)
        limit = f1 + self.k1 * self.m
        self.slope = limit - at.nu @ C - at.z
        self.residual = at.theta * columns.t - C @ b
        self.cover = -columns.kernel(b) - at.S
        self.cover.flat[:: len(at.S) + 1] += cap
        self.size = len(b) + len(at.S)
        self.mu = (float(b @ at.z) + float(np.vdot(at.M, at.S))) / self.size
        value = float(np.abs(f1) @ b) + weight * at.theta
        self.astray = float(np.abs(self.slope) @ b)
        if p == 1:  # by how much a dual point has to be scaled
            over = -(self.slope + at.z) / np.where(limit > 0, limit, np.inf)
            self.astray = max(self.astray, float(over.max()) * value)
        self.gap = (self.mu * self.size + self.astray) / value
        self.missing = float(np.linalg.norm(self.residual) / np.linalg.norm(at.theta * columns.t))
        self.above = float(np.linalg.norm(self.cover)) / cap

    def step(self) -> Iterate | None:
        """The next iterate, or None where rounding leaves no direction."""
        at, solve = self.at, self._factored()
        if solve is None:
            return None
        db, dz, dM, dS, _, _ = solve(0.0, 0.0, None)
        primal, dual = min(_longest(at.b, db), 1.0), min(_longest(at.z, dz), 1.0)
        primal, dual = _within(at.S, dS, primal, 1.0), _within(at.M, dM, dual, 1.0)
        left = float((at.b + primal * db) @ (at.z + dual * dz) + np.vdot(at.M + dual * dM, at.S + primal * dS))
        fall = max(left / (self.size * self.mu), 0.0) ** 3
        mu = min(max(fall * self.mu, LEAST_FALL * self.mu, HELD * self.astray / self.size), self.mu)
        db, dz, dM, dS, dnu, dtheta = solve(mu, db * dz, dM @ dS)
        share = 0.9 + 0.09 * min(primal, dual)  # of the way to the boundary
        primal, dual = min(share * _longest(at.b, db), 1.0), min(share * _longest(at.z, dz), 1.0)
        primal = min(primal, share / max(-dtheta / at.theta, share))
        primal, dual = _within(at.S, dS, primal, share), _within(at.M, dM, dual, share)
        primal = self._bent(db, dS, primal)
        if not max(primal, dual) > LEAST_STEP:
            return None
        return Iterate(
            at.b + primal * db, at.z + dual * dz, at.nu + dual * dnu, at.M + dual * dM, at.S + primal * dS,
            at.theta + primal * dtheta,
        )  # fmt: skip

    def _bent(self, db: np.ndarray, dS: np.ndarray, step: float) -> float:
        """A step up to this one that the curvature of K does not take far beyond the cap."""
        at, columns = self.at, self.columns
        while columns.power > 1 and step > LEAST_STEP:
            cover = columns.kernel(at.b + step * db) + at.S + step * dS
            cover.flat[:: len(cover) + 1] -= self.cap
            if np.linalg.norm(cover) <= max(self.above, FAR) * self.cap:
                break
            step /= 2
        return step

    def _factored(self) -> Solve | None:
        """What solves Newton's equations for a mu and for products of second order, factored once."""
        columns, at = self.columns, self.at
        lapack, blas = scipy.linalg.lapack, scipy.linalg.blas
        X, p, b, t = columns.X, columns.power, at.b, columns.t
        inverse, failed = lapack.dpotri(lapack.dpotrf(at.S, lower=1)[0], lower=1)
        if failed:
            return None
        inverse += inverse.T
        inverse.flat[:: len(inverse) + 1] /= 2
        H = X.T @ (inverse @ X)
        H *= X.T @ self.MX
        curvature = self.f2 + at.z / b
        if p != 1:
            H *= self.k1
            H *= self.k1[:, None]
            curvature += p * (p - 1) * b ** (p - 2) * self.m
        H.flat[:: len(b) + 1] += curvature
        unit = 1 / np.sqrt(H.diagonal())
        H *= unit
        H *= unit[:, None]
        R = _cholesky(H)
        if R is None:
            return None
        across, scale, _, _ = lapack.dgeqrf(blas.dtrsm(1.0, R, (columns.C * unit).T, lower=1, overwrite_b=1))
        Q, T = lapack.dorgqr(across, scale)[0], across[: len(t)]  # of R^-1 C^T
        if not np.abs(T.diagonal()).min() > 0:
            return None
        pull = blas.dtrsv(T, t, trans=1)

        def solve(mu: float, products: np.ndarray | float, turned: np.ndarray | None) -> tuple:
            E = at.M @ self.cover
            if turned is not None:
                E += turned
            E = mu * inverse - at.M - _symmetric(E @ inverse)
            left = mu - b * at.z - products
            right = blas.dtrsv(R, unit * (left / b - self.slope - self.k1 * columns.squares(E)), lower=1)
            q, dtheta = blas.dtrsv(T, self.residual, trans=1) - right @ Q, 0.0
            if self.weight:
                dtheta = float(self.weight - t @ at.nu - pull @ q) / float(pull @ pull)
                q += dtheta * pull
            db = unit * blas.dtrsv(R, right + Q @ q, lower=1, trans=1)
            D = -(X * (self.k1 * db)) @ X.T
            dM = E - _symmetric(at.M @ D @ inverse)
            return db, (left - at.z * db) / b, dM, D + self.cover, blas.dtrsv(T, q), dtheta

        return solve


def _symmetric(A: np.ndarray) -> np.ndarray:
    return (A + A.T) / 2


def _cholesky(A: np.ndarray) -> np.ndarray | None:
    """The lower factor of A, whose diagonal is 1, or of A + eps I for the least eps = 10^k that lets it be."""
    for jitter in (0.0, *(JITTER * 10.0**k for k in range(8))):
        A.flat[:: len(A) + 1] = 1 + jitter
        R, failed = scipy.linalg.lapack.dpotrf(A.T, lower=1, clean=0)
        if not failed:
            return R
    return None


def _longest(v: np.ndarray, dv: np.ndarray) -> float:
    fastest = float((-dv / v).max())
    return 1 / fastest if fastest > 0 else np.inf


def _within(A: np.ndarray, dA: np.ndarray, most: float, share: float) -> float:
    """A step up to ``most``, the longest but for a few percent that is at most this share of the way out of A > 0."""
    cut = 0.02
    while most > LEAST_STEP and scipy.linalg.lapack.dpotrf(A + most / share * dA, lower=1, clean=0)[1]:
        most, cut = most * (1 - cut), min(2 * cut, 0.3)
    return most
