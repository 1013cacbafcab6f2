"""Sharpness at many points, compiled and over the cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.derivation.hessian import Hessian
from ...theory.lanczos import LANCZOS_STEPS, RESIDUAL, ROUNDS, Sharpness, first_vectors
from ...theory.problem import Problem
from ..engine.numba.cache import load_kernel
from ..engine.numba.microkernel import spans
from ..engine.numba.processor import cores

PIECE = 128  # points that a core takes at once


def sharpness_at(
    dynamics: Dynamics, problem: Problem, theta: np.ndarray, start: np.ndarray | None = None,
    adaptive: bool = False,
) -> Sharpness:  # fmt: skip
    """What :func:`gdbias.theory.derivation.hessian.sharpness` finds, at points theta (point, weight, feature).

    ``start`` holds approximate top eigenvectors of the same shape. A point's value does not depend on the number of
    cores, and on the points beside it to rounding alone.
    """
    points = np.moveaxis(theta, 0, -1)
    starts = None if start is None else np.moveaxis(start, 0, -1)

    def piece(at: int) -> Sharpness:
        part = slice(at, at + PIECE)
        return _piece(dynamics, problem, points[:, :, part], None if starts is None else starts[:, :, part], adaptive)

    pieces: list[Sharpness] = _map(piece, range(0, max(points.shape[-1], 1), PIECE))
    return Sharpness(*(np.concatenate(parts, axis=-1) for parts in zip(*pieces, strict=True)))


def _piece(
    dynamics: Dynamics, problem: Problem, theta: np.ndarray, start: np.ndarray | None, adaptive: bool
) -> Sharpness:
    m, d, count = theta.shape
    vector = first_vectors(m, d, count, start)
    found = Sharpness(np.full(count, np.nan), np.full(count, np.nan), vector)
    finite = np.flatnonzero(np.isfinite(theta).all(axis=(0, 1)))
    if not len(finite):
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        hessian = Hessian(dynamics, problem, theta[:, :, finite], adaptive)
    arrays = (hessian.jacobian, hessian.diagonal, hessian.curvature, vector[:, :, finite])
    part = Sharpness(np.empty(len(finite)), np.empty(len(finite)), np.empty((m, d, len(finite))))
    _kernel().top_eigenvalues(
        *spans(hessian.X), *spans(hessian.X.T), *(np.array(a, order="C") for a in arrays),
        min(m * d, LANCZOS_STEPS), ROUNDS, RESIDUAL, *part,
    )  # fmt: skip
    for whole, values in zip(found, part, strict=True):
        whole[..., finite] = values
    return found


@lru_cache
def _kernel() -> ModuleType:
    return load_kernel((Path(__file__).parent / "../engine/numba/lanczos.py").read_text())


def _map(function: Callable, items: range) -> list:
    if len(items) == 1:
        return [function(items[0])]
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(function, items))
