"""From one symbolic line to the dynamics of gradient descent and gradient flow."""

from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from . import source as law
from .characteristic import characteristic_flow, start_symbols
from .errors import NoClosedForm
from .invariants import Invariant, find_invariants
from .loss import Loss, parse_loss, squared
from .mirror import MirrorMap, mirror_map, potential
from .parameterization import Parameterization, require_model
from .update_rule import UpdateRule, gradient_descent

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
        return sp.Matrix([sp.diff(self.effective, w) for w in self.model.weights])

    @cached_property
    def gradient(self) -> sp.Matrix:
        """``dL / d theta_p = (d beta / d theta_p) g``, shape (m, 1)."""
        return self.jacobian * GRADIENT_BETA

    @cached_property
    def hessian(self) -> sp.Matrix:
        """Hessian between coordinate i and coordinate j, shape (m, m).

        ``H_pq = (d beta_i/d theta_pi) A_ij (d beta_j/d theta_qj)
        + delta_ij g_i d2 beta_i/(d theta_pi d theta_qi)`` with ``A = X^T diag(l'') X / n``.
        """
        at_i = {w: sp.Symbol(f"{w.name}_i", real=True) for w in self.model.weights}
        at_j = {w: sp.Symbol(f"{w.name}_j", real=True) for w in self.model.weights}
        entry, g = sp.Symbol("A_ij", real=True), sp.Symbol("g_i", real=True)
        same = sp.KroneckerDelta(*sp.symbols("i j", integer=True))
        second = sp.hessian(self.effective, self.model.weights)
        return self.jacobian.subs(at_i) * entry * self.jacobian.subs(at_j).T + same * g * second.subs(at_i)

    @cached_property
    def tangent(self) -> sp.Expr:
        """The tangent kernel of the coordinate, ``k = sum_p (d beta / d theta_p)^2``."""
        return sp.simplify(sum(slope**2 for slope in self.jacobian))

    @cached_property
    def sharpness(self) -> sp.Expr:
        """Largest Hessian eigenvalue at an interpolator: ``lambda_max(X diag(k) X^T / n)`` for squared loss.

        For one sample this is ``sum_i k_i x_i^2``, the sum returned here.
        """
        i, d = sp.symbols("i d", integer=True, positive=True)
        x = sp.IndexedBase("x")
        at_i = {w: sp.IndexedBase(w.name)[i] for w in self.model.weights}
        return sp.Sum(self.tangent.subs(at_i) * x[i] ** 2, (i, 1, d))

    @cached_property
    def gd_map(self) -> dict[sp.Symbol, sp.Expr]:
        """Each weight's value after one step at learning rate ``lr``."""
        return law.gd_map(self.model, self.rule)

    @cached_property
    def invariants(self) -> tuple[Invariant, ...]:
        """Quantities that gradient flow conserves, each with the residual that proves it."""
        return find_invariants(self.effective, self.model.weights)

    def after_step(self, invariant: Invariant) -> sp.Expr:
        """The invariant after one step of gradient descent: how a finite step breaks it."""
        return sp.factor(sp.simplify(invariant.expression.subs(self.gd_map, simultaneous=True)))

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

    def source(self, target: str = "numba") -> str:
        """The generated text of the law, exactly as the kernels run it; raises InputError."""
        return law.law_source(self.model, self.loss, self.rule, target)

    def chain(self) -> list[tuple[str, sp.Expr | dict | str]]:
        """The derivation in reading order: (title, formula), or a sentence where no closed form exists."""
        start = ", ".join(
            f"{w}(0) = {sp.sstr(value)}" for w, value in zip(self.model.weights, self.model.start, strict=True)
        )
        steps: list[tuple[str, sp.Expr | dict | str]] = [
            ("effective coefficient beta", self.effective),
            ("start", start),
            ("loss of one sample", self.loss.value),
            ("gradient dL/dtheta, g = dL/dbeta", self.gradient),
            ("one step of " + self.rule.name.replace("_", " "), self.gd_map),
            ("Hessian between coordinates i and j", self.hessian),
            ("tangent k", self.tangent),
            ("sharpness at an interpolator of one sample", self.sharpness),
        ]
        for j, invariant in enumerate(self.invariants, 1):
            steps.append((f"invariant c{j} of gradient flow", invariant.expression))
            steps.append((f"c{j} after one step", self.after_step(invariant)))
        for title, name in (
            ("gradient flow in the clock s", "flow"),
            ("coefficient in the clock s", "flow_effective"),
            ("mirror curvature psi''(beta)", "mirror_curvature"),
            ("mirror potential psi(beta)", "potential"),
        ):
            try:
                steps.append((title, getattr(self, name)))
            except NoClosedForm as refusal:
                steps.append((title, str(refusal)))
        return steps

    def latex(self) -> str:
        """The derivation as LaTeX, one display for each step."""
        lines = []
        for title, formula in self.chain():
            lines.append(rf"\paragraph{{{title}}}")
            if isinstance(formula, str):
                lines.append(formula.replace("_", r"\_"))
            elif isinstance(formula, dict):
                rows = r" \\ ".join(f"{sp.latex(w)} &= {sp.latex(value)}" for w, value in formula.items())
                lines.append(rf"\begin{{align*}} {rows} \end{{align*}}")
            else:
                lines.append(rf"\[ {sp.latex(formula)} \]")
        return "\n".join(lines)


def derive(model: Parameterization, loss: Loss | str = squared, rule: UpdateRule = gradient_descent) -> Dynamics:
    """Derive gradient, Hessian, GD map, invariants, mirror map, flow and kernel source of a model.

    Raises:
        InputError: no model, or an unknown loss. Properties without a closed form raise NoClosedForm by name.
    """
    return Dynamics(require_model(model), parse_loss(loss) if isinstance(loss, str) else loss, rule)


__all__ = ["Dynamics", "derive", "start_symbols"]
