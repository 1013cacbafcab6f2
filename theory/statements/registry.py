"""The living catalogue: every statement by its id, the built-in ones and a user's own."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module

import sympy as sp

from ..errors import InputError
from ..validate import texts
from .statement import Kind, Proof, Statement

SECTIONS = (
    "reductions",
    "algebra",
    "invariants",
    "flow",
    "finite_steps",
    "one_sample",
    "critical",
    "frontier",
    "edge",
    "endpoints",
    "maps",
    "flow_sharpness",
    "backward",
    "deep_linear",
    "deep_prediction",
    "extensions",
    "rule_edges",
    "rule_picks",
)  # modules beside this one, in reading order; their checks are in modules of the same names
_REGISTRY: dict[str, Statement] = {}

Make = Callable[[], Mapping[str, sp.Expr]]


def statement(
    id: str, claim: str, *, kind: Kind | str, source: str, tolerance: float, conditions: str = "",
    families: tuple[str, ...] = (), depends: tuple[str, ...] = (), reason: str = "",
    proof: Callable[[], Proof] | None = None,
) -> Callable[[Make], Make]:  # fmt: skip
    """Decorate the function that makes a statement's formulas: ``{name: SymPy expression}``.

    A name may be given again by the same function of the same module, as when a notebook cell is run again.

    Raises:
        InputError: an id that is taken, an unknown kind, a tolerance that is not positive.
    """

    def add(formulas: Make) -> Make:
        if not formulas.__module__.startswith(f"{__package__}."):
            statements()  # the catalogue comes first, so that an id that it has is refused here
        known = _REGISTRY.get(id)
        place = (formulas.__module__, formulas.__qualname__)
        if known is not None and (known.formulas.__module__, known.formulas.__qualname__) != place:
            raise InputError(f"the statement {id!r} exists ({known.claim}): choose another id")
        _REGISTRY[id] = Statement(
            id, claim, formulas, kind, source, tolerance, conditions,
            tuple(families), tuple(depends), reason, proof,
        )  # fmt: skip
        return formulas

    return add


def statements() -> dict[str, Statement]:
    """Every statement by its id, the catalogue first and in its order."""
    for section in SECTIONS:
        import_module(f".{section}", __package__)
    return dict(_REGISTRY)


def select(
    known: Mapping[str, object], only: str | Sequence[str] | None = None, called: str = "statement"
) -> list[str]:
    """The ids that ``only`` names, each an id or a section such as "GF", in the order of ``known``; all for None.

    An id is that of a statement, or of what it is ``called``.

    Raises:
        InputError: a name that is neither, with the one that may have been meant, or none at all.
    """
    if only is None:
        return list(known)
    names = [only] if isinstance(only, str) else texts("only", only)
    if not names:
        raise InputError(f"only = {only!r} chooses no {called}: name some, or give None for all")
    chosen: set[str] = set()
    for name in names:
        found = _named(known, name, str) or _named(known, name, str.casefold)
        if not found:
            raise InputError(f"unknown {called} {name!r}: {_meant(known, name)}")
        chosen.update(found)
    return [id for id in known if id in chosen]


def _named(known: Mapping[str, object], name: str, form: Callable[[str], str]) -> list[str]:
    return [id for id in known if form(name) in (form(id), form(section_of(id)))]


def section_of(id: str) -> str:
    """The section of an id, such as GF of GF-2."""
    return id.split("-")[0]


def _meant(known: Mapping[str, object], name: str) -> str:
    sections = dict.fromkeys(map(section_of, known))
    names = {name.casefold(): name for name in [*known, *sections]}
    for close in get_close_matches(name.casefold(), names, 1):
        return f"did you mean {names[close]}?"
    return f"use an id such as {next(iter(known))}, or one of the sections {', '.join(sections)}"
