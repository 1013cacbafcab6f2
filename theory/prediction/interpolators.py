"""The interpolators that a start reaches, over which convex functions of the coefficients are minimised.

In doubled coordinates b >= 0 the sharpness ``lambda_max(X diag(k(b)) X^T) / n`` is convex, and so is every program over
``{b: X beta = y, S <= s}``; they are solved by ``interior_point.py``.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..errors import NoClosedForm, NoInterpolator
from ..loss import squared
from ..problem import Problem
from .coordinates import Doubled
from .costs import Cost, Divergence, Linear
from .interior_point import Found, Program

EDGE = 1e-8  # relative distance of a cap from the least sharpness that is taken for it
INSIDE = 1e-7  # size of a coefficient that is above 0, in units of a typical one
FIT = 1e-6  # largest residual of an interpolator, relative to the targets


class Interpolators:
    """The interpolators of a problem in doubled coordinates, over which convex functions are minimised.

    In units in which every coefficient, and the sharpness, is of size 1.
    """

    def __init__(self, coordinates: Doubled, problem: Problem, free: np.ndarray | None = None):
        """``free`` (block, d) marks the coefficients that are not held at 0; raises NoInterpolator if none fit."""
        model, signs, L = coordinates.model, coordinates.signs, coordinates.degree
        if problem.loss != squared:
            raise NoClosedForm(
                f"{model.name}: endpoints, lr_max and the frontier need squared loss, not {problem.loss}: use "
                "lr_critical, or run it with sims"
            )
        X, y, floor = problem.projected
        self.coordinates, self.problem, self.X, self.n = coordinates, problem, X, problem.n
        size = float(np.linalg.norm(y))
        if not size:
            raise NoInterpolator(f"{model.name}: the targets are all 0 and beta = 0 fits them: there is no trade-off")
        if floor > FIT**2 * size**2:
            raise NoInterpolator(
                f"{model.name}: no coefficients fit the {problem.n} samples exactly (least loss {floor:.3g}), so there "
                "is no frontier of interpolators: use fewer samples than features, or noise-free targets"
            )
        Q, t = problem.interpolation
        seen = (problem.X != 0).any(axis=0)
        self.scale = np.linalg.norm(t) / np.where(seen, np.linalg.norm(Q, axis=0), 1.0) / np.sqrt(len(t))
        self.scale[~seen] = self.scale[seen].max()
        there = np.ones((len(signs), problem.d), bool) if free is None else free
        C, targets = _orthonormal(Q * self.scale, t)
        self.there, inside = _attained(C, targets, signs, there & seen, model.name)
        block, feature = self.places = np.nonzero(self.there)  # of the columns of the program
        self.inside, larger = inside[self.places], inside.argmax(axis=0)[feature] == block
        power = 2 - 2 / L if L > 1 else 1.0
        X = X * np.sqrt(coordinates.rate * L**2 / self.n * self.scale**power) if L > 1 else 0 * X
        self.unit = float(np.linalg.norm(X, 2)) ** 2 or 1.0
        C, targets = _orthonormal(np.where(self.there.any(axis=0), Q * self.scale, 0.0), t)
        self.program = Program(C[:, feature] * signs[block], targets, X[:, feature] / np.sqrt(self.unit), power, larger)
        self._units = self.scale[feature]
        self._norm = Linear(self._units / self.scale.max())

    def flattest(self) -> tuple[np.ndarray, float]:
        """The b (block, d) of least sharpness, and a value that no interpolator's sharpness is below."""
        if self.coordinates.degree == 1:
            b = self.whole(self.inside)
            return b, self.sharpness_of(b)
        return self.whole(self._flattest.b), self.program.lower_bound(self._flattest.end) * self.unit

    def least_norm(self, sharpness: float) -> tuple[np.ndarray, float]:
        """The b of least l1 norm with ``S <= sharpness``, and the norm that one unit of sharpness saves."""
        return self._within(sharpness, self._norm, float(self.scale.max()))

    def flattest_of_least_norm(self) -> tuple[np.ndarray, float]:
        """The b of least l1 norm, of least sharpness among such, and a value that no interpolator's norm is below.

        All that have the least norm have the same coefficients above 0.
        """
        program = self.program
        unbound = replace(program, X=np.zeros((1, len(self.inside))), power=1.0)
        found = unbound.minimise(self._norm, self.inside, 1.0)
        face = found.played[found.end.b > found.end.z]
        C, t = _orthonormal(program.C[:, face], program.t)
        b = np.zeros(len(self.inside))
        b[face] = found.b[face]
        if len(face) > len(t) and self.coordinates.degree > 1:
            among = Program(C, t, program.X[:, face], program.power, np.full(len(face), True))
            b[face] = among.flattest(b[face]).b
        return self.whole(b), unbound.least(found.end, self._norm, 1.0) * self.scale.max()

    def least_norms(self, levels: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """The b of least l1 norm with S at most each of rising levels, and a value that the norm of none is below."""
        if self.coordinates.degree == 1:  # the sharpness is the same everywhere
            return [self.flattest_of_least_norm()] * len(levels)
        caps, program = levels / self.unit, self.program
        found = program.minimise_along(self._norm, self._flattest, caps)
        return [
            (self.whole(each.b), program.least(each.end, self._norm, cap) * self.scale.max())
            for each, cap in zip(found, caps, strict=True)
        ]

    def nearest(self, b0: np.ndarray, sharpness: float) -> tuple[np.ndarray, float]:
        """The b with ``S <= sharpness`` of least ``D_psi(b, b0)``, and the divergence that one unit of it saves."""
        start, exponent = b0[self.places] / self._units, 2 / self.coordinates.degree
        weight = self._units if exponent == 1 else exponent * self._units**exponent
        unit = float((weight * (1.0 if exponent == 1 else start ** (exponent - 1))).max())
        cost = Divergence(weight / unit, start, exponent)
        return self._within(sharpness, cost, unit * self.coordinates.divergence_unit)

    @cached_property
    def _flattest(self) -> Found:
        return self.program.flattest(self.inside)

    def _within(self, sharpness: float, cost: Cost, unit: float) -> tuple[np.ndarray, float]:
        cap, begun = sharpness / self.unit, self.inside
        if not self.program.sharpness(begun) < cap:
            flat = self.program.flattest(begun, below=cap)
            least = self.program.sharpness(flat.b)
            if not least < cap:
                if least <= cap * (1 + EDGE):
                    return self.whole(flat.b), np.inf
                raise NoInterpolator(
                    f"{self.coordinates.model.name}: no interpolator within its reach has sharpness {sharpness:.6g}, "
                    f"the least is {least * self.unit:.6g}: use a learning rate below lr_max, "
                    "more features, or a signed family such as difference(2)"
                )
            begun = np.maximum(flat.b, INSIDE * self.inside)
        found = self.program.minimise(cost, begun, cap)
        return self.whole(found.b), float(np.trace(found.end.M)) * unit / self.unit

    def whole(self, b: np.ndarray) -> np.ndarray:
        """The b (block, d) of the program's columns."""
        whole = np.zeros(self.there.shape)
        whole[self.places] = b * self._units
        return whole

    def sharpness_of(self, b: np.ndarray) -> float:
        """``lambda_max(X diag(k) X^T) / n`` at b (block, d)."""
        return float(np.linalg.eigvalsh((self.X * self.coordinates.tangent(b)) @ self.X.T)[-1]) / self.n


def _orthonormal(C: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same equations ``C beta = t``, which have a solution, with orthonormal rows."""
    Q, R, order = scipy.linalg.qr(C.T, pivoting=True, mode="economic")
    pivots = np.abs(np.diag(R))
    rank = int((pivots > 1e-12 * pivots[0]).sum())
    return Q[:, :rank].T, scipy.linalg.solve_triangular(R[:rank, :rank].T, t[order][:rank], lower=True)


def _attained(C, t, signs: np.ndarray, there: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The columns that are above 0 in some fit b >= 0, and a fit in which all are; both (block, d).

    Raises:
        NoInterpolator: nothing fits.
    """
    beta = C.T @ t
    middle = float(np.abs(beta).mean())
    both = np.full(there.shape[1], len(signs) == 2) & there.all(axis=0)
    if both.all():
        return there, np.stack([np.maximum(sign * beta, 0) for sign in signs]) + middle
    block, feature = np.nonzero(there)
    columns = C[:, feature] * signs[block]
    alone = ~both[feature]
    b, margin = _deepest(columns, t, alone)
    if not margin > INSIDE:  # columns that are 0 in every fit
        k = len(feature)
        answer = scipy.optimize.linprog(
            np.r_[np.zeros(k), -np.ones(k)], np.hstack([-np.eye(k), np.eye(k)]), np.zeros(k),
            np.hstack([columns, np.zeros_like(columns)]), t, bounds=[(0, None)] * k + [(0, 1.0)] * k,
        )  # fmt: skip
        if answer.status:
            raise NoInterpolator(
                f"{name}: no coefficients within its reach fit the data: use a signed family such as difference(2), "
                "more features, or a positive teacher"
            )
        kept = answer.x[k:] > INSIDE
        kept[~alone] = True
        b = np.zeros(k)
        b[kept], margin = _deepest(*_orthonormal(columns[:, kept], t), alone[kept])
        if not margin > 0:
            b = np.where(kept, np.maximum(answer.x[:k], INSIDE), 0.0)
        there = np.zeros_like(there)
        there[block[kept], feature[kept]] = True
    inside = np.zeros(there.shape)
    inside[block, feature] = b
    inside[:, both] += np.maximum(middle - inside[:, both].min(axis=0), 0)
    return there, inside


def _deepest(columns: np.ndarray, t: np.ndarray, alone: np.ndarray) -> tuple[np.ndarray, float]:
    """A fit b >= 0 whose least entry among those ``alone`` is as large as can be, up to 1; and that entry."""
    k = columns.shape[1]
    answer = scipy.optimize.linprog(
        np.r_[np.zeros(k), -1.0], np.c_[-np.eye(k), np.ones(k)][alone], np.zeros(int(alone.sum())),
        np.c_[columns, np.zeros(len(t))], t, bounds=[(0, None)] * k + [(None, 1.0)],
    )  # fmt: skip
    return (answer.x[:k], -answer.fun) if answer.status == 0 else (np.ones(k), -np.inf)
