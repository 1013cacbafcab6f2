"""How Numba compiles kernels: with the passes that they need, and each function that they call once, in theirs."""

import gc
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    DeadBranchPrune,
    FixupArgs,
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    RewriteSemanticConstants,
    TranslateByteCode,
)


class KernelCompiler(CompilerBase):
    """From Python to machine code, without closures, expressions of arrays and with-blocks, which take passes."""

    lowering: type = NativeLowering

    def compile_extra(self, func):
        collects = gc.isenabled()
        gc.disable()  # a compilation makes many objects and drops few
        try:
            return super().compile_extra(func)
        finally:
            if collects:
                gc.enable()

    def define_pipelines(self):
        steps = (
            TranslateByteCode, FixupArgs, IRProcessing, RewriteSemanticConstants, DeadBranchPrune, GenericRewrites,
            ReconstructSSA, NopythonTypeInference, PreLowerStripPhis,
            IRLegalization,  # says where arrays are given back: without it all of them leak
            AnnotateTypes, self.lowering, NoPythonBackend,
        )  # fmt: skip
        passes = PassManager("kernel")
        for step in steps:
            passes.add_pass(step, step.__name__)
        passes.finalize()
        return [passes]


class _Part(JITCodeLibrary):
    """Code that is only linked into that of its callers, and neither optimised nor made machine code by itself."""

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0  # none

    @property
    def codegen(self) -> Any:
        return self

    def set_env(self, name: str, environment: object):
        pass  # for calls from Python


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "part_lowering"

    def run_pass(self, state):
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().run_pass(state)


class PartCompiler(KernelCompiler):
    """The same for functions that kernels call."""

    lowering = _PartLowering
