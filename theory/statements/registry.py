"""The living catalogue: every statement by its id, the built-in ones and a user's own."""

from collections.abc import Callable, Mapping
from importlib import import_module

import sympy as sp

from ..errors import InputError
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
    "maps",
    "flow_sharpness",
    "backward",
    "deep_linear",
    "extensions",
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
