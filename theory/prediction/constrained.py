"""Where gradient descent goes at the edge of stability: mirror flow held inside ``{S <= 2 / lr}``.

With period-2 oscillations of the residual the slow drift of descent points along the normal cone of the
convex set ``{S <= 2 / lr}``: descent follows ``dz/dt in -grad L - N(beta)``, ``z = psi'(b)``, the form that the
central flow (arXiv 2410.24206) takes on diagonal networks. All in the doubled coordinates of ``w^L``.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ..errors import Diverges, NoClosedForm, NoInterpolator, NotFollowed
from ..problem import Problem
from .coordinates import Doubled

FIRST_STEPS = 6  # of descent, in which a start that is nearly at the edge is thrown off it
ACCURACY = 1e-3  # relative, of a weight in one step: endpoints move by 0.1 to 0.5 % at a tenth of it
LOSS = 1e-11  # at which the flow has ended, for targets of size 1
STEPS = 4000
WARM = 700  # steps at most of descent itself
CONVERGED = 1e-14  # squared residual, for targets of size 1
PROJECTED = 1e-5  # relative, of a weight, before the last of Newton's iterations
BESIDE = "newton.py", "first_order.py", "implicit_step.py", "flow_terms.py"  # what the kernel imports


@lru_cache(maxsize=1)
def kernel() -> ModuleType:
    """The compiled kernel."""
    from ..compiled import cache  # Numba takes a third of a second to import

    text = Path(__file__).with_name("constrained_kernel.py").read_text()
    beside = (Path(__file__).with_name(name) for name in BESIDE)
    return cache.load_kernel(text, "the constrained flow", (Path(cache.__file__).with_name("dense.py"), *beside))


class Followed(NamedTuple):
    """The end of a constrained flow, and what was kept of its way.

    Attributes:
        w: weights, shape (moving,).
        steps: those of descent until the loss fell to that of the end.
        push: the matrix ``int M dt >= 0`` of the whole push, shape (rank X, rank X).
        swing: loss of the oscillation that pushes at the end, for targets of size 1.
        gradient: norm of the swinging gradient, at its largest on the way.
        times: steps of descent at the states that were kept, shape (states,).
        states: their weights, shape (states, moving).
    """

    w: np.ndarray
    steps: float
    push: np.ndarray
    swing: float
    gradient: float
    times: np.ndarray
    states: np.ndarray


class Warmed(NamedTuple):
    """Descent itself in its first steps.

    Attributes:
        w: the weights that it oscillates about, shape (moving,).
        steps: those to there.
        ended: whether it has converged.
        losses: for targets of size 1, before each step and after the last, which is one beyond ``steps``.
    """

    w: np.ndarray
    steps: int
    ended: bool
    losses: np.ndarray


@dataclass(frozen=True)
class FlowStates:
    """States along a constrained flow, in doubled coordinates.

    Attributes:
        time: ``lr`` times the number of descent steps they stand for, shape (states,).
        b: shape (states, block, d).
        multiplier: the matrix ``int M dt >= 0`` of the push ``-k' diag(X^T M X) / n``, (rank X, rank X), in the
            coordinates of ``Problem.projected``.
    """

    time: np.ndarray
    b: np.ndarray
    multiplier: np.ndarray


@dataclass(frozen=True)
class Edge:
    """Descent from weights w0 (block, d) at ``lr``, in the units of its kernel: columns, targets and weights of size 1.

    Raises:
        NoInterpolator: (each method) no interpolator that the weights reach is stable at ``lr``.
        GdbiasError: (each method) the answer was not found.
    """

    coordinates: Doubled
    problem: Problem
    w0: np.ndarray
    lr: float

    @cached_property
    def moving(self) -> np.ndarray:
        """Which weights are not held at 0."""
        return self.w0 > 0

    @cached_property
    def columns(self) -> np.ndarray:
        """The samples on these, shape (rank X, moving)."""
        return self.coordinates.columns(self.problem, self.moving)

    def at(self, lr: float) -> "Edge":
        """The same at another learning rate, in units that are found once."""
        other = replace(self, lr=lr)
        vars(other).update(moving=self.moving, columns=self.columns, _columns=self._columns)
        return other

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        y = self.problem.projected[1]
        length, size = float(np.linalg.norm(self.columns, 2)), float(np.linalg.norm(y))
        scaled = self.columns / (length or 1.0)
        return np.ascontiguousarray(scaled), y / (size or 1.0), length, size

    @cached_property
    def unit(self) -> float:
        """Of the weights."""
        *_, length, size = self._columns
        return (size / length) ** (1 / self.coordinates.degree)

    @cached_property
    def eta(self) -> float:
        """The learning rate over the samples, in these units."""
        *_, length, size = self._columns
        L = self.coordinates.degree
        return self.lr * self.coordinates.rate * length * size * self.unit ** (L - 2) / self.problem.n

    def thrown(self) -> bool:
        """Whether the start is beyond the edge, by the tangent kernel, or descent's own first steps go there."""
        C, y, *_ = self._columns
        return kernel().thrown(C, y, self.coordinates.degree, self.eta, self.w0[self.moving] / self.unit, FIRST_STEPS)

    def follow(
        self,
        w: np.ndarray,
        loss: float,
        exact_drift: bool = True,
        accuracy: float = ACCURACY,
        record: bool = False,
        until: float = np.inf,
    ) -> Followed:
        """The flow from w (moving,) to ``loss`` for targets of size 1, or for ``until`` steps of descent at most."""
        C, y, length, _ = self._columns
        L, run = self.coordinates.degree, kernel()
        outcome, end, count, late, push, swing, peak, times, z, *_ = run.follow(
            C, y, L, self.eta, w / self.unit, exact_drift, accuracy, loss, until, STEPS, record
        )
        if outcome == run.NONE:
            raise self.unstable(self.lr)
        if outcome != run.ENDED:
            raise NotFollowed(
                f"{self.coordinates.model.name}: the constrained flow at lr = {self.lr:g} did not end within {STEPS} "
                "steps of its integration: use method='bregman', a larger init_scale, or a smaller lr"
            )
        push = push * self.problem.n * self.unit ** (2 - L) / length**2
        states = self.coordinates.weights(z) * self.unit if record else np.empty((0, len(w)))
        gradient = self._gradient(float(np.sqrt(2 * self.eta * peak)))  # of a step along an eigenvector at the cap
        return Followed(end * self.unit, count - late, push, swing, gradient, times, states)

    def gradient_at(self, w: np.ndarray) -> float:
        """The norm of the loss's gradient at w (moving,)."""
        C, y, *_ = self._columns
        L, at = self.coordinates.degree, w / self.unit
        return self._gradient(float(np.linalg.norm(self.eta * L * at ** (L - 1) * (C.T @ (C @ at**L - y)))))

    def _gradient(self, step: float) -> float:
        """The norm of the gradient that gives a step of that length; ``|grad|^2 = rate |dL/dw|^2``."""
        return step * self.unit / (self.lr * np.sqrt(self.coordinates.rate))

    def warmed(
        self, after: int, lr: float, momentum: float = 0.0, ahead: bool = False, max_norm: float = np.inf
    ) -> Warmed:
        """Descent itself at ``lr`` to ``after`` steps beyond the loss's first rise, at most 700, or to its end.

        It has heavy-ball momentum, or looks ``ahead``, as Nesterov's does; gradients are clipped at ``max_norm``.

        Raises:
            Diverges: descent's loss has left what a minimum can hold.
            NoClosedForm: a weight changed its sign, for odd L: the coordinates end at 0.
        """
        C, y, *_ = self._columns
        L, run, name = self.coordinates.degree, kernel(), self.coordinates.model.name
        start, eta = self.w0[self.moving] / self.unit, self.eta * lr / self.lr
        longest = max_norm / self.at(lr)._gradient(1.0)
        outcome, steps, w, losses = run.descend(C, y, L, eta, momentum, ahead, longest, start, after, WARM, CONVERGED)
        if outcome == run.DIVERGED:
            raise Diverges(f"{name}: descent at lr = {lr:g} diverges within {steps} steps: use a smaller lr")
        if outcome == run.CROSSED:
            instead = "" if momentum else "no warm-up, "
            raise NoClosedForm(
                f"{name}: descent at lr = {lr:g} changes the sign of a weight within {steps} steps, and no "
                f"prediction goes on from there: use {instead}a smaller lr, or an even degree"
            )
        return Warmed(w * self.unit, steps, outcome == run.CONVERGED, losses / float(y @ y))

    def project(self, w: np.ndarray, lr: float) -> np.ndarray | None:
        """The interpolator of sharpness ``2 / lr`` at most that is nearest to w (moving,); None if not found."""
        found = self.multipliers(w, lr)
        return None if found is None else found[0] * self.unit

    def multipliers(self, w: np.ndarray, lr: float) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """The same in units of size 1, with its multipliers nu (rank X,) and U (pinned, rank X), ``M = U^T U``."""
        C, y, *_ = self._columns
        L, eta = self.coordinates.degree, self.eta * lr / self.lr
        found, end, nu, U, _ = kernel().project(C, y, L, eta, 2 / (eta * L * L), w / self.unit, PROJECTED)
        return (end, nu, U) if found else None

    def full(self, w: np.ndarray) -> np.ndarray:
        """Coefficients b (..., block, d) of weights (..., moving)."""
        b = np.zeros((*w.shape[:-1], *self.w0.shape))
        b[..., self.moving] = w**self.coordinates.degree
        return b

    def unstable(self, lr: float) -> NoInterpolator:
        """What to say of an lr at which no interpolator is stable."""
        name = self.coordinates.model.name
        return NoInterpolator(
            f"{name}: lr = {lr:g} is above lr_max of this start, where no interpolator that it reaches is stable: use "
            "a smaller lr"
        )


def constrained_flow(
    coordinates: Doubled,
    problem: Problem,
    w0: np.ndarray,
    lr: float,
    exact_drift: bool = True,
    record_every: int = 0,
    loss: float = LOSS,
    accuracy: float = ACCURACY,
) -> FlowStates:
    """Follow the constrained flow from weights w0 (block, d) until the loss is ``loss`` of the targets' size.

    ``exact_drift`` follows descent's own step in z instead of ``-lr grad L``. ``record_every`` counts steps of descent.
    No weight is off by more than ``accuracy`` of itself in a step of the integration, the residual by ten times that.

    Raises:
        NoInterpolator: the constraint set holds no interpolator that the flow reaches.
        GdbiasError: the flow did not end.
    """
    edge = Edge(coordinates, problem, w0, lr)
    found = edge.follow(w0[edge.moving], loss, exact_drift, accuracy, record_every > 0)
    if not record_every:
        return FlowStates(np.array([np.nan]), edge.full(found.w)[None], found.push)
    times = found.times
    at = np.append(np.arange(0.0, times[-1], record_every), times[-1])
    return FlowStates(at * lr, edge.full(_between(coordinates, times, found.states, at)), found.push)


def _between(coordinates: Doubled, steps: np.ndarray, states: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (k, moving) at the steps ``at``, by the parabola in z through three states."""
    z, k = coordinates.dual(states), np.clip(np.searchsorted(steps, at), 1, len(steps) - 1)
    h = (at - steps[k - 1])[:, None]
    slope = (z[k] - z[k - 1]) / (steps[k] - steps[k - 1])[:, None]
    if len(steps) > 2:
        before = np.where(k > 1, k - 2, k + 1)
        other = (z[before] - z[k - 1]) / (steps[before] - steps[k - 1])[:, None]
        bend = (slope - other) / (steps[k] - steps[before])[:, None]
        slope = slope + bend * (h - (steps[k] - steps[k - 1])[:, None])
    return coordinates.weights(z[k - 1] + h * slope)
