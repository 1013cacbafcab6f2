"""The convex programs of stable interpolators, by a primal-dual interior point of their own structure.

``min f(b)  s.t.  C b = t,  K(b) = sum_j k(b_j) x_j x_j^T <= cap I,  b >= 0``, with ``k(b) = b^p``, 0 <= p < 2 and f
separable and convex; and ``min lambda_max(K(b))`` over the same b, which is ``max theta  s.t.  C b = theta t,
K(b) <= I`` since K is homogeneous. The central path is followed to mu = 0 by the steps of ``central_path.py``, on the
columns in play: one that is 0 at the optimum has ``(C^T nu)_j <= f_j'(0) + k'(0) x_j^T M x_j``, which is checked on all
of them, and what is pulled harder enters. Whatever nu and M >= 0 are, they bound the objective from below, so that an
answer has a certificate that knows nothing of how it was found.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..errors import GdbiasError
from .central_path import Columns, Iterate, Point
from .costs import Cost, Linear

GAP = 1e-11  # between the bounds, and of the constraints, relative
GAP_ALONG = 1e-9  # the same for each of many caps
ACCEPTED = 1e-7  # of both, where rounding lets no step lead nearer
STEPS, PATIENCE = 100, 2  # most steps, and most that do not halve what is left
LOOK = 10.0  # fall of the gap between two looks at the columns that are not in play; its square for a rise
MIDWAY = 1e-3  # gap of the iterate from which the next cap is approached
SMALL = 1e-3  # of the largest b, at which a column enters
KEPT = 0.65  # pull, in units of what lets a column in, from which it is in play at the next cap


@dataclass(frozen=True)
class Found:
    """The end of a path: coefficients b of all columns, and a middle and the last iterate of those in play."""

    b: np.ndarray
    played: np.ndarray
    midway: Iterate
    end: Iterate


@dataclass(frozen=True)
class Program(Columns):
    """The constraints of all columns.

    Attributes:
        first: those that a path begins with, shape (c,).
    """

    first: np.ndarray

    def flattest(self, b: np.ndarray, below: float = 0.0) -> Found:
        """``min lambda_max(K(b))`` from b > 0 on, or the first b found that has it below a value.

        Raises:
            GdbiasError: the path was not followed to its end.
        """
        theta = (1.5 * self.sharpness(b)) ** (-1 / self.power)
        cost = Linear(np.zeros(len(b)))
        return self._followed(*self._begun(theta * b, cost, 1.0, theta), cost, 1.0, weight=1.0, below=below)

    def minimise(self, cost: Cost, b: np.ndarray, cap: float) -> Found:
        """``min f`` within ``K(b) <= cap I``, from b > 0 on.

        Raises:
            GdbiasError: the path was not followed to its end.
        """
        return self._followed(*self._begun(b, cost, cap, 1.0), cost, cap)

    def minimise_along(self, cost: Cost, flat: Found, caps: np.ndarray) -> Iterator[Found]:
        """``min f`` within each of rising caps above that of the flattest b, each from where the one before ended.

        Raises as :meth:`minimise` does.
        """
        at, p = flat.end, self.power
        lam, pull = at.theta**-p, at.theta ** (1 - p)
        b, room = at.b / at.theta, caps[0] - lam
        worth = float(np.abs(cost.of(flat.played).slopes(b)[0]) @ b) / (room * float(np.trace(at.M)))
        dual = dict(z=worth * pull * at.z, nu=worth * pull * at.nu, M=worth * at.M)  # for which the room is worth f
        found, before = replace(flat, midway=replace(at, b=b, S=lam * at.S, theta=1.0, **dual)), lam
        for cap in caps:
            found = self._followed(*self._risen(found, cost, cap - before), cost, cap, gap=GAP_ALONG)
            before = cap
            yield found

    def lower_bound(self, at: Iterate) -> float:
        """A value that ``lambda_max(K(b))`` is never below: the dual of its minimum at (nu, M), scaled to be feasible.

        ``inf_b sum_j m_j k(b_j) - (c_j . nu) b_j`` is in closed form, m_j = x_j^T M x_j with tr M = 1.
        """
        p, m = self.power, self.squares(at.M / np.trace(at.M))
        pulled = np.maximum(at.nu @ self.C, 0)
        gain, on = float(self.t @ at.nu), pulled > 0
        if gain <= 0 or not on.any():
            return 0.0
        if p == 1:
            return gain / float((pulled[on] / m[on]).max())
        q = p / (p - 1)
        cost = float(((p - 1) * p**-q * m[on] ** (-1 / (p - 1)) * pulled[on] ** q).sum())
        best = (gain / (q * cost)) ** (1 / (q - 1))
        return best * gain - best**q * cost

    def least(self, at: Iterate, cost: Linear, cap: float) -> float:
        """A value that f is never below where ``K(b) <= cap I``: the dual of its minimum at (nu, M), made feasible."""
        p, (pulled, limit) = self.power, self._pulls(at, cost)
        gain, room = float(self.t @ at.nu), cap * float(np.trace(at.M))
        if p == 1:
            return gain / max(1.0, float((pulled / limit).max())) - room
        over, q, m = np.maximum(pulled - limit, 0), p / (p - 1), self.squares(at.M)
        on = over > 0
        return gain - room - float(((p - 1) * p**-q * m[on] ** (-1 / (p - 1)) * over[on] ** q).sum())

    def _pulls(self, at: Iterate, cost: Cost) -> tuple[np.ndarray, np.ndarray]:
        """How much each column is pulled from 0, and the pull that lets it in."""
        limit = cost.at_zero + self.squares(at.M) if self.power == 1 else cost.at_zero
        return at.nu @ self.C, limit

    def _of(self, played: np.ndarray) -> Columns:
        return Columns(np.asfortranarray(self.C[:, played]), self.t, np.asfortranarray(self.X[:, played]), self.power)

    def _begun(self, b: np.ndarray, cost: Cost, cap: float, theta: float) -> tuple[Iterate, np.ndarray]:
        """Where the path is joined: the multipliers that b has at a mu of the size of f' b, or of theta."""
        played = np.flatnonzero(self.first | np.isneginf(cost.at_zero))
        b, columns = b[played], self._of(played)
        S = cap * np.eye(len(self.X))
        if columns.sharpness(b) < cap:
            S -= columns.kernel(b)
        inverse = np.linalg.inv(S)
        mu = float(np.abs(cost.of(played).slopes(b)[0] * b).mean()) or theta / len(b)
        return Iterate(b, mu / b, np.zeros(len(self.t)), mu * inverse, S, theta), played

    def _risen(self, found: Found, cost: Cost, rise: float) -> tuple[Iterate, np.ndarray]:
        """The same multipliers at a higher cap, of the columns that are in play or pulled nearly enough to be."""
        at = found.midway
        pulled, limit = self._pulls(at, cost)
        least = np.sqrt(float(at.b @ at.z) / len(at.b))
        z = np.maximum(limit - pulled, least)
        b = least**2 / z
        b[found.played], z[found.played] = at.b, at.z
        near = (pulled >= KEPT * limit) | (b > z)
        near[np.argsort(limit - pulled)[: 2 * len(self.t)]] = True
        played = np.flatnonzero(near)
        return replace(at, b=b[played], z=z[played], S=at.S + rise * np.eye(len(at.S))), played

    def _entered(self, at: Iterate, played: np.ndarray, cost: Cost, mu: float) -> tuple[Iterate, np.ndarray]:
        """With the columns that are pulled harder than they may be without being in play."""
        pulled, limit = self._pulls(at, cost)
        harder = pulled - limit > GAP_ALONG * np.abs(limit)
        harder[played] = False
        entering = np.flatnonzero(harder)
        if not len(entering):
            return at, played
        b = np.full(len(entering), min(np.sqrt(mu), SMALL * float(at.b.max())))
        return replace(at, b=np.append(at.b, b), z=np.append(at.z, mu / b)), np.append(played, entering)

    def _followed(
        self, at: Iterate, played: np.ndarray, cost: Cost, cap: float, weight: float = 0.0, below: float = 0.0,
        gap: float = GAP,
    ) -> Found:  # fmt: skip
        columns, own, looked, lowest = self._of(played), cost.of(played), np.inf, np.inf
        midway, best, least, idle = at, at, np.inf, 0
        for _ in range(STEPS):
            point = Point(columns, at, own, cap, weight)
            if weight and at.theta**-self.power < below and point.missing < 1e-6:
                if columns.sharpness(at.b / at.theta) < below:
                    return self._found(at, played, at)
            if point.gap > MIDWAY or len(midway.b) != len(at.b):
                midway = at
            far = max(point.gap, point.missing, point.above)
            if far <= gap or not looked / LOOK < point.gap < lowest * LOOK**2:
                before, (at, played) = at, self._entered(at, played, cost, point.mu)
                looked = lowest = point.gap
                if at is not before:
                    columns, own, least = self._of(played), cost.of(played), np.inf
                    point, far = Point(columns, at, own, cap, weight), np.inf
            lowest = min(lowest, point.gap)
            idle = 0 if far < least / 2 else idle + 1
            if far < least:
                best, least = at, far
            if far <= gap or (idle > PATIENCE and least <= ACCEPTED):
                break
            moved = point.step()
            if moved is None:
                break
            at = moved
        if not least <= ACCEPTED:
            raise GdbiasError(
                f"a convex program of stable interpolators ended {least:.1g} from its optimum: use columns or samples "
                "of sizes that differ less"
            )
        return self._found(best, played, midway)

    def _found(self, at: Iterate, played: np.ndarray, midway: Iterate) -> Found:
        b = np.zeros(self.C.shape[1])
        b[played] = at.b / at.theta
        return Found(b, played, midway, at)
