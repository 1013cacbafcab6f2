"""Options that would have no effect are errors: what was typed is not what would be drawn or computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ...theory.errors import InputError


def flag(name: str, value: Any) -> str:
    """An option as it was typed."""
    dashed = name.replace("_", "-")
    return {True: f"--{dashed}", False: f"--no-{dashed}"}[value] if isinstance(value, bool) else f"--{dashed} {value}"


def require_effect(
    options: Any, users: Mapping[str, Sequence[str]], kind: str, called: Callable[[str], str] = str
) -> None:
    """Raise InputError where the dataclass ``options`` has another value than the default without effect on ``kind``.

    ``users`` has, for each option, the kinds that it has an effect on; options that it lacks have one on all.
    """
    for option in fields(options):
        name, value = option.name, getattr(options, option.name)
        if name in users and kind not in users[name] and value != option.default:
            needed = " or ".join(map(called, users[name]))
            raise InputError(f"{flag(name, value)} has no effect on {called(kind)}: it needs {needed}")


def require_one(options: Any, *names: str) -> None:
    """Raise InputError where two of the options are given, of which only the first would count."""
    given = [name for name in names if getattr(options, name) not in (None, False)]
    if len(given) > 1:
        first, second = (name.replace("_", "-") for name in given[:2])
        raise InputError(f"--{first} and --{second} exclude each other: give one")
