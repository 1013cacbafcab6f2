"""Separable convex functions of coefficients b > 0, which are minimised over interpolators."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Cost(Protocol):
    """``f(b) = sum_j f_j(b_j)``, by its slopes."""

    @property
    def at_zero(self) -> np.ndarray:
        """``f_j'(0)``, shape (c,); minus infinity where no minimum has ``b_j = 0``."""
        ...

    def slopes(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``f'`` and ``f''`` at b, (c,) each."""
        ...

    def of(self, columns: np.ndarray) -> "Cost":
        """The same of some of the coefficients."""
        ...


@dataclass(frozen=True)
class Linear:
    """``f = slope . b``, such as the l1 norm."""

    at_zero: np.ndarray

    def slopes(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The slope, and no curvature."""
        return self.at_zero, np.zeros_like(b)

    def of(self, columns: np.ndarray) -> "Linear":
        """The same of some of the coefficients."""
        return Linear(self.at_zero[columns])


@dataclass(frozen=True)
class Divergence:
    """``D_psi(b, start)``: ``f' = weight (start^(e-1) - b^(e-1))`` with e = 2/L, ``weight ln(b/start)`` at e = 1."""

    weight: np.ndarray
    start: np.ndarray
    exponent: float

    @property
    def at_zero(self) -> np.ndarray:
        """Minus infinity: no coefficient ends at 0."""
        return np.full(len(self.start), -np.inf)

    def slopes(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``f'`` and ``f''`` at b."""
        e = self.exponent
        if e == 1:
            return self.weight * np.log(b / self.start), self.weight / b
        return self.weight * (self.start ** (e - 1) - b ** (e - 1)), self.weight * (1 - e) * b ** (e - 2)

    def of(self, columns: np.ndarray) -> "Divergence":
        """The same of some of the coefficients."""
        return Divergence(self.weight[columns], self.start[columns], self.exponent)
