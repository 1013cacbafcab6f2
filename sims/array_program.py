"""The reference: the same descent as a readable array program, on NumPy or on CuPy."""

from collections.abc import Callable
from types import ModuleType

import numpy as np

from ..theory.derive import Dynamics
from ..theory.errors import MissingExtra
from ..theory.law import array_law
from ..theory.problem import Problem
from .options import Options
from .runs import NUDGE, Runs, power_noise


def array_module(backend: str) -> ModuleType:
    """NumPy or CuPy; raises MissingExtra where CuPy or its GPU is absent."""
    if backend == "numpy":
        return np
    try:
        import cupy  # pyright: ignore[reportMissingImports]

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise MissingExtra(
            f"backend 'cupy' needs an NVIDIA GPU and pip install 'gdbias[gpu]' ({type(error).__name__}): "
            "use backend='numba'"
        ) from None
    return cupy


def advance_array(
    dynamics: Dynamics,
    problem: Problem,
    runs: Runs,
    options: Options,
    floor: float,
    record_every: int,
    halt: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Advance all runs together, one column each, as :func:`gdbias.sims.engine.advance_numba` does."""
    xp = array_module(options.backend)
    law, m, N = array_law(dynamics, xp), len(dynamics.model.weights), len(runs)
    projected, targets, _ = problem.projected
    X, y = xp.asarray(projected), xp.asarray(targets)[:, None]
    T = xp.asarray(np.moveaxis(runs.theta, 0, -1))  # (weight and state, feature, run)
    V = xp.asarray(np.moveaxis(runs.vector, 0, -1))
    noise = xp.asarray(power_noise(*runs.vector.shape[1:]))[:, :, None]
    lr, limit, top = xp.asarray(runs.lr), xp.asarray(runs.limit), xp.asarray(runs.sharpness_max)
    calm, rising, last = xp.zeros(N, dtype=int), xp.zeros(N, dtype=int), xp.full(N, xp.inf)
    alive = np.arange(N)
    step = 0
    with np.errstate(all="ignore"):
        while len(alive) and not halt[0]:
            f = X @ (law.effective(*T[:m]) + xp.zeros(T.shape[1:]))
            excess = (law.loss_value(f, y) + xp.zeros(f.shape)).sum(axis=0) / problem.n - floor
            rising = rising + (excess > last * (1 + 1e-12) + 1e-14)
            calm = xp.where(abs(excess) < options.tol, calm + 1, 0)
            last = excess
            if record_every and step % record_every == 0:
                runs.history[alive, step // record_every] = to_host(xp.moveaxis(T[:m], -1, 0))
            held, bounded = calm >= options.hold, excess < limit
            stop = held | ~bounded | (step >= options.max_steps)
            if stop.any():
                ended = to_host(stop)
                done, keep = alive[ended], xp.asarray(np.flatnonzero(~ended))
                runs.theta[done] = to_host(xp.moveaxis(T[:, :, stop], -1, 0))
                runs.vector[done] = to_host(xp.moveaxis(V[:, :, stop], -1, 0))
                runs.steps[done] = step
                runs.rising[done], runs.loss[done] = to_host(rising[stop]), to_host(excess[stop])
                runs.sharpness_max[done] = to_host(top[stop])
                runs.outcome[done] = to_host(xp.where(held, 0, xp.where(bounded, 2, 1))[stop])
                alive = alive[~ended]
                T, V, f, lr, limit = T[:, :, keep], V[:, :, keep], f[:, keep], lr[keep], limit[keep]
                calm, rising, last, top = calm[keep], rising[keep], last[keep], top[keep]
                if progress:
                    progress(N - len(alive))
                if not len(alive):
                    break
            g = X.T @ law.loss_slope(f, y) / problem.n
            if options.track_every and step % options.track_every == 0:
                rayleigh, V = _power_step(xp, law, X, T[:m], V, g, law.loss_curvature(f, y), problem.n, top, noise)
                top = xp.maximum(top, rayleigh)
            T = xp.stack(law.step(lr, g, *T))
            step += 1


def _power_step(xp: ModuleType, law, X, T, V, g, loss_curvature, n: int, top, noise):
    """Rayleigh quotients of V, and V after one nudged step of ``H + shift`` with the shift that makes it >= 0."""
    m = len(V)
    slopes, second = law.jacobian(*T), iter(law.curvature(*T))
    pulled = X.T @ (loss_curvature * (X @ sum(j * v for j, v in zip(slopes, V, strict=True)))) / n
    block: dict = {}
    for p in range(m):
        for q in range(p, m):
            block[p, q] = block[q, p] = g * next(second)
    HV = xp.stack([slopes[p] * pulled + sum(block[p, q] * V[q] for q in range(m)) for p in range(m)])
    rows = [xp.stack([abs(block[p, q]) for q in range(m)]).sum(axis=0).max(axis=0) for p in range(m)]
    shift = xp.stack(rows).max(axis=0)
    moved = HV + shift * V + NUDGE * xp.maximum(xp.maximum(shift, top), 1e-100) * noise
    length = xp.sqrt((moved * moved).sum(axis=(0, 1)))
    return (V * HV).sum(axis=(0, 1)), moved / xp.where(length > 0, length, xp.inf)


def to_host(array) -> np.ndarray:
    return array.get() if hasattr(array, "get") else np.asarray(array)
