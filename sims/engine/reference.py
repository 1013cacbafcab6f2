"""The reference: the same descent as a readable array program."""

from collections.abc import Callable

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.derivation.numpy_law import array_law
from ...theory.problem import Problem
from ...theory.update_rule import UpdateRule
from ..options import Options
from ..status import Status
from .draws import array_normal, array_uniform
from .runs import NUDGE, Runs, power_noise, samples


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
    """Advance all runs together, one column each, as :func:`gdbias.sims.engine.numba.workers.advance_numba` does."""
    law, m, N = array_law(dynamics), len(dynamics.model.weights), len(runs)
    projected, targets, _ = samples(dynamics, problem)
    rule, n = dynamics.rule, problem.n
    X, y = projected, targets[:, None]
    T = np.moveaxis(runs.theta, 0, -1)  # (weight and state, feature, run)
    V = np.moveaxis(runs.vector, 0, -1)
    noise = power_noise(*runs.vector.shape[1:])[:, :, None]
    lr, limit, top = runs.lr, runs.limit, runs.sharpness_max
    calm, rising, last = np.zeros(N, dtype=int), np.zeros(N, dtype=int), np.full(N, np.inf)
    first, key = runs.first, runs.key
    alive = np.arange(N)
    step = 0
    with np.errstate(all="ignore"):
        while len(alive) and not halt[0]:
            f = X @ (law.effective(*T[:m]) + np.zeros(T.shape[1:]))
            excess = (law.loss_value(f, y) + np.zeros(f.shape)).sum(axis=0) / problem.n - floor
            g = X.T @ law.loss_slope(f, y) / n
            objective, calm_now = excess, abs(excess) < options.tol
            if rule.weight_decay:
                pulls = [slope * g for slope in law.jacobian(*T[:m])]
                calm_now = decayed_calm(T[:m], pulls, rule.weight_decay, options.tol)
                objective = excess + 0.5 * rule.weight_decay * (T[:m] * T[:m]).sum(axis=(0, 1))
            rising = rising + ~(objective < last * (1 + 1e-12) + 1e-14)
            calm = np.where(calm_now & (step >= rule.settled), calm + 1, 0)
            last = objective
            if record_every and step % record_every == 0:
                runs.history[alive, step // record_every] = np.moveaxis(T[:m], -1, 0)
            held, bounded = calm >= options.hold, excess < limit
            stop = held | ~bounded | (step >= options.max_steps)
            ended = np.select([held, bounded], [Status.CONVERGED, Status.STEP_LIMIT], Status.DIVERGED)
            if stop.any():
                done, keep = alive[stop], ~stop
                runs.theta[done] = np.moveaxis(T[:, :, stop], -1, 0)
                runs.vector[done] = np.moveaxis(V[:, :, stop], -1, 0)
                runs.steps[done] = step
                runs.rising[done], runs.loss[done] = rising[stop], excess[stop]
                runs.sharpness_max[done] = top[stop]
                runs.outcome[done] = ended[stop]
                alive = alive[keep]
                T, V, f, lr, limit = T[:, :, keep], V[:, :, keep], f[:, keep], lr[keep], limit[keep]
                g, first, key = g[:, keep], first[keep], key[keep]
                calm, rising, last, top = calm[keep], rising[keep], last[keep], top[keep]
                if progress:
                    progress(N - len(alive))
                if not len(alive):
                    break
            if options.track_every and step % options.track_every == 0:
                rayleigh, V = _power_step(law, X, T[:m], V, g, law.loss_curvature(f, y), problem.n, top, noise)
                top = np.maximum(top, rayleigh)
            if rule.stochastic:
                g = X.T @ _drawn_slopes(law, rule, f, y, key, step) / n
            rate = law.schedule(first, lr, step / rule.schedule.steps) if step < rule.schedule.steps else lr
            T = np.stack(law.step(rate, g, *rule.parameters, *T))
            step += 1


def decayed_calm(T, pulls, decay: float, tol: float):
    """Whether runs with weight decay are at rest: at a minimum, not at the saddle that they may start beside.

    T are the weights and pulls the gradients of the loss, (weight, feature, run); together ``grad = pull + decay T``.
    No feature leaves a saddle, however small its weights are: none has a weight that grows at a rate above
    ``sqrt(tol) decay`` and a pull above that of the decay, ``sum_p |pull_p| > decay sum_p |w_p|``; without it momentum
    swings weights that vanish. And either the gradient is small beside the decay, ``|grad|^2 < tol |decay
    theta|^2``, so that loss and decay balance; or the weights have vanished, ``|theta|^2 < tol``.
    """
    slow, norms, square = tol**0.5 * decay, (T * T).sum(axis=(0, 1)), 0.0
    grows, excess = T[0] < T[0], 0.0  # nowhere yet
    for pull, w in zip(pulls, T, strict=True):
        slope = pull + decay * w
        square = square + (slope * slope).sum(axis=0)
        rate = slope + slow * w
        grows = grows | (w >= 0) & (rate < 0) | (w <= 0) & (rate > 0)
        excess = excess + abs(pull) - decay * abs(w)
    leaving = (grows & (excess > 0)).any(axis=0)
    return ~leaving & ((square < tol * decay * decay * norms) | (norms < tol))


def _drawn_slopes(law, rule: UpdateRule, f, y, key, step: int):
    """Loss slopes of the samples drawn, at noisy targets, 0 for the others; shape (sample, run)."""
    n = len(f)
    batch, draws = rule.batch or n, 3 * np.arange(n)
    if rule.label_noise and (rule.noise_steps is None or step < rule.noise_steps):
        y = y + rule.label_noise * array_normal(key, step, draws + 1)
    slopes = law.loss_slope(f, y) * (n / batch)
    if batch == n:
        return slopes
    chance, need, weight = array_uniform(key, step, draws), np.full(f.shape[1], float(batch)), np.zeros(f.shape)
    for i in range(n):
        weight[i] = chance[i] * (n - i) < need
        need = need - weight[i]
    return weight * slopes


def _power_step(law, X, T, V, g, loss_curvature, n: int, top, noise):
    """Rayleigh quotients of V, and V after one nudged step of ``H + shift`` with the shift that makes it >= 0."""
    m = len(V)
    slopes, second = law.jacobian(*T), iter(law.curvature(*T))
    pulled = X.T @ (loss_curvature * (X @ sum(j * v for j, v in zip(slopes, V, strict=True)))) / n
    block: dict = {}
    for p in range(m):
        for q in range(p, m):
            block[p, q] = block[q, p] = g * next(second)
    HV = np.stack([slopes[p] * pulled + sum(block[p, q] * V[q] for q in range(m)) for p in range(m)])
    rows = [np.stack([abs(block[p, q]) for q in range(m)]).sum(axis=0).max(axis=0) for p in range(m)]
    shift = np.stack(rows).max(axis=0)
    moved = HV + shift * V + NUDGE * np.maximum(np.maximum(shift, top), 1e-100) * noise
    length = np.sqrt((moved * moved).sum(axis=(0, 1)))
    return (V * HV).sum(axis=(0, 1)), moved / np.where(length > 0, length, np.inf)
