"""From one symbolic line to the dynamics of gradient descent and gradient flow."""

from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from ..errors import NoClosedForm
from ..loss import Loss, parse_loss, squared
from ..parameterization import Parameterization, require_model
from ..rules.update_rule import UpdateRule, gradient_descent
from .characteristic import characteristic_flow, start_symbols
from .invariants import Invariant, find_invariants
from .law import Law, gd_map, law_of
from .mirror import MirrorMap, mirror_map, potential
from .separable import slope

SIMPLIFIED = 20  # degree up to which SymPy simplifies in a few seconds
READ = 16  # weights up to which a Hessian is written out for a reader
GRADIENT_BETA = sp.Symbol("g", real=True)


@dataclass(frozen=True)
class Dynamics:
    """What SymPy derives from a parameterization, a loss and an update rule. All in one coordinate i.

    ``g = dL/dbeta_i = (X^T l'(X beta, y) / n)_i`` stands for the data.
    """

    model: Parameterization
    loss: Loss = squared
    rule: UpdateRule = gradient_descent

    @property
    def effective(self) -> sp.Expr:
        """The coefficient beta as a polynomial of the weights."""
        return self.model.effective

    @cached_property
    def jacobian(self) -> sp.Matrix:
        """``d beta / d theta_p``, shape (m, 1)."""
        return sp.Matrix([slope(self.effective, w) for w in self.model.weights])

    @cached_property
    def gradient(self) -> sp.Matrix:
        """``dL / d theta_p = (d beta / d theta_p) g``, shape (m, 1)."""
        return self.jacobian * GRADIENT_BETA

    @cached_property
    def hessian(self) -> sp.Matrix:
        """Hessian between coordinate i and coordinate j, shape (m, m).

        ``H_pq = (d beta_i/d theta_pi) A_ij (d beta_j/d theta_qj) +
        delta_ij g_i d2 beta_i/(d theta_pi d theta_qi)`` with ``A = X^T diag(l'') X / n``.
        """
        at_i = {w: sp.Symbol(f"{w.name}_i", real=True) for w in self.model.weights}
        at_j = {w: sp.Symbol(f"{w.name}_j", real=True) for w in self.model.weights}
        entry, g = sp.Symbol("A_ij", real=True), sp.Symbol("g_i", real=True)
        same = sp.KroneckerDelta(*sp.symbols("i j", integer=True))
        second = sp.Matrix([[slope(first, w) for w in self.model.weights] for first in self.jacobian])
        return self.jacobian.xreplace(at_i) * entry * self.jacobian.xreplace(at_j).T + same * g * second.xreplace(at_i)

    @cached_property
    def tangent(self) -> sp.Expr:
        """The tangent kernel of the coordinate, ``k = sum_p (d beta / d theta_p)^2``."""
        squares = sp.Add(*(slope**2 for slope in self.jacobian))
        return sp.simplify(squares) if _degree(self.model) <= SIMPLIFIED else squares

    @cached_property
    def sharpness(self) -> sp.Expr:
        """Largest Hessian eigenvalue at an interpolator: ``lambda_max(X diag(k) X^T / n)`` for squared loss.

        For one sample this is ``sum_i k_i x_i^2``, the sum returned here.
        """
        i, d = sp.symbols("i d", integer=True, positive=True)
        x = sp.IndexedBase("x")
        at_i = {w: sp.IndexedBase(w.name)[i] for w in self.model.weights}
        return sp.Sum(self.tangent.xreplace(at_i) * x[i] ** 2, (i, 1, d))

    @cached_property
    def gd_map(self) -> dict[sp.Symbol, sp.Expr]:
        """Each weight's value after one step at learning rate ``lr``."""
        return gd_map(self.model, self.rule.step)

    @cached_property
    def invariants(self) -> tuple[Invariant, ...]:
        """Quantities that gradient flow conserves, each with the residual that proves it."""
        return find_invariants(self.effective, self.model.weights)

    def after_step(self, invariant: Invariant) -> sp.Expr:
        """The invariant after one step of gradient descent: how a finite step breaks it; as it is where it is large."""
        moved = invariant.expression.subs(self.gd_map, simultaneous=True)
        return sp.factor(sp.simplify(moved)) if self._simplified(invariant) else moved

    def _simplified(self, invariant: Invariant) -> bool:
        powers = [abs(power.exp) for power in invariant.expression.atoms(sp.Pow)]
        return max([1, *powers]) * (_degree(self.model) - 1) <= SIMPLIFIED

    def mirror(self, balanced: bool = False) -> MirrorMap:
        """The mirror map, at free invariants or at balanced weights; raises NoClosedForm."""
        return mirror_map(self.model, self.invariants, balanced)

    @cached_property
    def mirror_curvature(self) -> sp.Expr:
        """``psi''(beta) = 1 / k(beta)`` at the invariants c1, c2, ...; raises NoClosedForm."""
        return self.mirror().curvature

    @cached_property
    def potential(self) -> sp.Expr:
        """A mirror potential psi(beta), up to an affine function; raises NoClosedForm."""
        return potential(self.mirror(), self.model.name)

    @cached_property
    def flow(self) -> dict[sp.Symbol, sp.Expr]:
        """Gradient flow's weights as functions of the clock ``s = psi'(beta)``; raises NoClosedForm.

        Gradient flow ends where ``s = X^T nu`` for the dual vector nu with ``X beta(s) = y`` (2002.09277).
        """
        return dict(characteristic_flow(self.model))

    @cached_property
    def flow_effective(self) -> sp.Expr:
        """The coefficient ``beta(s)`` on the flow; raises NoClosedForm."""
        return sp.simplify(self.effective.subs(self.flow, simultaneous=True))

    @property
    def law(self) -> Law:
        """The elementwise functions that every backend runs."""
        return law_of(self.model, self.loss, self.rule.step, self.rule.schedule.shape)

    def source(self, target: str = "numba") -> str:
        """The generated text of the law, exactly as the kernels run it; raises InputError."""
        return self.law.python(target)

    def chain(self) -> list[tuple[str, sp.Expr | dict | str]]:
        """The derivation in reading order: (title, formula), or a sentence where no closed form exists."""
        steps: list[tuple[str, sp.Expr | dict | str]] = [
            ("effective coefficient beta", self.effective),
            ("start, alpha = init_scale", dict(zip(start_symbols(self.model), self.model.start, strict=True))),
            ("loss of one sample", self.loss.value),
            ("gradient dL/dtheta, g = dL/dbeta", self.gradient),
            ("one step of " + self.rule.step.name.replace("_", " "), self.gd_map),
            ("Hessian between coordinates i and j, A = X^T diag(l'') X / n, g_i = dL/dbeta_i", self._hessian_told()),
            ("tangent k = |grad beta|^2", self.tangent),
            ("sharpness at an interpolator of one sample x", self.sharpness),
        ]
        for j, invariant in enumerate(self.invariants, 1):
            steps.append((f"invariant c{j} of gradient flow", invariant.expression))
            after = self.after_step(invariant)
            told = _as_multiple(after, invariant.expression) if self._simplified(invariant) else after
            steps.append((f"c{j} after one step", told))
        for title, name in (
            ("gradient flow in the clock s, ds/dt = -g", "flow"),
            ("coefficient in the clock s", "flow_effective"),
            ("mirror curvature psi''(beta)", "mirror_curvature"),
            ("mirror potential psi(beta)", "potential"),
        ):
            try:
                steps.append((title, getattr(self, name)))
            except NoClosedForm as refusal:
                if (steps[-1][1]) != str(refusal):  # say it once
                    steps.append((title, str(refusal)))
        return steps

    def _hessian_told(self) -> sp.Matrix | str:
        m = len(self.model.weights)
        if m <= READ:
            return self.hessian
        return f"{m} x {m} entries, too many to read: theory.derive(theory.parse({self.model.name!r})).hessian has them"

    def latex(self) -> str:
        """The derivation as LaTeX (amsmath), one display for each step; lr is printed as eta."""
        names = {sp.Symbol("lr", real=True): r"\eta"}
        lines = []
        for title, formula in self.chain():
            lines.append(rf"\paragraph{{{_escaped(title)}}}")
            if isinstance(formula, str):
                lines.append(_escaped(formula))
            elif isinstance(formula, dict):
                rows = r" \\ ".join(
                    f"{sp.latex(w)} &= {sp.latex(value, symbol_names=names)}" for w, value in formula.items()
                )
                lines.append(rf"\begin{{align*}} {rows} \end{{align*}}")
            else:
                lines.append(rf"\[ {sp.latex(formula, symbol_names=names)} \]")
        return "\n".join(lines)

    def document(self) -> str:
        """The derivation as a LaTeX document that compiles by itself."""
        title = rf"Gradient descent on \texttt{{{_escaped(self.model.name)}}}, {self.loss.name} loss"
        return "\n".join((
            r"\documentclass{article}", r"\usepackage{amsmath,amssymb}", r"\begin{document}", rf"\section*{{{title}}}",
            self.latex(), r"\end{document}", "",
        ))  # fmt: skip

    def _repr_latex_(self) -> str:
        names = {sp.Symbol("lr", real=True): r"\eta"}
        rows = [
            rf"\text{{{_escaped(title)}}}:\quad & {sp.latex(formula, symbol_names=names)}"
            for title, formula in self.chain()
            if not isinstance(formula, str)
        ]
        return r"$\displaystyle \begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}$"


def derive(model: Parameterization, loss: Loss | str = squared, rule: UpdateRule = gradient_descent) -> Dynamics:
    """Derive gradient, Hessian, GD map, invariants, mirror map, flow and kernel source of a model.

    Raises:
        InputError: no model, or an unknown loss. Properties without a closed form raise NoClosedForm by name.
    """
    return Dynamics(require_model(model), parse_loss(loss), rule)


def _degree(model: Parameterization) -> int:
    return int(sp.Poly(model.effective, *model.weights).total_degree())


def _escaped(text: str) -> str:
    """Plain text for LaTeX."""
    special = {c: rf"\{c}" for c in "_&%$#{}"} | {"^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    return "".join(special.get(c, c) for c in text)


def _as_multiple(after: sp.Expr, before: sp.Expr) -> sp.Expr:
    """``before`` times what it is multiplied by, where that is a polynomial in lr and g."""
    factor = sp.cancel(after / before)
    return before * sp.expand(factor) if sp.denom(sp.together(factor)) == 1 else after


__all__ = ["Dynamics", "derive", "start_symbols"]
