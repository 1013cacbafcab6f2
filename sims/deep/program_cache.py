"""Where a process of its own keeps what JAX compiles for it, so that the next one does not compile it again."""

import hashlib
import os

KEPT = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}  # all


def keep_programs() -> None:
    """Before JAX is imported: compiled programs are kept beside the kernels. What the user has set of this stays.

    It decides for all that the process compiles, which is for a command line to do and not for a library. Programs
    hold instructions of this processor, and JAX does not ask which: each kind of processor has a folder of its own. Of
    a damaged one JAX warns, and compiles it again whenever it is needed, until it is deleted.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    import llvmlite.binding as llvm  # takes a twentieth of a second

    from ...theory.compiled.cache import cache_folder  # brings Numba, which takes a quarter of a second

    processor = f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    folder = cache_folder() / f"jax-{hashlib.sha256(processor.encode()).hexdigest()[:16]}"
    for name, value in {"JAX_COMPILATION_CACHE_DIR": str(folder), **KEPT}.items():
        os.environ.setdefault(name, value)
