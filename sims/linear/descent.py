"""Gradient descent on many chains of matrices together, one slice a run."""

import numpy as np

from ...theory.derivation.landscape import divergence_limit
from ...theory.linear import chain
from ...theory.linear.network import LinearNetwork
from ..engine.runs import NUDGE, Runs, not_begun, power_noise
from ..options import RunOptions
from ..status import Status


def excess_loss(net: LinearNetwork, product: np.ndarray) -> np.ndarray:
    """``|P - T|_F^2 / 2 - loss_min`` of products (..., d_L, d_0)."""
    return ((product - net.target) ** 2).sum(axis=(-2, -1)) / 2 - net.loss_min


def advance(net: LinearNetwork, starts: np.ndarray, lr: np.ndarray, options: RunOptions, record_every: int = 0) -> Runs:
    """Runs from ``starts`` (run, parameter) at the learning rates ``lr`` (run,), each to its end, as one weight each.

    ``W_l <- W_l - lr grad_l``, all layers at the old values. Ends, counts and looks at the sharpness are those of
    :func:`gdbias.sims.engine.reference.advance`.
    """
    N, P = starts.shape
    first = chain.unpack(starts, net.shapes)
    limit, top = divergence_limit(excess_loss(net, chain.product(first))), chain.chain_sharpness(first, net.target)
    records = options.max_steps // record_every + 1 if record_every else 0
    runs = Runs(
        lr, lr, np.zeros(N, dtype=np.uint64), limit, np.full(N, net.loss_min), starts[:, None].copy(),
        top.vector[0].T[:, None].copy(), top.value.copy(), **not_begun(N, (records, 1, P)),
    )  # fmt: skip
    layers, vector, most = chain.unpack(runs.theta[:, 0], net.shapes), runs.vector[:, 0], runs.sharpness_max
    noise, rates = power_noise(1, P), lr[:, None, None]
    calm, rising, last = np.zeros(N, dtype=int), np.zeros(N, dtype=int), np.full(N, np.inf)
    alive, step = np.arange(N), 0
    with np.errstate(all="ignore"):
        while True:
            if record_every and step % record_every == 0:
                runs.history[alive, step // record_every, 0] = chain.pack(layers)
            excess = excess_loss(net, chain.product(layers))
            rising += ~(excess < last * (1 + 1e-12) + 1e-14)
            calm = np.where(abs(excess) < options.tol, calm + 1, 0)
            last = excess
            held, bounded = calm >= options.hold, excess < limit
            stop = held | ~bounded | (step >= options.max_steps)
            ended = np.select([held, bounded], [Status.CONVERGED, Status.STEP_LIMIT], Status.DIVERGED)
            if stop.any():
                done = alive[stop]
                runs.theta[done, 0], runs.vector[done, 0] = chain.pack(layers)[stop], vector[stop]
                runs.steps[done], runs.rising[done], runs.loss[done] = step, rising[stop], excess[stop]
                runs.sharpness_max[done] = most[stop]
                runs.outcome[done] = ended[stop]
                layers, alive = [layer[~stop] for layer in layers], alive[~stop]
                vector, most, rates, limit = vector[~stop], most[~stop], rates[~stop], limit[~stop]
                calm, rising, last = calm[~stop], rising[~stop], last[~stop]
                if not len(alive):
                    return runs
            if options.track_every and step % options.track_every == 0:
                rayleigh, vector = _power_step(net, layers, vector, most, noise)
                most = np.fmax(most, rayleigh)
            layers = [w - rates * g for w, g in zip(layers, chain.gradient(layers, net.target), strict=True)]
            step += 1


def _power_step(net: LinearNetwork, layers: list, vector: np.ndarray, top: np.ndarray, noise: np.ndarray):
    """Rayleigh quotients of the vectors, and these after one nudged step of ``H + shift``, which is >= 0."""
    hessian = chain.ChainHessian(layers, net.target)
    moved = (hessian @ vector.T[None])[0].T
    # The Hessian without its positive part is at most |error| (L - 1) (largest layer)^(L - 2).
    size = np.max([np.sqrt((w * w).sum(axis=(1, 2))) for w in layers], axis=0)
    error = np.sqrt((hessian.error**2).sum(axis=(1, 2)))
    shift = error * (net.depth - 1) * size ** max(net.depth - 2, 0)
    nudge = NUDGE * np.maximum(np.maximum(shift, top), 1e-100)
    turned = moved + shift[:, None] * vector + nudge[:, None] * noise
    length = np.sqrt((turned * turned).sum(axis=1))
    return (vector * moved).sum(axis=1), turned / np.where(length > 0, length, np.inf)[:, None]
