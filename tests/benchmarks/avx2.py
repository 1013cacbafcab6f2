"""All contestants on AVX2 alone, on a processor that has AVX-512: each by what it reads of its environment."""

import os
import sys

MARK = "GDBIAS_SUITE_AVX2"
WIDER = ("avx512", "avx10", "amx", "evex512")  # LLVM's names begin so


def narrow():
    """Begin this process anew without wider instructions, before anything is imported that asks for them."""
    if MARK not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | _environment())


def narrowed():
    return MARK in os.environ


def _environment():
    import llvmlite.binding as llvm
    from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched

    features = [name if not name[1:].startswith(WIDER) else f"-{name[1:]}" for name in
                llvm.get_host_cpu_features().flatten().split(",")]  # fmt: skip
    return {
        MARK: "1",
        "NUMBA_CPU_NAME": llvm.get_host_cpu_name(),
        "NUMBA_CPU_FEATURES": ",".join(features),
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in dispatched if "512" in name or name == "X86_V4"),
        "OPENBLAS_CORETYPE": "Haswell",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=AVX2".strip(),
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
