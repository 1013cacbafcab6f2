"""Options read from a TOML file, under the names they have on the command line."""

import tomllib
from dataclasses import Field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ...theory.errors import InputError

GRID = {"grid": "a number, an array of numbers, or text such as '0.01:1:16:log'"}  # fields that also take numbers
WHOLE = {"grid": "a whole number, an array of them, or text such as '5,10,20'"}
WANTED = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}

Spec = TypeVar("Spec")


def read_spec(path: Path, defaults: Spec, outside: tuple[str, ...] = ()) -> Spec:
    """The frozen spec ``defaults`` with the options that a TOML file gives in their place.

    The file is flat: options of nested specs stand beside the others, dashes and underscores are the same.
    Nothing in it is evaluated. Fields named in ``outside`` cannot be given in a file.

    Raises:
        InputError: a file that cannot be read, an unknown key, a value of the wrong type or outside its limits.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): give a TOML file") from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not TOML ({reason}): write one NAME = VALUE a line, text in quotes") from None
    named: dict[str, Any] = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name in named:
            raise InputError(f"{path}: {name} is given twice, with a dash and with an underscore: give it once")
        named[name] = value
    try:
        spec = _filled(defaults, named, outside)
        if named:
            known = ", ".join(name for name in _names(defaults) if name not in outside)
            raise InputError(f"unknown key {next(iter(named))!r}: use {known}")
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return spec


def _filled(spec: Any, named: dict[str, Any], outside: tuple[str, ...]) -> Any:
    """``spec`` with what ``named`` holds for it, which is taken out of there."""
    hints, changes = get_type_hints(type(spec)), {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if is_dataclass(value):
            changes[field.name] = _filled(value, named, outside)
        elif field.name in named and field.name not in outside:
            changes[field.name] = _checked(field, named.pop(field.name), hints[field.name])
    return replace(spec, **changes)


def _names(spec: Any) -> list[str]:
    found: list[str] = []
    for field in fields(spec):
        value = getattr(spec, field.name)
        found += _names(value) if is_dataclass(value) else [field.name]
    return found


def _checked(field: Field, value: Any, hint: Any) -> Any:
    if field.metadata.get("grid"):
        values = value if isinstance(value, list) else [value]
        if values and all(type(v) in (int, float) for v in values):
            return ",".join(map(repr, values))
        if isinstance(value, str):
            return value
        wanted = field.metadata["grid"]
    elif get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        wanted = "one of " + ", ".join(map(repr, get_args(hint)))
    else:
        [kind] = [a for a in get_args(hint) or (hint,) if a is not NoneType]
        if type(value) is kind or (kind is float and type(value) is int):
            return kind(value)
        wanted = WANTED[kind]
    raise InputError(f"{field.name} = {value!r} must be {wanted}")
