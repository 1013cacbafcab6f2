"""The first steps of descent itself, from which predictions begin: most of its way at a large rate is made in them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import chain
from .network import LinearNetwork

BLOWN_UP = 1e6  # times the first loss, or 1


class Begun(NamedTuple):
    """What descent at each of B learning rates does in its first T steps.

    Attributes:
        layers: its mean about the last of them, ``(W_(T-1) + 2 W_T + W_(T+1)) / 4``, of shapes (B, d_l, d_(l-1)).
        swing: the product at T less that of the mean, (B, d_L, d_0).
        taken: T, shape (B,), as what follows.
        arrived: the step from which on the excess loss is below ``tol``, NaN where it is not.
        rising: steps on which the loss rose.
        bounded: whether the loss stayed below 1e6 times the first one, or 1.
    """

    layers: list[np.ndarray]
    swing: np.ndarray
    taken: np.ndarray
    arrived: np.ndarray
    rising: np.ndarray
    bounded: np.ndarray


def begun(net: LinearNetwork, start: Sequence[np.ndarray], lr: np.ndarray, count: int, tol: float) -> Begun:
    """``count`` steps of ``W_l <- W_l - lr grad_l`` at every learning rate (B,), or beyond the first rise in them."""
    B = len(lr)
    now = [np.tile(w, (B, 1, 1)) for w in start]
    before, after = now, now
    arrived, rising, bounded = np.full(B, np.nan), np.zeros(B, dtype=int), np.ones(B, dtype=bool)
    last, limit, taken = np.full(B, np.inf), np.full(B, np.inf), np.full(B, count)
    rounding = 1e-14 * float((net.target**2).sum()) / 2
    for step in range(2 * count + 1):
        going = bounded & (step <= taken)
        if not going.any():
            break
        loss = ((chain.product(after) - net.target) ** 2).sum(axis=(1, 2)) / 2 - net.loss_min
        limit = BLOWN_UP * np.maximum(1.0, loss) if step == 0 else limit
        rose = going & ~(loss < last * (1 + 1e-12) + rounding)
        taken = np.where(rose & (rising == 0), step + count, taken)
        rising, bounded = rising + rose, bounded & ~(going & ~(loss < limit))
        arrived = np.where(going, np.where(loss < tol, np.fmin(arrived, step), np.nan), arrived)
        last, going = loss, going & bounded
        moved = chain.gradient(after, net.target)
        before = [_where(going, b, a) for a, b in zip(before, now, strict=True)]
        now = [_where(going, b, a) for a, b in zip(now, after, strict=True)]
        after = [_where(going, w - lr[:, None, None] * g, w) for w, g in zip(after, moved, strict=True)]
    mean = [(a + 2 * b + c) / 4 for a, b, c in zip(before, now, after, strict=True)] if count else now
    return Begun(mean, chain.product(now) - chain.product(mean), taken, arrived, rising, bounded)


def _where(which: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(which[:, None, None], new, old)
