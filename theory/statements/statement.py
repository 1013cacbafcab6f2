"""A statement of the theory as data: what is claimed, by which formula, under which conditions, on whose word."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial

import sympy as sp

from ..errors import InputError
from ..validate import real
from .formula import Formulas


class Kind(StrEnum):
    """What a statement is worth: it decides which errors are allowed."""

    IDENTITY = "identity"  # algebra: every error within rounding
    PROVED = "proved"  # a theorem under its conditions: every error within the tolerance
    EMPIRICAL = "empirical"  # a law that was measured: the median error within the tolerance


Proof = Iterable[tuple[sp.Expr, sp.Expr]]


@dataclass(frozen=True)
class Statement:
    """A claim with its formulas. Whether it holds is never stored: :func:`gdbias.sims.verify` computes it.

    Attributes:
        id: short name, such as "GF-2".
        claim: one line.
        formulas: makes {name: SymPy expression}, when first needed.
        kind: see :class:`Kind`.
        source: arXiv id, or "derived".
        tolerance: the largest error, relative unless the claim says otherwise; of the median for empirical laws.
        conditions: under which it holds, in words.
        families: the parameterizations that it covers.
        depends: ids of the statements whose formulas its check uses.
        reason: why the tolerance is looser than what its kind asks for.
        proof: makes pairs of expressions that must be equal, such as a typed formula and the derived one.
    """

    id: str
    claim: str
    formulas: Callable[[], Mapping[str, sp.Expr]]
    kind: Kind | str
    source: str
    tolerance: float
    conditions: str = ""
    families: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    reason: str = ""
    proof: Callable[[], Proof] | None = None

    def __post_init__(self):
        for name in ("id", "claim", "source"):
            if not str(getattr(self, name)).strip():
                raise InputError(f"a statement needs its {name}: give one line of text")
        object.__setattr__(self, "kind", _kind(self.kind))
        object.__setattr__(self, "tolerance", real("tolerance", self.tolerance, above=0, hint="use for example 1e-10"))

    def resolve(self, registry: "Mapping[str, Statement]") -> Formulas:
        """The formulas, with those of the statements it depends on behind ``of``.

        Raises:
            InputError: a dependency that the registry does not have.
        """
        for other in self.depends:
            if other not in registry:
                raise InputError(f"{self.id} depends on {other}, which is not in the registry: add it")
        others = {other: cache(partial(registry[other].resolve, registry)) for other in self.depends}
        return Formulas(self.id, self.formulas(), others)

    def _repr_latex_(self) -> str:
        lines = r" \\ ".join(formula.latex() for formula in Formulas(self.id, self.formulas()))
        return rf"$\displaystyle \begin{{gathered}} {lines} \end{{gathered}}$"


def unproved(statement: Statement) -> list[tuple[sp.Expr, sp.Expr]]:
    """The pairs of the proof that SymPy cannot show to be equal; none where there is no proof."""
    pairs = statement.proof() if statement.proof else ()
    return [(left, right) for left, right in pairs if not _equal(sp.sympify(left), sp.sympify(right))]


def _equal(left: sp.Expr, right: sp.Expr) -> bool:
    difference = left - right
    return difference == 0 or sp.expand(difference) == 0 or sp.simplify(difference) == 0


def _kind(given: str) -> Kind:
    try:
        return Kind(given)
    except ValueError:
        raise InputError(f"unknown kind {given!r}: use one of {', '.join(Kind)}") from None
