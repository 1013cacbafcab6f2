"""The law as CUDA: a device function for each of its functions.

The arithmetic is that of :mod:`gdbias.theory.derivation.law`, printed in C.
"""

from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from ..elementwise import Function, LawPrinter
from .dynamics import Dynamics
from .law import law_functions


class _CPrinter(LawPrinter):
    """C for what Python writes otherwise."""

    module = ""

    def _print_Pow(self, expr, rational=False):
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer or abs(exponent) == sp.S.Half:
            return super()._print_Pow(expr, rational)
        return f"pow({self._print(base)}, {self._print(exponent)})"

    def softplus(self, argument: str) -> str:
        return f"(fmax(0.0, {argument}) + log1p(exp(-fabs({argument}))))"

    def _print_Abs(self, expr):
        return f"fabs({self._print(expr.args[0])})"


@dataclass(frozen=True)
class Operation:
    """An elementwise operation: names of its inputs and outputs, all double, and its statements in C."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    body: str

    def device_function(self) -> str:
        """The operation as a CUDA device function of its own."""
        arguments = [*(f"double {name}" for name in self.inputs), *(f"double& {name}" for name in self.outputs)]
        return f"__device__ inline void {self.name}({', '.join(arguments)}) {{\n{self.body}\n}}"


@lru_cache(maxsize=64)
def cuda_operations(dynamics: Dynamics) -> tuple[Operation, ...]:
    """An operation for each function of the law; those of several values have several outputs, out0, out1 ..."""
    return tuple(map(_operation, law_functions(dynamics.model, dynamics.loss, dynamics.rule)))


def cuda_text(dynamics: Dynamics) -> str:
    """All operations as device functions, a text that nvcc compiles."""
    return "\n\n".join(operation.device_function() for operation in cuda_operations(dynamics))


def _operation(function: Function) -> Operation:
    printer = _CPrinter({"fully_qualified_modules": False})
    function = function.renamed("in_")  # so that no weight has the name of a C function
    shared, final = function.shared("shared")
    lines = [f"    const double {symbol} = {printer.doprint(value)};" for symbol, value in shared]
    outputs = tuple(f"out{k}" for k in range(len(final)))
    lines += [f"    {out} = {printer.doprint(value)};" for out, value in zip(outputs, final, strict=True)]
    return Operation(function.name, tuple(a.name for a in function.arguments), outputs, "\n".join(lines))
