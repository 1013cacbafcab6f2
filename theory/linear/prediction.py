"""What theory says of a deep linear network before it is trained: boundaries, and where descent ends at every rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from ..blas import one_thread
from ..errors import Diverges, GdbiasError, InputError, NoClosedForm, NoInterpolator
from ..validate import real, real_array, whole
from . import chain
from .constrained import ConstrainedFlow, held, relaxed
from .first_steps import begun
from .kernel import TangentKernel
from .network import LinearNetwork, require_network
from .oscillation import undershoot

WARMUP = 30  # steps of descent itself, from which the flow begins
TOL = 1e-10
LARGEST = 400  # outputs times inputs, the side of the tangent kernel
LONGEST = 4000  # steps of the integration
END = 1e-14  # loss at which the flow has ended, of that of weights of 0
ROUNDING = 1e-28  # of that loss
SLOW = 1e-6  # lr S / 2 of gradient flow
PINNED = 1e-4  # relative distance of S from 2 / lr
LATE = 1e9  # steps, after which nothing moves
CLOSE = 0.01  # of a step of gradient flow, see ACCURACY: boundaries are right to 1e-5


class Fate(IntEnum):
    """How descent is predicted to end at one learning rate."""

    ENDS = 0  # at weights that fit the target
    UNSTABLE = 1  # nowhere: above lr_max
    DIVERGES = 2  # within the warm-up
    LOST = 3  # unknown: the flow was not followed to its end


@dataclass(frozen=True)
class LinearEndpoints:
    """Where descent ends at B learning rates, NaN where it does not; see :meth:`LinearPrediction.endpoints`.

    Attributes:
        lr: shape (B,), as all that follows without another shape.
        fate: how it ends, a :class:`Fate`.
        parameters: weights of all layers, (B, parameter), the first layer first, each row by row.
        sharpness: there.
        steps: of descent until its excess loss is ``tol``.
        on_edge: whether the edge of stability held the flow anywhere.
        rising: steps of the warm-up on which the loss rose.
    """

    lr: np.ndarray
    fate: np.ndarray
    parameters: np.ndarray
    sharpness: np.ndarray
    steps: np.ndarray
    on_edge: np.ndarray
    rising: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class LinearPrediction:
    """Predictions for a deep linear network that starts from these layers; see :func:`predict_linear`."""

    net: LinearNetwork
    start: tuple[np.ndarray, ...]

    def __repr__(self) -> str:
        return f"LinearPrediction({self.net})"

    @cached_property
    @one_thread
    def _flow(self) -> tuple[list[np.ndarray], float, float]:
        """The layers at gradient flow's end, the sharpness there, and the largest on the way."""
        net, one, states = self.net, [w[None] for w in self.start], []
        first = float(chain.chain_sharpness(one, net.target).value[0])
        lr = np.array([2 * SLOW / max(first, net.minimal_sharpness)])
        flow = ConstrainedFlow(net.target, one, np.zeros((1, *net.target.shape)), lr, TOL, self._end(np.inf), CLOSE)
        for _ in range(LONGEST):
            states.append(chain.pack(flow.layers)[0])
            if flow.ended.all():
                break
            flow.advance()
        else:
            raise GdbiasError(
                f"{net.name}: gradient flow did not end within {LONGEST} steps of its integration: use a larger start"
            )
        values = chain.chain_sharpness(chain.unpack(np.array(states), net.shapes), net.target).value
        return [w[0] for w in flow.layers], float(values[-1]), float(values.max())

    def _end(self, tol: float) -> float:
        """The loss at which the flow has ended: below ``tol``, as far as the target's rounding lets it be."""
        unit = float((self.net.target**2).sum()) / 2
        return max(min(END * unit, tol / 2), ROUNDING * unit)

    @property
    def flow_parameters(self) -> np.ndarray:
        """The weights (parameter,) at which gradient flow ends, the first layer first, each row by row."""
        return chain.pack(self._flow[0])

    @property
    def lr_critical(self) -> float:
        """``2 / max_t S(flow(t))``: below it descent follows gradient flow (arXiv 2505.21423)."""
        return 2 / self._flow[2]

    @property
    def lr_critical_final(self) -> float:
        """``2 / S(flow's end)``: above it that endpoint is unstable."""
        return 2 / self._flow[1]

    @property
    def lr_max(self) -> float:
        """``2 / (L s_1^(2 - 2/L))``: above it no factorization of the target is linearly stable."""
        return self.net.lr_max

    def endpoint(self, lr: float, warmup: int = WARMUP, tol: float = TOL) -> LinearEndpoints:
        """:meth:`endpoints` at one learning rate, without the leading axis of its arrays.

        Raises:
            InputError: a value outside its limits.
            NoInterpolator: ``lr > lr_max``, where no factorization of the target is stable.
            Diverges: descent diverges within the warm-up.
            GdbiasError: the flow was not followed to its end.
        """
        found = self.endpoints(np.array([real("lr", lr, above=0)]), warmup, tol)
        fate, name = found.fate[0], self.net.name
        if fate == Fate.UNSTABLE:
            raise NoInterpolator(
                f"{name}: lr = {lr:g} is above lr_max = {self.lr_max:.6g}, where no factorization of the target is "
                "stable: use a smaller lr"
            )
        if fate == Fate.DIVERGES:
            raise Diverges(f"{name}: descent at lr = {lr:g} diverges within {warmup} steps: use a smaller lr")
        if fate == Fate.LOST:
            raise GdbiasError(
                f"{name}: the constrained flow at lr = {lr:g} did not end within {LONGEST} steps of its integration: "
                "use a larger start"
            )
        return LinearEndpoints(**{field: value[0] for field, value in vars(found).items()})

    @one_thread
    def endpoints(self, lr: np.ndarray, warmup: int = WARMUP, tol: float = TOL) -> LinearEndpoints:
        """Where descent ends at learning rates (B,), all followed together: the constrained flow after a warm-up.

        ``warmup`` steps are of descent itself; the flow then goes on from the mean of its oscillation, and ends at
        the sharpness below ``2 / lr`` at which the oscillation dies out.

        Raises:
            InputError: an lr that is not positive, a tol that is not or is within rounding, a negative ``warmup``.
        """
        lr, warmup = np.atleast_1d(real_array("lr", lr, "use for example 0.1")), whole("warmup", warmup, 0)
        if lr.ndim != 1 or not (lr > 0).all():
            raise InputError("lr must be one number or a row of them, all > 0: use for example 0.1")
        tol, least = real("tol", tol, above=0, hint="use for example 1e-10"), 10 * self._end(0.0)
        if tol < least:
            raise InputError(f"tol = {tol:g} is within the rounding of the target: use {least:.2g} at least")
        net, B = self.net, len(lr)
        first = begun(net, self.start, lr, warmup, tol)
        fate = np.select([~first.bounded, lr > net.lr_max], [Fate.DIVERGES, Fate.UNSTABLE], Fate.ENDS)
        found = LinearEndpoints(
            lr, fate, np.full((B, net.parameters), np.nan), np.full(B, np.nan), np.full(B, np.nan),
            np.zeros(B, dtype=bool), first.rising,
        )  # fmt: skip
        goes = np.flatnonzero(fate == Fate.ENDS)
        if not len(goes):
            return found
        flow = ConstrainedFlow(
            net.target, [w[goes] for w in first.layers], first.swing[goes], lr[goes], tol, self._end(tol)
        )
        for _ in range(LONGEST):
            if flow.ended.all():
                break
            flow.advance()
        fate[goes[~flow.ended]] = Fate.LOST
        for k, i in enumerate(goes):
            if fate[i] == Fate.ENDS:
                layers, value, below = self._settled([w[k] for w in flow.layers], float(lr[i]))
                found.parameters[i], found.sharpness[i] = chain.pack(layers), value
                found.steps[i] = first.taken[i] + _steps(flow, k, below, tol)
        found.on_edge[goes] = flow.pushed > 0
        found.steps[goes] = np.where(np.isnan(first.arrived), found.steps, first.arrived)[goes]
        return found

    def _settled(self, layers: list[np.ndarray], lr: float) -> tuple[list[np.ndarray], float, float]:
        """The end of the flow with the oscillation died out: its layers, sharpness, and ``1 - lr S / 2``."""
        net, one, rate = self.net, [w[None] for w in layers], np.array([lr])
        shares = lr / 2 * TangentKernel(one, net.target).values[0]
        second = float(shares[1]) if len(shares) > 1 else 0.0
        below = min(undershoot(layers, net.target), 1 - lr / net.lr_max)
        if shares[0] > 1 - PINNED:
            below = min(below, max(1 - second, 0.0))
        elif second > 1 - below:
            below = 0.0
        one, kernel, _ = held(net.target, one, rate, LATE * rate, 1 - below)
        for _ in range(2):  # back to the target, which the push left in second order
            one = relaxed(one, kernel, rate, LATE * rate)
            kernel = TangentKernel(one, net.target)
        value = float(kernel.values[0, 0])
        return [w[0] for w in one], value, 1 - lr * value / 2


def _steps(flow: ConstrainedFlow, k: int, below: float, tol: float) -> float:
    """Steps until the flow's loss and that of every oscillation are below ``tol``, with ``1 - lr S / 2`` at the end."""
    found, left = [float(flow.steps[k])], float((flow.swing[k] ** 2).sum()) / 2
    for loss, calm in ((left, flow.calm[k]), (flow.push[k], np.nan)):
        dies = 0.0 if loss <= tol else np.log(loss / tol) / (4 * below) if below > 0 else np.nan
        found.append(float(flow.pushed[k] + dies if np.isnan(calm) else calm))
    return max(found) if np.isfinite(found).all() else np.nan


def predict_linear(
    net: LinearNetwork, init_scale: float = 0.1, start: str = "spectral", seed: int = 0,
    theta0: Sequence[np.ndarray] | None = None,
) -> LinearPrediction:  # fmt: skip
    """Predict where gradient flow and descent of a deep linear network end, computed when first read.

    Starts are those of :meth:`LinearNetwork.start`, or the layers ``theta0``.

    Raises:
        InputError: a value outside its limits, or a start at which the loss has no slope, such as zeros.
        NoInterpolator: the width is below the target's rank.
        NoClosedForm: a target of more than 400 entries.
    """
    layers = require_network(net).start(init_scale, start, seed) if theta0 is None else net.check_layers(theta0)
    _ = net.minimal_sharpness
    if net.target.size > LARGEST:
        raise NoClosedForm(
            f"{net.name}: the target has {net.target.size} entries, and predictions take the tangent kernel of "
            f"{LARGEST} at most: run it with sims.linear"
        )
    if (
        not any(slope.any() for slope in chain.gradient(layers, net.target))
        and (chain.product(layers) != net.target).any()
    ):
        raise InputError(f"{net.name}: descent and gradient flow stay at this start, a saddle: use a larger start")
    return LinearPrediction(net, tuple(layers))
