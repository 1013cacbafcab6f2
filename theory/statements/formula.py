"""A formula of a statement: a SymPy expression that is also a NumPy function of its symbols by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import sympy as sp
from scipy.special import ellipkinc, hyp2f1

from ..errors import InputError

# What lambdify cannot print; hyper is Gauss's 2F1 only.
SPECIAL = {"elliptic_f": ellipkinc, "hyper": lambda above, below, z: hyp2f1(*above, *below, z)}


@dataclass(frozen=True)
class Formula:
    """``value = expression``; called with its symbols by name, as numbers or arrays that broadcast."""

    name: str
    expression: sp.Expr

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted({s.name for s in self.expression.free_symbols}))

    def __call__(self, **values):
        """The value in double precision.

        Raises:
            InputError: a symbol without a value, or a value without a symbol.
        """
        if set(values) != set(self.symbols):
            raise InputError(f"{self.name} is a function of {', '.join(self.symbols)}, not of {', '.join(values)}")
        return _compiled(self.expression)(*(values[name] for name in self.symbols))

    def at(self, **values) -> sp.Expr:
        """The expression with some symbols replaced, by name."""
        return put(self.expression, **values)

    def latex(self) -> str:
        """``name = expression`` as LaTeX; lr is printed as eta."""
        names = {s: r"\eta" for s in self.expression.free_symbols if s.name == "lr"}
        left = sp.latex(sp.Symbol(self.name))
        return f"{left} = {sp.latex(self.expression, symbol_names=names)}"

    _repr_latex_ = lambda self: f"$\\displaystyle {self.latex()}$"  # noqa: E731


class Formulas:
    """The formulas of one statement, as attributes; ``of(id)`` gives those of a statement it depends on."""

    def __init__(
        self, owner: str, formulas: Mapping[str, sp.Expr], others: Mapping[str, Callable[[], "Formulas"]] | None = None
    ):
        self._owner, self._others = owner, others or {}
        self._formulas = {name: Formula(name, sp.sympify(value)) for name, value in formulas.items()}

    def __getattr__(self, name: str) -> Formula:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._formulas[name]
        except KeyError:
            raise InputError(f"{self._owner} has no formula {name!r}: use one of {', '.join(self._formulas)}") from None

    def __getitem__(self, name: str) -> Formula:
        return getattr(self, name)

    def __iter__(self):
        return iter(self._formulas.values())

    def of(self, statement: str) -> "Formulas":
        """The formulas of another statement.

        Raises:
            InputError: a statement that this one does not declare in ``depends``.
        """
        if statement not in self._others:
            raise InputError(f"{self._owner} does not declare that it depends on {statement}: add it to depends")
        return self._others[statement]()


def put(expression: sp.Expr, **values) -> sp.Expr:
    """The expression with symbols replaced by their names, whatever their assumptions."""
    places = {s: values[s.name] for s in expression.free_symbols if s.name in values}
    return expression.subs(places, simultaneous=True)


@lru_cache(maxsize=512)
def _compiled(expression: sp.Expr) -> Callable:
    arguments = sorted(expression.free_symbols, key=lambda s: s.name)
    return sp.lambdify(arguments, expression, [SPECIAL, "numpy", "scipy"], cse=True)
