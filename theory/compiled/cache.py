"""Kernel text to compiled module, through a disk cache that cannot be stale."""

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core import config
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.core.runtime.nrt import rtsys
from platformdirs import user_cache_path

from ..errors import GdbiasError
from .onlooker import looked_at

_loading = threading.Lock()


def load_kernel(text: str, title: str, imported: tuple[Path, ...] = ()) -> ModuleType:
    """The module of a kernel that imports such files, made once a process.

    Raises:
        GdbiasError: Numba is told not to compile.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise GdbiasError("NUMBA_DISABLE_JIT is set, and runs and predictions need compiled kernels: unset it")
    with _loading:
        return _load(text, title, imported)


@lru_cache(maxsize=64)
def _load(text: str, title: str, imported: tuple[Path, ...]) -> ModuleType:
    return make_kernel(text, title, cache_folder(), imported)


def make_kernel(text: str, title: str, folder: Path, imported: tuple[Path, ...] = ()) -> ModuleType:
    """A module of the text, whose kernels compile when first called, and are then found beside its file.

    The file is named by the hash of its whole text and of what it imports, and written atomically: an
    edit makes another file, and Numba's own cache beside it serves the next process. What is damaged is made again. On
    a terminal and in a notebook a line says that a kernel is compiled, which takes seconds.
    """
    name = f"gdbias_kernel_{_digest(text, imported)}"
    path = folder / f"{name}.py"
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
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
    dispatchers: list[Any] = [value for value in vars(module).values() if isinstance(value, Dispatcher)]
    for dispatcher in dispatchers:
        if isinstance(dispatcher._cache, FunctionCache):
            dispatcher._cache = _Cache(dispatcher.py_func, title)
    return module


class _Cache(FunctionCache):
    """Numba's cache of a kernel, which takes a damaged entry for none."""

    def __init__(self, function: Callable, title: str):
        super().__init__(function)
        self.title = title

    def load_overload(self, sig, target_context):
        try:
            rtsys.initialize(target_context)  # all that a compiled kernel needs of what Numba's own method prepares
            found = self._load_overload(sig, target_context)
        except Exception:  # whatever reading half a file raises
            self.flush()
            found = None
        if found is None and looked_at():
            print(f"compiling the kernel of {self.title}, once", file=sys.stderr)
        return found


def _digest(text: str, imported: tuple[Path, ...]) -> str:
    own = (Path(__file__).with_name(name) for name in ("decorators.py", "pipeline.py"))
    sources = (path.read_text() for path in (*own, *imported))
    parts = [text, *sources, version("numba"), version("numpy"), sys.version]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@lru_cache(maxsize=1)
def cache_folder() -> Path:
    """The user's cache folder, GDBIAS_CACHE_DIR where set, a temporary folder where neither can be written."""
    folder = Path(os.environ.get("GDBIAS_CACHE_DIR") or user_cache_path("gdbias") / "kernels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="gdbias-kernels-"))
