"""The law as CUDA: a device function for each of its functions, over the numbers of one feature as an array.

The arithmetic is that of :mod:`gdbias.theory.derivation.law`, printed in C.
"""

from functools import lru_cache

import sympy as sp

from ..elementwise import Function, LawPrinter
from .dynamics import Dynamics
from .law import step_counts


class _CPrinter(LawPrinter):
    """C for what Python writes otherwise; ``names`` says how a symbol is written."""

    module = ""

    def __init__(self, names: dict):
        super().__init__({"fully_qualified_modules": False})
        self.names = names

    def _print_Symbol(self, expr):
        return self.names.get(expr, expr.name)

    def _print_Pow(self, expr, rational=False):
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer or abs(exponent) == sp.S.Half:
            return super()._print_Pow(expr, rational)
        return f"pow({self._print(base)}, {self._print(exponent)})"

    def softplus(self, argument: str) -> str:
        return f"(fmax(0.0, {argument}) + log1p(exp(-fabs({argument}))))"

    def _print_Abs(self, expr):
        return f"fabs({self._print(expr.args[0])})"


# Of every function that a kernel calls; where a law has no such function, it does nothing.
_SIGNATURES = {
    "effective": "double effective(const double (&x)[STATES])",
    "jacobian": "void jacobian(const double (&x)[STATES], double (&out)[WEIGHTS])",
    "curvature": "void curvature(const double (&x)[STATES], double (&out)[WEIGHTS * (WEIGHTS + 1) / 2])",
    "ascent_totals": "void ascent_totals("
    "double lr, double g, const double* own, const double (&x)[STATES], double* out)",
    "ascent": "void ascent(double lr, double g, const double* own, const double (&x)[STATES], double (&out)[WEIGHTS])",
    "totals": "void totals(double lr, double g, const double* own, const double (&x)[STATES], double* out)",
    "step": "void step(double lr, double g, const double* own, const double (&x)[STATES], double (&out)[STATES])",
    "loss_value": "double loss_value(double f, double y)",
    "loss_slope": "double loss_slope(double f, double y)",
    "loss_curvature": "double loss_curvature(double f, double y)",
    "schedule": "double schedule(double first, double last, double progress)",
}

# As NumPy has them: a result is no number where an argument is none.
_HELPERS = """
__device__ inline double sign(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }
__device__ inline double minimum(double a, double b) { return a < b || a != a ? a : b; }
__device__ inline double maximum(double a, double b) { return a > b || a != a ? a : b; }
"""


@lru_cache(maxsize=64)
def device_functions(dynamics: Dynamics) -> str:
    """The law in CUDA, as constants and device functions.

    ``x`` are a feature's numbers, WEIGHTS weights and behind them the state of the rule, STATES in all; ``own`` are the
    PARAMETERS of the rule's step and behind them its TOTALS over all weights, or ASCENT_TOTALS, and the excess loss.
    """
    model, rule = dynamics.model, dynamics.rule
    functions = {function.name: function for function in dynamics.law.functions}
    for name in ("totals", "ascent_totals", "ascent"):
        functions.setdefault(name, Function(name, (), (), many=True))
    step, size = functions["step"], len(rule.step.parameters)
    own, numbers = step.arguments[2 : -len(step.values)], step.arguments[-len(step.values) :]
    before = functions["ascent"].arguments[2 + size : -len(numbers)]  # totals of the point where the gradient is taken
    counts = dict(WEIGHTS=len(model.weights), STATES=len(numbers), **step_counts(rule.step))
    places = {symbol: f"x[{k}]" for k, symbol in enumerate(numbers)}
    places |= {symbol: f"own[{k}]" for k, symbol in enumerate(own)}
    places |= {symbol: f"own[{size + k}]" for k, symbol in enumerate(before)}
    return "\n\n".join([
        f"// {model.name}, {dynamics.loss.name} loss, {rule.step.name}",
        "\n".join(f"constexpr int {name} = {count};" for name, count in counts.items()),
        _HELPERS.strip(),
        *(_device_function(functions[name], head, places) for name, head in _SIGNATURES.items()),
    ])  # fmt: skip


def _device_function(function: Function, head: str, places: dict[sp.Symbol, str]) -> str:
    renamed = function.renamed("in_")  # so that no name is that of a shared subexpression
    written = zip(function.arguments, renamed.arguments, strict=True)
    places = places if "(&x)" in head else {}  # a weight may be named as an argument of the others
    printer = _CPrinter({new: places.get(old, old.name) for old, new in written})
    shared, final = renamed.shared("shared")
    lines = [f"const double {symbol} = {printer.doprint(value)};" for symbol, value in shared]
    values = [printer.doprint(value) for value in final]
    lines += [f"out[{k}] = {value};" for k, value in enumerate(values)] if function.many else [f"return {values[0]};"]
    return "\n".join([f"__device__ inline {head} {{", *(f"    {line}" for line in lines), "}"])
