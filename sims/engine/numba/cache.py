"""Kernel text to compiled module, through a disk cache that cannot be stale."""

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from platformdirs import user_cache_path

_loading = threading.Lock()


def load_kernel(text: str) -> ModuleType:
    """The module of a generated kernel, whose functions compile when first called.

    The file is named by the hash of its whole text and of what it imports, and written atomically: an
    edit makes another file, and Numba's own cache beside it serves the next process.
    """
    with _loading:
        return _load(text)


@lru_cache(maxsize=64)
def _load(text: str) -> ModuleType:
    name = f"gdbias_kernel_{_digest(text)}"
    if name in sys.modules:
        return sys.modules[name]
    path = _cache_folder() / f"{name}.py"
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(temporary, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before execution: Numba's cache looks the module up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _digest(text: str) -> str:
    here = ("feature.py", "intrinsics.py", "lanes.py", "microkernel.py", "processor.py", "rows.py")
    imported = ((Path(__file__).parent / name).read_text() for name in ("../draws.py", *here))
    parts = [text, *imported, version("numba"), version("numpy"), sys.version]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@lru_cache(maxsize=1)
def _cache_folder() -> Path:
    """The user's cache folder, GDBIAS_CACHE_DIR where set, a temporary folder where neither can be written."""
    folder = Path(os.environ.get("GDBIAS_CACHE_DIR") or user_cache_path("gdbias") / "kernels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="gdbias-kernels-"))
