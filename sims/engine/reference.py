"""The reference: the same descent as a readable array program, all runs together, one column each."""

import numpy as np

from ...theory import Problem, UpdateRule
from ...theory.derivation.hessian import columns, stacked
from ...theory.derivation.landscape import Landscape
from ..status import Status
from .backends import EVERY, LONGEST, NEAR, REPEATS, Followed, measured_steps
from .draws import normal, stream, uniform
from .job import Job
from .runs import NUDGE, Runs, power_noise


def check(problem: Problem, here: bool) -> None:
    """Any data will do."""


def advance(job: Job, runs: Runs) -> None:
    """Advance all runs together, as :func:`gdbias.sims.engine.numba.backend.advance` does."""
    landscape, options, N = job.landscape, job.options, len(runs)
    law, rule, m = landscape.law, landscape.dynamics.rule, runs.vector.shape[1]
    # Columns (weight, feature, run) of the runs' own arrays: what is put there is theirs.
    theta, vector, history = columns(runs.theta), columns(runs.vector), columns(runs.history)
    T, V = theta, vector  # T has the state rows behind the weights
    noise = power_noise(*runs.vector.shape[1:])[:, :, None]
    lr, limit, top = runs.lr, runs.divergence_limit, runs.sharpness_max
    calm, rising, last = np.zeros(N, dtype=int), np.zeros(N, dtype=int), np.full(N, np.inf)
    first, key, parameters, reads_loss = runs.first_lr, runs.draw_key, rule.parameters, rule.step.reads_loss
    alive = np.arange(N)
    step = 0
    with np.errstate(all="ignore"):
        while len(alive) and not job.halt[0]:
            f = landscape.predictions(*T[:m])
            excess = landscape.mean_loss(f) - job.floor
            g = landscape.slope(f)
            objective, calm_now = excess, abs(excess) < options.tol
            if rule.weight_decay:
                pulls = [slope * g for slope in law.jacobian(*T[:m])]
                calm_now = decayed_calm(T[:m], pulls, rule.weight_decay, options.tol)
                objective = excess + 0.5 * rule.weight_decay * (T[:m] * T[:m]).sum(axis=(0, 1))
            rising = rising + ~(objective < last * (1 + 1e-12) + 1e-14)
            calm = np.where(calm_now & (step >= rule.settled), calm + 1, 0)
            last = objective
            if job.record_every and step % job.record_every == 0:
                history[step // job.record_every][..., alive] = T
            held, bounded = calm >= options.hold, excess < limit
            stop = held | ~bounded | (step >= options.max_steps)
            if stop.any():
                ended = np.select([held, bounded], [Status.CONVERGED, Status.STEP_LIMIT], Status.DIVERGED)
                done, keep = alive[stop], ~stop
                theta[..., done], vector[..., done] = T[:, :, stop], V[:, :, stop]
                runs.steps[done] = step
                runs.rising[done], runs.loss[done] = rising[stop], excess[stop]
                runs.sharpness_max[done] = top[stop]
                runs.outcome[done] = ended[stop]
                alive = alive[keep]
                T, V, f, lr, limit = T[:, :, keep], V[:, :, keep], f[:, keep], lr[keep], limit[keep]
                g, first, key, excess = g[:, keep], first[keep], key[keep], excess[keep]
                calm, rising, last, top = calm[keep], rising[keep], last[keep], top[keep]
                if job.tell:
                    job.tell(N - len(alive))
                if not len(alive):
                    break
            if options.track_every and step % options.track_every == 0:
                rayleigh, V = _power_step(landscape, T[:m], V, f, g, top, noise)
                top = np.maximum(top, rayleigh)
            if rule.stochastic:
                g = _drawn(landscape, rule, f, key, step)
            rate = law.schedule(first, lr, step / rule.schedule.steps) if step < rule.schedule.steps else lr
            read = parameters
            if rule.step.ascent is not None:
                sums = _sums(law.ascent_totals(rate, g, *read, *T), g) if rule.step.ascent_totals else ()
                there = stacked(law.ascent(rate, g, *read, *sums, *T), g.shape)
                T, f = np.concatenate([T[:-m], there]), landscape.predictions(*there)
                g = _drawn(landscape, rule, f, key, step) if rule.stochastic else landscape.slope(f)
            if rule.step.totals:
                read += _sums(law.totals(rate, g, *read, *T), g)
            if reads_loss:
                read += (excess,)
            T = stacked(law.step(rate, g, *read, *T), g.shape)
            step += 1


def _sums(parts, g) -> tuple[np.ndarray, ...]:
    """Totals of parts (feature, run), some of which may be one number."""
    return tuple(np.broadcast_to(part, g.shape).sum(axis=0) for part in parts)


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


def _drawn(landscape: Landscape, rule: UpdateRule, f, key, step: int):
    """The gradient dL/dbeta of the samples drawn."""
    return landscape.pulled(_drawn_slopes(landscape, rule, f, key, step))


def _drawn_slopes(landscape: Landscape, rule: UpdateRule, f, key, step: int):
    """Loss slopes of the samples drawn, at noisy targets, 0 for the others; shape (sample, run)."""
    n, y = len(f), landscape.targets(f)
    batch, state, draws = rule.batch or n, stream(key, step), 3 * np.arange(n)[:, None]
    if rule.label_noise and (rule.noise_steps is None or step < rule.noise_steps):
        y = y + rule.label_noise * normal(state, draws + 1)
    slopes = landscape.law.loss_slope(f, y) * (n / batch)
    if batch == n:
        return slopes
    chance, need, weight = uniform(state, draws), np.full(f.shape[1], float(batch)), np.zeros(f.shape)
    for i in range(n):
        weight[i] = chance[i] * (n - i) < need
        need = need - weight[i]
    return weight * slopes


def _power_step(landscape: Landscape, T, V, f, g, top, noise):
    """Rayleigh quotients of V, and V after one nudged step of ``H + shift`` with the shift that makes it >= 0."""
    m, law, X = len(V), landscape.law, landscape.samples[0]
    slopes, second = law.jacobian(*T), iter(law.curvature(*T))
    moved = X @ sum(j * v for j, v in zip(slopes, V, strict=True))
    pulled = landscape.pulled(law.loss_curvature(f, landscape.targets(f)) * moved)
    block: dict = {}
    for p in range(m):
        for q in range(p, m):
            block[p, q] = block[q, p] = g * next(second)
    HV = np.stack([slopes[p] * pulled + sum(block[p, q] * V[q] for q in range(m)) for p in range(m)])
    sizes = [np.stack([abs(block[p, q]) for q in range(m)]).sum(axis=0).max(axis=0) for p in range(m)]
    shift = np.stack(sizes).max(axis=0)
    turned = HV + shift * V + NUDGE * np.maximum(np.maximum(shift, top), 1e-100) * noise
    length = np.sqrt((turned * turned).sum(axis=(0, 1)))
    return (V * HV).sum(axis=(0, 1)), turned / np.where(length > 0, length, np.inf)


def follow(job: Job, runs: Runs, chosen: np.ndarray) -> Followed:
    """Follow the chosen runs from where they ended, as the compiled engine does."""
    landscape, m, count = job.landscape, runs.vector.shape[1], len(chosen)
    law, values = landscape.law, landscape.dynamics.rule.parameters
    X, _, floor = landscape.samples
    lr, limit = runs.lr[chosen], runs.divergence_limit[chosen] + (runs.loss_min[chosen] - floor)
    T = columns(runs.theta[chosen])
    V = power_noise(*runs.theta.shape[1:])[:, :, None] + np.zeros(T.shape)
    growth, peak, lost = np.zeros(count), np.full(count, -np.inf), np.zeros(count, dtype=bool)
    tail, measured = np.zeros((count, LONGEST)), measured_steps(job.options)
    returns, snapshot = np.zeros((count, REPEATS), dtype=int), T
    last, rises = np.full(count, np.inf), np.zeros(count, dtype=int)
    with np.errstate(all="ignore"):
        for left in range(job.options.window, 0, -1):  # steps left
            if job.halt[0]:
                break
            k = REPEATS - (left - 1) // LONGEST - 1
            if left % LONGEST == 0:
                snapshot = T
            f = landscape.predictions(*T[:m])
            loss = landscape.mean_loss(f)
            lost = lost | ~(loss < limit)
            rises = rises + ~(loss < last * (1 + 1e-12) + 1e-14)
            last = loss
            if k >= 0:
                peak = np.fmax(peak, loss)
            f_dot = X @ sum(slope * v for slope, v in zip(law.jacobian(*T[:m]), V, strict=False))
            g, g_dot = landscape.slope(f), landscape.pulled(law.loss_curvature(f, landscape.targets(f)) * f_dot)
            V = stacked(law.tangent(lr, g, g_dot, *values, *T, *V), g.shape)
            T = stacked(law.step(lr, g, *values, *T), g.shape)
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
    return Followed(growth, tail, peak, lost, returns, rises)
