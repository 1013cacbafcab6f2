"""Where other update rules have their edge, and that runs stay there (section RULE)."""

import sympy as sp

from .registry import Proof, statement

LR, B, RHO = sp.symbols("lr b rho", real=True)
SHARPNESS, DECAY, NORM = sp.symbols("sharpness decay norm", positive=True)
ROOT = sp.Symbol("root")
LATE = "late in a run that never comes to rest, since its steps grow as gradients shrink"


def _characteristic(step: sp.Matrix) -> sp.Expr:
    """The characteristic polynomial at the root -1, where a linear map begins to flip signs."""
    return step.charpoly(ROOT).as_expr().subs(ROOT, -1)


def _nesterov_derived() -> Proof:
    """``theta <- y - lr S y`` with ``y = theta + b (theta - theta_before)``, along an eigenvector; the other root."""
    kept = 1 - LR * SHARPNESS
    step = sp.Matrix([[(1 + B) * kept, -B * kept], [1, 0]]).subs(LR, _nesterov()["lr_max"])
    yield _characteristic(step), 0
    yield -step.det(), B / (1 + 2 * B)  # below 1


@statement(
    "RULE-1", "Nesterov momentum b moves the edge of stability to lr S = (2 + 2 b) / (1 + 2 b), below that of descent.",
    kind="identity", source="Nesterov 1983; derived", tolerance=1e-10, proof=_nesterov_derived,
    families=("power(L)", "difference(L)", "product(L)"), conditions="0 <= b < 1, at a minimum; linear stability",
)  # fmt: skip
def _nesterov():
    return {"lr_max": (2 + 2 * B) / ((1 + 2 * B) * SHARPNESS)}


def _preconditioned_derived() -> Proof:
    """The averaged gradient and the weight along an eigenvector of ``P^-1 H``."""
    size = _preconditioned()["limit"]
    step = sp.Matrix([[1 - (1 - B) * size, -B], [(1 - B) * size, B]])
    yield _characteristic(step), 0
    yield step.det(), B  # both roots: -1 and -b


@statement(
    "RULE-2", "Adam with its divisors held is stable up to lambda_max(P^-1 H) = (2 + 2 b) / (1 - b) with P of size "
    "1 / lr, and RMSProp, whose b is 0, up to 2.",
    kind="identity", source="2207.14484; 2410.24206", tolerance=1e-9, proof=_preconditioned_derived,
    families=("power(L)", "difference(L)", "product(L)"),
    conditions="0 <= b < 1, linear stability at a minimum, where the divisors of runs are eps alone",
)  # fmt: skip
def _preconditioned():
    return {"limit": (2 + 2 * B) / (1 - B)}


def _decayed_derived() -> Proof:
    total = _decayed()["sharpness_max"] + DECAY
    yield _characteristic(sp.Matrix([[1 + B - LR * total, -B], [1, 0]])), 0


@statement(
    "RULE-3", "Weight decay lowers the sharpness of a stable minimum to (2 + 2 b) / lr - decay.",
    kind="identity", source="derived", tolerance=1e-9, proof=_decayed_derived, families=("difference(2)", "product(2)"),
    conditions="at a minimum of L + decay |theta|^2 / 2; linear stability",
)  # fmt: skip
def _decayed():
    return {"sharpness_max": (2 + 2 * B) / LR - DECAY}


def _decrease_derived() -> Proof:
    """Along v of norm 1 with ``g . v = norm``, a quadratic whose curvature ``v' H v`` is at most the sharpness."""
    length = LR * NORM
    yield length * NORM - length**2 * SHARPNESS / 2, _decrease()["decrease"]


@statement(
    "RULE-4", "A step of steepest descent in any norm lowers a quadratic loss by at least lr |g|*^2 (1 - lr S / 2), "
    "where S = max v' H v over v of norm 1: in each norm the edge is at S = 2 / lr.",
    kind="proved", source="2603.05002", tolerance=1e-9, proof=_decrease_derived, families=("power(1)",),
    conditions="steps of length lr |g|*, the dual norm, along the v of norm 1 that g falls along fastest: l1, l2 and "
    "l-infinity, whose v are a coordinate, the gradient and its signs",
)  # fmt: skip
def _decrease():
    return {"decrease": LR * NORM**2 * (1 - LR * SHARPNESS / 2)}


def _swing_derived() -> Proof:
    """The points ``x`` and ``x - lr`` of a cycle along an eigenvector, on both sides of the minimum."""
    x = sp.Symbol("x", positive=True)
    yield SHARPNESS * x + SHARPNESS * (LR - x), _swing()["gradients"]


@statement(
    "RULE-5", "Normalized descent on a quadratic ends on a cycle of two along the top eigenvector: the gradients at "
    "its points add up to lr S, as if the mean step were 2 / S.",
    kind="proved", source="2205.09745", tolerance=1e-6, proof=_swing_derived, families=("power(1)",),
    conditions="one largest eigenvalue; generic starts",
)  # fmt: skip
def _swing():
    return {"gradients": LR * SHARPNESS}


def _bounce_derived() -> Proof:
    x = _bounce()["distance"]
    yield x - LR * SHARPNESS * (x + RHO), -x


@statement(
    "RULE-6", "Sharpness-aware minimization bounces across a minimum: on a quadratic it ends on a cycle of two, "
    "lr S rho / (2 - lr S) away along the top eigenvector.",
    kind="proved", source="2210.01513", tolerance=1e-6, proof=_bounce_derived, families=("power(1)",),
    conditions="lr S < 2, one largest eigenvalue; generic starts",
)  # fmt: skip
def _bounce():
    return {"distance": LR * SHARPNESS * RHO / (2 - LR * SHARPNESS)}


@statement(
    "RULE-7", "RMSProp with one divisor for all weights takes steps of 2 / S, whatever its learning rate.",
    kind="empirical", source="2410.24206", tolerance=0.01, families=("difference(2)",), conditions=LATE,
    reason="a median over steps of a state that oscillates",
)  # fmt: skip
def _scalar_plateau():
    return {"step": 2 / SHARPNESS}


@statement(
    "RULE-8", "RMSProp and Adam stay at the edges of their preconditioned sharpness, 2 and (2 + 2 b) / (1 - b).",
    kind="empirical", source="2207.14484; 2410.24206", tolerance=0.1, families=("difference(2)",),
    conditions=f"{LATE}: with beta2 = 0.99; divisors of 0.999 outlast the gradients of small steps, whose runs come to "
    "rest elsewhere",
    reason="the medians of runs scatter: RMSProp from 1 to 1.16, Adam from 0.93 to 0.98 of the edge",
)  # fmt: skip
def _plateaus():
    return {"rmsprop": sp.Integer(2), "adam": (2 + 2 * B) / (1 - B)}


@statement(
    "RULE-9", "Where descent comes to rest, no eigenvalue is below 0 or above 2 / lr, and the upper bound is met.",
    kind="proved", source="2510.09034", tolerance=5e-2, families=("power(L)", "difference(L)", "product(L)"),
    conditions="almost every start and learning rate",
    reason="the largest of finitely many runs is a little below the bound",
)  # fmt: skip
def _limits():
    return {"largest": 2 / LR}


@statement(
    "RULE-10", "On the scalar product u v with target 1 runs that stay bounded end at the least sharpness there is, 2, "
    "whatever the learning rate, and at the edge only as that comes near 1, where almost all do.",
    kind="empirical", source="2510.09034; one-dimensional experiments of 2026", tolerance=0.05,
    families=("product(2)",), conditions="a grid of 141 x 141 starts in u^2 + v^2 <= 9; 0.8 <= lr < 1; late steps",
    reason="medians over starts",
)  # fmt: skip
def _plane():
    """The median final sharpness, and the share of runs with ``|lr S - 2| < 0.1`` for lr from 0.95."""
    return {"sharpness": sp.Integer(2), "share": sp.Integer(1)}
