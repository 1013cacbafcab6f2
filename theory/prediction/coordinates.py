"""Doubled coordinates: models with a convex frontier, as one power of non-negative coefficients.

``u^L - v^L`` on X is, step for step, ``w^L`` on ``[X, -X]``; a balanced chain ``u_1 ... u_L`` is the same
at the learning rate lr / L; and ``u v`` is ``p^2 - q^2`` at lr / 2 with ``p, q = (u +- v) / 2``. So whatever
is derived for ``b = w^L >= 0`` with ``k(b) = rate L^2 b^(2 - 2/L)`` holds for all of them, and for a custom model that
is one of them in other coordinates: descent does not see rotations, which take ``theta^T A theta`` to its
eigenvalues; ``c w^L`` is the power of ``c^(1/L) w`` at ``c^(2/L) lr``; and ``c u^p v^q`` from weights whose squares
are as p to q keeps these shares, as a chain.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from ..errors import NoClosedForm
from ..parameterization import Parameterization
from ..problem import Problem

ALIKE = 1e-12  # relative, of coefficients and of layers
ROUNDING = 1e-15  # relative, of a sum
HELP = "gradient flow's predictions and sims are available"


@dataclass(frozen=True)
class Doubled:
    """The model as blocks of non-negative coefficients b (block, d), ``beta = sum_j signs_j b_j``.

    Attributes:
        degree: L.
        signs: +1 or -1 for each block.
        rate: what the learning rate is multiplied by in the coordinates of ``w^L``.
        turn: the weights w of the model's own ones, shape (block, weight); of a chain of L >= 3 what each layer is
            multiplied by, shape (weight,).
        chain: whether the model is a product of its weights.
        powers: of a chain's weights.
        sign: of a chain's coefficient.
    """

    model: Parameterization
    degree: int
    signs: np.ndarray
    rate: float
    turn: np.ndarray
    chain: bool = False
    powers: tuple[int, ...] = ()
    sign: float = 1.0

    def beta(self, b: np.ndarray) -> np.ndarray:
        """Coefficients (d,) of b (block, d)."""
        return self.signs @ b

    def tangent(self, b: np.ndarray) -> np.ndarray:
        """``k = |grad effective|^2`` of each feature, shape (d,), at b (block, d)."""
        return self.rate * self.degree**2 * (b ** (2 - 2 / self.degree)).sum(axis=0)

    def flattest(self, beta: np.ndarray) -> np.ndarray:
        """The weights (weight, d) of least sharpness for coefficients beta (d,); those of separate powers are >= 0."""
        size, sign = np.abs(beta) ** (1 / self.degree), np.sign(beta)
        if self.turn.ndim == 1:
            theta = size / self.turn[:, None]
            theta[int(np.argmax(np.array(self.powers) % 2))] *= np.where(sign == -self.sign, -1.0, 1.0)
            return theta
        return self.model_weights(np.stack([np.where(sign == s, size, 0.0) for s in self.signs]))

    def model_weights(self, w: np.ndarray) -> np.ndarray:
        """The model's own weights (weight, d) of w (block, d), of such as start at them; see :meth:`start`."""
        if self.turn.ndim == 1:
            return self.flattest(self.beta(w**self.degree))
        return np.linalg.pinv(self.turn) @ w

    def columns(self, problem: Problem, moving: np.ndarray) -> np.ndarray:
        """The samples (rank X, c) on the c moving entries of b, an array of booleans (block, d)."""
        block, feature = np.nonzero(moving)
        return problem.projected[0][:, feature] * self.signs[block]

    def dual(self, w: np.ndarray) -> np.ndarray:
        """``z = psi'(w^L)``, the mirror potential's slope at weights w > 0, up to a constant; L >= 2."""
        L = self.degree
        return 0.5 * np.log(w) if L == 2 else -(w ** (2 - L)) / (L * (L - 2))

    def weights(self, z: np.ndarray) -> np.ndarray:
        """The weights w of the dual z."""
        L = self.degree
        return np.exp(2 * z) if L == 2 else (-L * (L - 2) * z) ** (-1 / (L - 2))

    @property
    def divergence_unit(self) -> float:
        """``D_psi`` in units of ``sum b ln(b/b0) - b + b0`` (L = 2), or of ``-sum b^(2/L)`` minus its tangent."""
        L = self.degree
        return 1 / (4 * self.rate) if L == 2 else 1 / (2 * (L - 2) * self.rate)

    def start(self, theta0: np.ndarray) -> np.ndarray:
        """The weights w (block, d) >= 0 of a start theta0 (weight, d); a block that is 0 there stays 0.

        Raises:
            NoClosedForm: a start outside the reductions, such as layers of unequal size.
        """
        name, L = self.model.name, self.degree
        if L == 1:
            return np.ones((2, theta0.shape[1]))
        if self.turn.ndim == 1:
            sizes = np.abs(theta0) * self.turn[:, None]
            if not np.allclose(sizes, sizes[0], rtol=ALIKE, atol=0):
                shares = "" if len(set(self.powers)) == 1 else ", squared, in proportion to their powers"
                raise NoClosedForm(
                    f"{name}: from layers of unequal size its path has no convex description: start balanced "
                    f"(theta0 with all layers of one absolute value{shares}), use lr_critical, or run it with sims"
                )
            sign = self.sign * (np.sign(theta0) ** np.array(self.powers)[:, None]).prod(axis=0)
            return np.stack([np.where(sign == s, sizes[0], 0.0) for s in self.signs])
        parts = self.turn[:, :, None] * theta0
        w = parts.sum(axis=1)
        w[np.abs(w) < ROUNDING * np.abs(parts).sum(axis=1)] = 0.0  # as of u - v from equal weights
        if L % 2 and (w < 0).any():
            raise NoClosedForm(f"{name}: predicted from weights >= 0 only, since odd powers change sign at 0")
        return np.abs(w)


@lru_cache(maxsize=64)
def doubled(model: Parameterization) -> Doubled:
    """The model in doubled coordinates.

    Raises:
        NoClosedForm: a model that is none of those of this module.
    """
    form, degree = sp.Poly(model.effective, *model.weights), model.degree
    terms = [(exponents, float(c)) for exponents, c in form.terms()]
    both = np.array([1.0, -1.0])
    if degree == 1:  # linear: the sharpness is the same everywhere, and coefficients have both signs
        return Doubled(model, 1, both, sum(c**2 for _, c in terms) / 2, np.ones((2, len(model.weights))))
    if not degree:
        raise NoClosedForm(f"{model.name}: its terms are of several degrees, and the frontier is known for one: {HELP}")
    if degree == 2:
        return _quadratic(model, form, terms)
    alone = [sum(e > 0 for e in exponents) == 1 for exponents, _ in terms]
    if all(alone):
        return _separate(model, terms)
    if len(terms) == 1:
        [(powers, c)] = terms
        if min(powers):
            size = abs(c) * float(np.prod([p ** (p / 2) for p in powers]))  # of t^L, from weights p^0.5 t
            turn, rate = size ** (1 / degree) / np.sqrt(powers), size ** (2 / degree) / degree
            signs = both if any(p % 2 for p in powers) else np.sign([c])
            return Doubled(model, degree, signs, rate, turn, True, powers, float(np.sign(c)))
    raise NoClosedForm(
        f"{model.name}: the frontier is known for sums of separate powers (power, difference), for products "
        f"of all weights, and for what is one of them in other coordinates: {HELP}"
    )


def _separate(model: Parameterization, terms: list) -> Doubled:
    """A sum of ``c w^L``."""
    order = [int(np.argmax(exponents)) for exponents, _ in terms]
    coefficients = np.array([terms[order.index(p)][1] for p in range(len(order))])
    return _of_blocks(model, coefficients, np.eye(len(order)))


def _quadratic(model: Parameterization, form: sp.Poly, terms: list) -> Doubled:
    """``theta^T A theta`` along its eigenvectors."""
    weights = len(model.weights)
    if all(max(exponents) == 2 for exponents, _ in terms):
        return _separate(model, terms)
    if weights == 2 and [exponents for exponents, _ in terms] == [(1, 1)]:
        c, both = terms[0][1], np.array([1.0, -1.0])
        turn = np.sqrt(abs(c)) * np.array([[0.5, 0.5], [0.5, -0.5]])
        return Doubled(model, 2, np.sign(c) * both, abs(c) / 2, turn, chain=True)
    A = np.array(sp.hessian(form.as_expr(), model.weights), dtype=float) / 2
    values, vectors = np.linalg.eigh(A)
    kept = np.abs(values) > ALIKE * np.abs(values).max()
    return _of_blocks(model, values[kept][::-1], vectors[:, kept].T[::-1])


def _of_blocks(model: Parameterization, coefficients: np.ndarray, turn: np.ndarray) -> Doubled:
    """``sum_j c_j (turn theta)_j^L``."""
    sizes, signs, L = np.abs(coefficients), np.sign(coefficients), model.degree
    assert L is not None
    terms = " and ".join(f"{c:.4g} w{j}^{L}" for j, c in enumerate(coefficients, 1))
    told = f"{model.name}: it is the sum of {terms} in other coordinates"
    if np.ptp(sizes) > ALIKE * sizes.max():
        raise NoClosedForm(f"{told}, and the frontier is known for coefficients of one size: {HELP}")
    if len(set(signs)) < len(signs):
        raise NoClosedForm(f"{told}, and the frontier is known for one of each sign at most: {HELP}")
    size = float(sizes[0])
    return Doubled(model, L, signs, size ** (2 / L), size ** (1 / L) * turn)
