"""What bounded runs settle on: whether their weights return, and whether nearby runs part."""

from typing import NamedTuple

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.derivation.numpy_law import array_law
from ...theory.problem import Problem
from ..engine.numba.cache import load_kernel
from ..engine.numba.follow_text import attractor_source
from ..engine.numba.lanes import LANES
from ..engine.numba.microkernel import spans
from ..engine.numba.processor import cores
from ..engine.numba.workers import work
from ..engine.runs import Runs, power_noise
from ..options import Options

LONGEST = 64  # period looked for
REPEATS = 3  # snapshots, LONGEST steps apart, from each of which the weights must return after as many steps
NEAR = 1e-7  # largest change of a weight in a return, in units of the largest weight
EVERY = 8  # steps after which the tangent vector is made a unit vector again


class Attractor(NamedTuple):
    """One entry a run: exponent a step, period (0 for none), largest excess loss at the end, if the loss blew up."""

    lyapunov: np.ndarray
    period: np.ndarray
    peak: np.ndarray
    lost: np.ndarray


def follow(
    dynamics: Dynamics, problem: Problem, runs: Runs, chosen: np.ndarray, floor: np.ndarray, options: Options,
    halt: np.ndarray,
) -> Attractor:  # fmt: skip
    """Follow the chosen runs for ``options.window`` steps from where they ended; the runs are left as they are.

    A tangent vector goes along, ``delta <- D(step) delta``, which is ``(I - lr H) delta`` for gradient descent.
    Over the first quarter it turns into the direction that grows most; its mean logarithmic growth over the rest,
    over whole periods where there is one, is the largest Lyapunov exponent (Benettin et al. 1980). The period is
    the least p <= 64 with ``max |theta_(t+p) - theta_t| < 1e-7 max |theta|`` at three times t, 64 steps apart, at
    the end. ``floor`` holds the smallest loss of each chosen run, of the projected targets. Other runs have
    exponent NaN and period 0.
    """
    N = len(runs)
    found = Attractor(np.full(N, np.nan), np.zeros(N, dtype=np.int64), np.full(N, np.nan), np.zeros(N, dtype=bool))
    if not len(chosen):
        return found
    measured = 3 * options.window // (4 * EVERY) * EVERY
    P, d = runs.theta.shape[1:]
    nearby = power_noise(P, d)
    state = (nearby, runs.lr[chosen], runs.limit[chosen] + floor, runs.theta[chosen])
    program = _follow_array if options.backend == "numpy" else _follow_numba
    growth, tail, peak, lost, returns = program(dynamics, problem, options, measured, halt, *state)
    period = np.where((returns == returns[:, :1]).all(axis=1) & ~lost, returns[:, 0], 0)
    beyond = measured % np.maximum(period, 1)  # steps at the end that make no whole cycle
    with np.errstate(invalid="ignore"):
        growth = growth - np.where(np.arange(LONGEST) >= LONGEST - beyond[:, None], tail, 0).sum(axis=1)
    lyapunov = np.where(lost, np.nan, growth / (measured - beyond))
    for whole, part in zip(found, (lyapunov, period, peak - floor, lost), strict=True):
        whole[chosen] = part
    return found


def _follow_numba(dynamics, problem: Problem, options: Options, measured: int, halt, nearby, lr, limit, theta):
    kernel = load_kernel(attractor_source(dynamics))
    X, y, _ = problem.projected
    count = len(lr)
    found = (
        np.full(count, np.nan), np.full((count, LONGEST), np.nan), np.full(count, np.nan), np.zeros(count, bool),
        np.zeros((count, REPEATS), dtype=np.int64),
    )  # fmt: skip
    arguments = (
        *spans(X), *spans(X.T), np.ascontiguousarray(y), 1.0 / problem.n,
        options.window, measured, EVERY, LONGEST, REPEATS, NEAR,
        np.array(dynamics.rule.parameters), np.zeros(1, dtype=np.int64), halt, nearby, lr, limit, theta, *found,
    )  # fmt: skip
    work(kernel.follow, arguments, min(options.threads or cores(), max(1, -(-count // LANES))), halt)
    return found


def _follow_array(dynamics, problem: Problem, options: Options, measured: int, halt, nearby, lr, limit, theta):
    """The same as a readable array program, one column a run."""
    law, m, count = array_law(dynamics), len(dynamics.model.weights), len(lr)
    projected, targets, _ = problem.projected
    X, y, T = projected, targets[:, None], np.moveaxis(theta, 0, -1)
    V = nearby[:, :, None] + np.zeros(T.shape)
    growth, peak, lost = np.zeros(count), np.full(count, -np.inf), np.zeros(count, dtype=bool)
    tail = np.zeros((count, LONGEST))
    values = dynamics.rule.parameters
    returns, snapshot = np.zeros((count, REPEATS), dtype=int), T
    with np.errstate(all="ignore"):
        for left in range(options.window, 0, -1):  # steps left
            if halt[0]:
                break
            k = REPEATS - (left - 1) // LONGEST - 1
            if left % LONGEST == 0:
                snapshot = T
            f = X @ (law.effective(*T[:m]) + np.zeros(T.shape[1:]))
            loss = (law.loss_value(f, y) + np.zeros(f.shape)).sum(axis=0) / problem.n
            lost = lost | ~(loss < limit)
            if k >= 0:
                peak = np.fmax(peak, loss)
            f_dot = X @ sum(slope * v for slope, v in zip(law.jacobian(*T[:m]), V, strict=False))
            g = X.T @ law.loss_slope(f, y) / problem.n
            g_dot = X.T @ (law.loss_curvature(f, y) * f_dot) / problem.n
            V, T = np.stack(law.tangent(lr, g, g_dot, *values, *T, *V)), np.stack(law.step(lr, g, *values, *T))
            if k >= 0:
                near = abs(T[:m] - snapshot[:m]).max(axis=(0, 1)) < NEAR * abs(T[:m]).max(axis=(0, 1))
                first = LONGEST - (left - 1) % LONGEST
                returns[:, k] = np.where(near & (returns[:, k] == 0), first, returns[:, k])
            if (left - 1) % EVERY == 0 or left <= LONGEST:
                length = np.sqrt((V * V).sum(axis=(0, 1)))
                if left <= measured:
                    growth = growth + np.log(length)
                if left <= LONGEST:
                    tail[:, LONGEST - left] = np.log(length)
                V = V / np.where(length > 0, length, 1.0)
    return growth, tail, peak, lost, returns
