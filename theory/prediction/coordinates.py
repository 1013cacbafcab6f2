"""Doubled coordinates: models with a convex frontier, as one power of non-negative coefficients.

``u^L - v^L`` on X is, step for step, ``w^L`` on ``[X, -X]``; a balanced chain ``u_1 ... u_L`` is the same
at the learning rate lr / L; and ``u v`` is ``p^2 - q^2`` at lr / 2 with ``p, q = (u +- v) / 2``. So whatever
is derived for ``b = w^L >= 0`` with ``k(b) = rate L^2 b^(2 - 2/L)`` holds for all of them.
"""

from dataclasses import dataclass

import numpy as np
import sympy as sp

from ..errors import NoClosedForm
from ..parameterization import Parameterization
from ..problem import Problem


@dataclass(frozen=True)
class Doubled:
    """The model as blocks of non-negative coefficients b (block, d), ``beta = sum_j signs_j b_j``.

    Attributes:
        degree: L.
        signs: +1 or -1 for each block.
        rate: what the learning rate is multiplied by in the coordinates of ``w^L``.
        chain: whether the model is a product of layers.
    """

    model: Parameterization
    degree: int
    signs: np.ndarray
    rate: float
    chain: bool

    def beta(self, b: np.ndarray) -> np.ndarray:
        """Coefficients (d,) of b (block, d)."""
        return self.signs @ b

    def tangent(self, b: np.ndarray) -> np.ndarray:
        """``k = |grad effective|^2`` of each feature, shape (d,), at b (block, d)."""
        return self.rate * self.degree**2 * (b ** (2 - 2 / self.degree)).sum(axis=0)

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
        if self.chain and L == 2:
            return np.abs([theta0[0] + theta0[1], theta0[0] - theta0[1]]) / 2
        if self.chain and L > 2:
            sizes = np.abs(theta0)
            if not np.allclose(sizes, sizes[0], rtol=1e-12, atol=0):
                raise NoClosedForm(
                    f"{name}: from layers of unequal size its path has no convex description: start balanced "
                    "(theta0 with all layers of one absolute value), use lr_critical, or run it with sims"
                )
            sign = np.sign(theta0).prod(axis=0)
            return np.stack([np.where(sign == s, sizes[0], 0.0) for s in self.signs])
        if L % 2 and (theta0 < 0).any():
            raise NoClosedForm(f"{name}: predicted from weights >= 0 only, since odd powers change sign at 0")
        return np.abs(theta0)


def doubled(model: Parameterization) -> Doubled:
    """The model in doubled coordinates.

    Raises:
        NoClosedForm: a model that is neither a sum of separate powers ``+-w^L`` nor one product of its weights.
    """
    terms = sp.Poly(model.effective, *model.weights).terms()
    powers = [(max(exponents), sum(e > 0 for e in exponents), float(c)) for exponents, c in terms]
    degree = model.degree
    if degree == 1:  # linear: the sharpness is the same everywhere, and coefficients have both signs
        return Doubled(model, 1, np.array([1.0, -1.0]), sum(c**2 for *_, c in powers) / 2, chain=False)
    if degree and all(alone == 1 and abs(c) == 1 for _, alone, c in powers) and len(terms) == len(model.weights):
        order = [int(np.argmax(exponents)) for exponents, _ in terms]
        signs = np.array([powers[order.index(p)][2] for p in range(len(order))])
        return Doubled(model, degree, signs, 1.0, chain=False)
    if len(terms) == 1 and set(terms[0][0]) == {1} and powers[0][2] == 1 and degree:
        return Doubled(model, degree, np.array([1.0, -1.0]), 1 / degree, chain=True)
    raise NoClosedForm(
        f"{model.name}: the frontier is known for sums of separate powers (power, difference) and for products "
        "of all weights; gradient flow's predictions and sims are available"
    )
