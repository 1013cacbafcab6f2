"""Which update rules predictions know: terms of descent (momentum, a schedule, weight decay), and laws of other steps.

A minimum of sharpness S is stable for ``lr (S + weight_decay) < 2 + 2 momentum`` at the settled lr, which moves every
boundary alike; other steps have caps of their own. Heavy ball is held to its cap as descent at ``lr / (1 + momentum)``
is. A step that is gradient flow in another time has an effective start, and one of signs a flow of its own.
"""

from dataclasses import replace

import numpy as np
import sympy as sp

from ..errors import NoClosedForm
from ..rules.lag import lag_of
from ..rules.schedule import constant
from ..rules.stability import edge_of, following, held_at_next, held_total, reach
from ..rules.step import GRADIENT, LEARNING_RATE
from ..rules.steps import STEPS, descent_step
from ..rules.update_rule import UpdateRule, gradient_descent, require_rule

TERMS = ("momentum", "weight_decay", "schedule")
MOST = 0.98  # momentum
CLIPPED, FIRST = STEPS["clipped_descent"], 50  # steps, in which most is clipped
VANISHING = 1e-20, 1e-40  # totals, such as the squared norm of the gradient, near a minimum
GONE = 1e-200, 1e-300  # the same, where nothing that is added to their roots is as small
SAME = 1e-9  # relative, of what they leave as it is
SIGNS = {"sign_descent": (), "rmsprop": ("beta2",), "adam": ("beta1", "beta2")}  # by the rates of their averages


def require_predicted(rule: UpdateRule) -> UpdateRule:
    """The rule itself.

    Raises:
        InputError: no rule.
        NoClosedForm: a rule with batches, label noise without an end, or a step of which no law is known.
    """
    require_rule(rule)
    known = {term: getattr(rule, term) for term in TERMS}
    if rule == UpdateRule(**known):
        return rule
    if rule.label_noise and rule.batch is None and rule == _noisy(rule):
        if rule.noise_steps is None:
            raise NoClosedForm(
                f"label_noise={rule.label_noise} without an end never rests: runs tend to the fit of least "
                "sum_i (X^T X)_ii |beta_i| for degree 2; give noise_steps, or run it with sims"
            )
        return rule
    if not _beside(rule) and (signs(rule) or lag_of(rule.step)):
        return rule
    others = replace(rule, **{term: getattr(gradient_descent, term) for term in TERMS if term == "schedule"})
    told = ", ".join(f"{name}={value}" for name, value in others.spec.items() if name not in TERMS)
    told = f"step={rule.step.name}" if "step" in others.spec else told
    if own_step(rule) and (signs(rule) or lag_of(rule.step)):
        raise NoClosedForm(f"{told} is predicted alone: leave out {', '.join(_beside(rule))}, or run it with sims")
    raise NoClosedForm(f"nothing is predicted for {told}: no law of where it ends is known, run it with sims")


def _noisy(rule: UpdateRule) -> UpdateRule:
    """Descent with the label noise of a rule, and nothing else."""
    return UpdateRule(label_noise=rule.label_noise, noise_steps=rule.noise_steps, noise_seed=rule.noise_seed)


def _beside(rule: UpdateRule) -> list[str]:
    names = ("weight_decay", "schedule", "batch", "label_noise")
    return [name for name in names if getattr(rule, name) != getattr(gradient_descent, name)]


def own_step(rule: UpdateRule) -> bool:
    """Whether the step is another than that of descent with the rule's terms."""
    return rule.step != descent_step(rule.momentum > 0, rule.weight_decay > 0)


def signs(rule: UpdateRule) -> bool:
    """Whether small steps of the rule are those of sign descent."""
    return rule.step.name in SIGNS and STEPS[rule.step.name] == rule.step


def slowest_average(rule: UpdateRule) -> float:
    """The steps that a rule of signs remembers, 1 at least."""
    values = dict(rule.step_parameters)
    return max([1.0, *(_memory(name, values[name]) for name in SIGNS[rule.step.name])])


def slowest_total(rule: UpdateRule) -> float:
    """The steps that averages of what all weights have in common, such as the gradient's norm, remember; 1 at least."""
    step, found = rule.step, [1.0]
    values = dict(zip(step.parameters, rule.parameters, strict=True))
    for state in (s for s in step.state if s not in following(step)):
        rate = sp.diff(held_at_next(state.update, ()), state.symbol).subs(values)
        found.append(_memory(f"the rate of {state.symbol}", float(rate)) if rate.is_number else np.inf)
    return max(found)


def _memory(name: str, rate: float) -> float:
    if not 0 <= rate < 1:
        raise NoClosedForm(f"{name} = {rate:g} is no rate of an average: use one of at least 0 and below 1")
    return 1 / (1 - rate)


def refuse(rule: UpdateRule, what: str, *terms: str) -> None:
    """Raise NoClosedForm where the rule has one of these terms; of all of them, also where it has another step."""
    if set(TERMS) <= set(terms):
        if own_step(rule):
            raise NoClosedForm(f"{what} is not predicted with step={rule.step.name}: run it with sims")
        terms = (*terms, "label_noise")
    for term in terms:
        value = getattr(rule, term)
        if value != getattr(gradient_descent, term):
            raise NoClosedForm(f"{what} is not predicted with {term} = {value}: leave it out, or run it with sims")


def cap(rule: UpdateRule) -> float:
    """What ``lr (S + weight_decay)`` is at most at a minimum where the rule can rest; raises NoClosedForm if nowhere.

    ``2 + 2 momentum``, ``(2 + 2 momentum) / (1 + 2 momentum)`` for Nesterov's, 2 for clipped descent.
    """
    if not own_step(rule):
        return 2 + 2 * rule.momentum
    edge, found = edge_of(rule.step), None
    if edge.factor is not None and rule.step.ascent is None and edge.in_units_of_lr:
        if edge.alone:
            found = float(replace(rule, schedule=constant).sharpness_limit(1.0))
        elif factor := near_minimum(rule, edge.factor, 1.0):
            found = float(reach(rule.step, 1.0, rule.parameters)) / factor
    if found is None:
        raise NoClosedForm(
            f"{rule.step.name} has no learning rate below which a minimum is stable: its edge hangs on more than the "
            "minimum, and sharpness_effective of runs tells it"
        )
    if not 0 < found < np.inf:
        every = "every minimum is stable under it" if found > 0 else "under it no minimum is stable"
        raise NoClosedForm(f"{rule.step.name} has no learning rate below which a minimum is stable: {every}")
    return found


def near_minimum(
    rule: UpdateRule, expression: sp.Expr, lr: float, sizes: tuple[float, float] = VANISHING
) -> float | None:
    """The value of an expression of lr, parameters and totals where these vanish; None where it goes on changing.

    None too of a total that does not vanish with the gradient, such as that of the squared weights.
    """
    totals = [held_total(total) for total in rule.step.totals if total.args[0].subs(GRADIENT, 0) == 0]
    if not expression.free_symbols <= {LEARNING_RATE, *rule.step.parameters, *totals}:
        return None
    value = sp.lambdify([LEARNING_RATE, *rule.step.parameters, *totals], expression, np)
    with np.errstate(all="ignore"):
        far, near = (np.float64(value(lr, *rule.parameters, *(np.float64(size) for _ in totals))) for size in sizes)
        return float(near) if near == far or abs(far / near - 1) < SAME else None


def limit(rule: UpdateRule, sharpness: float | np.ndarray) -> float | np.ndarray:
    """The run's lr above which a minimum of this sharpness is not stable, once its schedule has settled; inf for 0."""
    with np.errstate(divide="ignore"):
        rate = np.divide(cap(rule), rule.schedule.final * (sharpness + rule.weight_decay))
    return rate if np.ndim(rate) else float(rate)


def warms(rule: UpdateRule) -> bool:
    """Whether the rule is descent but for its first steps: with momentum, heavy ball's or Nesterov's, or clipped."""
    return rule.step in (STEPS["nesterov"], CLIPPED) or (rule.momentum > 0 and not own_step(rule))


def max_norm(rule: UpdateRule) -> float:
    """At which gradients are clipped, infinite where they are not."""
    return dict(rule.step_parameters)["max_norm"] if rule.step == CLIPPED else np.inf


def spent(rule: UpdateRule) -> int:
    """Steps after which little inertia is left, or little is clipped; 0 of descent."""
    if rule.step == CLIPPED:
        return FIRST
    return max(20, round(10 / (1 - rule.momentum))) if rule.momentum else 0


def warm_up(rule: UpdateRule) -> str:
    """The warm-up that takes the first steps, in words."""
    steps = spent(rule) or 20
    return f"a warm-up of {steps} steps (--warmup {steps})"


def rate_of_edge(rule: UpdateRule, lr: float) -> float:
    """The learning rate at which plain descent has the same cap."""
    return 2 * rule.schedule.final * lr / cap(rule)


def require_method(rule: UpdateRule, name: str, method: str, warmup: int) -> None:
    """Refuse what no predictor of endpoints has of the rule; raises NoClosedForm."""
    momentum, schedule = rule.momentum, rule.schedule
    if momentum and schedule != constant:
        raise NoClosedForm(f"{name}: momentum with {schedule} is not predicted: leave one out, or run it with sims")
    if momentum > MOST:
        raise NoClosedForm(
            f"{name}: momentum = {momentum:g} is above {MOST}, and its inertia outlasts every warm-up: run it with sims"
        )
    if momentum and not (method == "constrained_flow" and warmup):
        raise NoClosedForm(
            f"{name}: with momentum = {momentum:g} the end hangs on the inertia of the first steps: use the "
            f"constrained flow after {warm_up(rule)}, which takes them, or "
            "method='effective_start' well below lr_critical"
        )
    if schedule != constant and warmup:
        raise NoClosedForm(f"{name}: a warm-up with {schedule} is not predicted: use no warm-up, or run it with sims")
