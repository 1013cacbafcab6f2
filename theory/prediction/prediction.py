"""What theory says before any run: where gradient flow ends, and the critical learning rates."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import get_args

import numpy as np

from ..blas import one_thread
from ..derivation.dynamics import derive
from ..derivation.landscape import Landscape
from ..errors import GdbiasError, InputError, NoClosedForm, NoInterpolator, NotFollowed
from ..loss import squared
from ..parameterization import Parameterization
from ..problem import Problem, require_problem
from ..rules.update_rule import UpdateRule, gradient_descent
from ..validate import one_of, real, real_array, shown, whole
from .boundaries import Boundaries
from .constrained import Edge
from .coordinates import Doubled, doubled
from .duration import doubt_of_steps, steps_to_loss
from .endpoints import (
    Endpoint,
    Method,
    endpoint_by_program,
    endpoint_like_flow,
    endpoint_of_decay,
    endpoint_of_flow,
    endpoint_of_settled,
)
from .hovering import endpoint_of_hovering, endpoint_of_linear
from .interpolators import Interpolators
from .moving_cap import begun_above
from .paths import Path, path
from .rule_endpoint import endpoint_of_start, rests
from .rule_terms import TERMS, own_step, rate_of_edge, refuse, require_method, require_predicted, signs, warms
from .settled import Settled, settle
from .sign_endpoint import Signs, endpoint_of_signs
from .swings import without_idle_ascent

ROUNDING = 1e-29  # of the loss of beta = 0
LIKE_FLOW = 1e-4  # of lr_critical_final, below which descent ends 0.004 % at most from gradient flow


class Prediction(Boundaries):
    """Predictions for gradient descent started at ``init_scale``; see :func:`predict`."""

    @one_thread
    def endpoint(
        self, lr: float, method: Method = "constrained_flow", warmup: int = 0, steps: int | None = None
    ) -> Endpoint:
        """Predict where gradient descent ends at ``lr``; see :mod:`gdbias.theory.prediction.endpoints`.

        With ``warmup`` the constrained flow begins where descent itself is so many steps after its loss first rose: 20
        to 50 of them, a twentieth of a run, take the error of signed families from 1 to 2 % to 0.2 to 0.5 %.
        Below ``lr_critical_final / 10000`` it ends with gradient flow.

        With momentum a warm-up is needed: the inertia of the first steps takes runs 10 to 90 % away, and after it the
        constrained flow at the lr of the same cap, ``lr / (1 + momentum)`` of heavy ball, mostly ends within 1 %.
        Nesterov's and clipped descent go without one too, well below their edges; above it clipped descent is told
        where ``max_norm`` is at least half of the gradient that swings there. A schedule moves the cap on the way. With
        weight decay the end is the LASSO, for degree 2.

        Steps other than descent's and label noise have an end of their own, but for method "flow": gradient flow's from
        an effective start, which plain descent and momentum have by ``method="effective_start"``, or that of the flow
        of signs. Rules that do not rest are followed for ``steps``, at least until they arrive.

        Raises:
            InputError: an unknown method, an lr that is not positive, a prediction of many starts, a ``warmup`` that is
                negative or of another method, or ``steps`` of a rule that rests or too few.
            NoInterpolator: no interpolator with ``S <= 2 / lr`` exists, that is ``lr > lr_max``.
            NoClosedForm: a model, loss or start outside the doubled coordinates (every method but "flow"); a weight
                that changes its sign within the warm-up, for odd degrees; an lr too far from a rule's law.
            Diverges: descent diverges within the warm-up.
        """
        one_of("method", method, get_args(Method))
        warmup, rule = whole("warmup", warmup, 0), self.rule
        if warmup and method != "constrained_flow":
            raise InputError(f"warmup = {warmup} has no meaning for method={method!r}: use 'constrained_flow', or 0")
        self._require_one_start(lr)
        ruled = (own_step(rule) or rule.label_noise > 0) and not (warmup and warms(rule))
        if steps is not None and (method == "flow" or not ruled):
            raise InputError(f"steps = {steps} is of rules that do not rest, and {rule.step.name} does: leave it out")
        if rule.weight_decay:
            return endpoint_of_decay(*self._decaying, lr, rule)
        if method == "flow":
            return endpoint_of_flow(self.flow, lr, rule)
        if method == "effective_start" or ruled:
            return self._endpoint_of_rule(lr, method, warmup, None if steps is None else whole("steps", steps, 1))
        require_method(rule, self.dynamics.model.name, method, warmup)
        reachable, w0 = self._reachable
        # A linear model has one sharpness; without a constraint the divergence is least at the end of the flow.
        slow = ((1 - rule.momentum) / (1 + rule.momentum)) ** 2  # by what inertia adds to the second order in lr
        unmoved = {"bregman": 1.0, "constrained_flow": LIKE_FLOW * slow}.get(method, 0.0)
        if reachable.coordinates.degree == 1 or lr <= unmoved * self.lr_critical_final:
            return endpoint_like_flow(self.flow, reachable, lr, method, rule)
        if method != "constrained_flow" or rule != gradient_descent:  # which finds out by itself
            self._require_stable(lr)
        if method != "constrained_flow":
            return replace(endpoint_by_program(reachable, w0, rate_of_edge(rule, lr), method), lr=lr)
        begun = begun_above(rule.schedule, lr, float(self.sharpness_max)) if rule.schedule.steps else ""
        found = endpoint_of_settled(self._settled(lr, warmup), lr, self.flow, warmup, rule)
        return replace(found, note="; ".join(filter(None, [begun, found.note]))) if begun else found

    def _endpoint_of_rule(self, lr: float, method: Method, warmup: int, steps: int | None) -> Endpoint:
        """By the law of a step other than descent's, which has one predictor."""
        rule = self.rule
        if method not in ("constrained_flow", "effective_start") or warmup:
            what = f"a warm-up of {warmup}" if warmup else f"method={method!r}"
            raise NoClosedForm(f"{what} is of descent, and the rule is {rule.label}: leave it out")
        refuse(rule, "the effective start", "weight_decay", "schedule")
        if signs(rule):
            _ = self.flow  # refuses what nothing fits
            if steps is not None:
                raise NoClosedForm(f"how {rule.step.name} goes on once it has arrived is not known: leave steps out")
            return endpoint_of_signs(self._signs, rule, lr)
        rule, coordinates = without_idle_ascent(rule), doubled(self.dynamics.model)
        if coordinates.degree == 1:
            if steps is not None:
                raise NoClosedForm(f"{rule.step.name} of a linear model is not followed in steps: leave steps out")
            return endpoint_of_linear(self.flow, rule, lr, self.starts[0].size)
        if warms(rule):  # which has a remedy below lr_max
            self._require_stable(lr)
        asked = Landscape(self.dynamics, self.problem), coordinates, self.starts[0], self.flow, rule, lr
        if not rests(rule, lr, float(self.flow.sharpness)):
            return endpoint_of_hovering(*asked, steps)
        if steps is not None:
            raise InputError(f"steps = {steps} is of rules that do not rest, and {rule.step.name} does: leave it out")
        return endpoint_of_start(*asked)

    @one_thread
    def steps(self, lr: float, tol: float = 1e-10, warmup: int = 0) -> float:
        """Steps of descent at ``lr`` until its loss is below ``tol``; a run takes ``hold - 1`` more to be told.

        Where descent ends with gradient flow, up to ``lr_critical_final``, within 2 % in the median and 7 % for nine
        runs in ten, however small the start, but for runs of less than 100 steps. Above it the oscillation dies out
        last: within 2 to 13 % in the median, but three to five times too few where several directions are held at
        the edge, mostly near ``lr_max``, which :meth:`steps_note` tells (``tests/benchmarks/run_lengths.py``). With
        ``warmup`` the flow begins after so many steps of descent, as in :meth:`endpoint`, and these are counted.

        Raises:
            InputError: an lr or tol that is not positive, a negative ``warmup``, or a prediction of many starts.
            NoInterpolator: no interpolator with ``S <= 2 / lr`` exists, that is ``lr > lr_max``.
            NoClosedForm: a model, loss, start or rule outside the doubled coordinates, or a linear model.
            Diverges: descent diverges within the warm-up.
            GdbiasError: a tol within the rounding of the targets.
        """
        return float(steps_to_loss(*self._lasting(lr, tol, warmup)))

    @one_thread
    def steps_note(self, lr: float, tol: float = 1e-10, warmup: int = 0) -> str:
        """Why a run may take more steps than :meth:`steps` tells; empty where a law of its end is known.

        Raises as :meth:`steps` does.
        """
        return doubt_of_steps(*self._lasting(lr, tol, warmup))

    def _lasting(self, lr: float, tol: float, warmup: int) -> tuple[Settled, float, bool]:
        """The settled flow, ``tol`` for a loss of 1 at beta = 0, and whether the end of gradient flow is stable."""
        real("lr", lr, above=0)
        real("tol", tol, above=0, hint="use for example 1e-10")
        warmup = whole("warmup", warmup, 0)
        refuse(self.rule, "the number of steps", *TERMS)
        self._require_nonlinear("its loss falls by (1 - lr lambda)^2 a step for each eigenvalue of X^T X / n")
        self._require_one_start(lr)
        _ = self._reachable  # refuses targets of 0
        y = self.problem.projected[1]
        loss = 2 * self.problem.n * tol / float(y @ y)
        if loss < ROUNDING:
            least = ROUNDING * float(y @ y) / (2 * self.problem.n)
            raise GdbiasError(
                f"tol = {tol:g} is within the rounding of the targets: use a larger tol, {least:.2g} at least"
            )
        stays = bool(lr <= self.lr_critical_final)
        return self._settled(lr, warmup), loss, stays

    @one_thread
    def path(self, lr: float, record_every: int = 1) -> Path:
        """The course of gradient descent at ``lr`` without its oscillation: the constrained flow.

        One state for every ``record_every`` steps of descent.

        Raises:
            InputError: an lr that is not positive, record_every below 1, or a prediction of many starts.
            NoInterpolator: no interpolator with ``S <= 2 / lr`` exists, that is ``lr > lr_max``.
            NoClosedForm: a model, loss or start outside the doubled coordinates, or a linear model.
        """
        record_every = whole("record_every", record_every, 1)
        refuse(self.rule, "the path", *TERMS)
        self._require_nonlinear("its path is gradient flow's, sims.flow")
        self._require_one_start(lr)
        with self._followed(lr):
            return path(*self._reachable, lr, record_every)

    @one_thread
    def reachable(self, lr: float) -> tuple[Interpolators, np.ndarray]:
        """The interpolators that the one start reaches, and its weights in doubled coordinates, (block, d).

        Raises as :meth:`endpoint` does.
        """
        self._require_one_start(lr)
        refuse(self.rule, "what is reachable", *TERMS)
        self._require_stable(lr)
        return self._reachable

    @cached_property
    def _reachable(self) -> tuple[Interpolators, np.ndarray]:
        coordinates = doubled(self.dynamics.model)
        w0 = coordinates.start(self.starts[0])
        return Interpolators(coordinates, self.problem, w0 > 0), w0

    @cached_property
    def _edge(self) -> Edge:
        """Descent from the one start, whose units serve every learning rate."""
        reachable, w0 = self._reachable
        return Edge(reachable.coordinates, reachable.problem, w0, 1.0)

    @cached_property
    def _signs(self) -> Signs:
        return Signs(Landscape(self.dynamics, self.problem), self.starts[0])

    @cached_property
    def _settled(self) -> Callable[[float, int], Settled]:
        """The constrained flow near its end at an lr, after a warm-up: endpoint and steps ask for it in turn."""
        return lru_cache(maxsize=4)(self._settle)

    def _settle(self, lr: float, warmup: int) -> Settled:
        with self._followed(lr):
            return settle(self._reachable[0], self._edge, self.rule, lr, warmup)

    @contextmanager
    def _followed(self, lr: float) -> Iterator[None]:
        """Say that nothing is stable at ``lr`` where a flow, from a start far beyond the edge, cannot tell so."""
        try:
            yield
        except NotFollowed:
            self._require_stable(lr)
            raise

    @cached_property
    def _decaying(self) -> tuple[Doubled, Problem, np.ndarray]:
        coordinates = doubled(self.dynamics.model)
        if self.problem.loss != squared:
            raise NoClosedForm(
                f"with weight decay the {self.problem.loss} loss has no end that is predicted: run it with sims"
            )
        return coordinates, self.problem, coordinates.start(self.starts[0]) > 0

    def _require_nonlinear(self, instead: str) -> None:
        model = self.dynamics.model
        if doubled(model).degree == 1:
            raise NoClosedForm(
                f"{model.name}: a linear model has the same sharpness everywhere and no edge to follow: {instead}"
            )

    def _require_stable(self, lr: float):
        """Refuse an lr above lr_max; raises NoInterpolator."""
        if lr > self.lr_critical_final and lr > self.lr_max:
            raise NoInterpolator(
                f"{self.dynamics.model.name}: lr = {lr:g} is above lr_max = {self.lr_max:.6g}, where no interpolator "
                "is stable: use a smaller lr"
            )

    def _require_one_start(self, lr: float) -> None:
        real("lr", lr, above=0)
        if len(self.starts) != 1:
            raise InputError(
                f"the prediction has {len(self.starts)} starts: endpoint needs predict with one init_scale"
            )


def predict(
    model: Parameterization,
    problem: Problem,
    init_scale: float | np.ndarray = 0.1,
    theta0: np.ndarray | None = None,
    rule: UpdateRule = gradient_descent,
) -> Prediction:
    """Predict gradient flow's endpoint and the critical learning rates, computed when first read.

    ``init_scale`` may be a one-dimensional array: every prediction then has a leading axis. ``theta0``
    (weight, feature) overrides the standard start. ``rule`` may have momentum, a schedule or weight decay, label noise
    that ends, or a step that is gradient flow in another time or descent by signs; what is not predicted with one of
    these is refused by name.

    Raises:
        InputError: an init_scale or theta0 outside its limits, or no rule.
        NoClosedForm: a rule with batches, label noise without an end or a step of which no law is known.
        NoInterpolator: (on reading) nothing attainable from the start fits the data.
    """
    dynamics, rule = derive(model, require_problem(problem).loss), require_predicted(rule)
    if theta0 is not None:
        return Prediction(dynamics, problem, None, (model.check_theta(theta0, problem.d),), rule)
    scales = real_array(f"init_scale = {shown(init_scale)}", init_scale, "use for example 0.1", truths=False)
    if scales.ndim > 1 or not scales.size:
        raise InputError(f"init_scale has shape {scales.shape}: give one number or a one-dimensional array")
    starts = tuple(model.theta0(float(scale), problem.d) for scale in scales.ravel())
    return Prediction(dynamics, problem, scales if scales.ndim else float(scales), starts, rule)
