"""A user's own statements: a Python file that declares them with their checks."""

import importlib.util
import sys
from os import PathLike

from ...theory.errors import InputError
from ...theory.validate import local_path


def load_file(path: str | PathLike) -> str:
    """Execute the file once, as a module of its own, whose name is returned.

    Raises:
        InputError: a file that cannot be read or executed.
    """
    place = local_path(path).resolve()
    name = f"gdbias_statements_{place.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(place):
        return name
    spec = importlib.util.spec_from_file_location(name, place)
    if place.suffix != ".py" or not place.is_file() or spec is None or spec.loader is None:
        raise InputError(f"cannot read statements from {path}: give a Python file (.py)")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{path} cannot be executed ({type(error).__name__}: {error}): mend it") from error
    return name
