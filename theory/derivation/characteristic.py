"""Closed forms of the characteristic flow, the path of one coordinate under gradient flow.

Gradient flow moves coordinate i along ``d theta / ds = grad effective(theta)`` with the clock
``ds_i = -(X^T r / n)_i dt``. So ``theta_i(t) = theta_i(s_i(t))``: the direction is the model's alone,
and only the clock knows the data.
"""

from collections.abc import Mapping

import sympy as sp

from ..errors import NoClosedForm
from ..parameterization import Parameterization
from .separable import separate

CLOCK = sp.Symbol("s", real=True)


def start_symbols(model: Parameterization) -> tuple[sp.Symbol, ...]:
    """The symbols ``u_0, v_0, ...`` of a general start."""
    return tuple(sp.Symbol(f"{w.name}_0", real=True) for w in model.weights)


def characteristic_flow(model: Parameterization) -> Mapping[sp.Symbol, sp.Expr]:
    """Each weight as a function of the clock ``s`` from the start ``u_0, v_0, ...``, proved by substitution.

    Raises:
        NoClosedForm: weights that mix in terms of degree 3 and above, or rates beyond square roots.
    """
    start = start_symbols(model)
    gradient = sp.Matrix([sp.diff(model.effective, w) for w in model.weights])
    if sp.Poly(model.effective, *model.weights).total_degree() <= 2:
        solution = _linear(model, gradient, start)
    else:
        terms = separate(model.effective, model.weights)
        if terms is None:
            raise NoClosedForm(
                f"{model.name}: the flow from a general start has no closed form, since its weights mix in a "
                "term of degree 3 or more; its gradient, Hessian, GD map and invariants are available, and "
                "predict() integrates it numerically"
            )
        solution = {w: _bernoulli(*terms[w], w0) for w, w0 in zip(model.weights, start, strict=True)}
    for w, slope, w0 in zip(model.weights, gradient, start, strict=True):
        rest = sp.diff(solution[w], CLOCK) - slope.subs(solution, simultaneous=True)
        at_zero = solution[w].subs(CLOCK, 0) - w0
        if not (_vanishes(rest, start) and _vanishes(at_zero, start)):
            raise AssertionError(f"{model.name}: the closed form of {w} does not solve its equation")
    return solution


def _linear(model: Parameterization, gradient: sp.Matrix, start) -> dict[sp.Symbol, sp.Expr]:
    """Degree 2: a linear system, solved by the exponential of the matrix augmented by the constant."""
    m = len(model.weights)
    system = sp.zeros(m + 1, m + 1)
    system[:m, :m] = gradient.jacobian(list(model.weights))
    system[:m, m] = gradient.subs(dict.fromkeys(model.weights, 0))
    _, factors = system.charpoly().factor_list()
    if any(factor.degree() > 2 for factor, _ in factors):
        raise NoClosedForm(
            f"{model.name}: the flow's rates solve an equation of degree 3 or more, so it has no usable "
            "closed form; its gradient, Hessian, GD map and invariants are available, and predict() works "
            "in numbers"
        )
    path = (system * CLOCK).exp() * sp.Matrix([*start, 1])
    return {w: sp.simplify(path[p]) for p, w in enumerate(model.weights)}


def _bernoulli(coefficient: sp.Expr, power: int, w0: sp.Symbol) -> sp.Expr:
    """``w' = c p w^(p-1)``, scaled to ``w = w_0 z`` so that one formula serves both signs of w_0."""
    if power == 1:
        return w0 + coefficient * CLOCK
    if power == 2:
        return w0 * sp.exp(2 * coefficient * CLOCK)
    ratio, clock = sp.Symbol("z", positive=True), sp.Symbol("c", real=True)
    time = sp.integrate(ratio ** (1 - power), ratio)
    lapse = time - time.subs(ratio, 1) - clock  # 0 on the path
    scaled = sp.solve(lapse.subs(ratio, ratio ** sp.Rational(-1, power - 2)), ratio)[0]
    return w0 * scaled.subs(clock, coefficient * power * w0 ** (power - 2) * CLOCK) ** sp.Rational(-1, power - 2)


def _vanishes(expression: sp.Expr, start) -> bool:
    """Zero by SymPy; roots whose base has an unknown sign are decided on positive starts."""
    positive = {w0: sp.Symbol(w0.name, positive=True) for w0 in start}
    return sp.simplify(sp.expand(expression.rewrite(sp.exp))) == 0 or sp.simplify(expression.subs(positive)) == 0
