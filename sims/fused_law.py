"""The law on a GPU: each of its functions as one CuPy kernel, which reads and writes every array once."""

from types import ModuleType, SimpleNamespace

from ..theory.cuda_source import cuda_operations
from ..theory.derive import Dynamics
from ..theory.law import array_law


def law_on(dynamics: Dynamics, xp: ModuleType) -> SimpleNamespace:
    """The law as functions of the arrays of ``xp``, fused where it can be."""
    return fused_law(dynamics, xp) if hasattr(xp, "ElementwiseKernel") else array_law(dynamics, xp)


def fused_law(dynamics: Dynamics, cupy: ModuleType) -> SimpleNamespace:
    """The functions of :func:`gdbias.theory.law.array_law` as ``cupy.ElementwiseKernel``, which broadcast alike.

    Written for CuPy's documented interface; has not been run on a GPU yet.
    """
    kernels = {}
    for operation in cuda_operations(dynamics):
        inputs, outputs = (", ".join(f"float64 {n}" for n in names) for names in (operation.inputs, operation.outputs))
        kernel = cupy.ElementwiseKernel(inputs, outputs, operation.body, f"gdbias_{operation.name}")
        kernels[operation.name] = _tuple(kernel) if operation.many else kernel
    return SimpleNamespace(**kernels)


def _tuple(kernel):
    def call(*arguments):
        found = kernel(*arguments)
        return found if isinstance(found, tuple) else (found,)

    return call
