"""Where descent of a deep linear network goes at the edge of stability: gradient flow held inside ``{S <= 2 / lr}``.

The central flow (arXiv 2410.24206) of a chain of matrices: ``dW/dt = -grad L - x grad S``, x >= 0 where ``S = 2 / lr``
and 0 elsewhere, with S the largest eigenvalue of the tangent kernel. Many learning rates are followed together.
"""

import numpy as np

from .chain import Layers
from .kernel import TangentKernel

ACCURACY = 0.03  # of a step's move: what one step and two halves differ by, before they are extrapolated
NEGLIGIBLE = 1e-5  # of the weights: a move whose accuracy does not count
GROWTH = 3.0  # of a step's length from one to the next
FASTEST = 3.0  # rate, a step of descent, at which a residual is gone
ON_EDGE = 1e-5  # relative excess of the sharpness over its cap that is let be
PROJECTIONS = 40
HALVINGS = 60
SETTLED = 1e-6  # of the loss of weights of 0: below it the flow is at its end, and a push tells nothing of when


class ConstrainedFlow:
    """The flow from layers (B, d_l, d_(l-1)) at learning rates (B,), and the steps of descent that it stands for.

    ``swing`` (B, d_L, d_0) is what descent oscillates by about the first product.

    Attributes:
        layers: where it is.
        taken: steps of descent, shape (B,), as all that follows.
        steps: those until the loss is ``tol``, NaN before.
        calm: those until the loss of the first oscillation is ``tol``, NaN before.
        pushed: those until the edge pushed last, 0 where it never did.
        push: the loss of the oscillation that pushed then.
    """

    def __init__(
        self,
        target: np.ndarray,
        layers: Layers,
        swing: np.ndarray,
        lr: np.ndarray,
        tol: float,
        end: float,
        accuracy: float = ACCURACY,
    ):
        self.target, self.lr, self.swing = target, lr, swing
        self.tol, self.end, self.accuracy = tol, end, accuracy
        self.length = lr.copy()
        self.layers, self.kernel, _ = held(target, list(layers), lr, self.length)
        self.taken, self.pushed, self.push = np.zeros((3, len(lr)))
        self.steps, self.calm = np.full((2, len(lr)), np.nan)
        self._settled = np.full(len(lr), np.nan)
        self._settling = max(tol, SETTLED * float((target**2).sum()) / 2)

    @property
    def ended(self) -> np.ndarray:
        """Whether the loss is below ``end``, shape (B,)."""
        return (self.kernel.error**2).sum(axis=1) / 2 < self.end

    def advance(self) -> None:
        """One step of the integration: two halves of it, extrapolated by the whole, and held inside the cap."""
        kernel, lr, length, now = self.kernel, self.lr, self.length, self.layers
        whole = relaxed(now, kernel, lr, length)
        half = relaxed(now, kernel, lr, length / 2)
        halves = relaxed(half, TangentKernel(half, self.target), lr, length / 2)
        allowed = self.accuracy * (_distance(halves, now) + NEGLIGIBLE * _distance(now))
        off = _distance(whole, halves) / allowed
        going = ~self.ended
        good = going & (off < 1)
        after = [_where(good, 2 * two - one, old) for one, two, old in zip(whole, halves, now, strict=True)]
        before, settled = self.taken, ~np.isnan(self._settled)
        self._count(np.where(good, length / lr, 0.0))
        self.layers, self.kernel, push = held(self.target, after, lr, length)
        pushes, until = good & (push > 0) & ~settled, np.fmin(self._settled, self.taken)
        self.pushed = np.where(pushes, until, self.pushed)
        self.push = np.where(pushes, 2 * push / (lr**2 * np.maximum(until - before, 1.0)), self.push)
        self.length = np.where(going, length * np.clip(0.9 / np.sqrt(np.maximum(off, 1e-6)), 0.2, GROWTH), length)

    def _count(self, taken: np.ndarray) -> None:
        """Go so many steps of descent on, (B,): what dies out in them, with the kernel as it was at their start."""
        swings, edge = self.kernel.coefficients(self.swing), self.lr[:, None] * self.kernel.values
        swinging = np.minimum(-np.log(np.clip(np.abs(1 - edge), np.exp(-FASTEST), 1.0)), FASTEST)
        for found, size, rates, tol in (
            (self.steps, self.kernel.error, _rates(edge), self.tol),
            (self._settled, self.kernel.error, _rates(edge), self._settling),
            (self.calm, swings, swinging, self.tol),
        ):
            pending = np.flatnonzero(np.isnan(found) & (taken > 0))
            found[pending] = self.taken[pending] + crossing(size[pending], rates[pending], taken[pending], tol)
        self.swing = self.kernel.matrices(swings * np.exp(-swinging * taken[:, None]))
        self.taken = self.taken + taken


def held(
    target: np.ndarray, layers: Layers, lr: np.ndarray, time: np.ndarray, cap: np.ndarray | float = 1.0
) -> tuple[list[np.ndarray], TangentKernel, np.ndarray]:
    """Layers moved against the gradient of the sharpness until ``lr S / 2 <= cap``, their kernel, the whole push (B,).

    What of the push the loss undoes within ``time`` is left out.
    """
    layers, pushed = list(layers), np.zeros(len(lr))
    for _ in range(PROJECTIONS):
        kernel = TangentKernel(layers, target)
        above = kernel.values[:, 0] - cap * 2 / lr
        over = above > ON_EDGE * 2 / lr
        if not over.any():
            break
        slope = kernel.slope()
        way = kernel.yielding(slope, time)
        steepness = sum((v * w).sum(axis=(1, 2)) for v, w in zip(slope, way, strict=True))
        push = np.where(over & (steepness > 0), above / np.where(steepness > 0, steepness, 1.0), 0.0)
        layers = [layer - push[:, None, None] * w for layer, w in zip(layers, way, strict=True)]
        pushed += push
    else:
        kernel = TangentKernel(layers, target)
    return layers, kernel, pushed


def crossing(size: np.ndarray, rates: np.ndarray, most: np.ndarray, tol: float) -> np.ndarray:
    """The first n in 0 to ``most`` (B,) with ``sum_i size_i^2 e^(-2 rate_i n) / 2 <= tol``; NaN where there is none."""

    def loss(n: np.ndarray) -> np.ndarray:
        return ((size * np.exp(-rates * n[:, None])) ** 2).sum(axis=1) / 2

    low, high = np.zeros_like(most), np.where(loss(most) <= tol, most, np.nan)
    for _ in range(HALVINGS if np.isfinite(high).any() else 0):
        middle = (low + high) / 2
        below = loss(middle) <= tol
        low, high = np.where(below, low, middle), np.where(below, middle, high)
    return high


def relaxed(layers: Layers, kernel: TangentKernel, lr: np.ndarray, time: np.ndarray) -> list[np.ndarray]:
    """Layers after a ``time`` (B,) of steps of descent at ``lr`` with the kernel as it is."""
    edge, n = lr[:, None] * kernel.values, (time / lr)[:, None]
    share = np.where(edge > 1e-12, -np.expm1(-_rates(edge) * n) / np.maximum(edge, 1e-12), n)
    return [w - v for w, v in zip(layers, kernel.pulled(lr[:, None] * share * kernel.error), strict=True)]


def _rates(edge: np.ndarray) -> np.ndarray:
    """By which the mean residual decays in a step, ``-ln(1 - lr lambda)``."""
    return np.minimum(-np.log1p(-np.minimum(edge, 1 - np.exp(-FASTEST))), FASTEST)


def _distance(layers: Layers, others: Layers | None = None) -> np.ndarray:
    apart = layers if others is None else [v - w for v, w in zip(layers, others, strict=True)]
    return np.sqrt(sum((w**2).sum(axis=(1, 2)) for w in apart))


def _where(which: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(which[:, None, None], new, old)
