"""Sharpness at many points, compiled and over the cores."""

from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from ...theory.compiled.cache import load_kernel
from ...theory.derivation.hessian import columns, rows
from ...theory.derivation.landscape import Landscape
from ...theory.lanczos import RESIDUAL, ROUNDS, Sharpness
from ..engine.numba.kernels import IMPORTED
from ..engine.numba.lanes import LANES
from ..engine.numba.microkernel import sample_spans
from ..engine.runs import power_noise
from .pieces import over_pieces

LEAST, MOST, LARGEST = 12, 36, 1 << 18  # vectors of a Krylov basis, and numbers of a point's where they may be fewer
LITTLE = 0.03  # of noise, so that no vector that is given hides an eigenvector


def sharpness_at(
    landscape: Landscape, theta: np.ndarray, start: np.ndarray | None = None, adaptive: bool = False,
    scale: np.ndarray | None = None,
) -> Sharpness:  # fmt: skip
    """What :meth:`gdbias.theory.derivation.landscape.Landscape.sharpness` finds, at points (point, weight, feature).

    ``start`` holds approximate top eigenvectors of the same shape, as the result does; with a ``scale`` of that shape
    the eigenvalue is of ``diag(scale) H diag(scale)``. A point's value does not depend on the number of cores, and on
    the points beside it to rounding alone.
    """
    sizes = np.abs(theta) if adaptive else scale

    def piece(part: slice) -> dict[str, np.ndarray]:
        begin, scales = (None if values is None else values[part] for values in (start, sizes))
        return Hessians(landscape, theta[part]).top(begin, scales, vectors=True)._asdict()

    return Sharpness(**over_pieces(piece, theta))


class Hessians:
    """The Hessians at points theta (point, weight, feature), side by side as kernels take them."""

    def __init__(self, landscape: Landscape, theta: np.ndarray):
        self.landscape, self.count = landscape, len(theta)
        self.theta = self._side_by_side(theta)
        self.finite = np.isfinite(self.theta).all(axis=(0, 1))
        self.hessian = landscape.hessian(rows(self.theta))

    def _side_by_side(self, values: np.ndarray) -> np.ndarray:
        """Values (point, weight, feature) as (weight, feature, point), the last repeated until all lanes have one."""
        lined = np.empty((*values.shape[1:], -(-self.count // LANES) * LANES))
        lined[..., : self.count] = columns(values)
        lined[..., self.count :] = lined[..., self.count - 1 : self.count]
        return lined

    def top(self, start: np.ndarray | None = None, scale: np.ndarray | None = None, vectors: bool = False) -> Sharpness:
        """The largest eigenvalues, with a ``scale`` of ``diag(scale) H diag(scale)``; NaN at points not finite.

        Lanczos begins with fixed noise, of which ``start`` gets a little; both have the shape of the points.
        """
        X, (m, d, wide) = self.landscape.samples[0], self.theta.shape
        noise = power_noise(m, d)[:, :, None]
        first = np.repeat(noise, wide, axis=2) if start is None else LITTLE * noise + self._side_by_side(start)
        hessian = self.hessian if scale is None else self.hessian.scaled(self._side_by_side(scale))
        value, residual = np.empty((2, wide))
        vector = np.zeros((m, d, wide if vectors else 0))
        _kernel().top_eigenvalues(
            *sample_spans(self.landscape, "float64"), np.abs(X).max(axis=0),
            hessian.jacobian, hessian.diagonal, hessian.curvature, first,
            min(m * d, max(LEAST, min(MOST, LARGEST // (m * d)))), ROUNDS, RESIDUAL, value, residual, vector,
        )  # fmt: skip
        value[~self.finite] = np.nan
        return Sharpness(value[: self.count], residual[: self.count], rows(vector)[: self.count])

    def trace(self) -> np.ndarray:
        """The traces."""
        return self.hessian.trace()[: self.count]


@lru_cache
def _kernel() -> ModuleType:
    return load_kernel((Path(__file__).parent / "../engine/numba/lanczos.py").read_text(), "the sharpness", IMPORTED)
