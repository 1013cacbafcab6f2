"""Sharpness at many points, compiled and over the cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from ...theory.compiled.cache import load_kernel
from ...theory.derivation.hessian import columns, rows
from ...theory.derivation.landscape import Landscape
from ...theory.lanczos import LANCZOS_STEPS, RESIDUAL, ROUNDS, Sharpness, first_vectors
from ..engine.numba.kernels import IMPORTED
from ..engine.numba.lanes import LANES
from ..engine.numba.microkernel import spans
from ..machine import cores

PIECE = 128  # points that a core takes at once


def sharpness_at(
    landscape: Landscape, theta: np.ndarray, start: np.ndarray | None = None, adaptive: bool = False,
    scale: np.ndarray | None = None,
) -> Sharpness:  # fmt: skip
    """What :meth:`gdbias.theory.derivation.landscape.Landscape.sharpness` finds, at points (point, weight, feature).

    ``start`` holds approximate top eigenvectors of the same shape, as the result does; with a ``scale`` of that shape
    the eigenvalue is of ``diag(scale) H diag(scale)``. A point's value does not depend on the number of cores, and on
    the points beside it to rounding alone.
    """

    def piece(at: int) -> Sharpness:
        part = slice(at, at + PIECE)
        begin, scales = (None if values is None else values[part] for values in (start, scale))
        return _piece(landscape, theta[part], begin, scales, adaptive)

    pieces: list[Sharpness] = _map(piece, range(0, max(len(theta), 1), PIECE))
    return Sharpness(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))


def _piece(
    landscape: Landscape, theta: np.ndarray, start: np.ndarray | None, scale: np.ndarray | None, adaptive: bool
) -> Sharpness:
    count, m, d = theta.shape
    vector = first_vectors(m, d, count, None if start is None else columns(start))
    found = Sharpness(np.full(count, np.nan), np.full(count, np.nan), rows(vector))
    finite = np.flatnonzero(np.isfinite(theta).all(axis=(1, 2)))
    if not len(finite):
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        hessian, exponent = landscape.hessian(
            theta[finite], adaptive, None if scale is None else scale[finite]
        ).near_one()
    data, transposed = spans(hessian.X), spans(hessian.X.T)
    N, D, blocks = len(data[0]), len(transposed[0]), -(-len(finite) // LANES)
    value, residual, top = np.empty((blocks, LANES)), np.empty((blocks, LANES)), np.empty((blocks, m, D, LANES))
    _kernel().top_eigenvalues(
        *data, *transposed, _blocks(hessian.jacobian, D), _blocks(hessian.diagonal, D),
        _blocks(hessian.curvature[None], N), _blocks(vector[:, :, finite], D),
        m, min(m * d, LANCZOS_STEPS), ROUNDS if m * d > LANCZOS_STEPS else 1, RESIDUAL, value, residual, top,
    )  # fmt: skip
    vectors = np.moveaxis(top, -1, 1)[..., :d].reshape(-1, m, d)
    scaled = (np.ldexp(values.ravel()[: len(finite)], exponent) for values in (value, residual))
    for whole, part in zip(found, (*scaled, vectors), strict=True):
        whole[finite] = part[: len(finite)]
    return found


def _blocks(values: np.ndarray, rows: int) -> np.ndarray:
    """Columns (weight, feature, point) as blocks (block, weight, row, lane); the last repeats its last point."""
    m, d, count = values.shape
    lanes = np.minimum(np.arange(-(-count // LANES) * LANES), count - 1)
    blocks = np.zeros((len(lanes) // LANES, m, rows, LANES))
    blocks[:, :, :d] = np.moveaxis(values[..., lanes].reshape(m, d, -1, LANES), 2, 0)
    return blocks


@lru_cache
def _kernel() -> ModuleType:
    return load_kernel((Path(__file__).parent / "../engine/numba/lanczos.py").read_text(), "the sharpness", IMPORTED)


def _map(function: Callable, items: range) -> list:
    if len(items) == 1:
        return [function(items[0])]
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(function, items))
