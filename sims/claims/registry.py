"""All claims by id, in the order in which they are told."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module

from ...theory.errors import InputError
from ...theory.statements.registry import section_of
from ...theory.validate import texts
from .claim import Claim, Expectation

__all__ = ["Claim", "Expectation", "claims", "select"]
GROUPS = ("regimes", "norms", "generalisation", "varied", "diagonal")  # modules beside this one


def claims() -> dict[str, Claim]:
    """Every claim by its id."""
    found = [claim for group in GROUPS for claim in import_module(f".{group}", __package__).CLAIMS]
    return {claim.id: claim for claim in found}


def select(known: Mapping[str, Claim], only: str | Sequence[str] | None = None) -> list[str]:
    """The ids that ``only`` names, each an id or a section such as "REG", in the order of ``known``; all for None.

    Raises:
        InputError: a name that is neither, with the one that may have been meant.
    """
    if only is None:
        return list(known)
    chosen: set[str] = set()
    for name in [only] if isinstance(only, str) else texts("only", only):
        found = [id for id in known if name.casefold() in (id.casefold(), section_of(id).casefold())]
        if not found:
            near = get_close_matches(name.upper(), known, 1)
            sections = ", ".join(dict.fromkeys(map(section_of, known)))
            meant = f"did you mean {near[0]}?" if near else f"use an id such as REG-1, or one of {sections}"
            raise InputError(f"unknown claim {name!r}: {meant}")
        chosen.update(found)
    return [id for id in known if id in chosen]
