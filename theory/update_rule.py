"""Update rules: what one step does to a weight, declared beside the law so that every backend has it."""

from dataclasses import dataclass

import sympy as sp

WEIGHT, GRADIENT, LEARNING_RATE = sp.symbols("weight gradient lr", real=True)


@dataclass(frozen=True)
class StateVariable:
    """Extra memory kept for every weight, such as a velocity."""

    symbol: sp.Symbol
    start: sp.Expr  # in terms of WEIGHT
    update: sp.Expr  # in terms of WEIGHT, GRADIENT, LEARNING_RATE and the old state


@dataclass(frozen=True)
class UpdateRule:
    """One step ``weight <- update(weight, gradient, lr, state)``, all right-hand sides at the old values."""

    name: str
    update: sp.Expr
    state: tuple[StateVariable, ...] = ()


gradient_descent = UpdateRule("gradient_descent", WEIGHT - LEARNING_RATE * GRADIENT)
