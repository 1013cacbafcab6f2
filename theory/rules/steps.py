"""Steps by name or from text, and the table of those that have a name.

A rule of one's own is a :class:`Step`, and a new built-in one is an entry of :data:`STEPS`: Python, the command line,
stored results, every backend and the stable sharpness follow from its equations.
"""

import re
from dataclasses import replace

import sympy as sp

from ..errors import InputError
from ..expression import read_formula
from ..validate import meant, named_values, real, shown
from .step import (
    FUNCTIONS,
    GRADIENT,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    MOMENTUM,
    WEIGHT,
    WEIGHT_DECAY,
    StateVariable,
    Step,
    Total,
)

FORM = "use for example 'weight - lr*velocity; velocity <- beta*velocity + gradient, from 0'"


def parse_step(text: str) -> Step:
    """A step by its name in :data:`STEPS`, or from its equations, as ``str(step)`` gives them.

    ``"weight - lr*velocity; velocity <- beta*velocity + gradient, from 0"``: the new weight, then each state variable
    with its new value and its start, 0 unless given; ``"NAME: "`` may stand before. Equations have numbers, the names
    ``weight gradient lr step loss``, state and parameters (all other names), ``+ - * / **``, ``sqrt exp log sign abs
    min max``, and ``total(...)``, a sum over all weights of the run. All right-hand sides are taken at the old values.
    The gradient is that at the weights, or at another point by ``"; gradient at weight + rho*sign(gradient)"``.

    Raises:
        InputError: another name, or text that is no such equations.
    """
    if not isinstance(text, str):
        raise InputError(f"step = {shown(text)} is no Step and no text: {FORM}")
    if text.strip() in STEPS:
        return STEPS[text.strip()]
    name, _, equations = text.rpartition(":")
    update, *rest = equations.split(";")
    if re.fullmatch(r"\s*\w+\s*", update):
        raise InputError(
            f"unknown step {text!r}: {meant(text.strip(), STEPS)}use one of {', '.join(STEPS)}, or equations: {FORM}"
        )
    state, ascent = [], None
    for part in rest:
        if ascent is None and (elsewhere := re.fullmatch(rf"\s*{GRADIENT}\s+at\s(.*)", part, re.DOTALL)):
            ascent = _read(elsewhere[1])
            continue
        found = re.fullmatch(r"\s*(\w+)\s*<-(.*?)(?:,\s*from\s(.*))?", part, re.DOTALL)
        if not found:
            raise InputError(f"cannot read {part.strip()!r} of step {shown(text)}: {FORM}")
        symbol, value, start = found.groups()
        state.append(StateVariable(sp.Symbol(symbol, real=True), _read(start or "0"), _read(value)))
    update = re.sub(rf"^\s*{WEIGHT}\s*<-", "", update)
    step = Step(name.strip() or "custom", _read(update), tuple(state), ascent)
    known = STEPS.get(step.name, step)
    return known if known == step else step


def parse_parameters(text: str) -> dict[str, float]:
    """Values of parameters from text such as ``"beta=0.9, eps=1e-8"``; raises InputError."""
    values = {}
    for name, value in named_values(text, "step parameter").items():
        try:
            values[name] = float(value)
        except ValueError:
            raise InputError(
                f"step parameter {name} = {shown(value)} is no number: use for example 'beta=0.9'"
            ) from None
    return {name: real(name, value) for name, value in values.items()}


def _read(text: str) -> sp.Expr:
    return read_formula(text, FUNCTIONS)


_VELOCITY, _MEAN, _SQUARE, _LEFT1, _LEFT2 = sp.symbols("velocity mean square left1 left2", real=True)
_BETA1, _BETA2, _EPS, _RHO, _DECAY, _MAX_NORM = sp.symbols("beta1 beta2 eps rho decay max_norm", real=True)
SAM_ADDS = sp.Rational(1, 10**12)  # to the norm that it divides by
_LIMITS = dict(beta1=dict(low=0, below=1), beta2=dict(low=0, below=1), max_norm=dict(above=0)) | {
    name: dict(low=0) for name in ("eps", "rho", "decay")
}  # of the parameters of named steps


def _heavy_ball(name: str, gradient: sp.Expr) -> Step:
    pushed = MOMENTUM * _VELOCITY - LEARNING_RATE * gradient
    return Step(name, WEIGHT + pushed, (StateVariable(_VELOCITY, sp.S.Zero, pushed),), source="Polyak 1964")


def _nesterov() -> Step:
    pushed = MOMENTUM * _VELOCITY + GRADIENT
    move = LEARNING_RATE * (GRADIENT + MOMENTUM * pushed)
    return Step(
        "nesterov", WEIGHT - move, (StateVariable(_VELOCITY, sp.S.Zero, pushed),), source="Sutskever et al. 2013"
    )


def _averaged(symbol: sp.Symbol, rate: sp.Symbol, value: sp.Expr) -> StateVariable:
    """An exponential average from 0, which forgets the share ``1 - rate`` a step."""
    return StateVariable(symbol, sp.S.Zero, rate * symbol + (1 - rate) * value)


def _rmsprop(name: str, square: sp.Expr, source: str) -> Step:
    kept = _averaged(_SQUARE, _BETA2, square)
    update = WEIGHT - LEARNING_RATE * GRADIENT / (sp.sqrt(kept.update) + _EPS)
    return Step(name, update, (kept,), defaults=dict(beta2=0.99, eps=1e-8), source=source)


def _adam(name: str, pull: sp.Expr, source: str, **defaults: float) -> Step:
    mean, square = _averaged(_MEAN, _BETA1, GRADIENT), _averaged(_SQUARE, _BETA2, GRADIENT**2)
    left = [StateVariable(s, sp.S.One, rate * s) for s, rate in ((_LEFT1, _BETA1), (_LEFT2, _BETA2))]  # beta**step
    size = sp.sqrt(square.update / (1 - left[1].update)) + _EPS
    move = mean.update / (1 - left[0].update) / size + pull
    defaults = dict(beta1=0.9, beta2=0.999, eps=1e-8, **defaults)
    return Step(name, WEIGHT - LEARNING_RATE * move, (mean, square, *left), defaults=defaults, source=source)


def _sharpness_aware(name: str, direction: sp.Expr, source: str) -> Step:
    ascent = WEIGHT + _RHO * direction
    return Step(name, WEIGHT - LEARNING_RATE * GRADIENT, ascent=ascent, defaults=dict(rho=0.05), source=source)


_DECAYED = GRADIENT + WEIGHT_DECAY * WEIGHT  # gradient of L + weight_decay |theta|^2 / 2
_POLYAK = sp.Max(LOSS, 0) / (Total(GRADIENT**2) + _EPS)
STEPS = {
    step.name: replace(step, limits=_LIMITS)
    for step in (
        Step("gradient_descent", WEIGHT - LEARNING_RATE * GRADIENT, lowers_loss=True, source="Cauchy 1847"),
        Step("gradient_descent_with_weight_decay", WEIGHT - LEARNING_RATE * _DECAYED, lowers_loss=True),
        _heavy_ball("heavy_ball", GRADIENT),
        _heavy_ball("heavy_ball_with_weight_decay", _DECAYED),
        _nesterov(),
        Step("sign_descent", WEIGHT - LEARNING_RATE * sp.sign(GRADIENT), source="arXiv 1802.04434"),
        Step(
            "normalized_descent", WEIGHT - LEARNING_RATE * GRADIENT / (GRADIENT_NORM + _EPS),
            defaults=dict(eps=1e-8), source="arXiv 2205.09745",
        ),
        Step(
            "clipped_descent", WEIGHT - LEARNING_RATE * GRADIENT * sp.Min(1, _MAX_NORM / GRADIENT_NORM),
            defaults=dict(max_norm=1.0), lowers_loss=True, source="arXiv 1211.5063",
        ),
        Step(
            "polyak", WEIGHT - sp.Min(LEARNING_RATE, _POLYAK) * GRADIENT,
            defaults=dict(eps=1e-30), lowers_loss=True, source="arXiv 2002.10542",
        ),
        _rmsprop("rmsprop", GRADIENT**2, "Hinton 2012"),
        _rmsprop("rmsprop_scalar", Total(GRADIENT**2), "arXiv 2410.24206"),
        _adam("adam", sp.S.Zero, "arXiv 1412.6980"),
        _adam("adamw", _DECAY * WEIGHT, "arXiv 1711.05101", decay=1e-4),
        _sharpness_aware("sam", GRADIENT / (GRADIENT_NORM + SAM_ADDS), "arXiv 2010.01412"),
        _sharpness_aware("sam_max", sp.sign(GRADIENT), "arXiv 2603.08290"),
    )
}  # fmt: skip


def descent_step(momentum: bool = False, decay: bool = False) -> Step:
    """``theta <- theta - lr (grad L + weight_decay theta) + momentum (theta - theta_before)``, as far as asked."""
    return STEPS[("heavy_ball" if momentum else "gradient_descent") + ("_with_weight_decay" if decay else "")]
