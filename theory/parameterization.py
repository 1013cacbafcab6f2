"""A parameterization: how the weights of one coordinate make the predictor's coefficient."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np
import sympy as sp

from .errors import InputError
from .expression import read_expression
from .validate import LARGEST, real, real_array, shown

ALPHA = sp.Symbol("alpha", real=True)
RESERVED = frozenset({"alpha", "beta", "lr", "g", "s", "f", "x", "y", "xp", "np", "momentum", "weight_decay"})
RESERVED_FORMS = re.compile(r"_.*|c\d+|.*_(0|i|j|ij)")  # invariants, starts and coordinates of derived formulas


@dataclass(frozen=True, repr=False)
class Parameterization:
    """One coordinate's coefficient ``beta_i = effective(theta_1i, ..., theta_mi)``.

    Attributes:
        name: text that :func:`gdbias.theory.parse` reads back.
        weights: the m weight symbols.
        effective: a polynomial in the weights.
        start: each weight's initial value, in terms of ``alpha`` (the ``init_scale``).

    Raises:
        InputError: no weights, a reserved name, a start of the wrong length or in other symbols.
    """

    name: str
    weights: tuple[sp.Symbol, ...]
    effective: sp.Expr
    start: tuple[sp.Expr, ...]

    def __post_init__(self):
        if not self.weights or not self.effective.is_polynomial(*self.weights):
            raise InputError(f"{self.name}: the effective coefficient must be a polynomial in its weights")
        unused = [w.name for w in self.weights if not self.effective.has(w)]
        if unused:
            raise InputError(f"{self.name}: weight {unused[0]!r} cancels from the coefficient: leave it out")
        taken = [w.name for w in self.weights if w.name in RESERVED or RESERVED_FORMS.fullmatch(w.name)]
        if taken:
            raise InputError(
                f"{self.name}: weight name {taken[0]!r} is reserved ({', '.join(sorted(RESERVED))}; c1, c2 "
                "and so on; names with a leading underscore or ending in _0, _i, _j): choose another"
            )
        if len(self.start) != len(self.weights):
            raise InputError(
                f"{self.name}: start has {len(self.start)} values for {len(self.weights)} weights "
                f"({', '.join(w.name for w in self.weights)}): give one for each"
            )
        strange = set().union(*(sp.sympify(x).free_symbols for x in self.start)) - {ALPHA}
        if strange:
            raise InputError(f"{self.name}: start may only use alpha, not {min(map(str, strange))}")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Parameterization({self.name}: {self.effective})"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle \beta = {sp.latex(self.effective)}$"

    @cached_property
    def degree(self) -> int | None:
        """The L for which ``effective`` is L-homogeneous, or None."""
        degrees = {sum(m) for m in sp.Poly(self.effective, *self.weights).monoms()}
        return degrees.pop() if len(degrees) == 1 else None

    @cached_property
    def separable(self) -> bool:
        """Whether ``effective`` is a sum of terms in one weight each, so that no weight enters the slope of another."""
        return all(sp.diff(self.effective, a, b) == 0 for a, b in combinations(self.weights, 2))

    def theta0(self, init_scale: float, d: int) -> np.ndarray:
        """The standard start, an array of shape (weight, feature).

        Raises:
            InputError: an init_scale that is not finite and positive, or a start that is not finite.
        """
        scale = real("init_scale", init_scale, above=0, hint="use for example 0.1")
        values = _start(self.start, scale)
        for weight, value in zip(self.weights, values, strict=True):
            if not abs(value) <= self._largest:
                raise InputError(
                    f"init_scale = {scale:g} starts {weight} of {self.name} at {value:g}, above {self._largest:g}, the "
                    "most of which floats hold the coefficients: use a smaller one"
                )
        return np.repeat(np.array(values)[:, None], d, axis=1)

    def check_theta(self, theta0, d: int) -> np.ndarray:
        """A user's own start as a float array (weight, feature).

        Raises:
            InputError: another shape, or entries that are not finite.
        """
        theta = real_array("theta0", theta0, "give one row for each weight")
        if theta.shape != (len(self.weights), d):
            names = ", ".join(w.name for w in self.weights)
            raise InputError(
                f"theta0 has shape {theta.shape}, expected ({len(self.weights)}, {d}): "
                f"one row for each weight ({names}), one column for each feature"
            )
        if not (np.abs(theta) <= self._largest).all():
            place = tuple(int(i) for i in np.argwhere(~(np.abs(theta) <= self._largest))[0])
            raise InputError(
                f"theta0{list(place)} = {theta[place]} is not a number up to {self._largest:g}, the most of which "
                "floats hold the coefficients: replace it"
            )
        return theta

    @cached_property
    def _largest(self) -> float:
        """The size of a weight at which coefficients are of size 1e100."""
        return LARGEST ** (1 / sp.Poly(self.effective, *self.weights).total_degree())


@lru_cache(maxsize=4096)
def _start(start: tuple[sp.Expr, ...], scale: float) -> list[float]:
    return [float(sp.sympify(x).subs(ALPHA, scale)) for x in start]


def require_model(model: Parameterization) -> Parameterization:
    """The model itself; raises InputError for anything else, such as the name of one."""
    if not isinstance(model, Parameterization):
        parsed = f"theory.parse({model!r})" if isinstance(model, str) else "for example theory.power(2)"
        raise InputError(f"model = {shown(model)} is not a Parameterization: use {parsed}")
    return model


def custom(
    effective: str,
    start: Mapping[str, str | float] | Sequence[str | float] | None = None,
) -> Parameterization:
    """A user's own parameterization, ``beta = effective``, from text such as ``"u*v - w**2"``.

    ``start`` gives each weight's initial value, a number or an expression in ``alpha``, by name or in
    order of appearance; without it every weight starts at ``alpha``.

    Raises:
        InputError: text outside the whitelist (names, numbers, ``+ - *`` and whole ``**``), no weight
            in it, a reserved name, or a start that does not match the weights.
    """
    expression, weights = read_expression(effective)
    names = [w.name for w in weights]
    if start is not None and (isinstance(start, str) or not isinstance(start, Mapping | Sequence | np.ndarray)):
        raise InputError(f"start = {shown(start)} must map weights to values, or list them: use for example {{'w': 0}}")
    if isinstance(start, Mapping):
        unknown = sorted(set(map(str, start)) - set(names))
        if unknown:
            raise InputError(f"start names {unknown[0]!r}, but {effective!r} has weights {', '.join(names)}")
        start = [start.get(name, "alpha") for name in names]
    values = ["alpha"] * len(names) if start is None else [" ".join(str(value).split()) for value in start]
    exprs = tuple(read_expression(value)[0].subs(sp.Symbol("alpha", real=True), ALPHA) for value in values)
    text = " ".join(effective.split())
    if any(value != "alpha" for value in values):
        text += "; " + ", ".join(f"{n}={v}" for n, v in zip(names, values, strict=False))
    model = Parameterization(f"custom({text})", weights, expression, exprs)
    for name in _at_rest(model):
        warnings.warn(
            f"{model.name}: weight {name!r} starts at 0 and its gradient is 0 there: it never moves, start it above",
            stacklevel=2,
        )
    return model


def _at_rest(model: Parameterization) -> list[str]:
    """The weights that stay at 0: all of them that start there and whose gradient vanishes while the others are 0."""
    rest = [w for w, start in zip(model.weights, model.start, strict=True) if start == 0]
    while moving := [w for w in rest if sp.expand(model.effective.diff(w).subs(dict.fromkeys(rest, 0))) != 0]:
        rest = [w for w in rest if w not in moving]
    return [w.name for w in rest]
