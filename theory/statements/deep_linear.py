"""Deep linear networks: modes, balancedness, sharpness at minima (section DEEP)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import product
from .registry import Proof, statement

COVERED = ("linear_network",)
LR, B, ABOVE, BELOW, WEIGHT, OTHERS, U, KAPPA = sp.symbols("lr B above below w others u kappa", real=True)
L, LAYER, S, LEFT, RIGHT, T, A0 = sp.symbols("L l s s_i s_j t a0", positive=True)


def _balancedness_derived() -> Proof:
    """Two layers of width 2: what one step makes of W_2^T W_2 - W_1 W_1^T, of first and second order in lr."""
    first, target = (sp.Matrix(sp.symbols(f"{name}:2", real=True)) for name in ("p", "r"))
    second = sp.Matrix(2, 2, sp.symbols("q:4", real=True))
    error = second * first - target
    slopes = (second.T * error, error * first.T)
    before = second.T * second - first * first.T
    one, two = first - LR * slopes[0], second - LR * slopes[1]
    after, (above, below) = two.T * two - one * one.T, (slopes[1].T * slopes[1], slopes[0] * slopes[0].T)
    typed = _balancedness()
    for i in range(4):
        yield typed["B_next"].subs({B: before[i], ABOVE: above[i], BELOW: below[i]}), after[i]
        yield sp.diff(typed["B_flow"].subs(B, sp.expand(after[i])), LR).subs(LR, 0), 0


@statement(
    "DEEP-1", "Gradient flow conserves W_(l+1)^T W_(l+1) - W_l W_l^T; one step adds lr^2 times the same of gradients.",
    kind="identity", source="1802.06509", tolerance=1e-10, families=COVERED, proof=_balancedness_derived,
    conditions="any shapes and learning rate",
)  # fmt: skip
def _balancedness():
    """Entry by entry: ``above`` of grad_(l+1)^T grad_(l+1), ``below`` of grad_l grad_l^T."""
    return {"B_next": B + LR**2 * (ABOVE - BELOW), "B_flow": B}


def _mode_path_derived() -> Proof:
    """It starts at a0 and moves as the coefficient of a balanced chain of two."""
    strength, chain = _mode_path()["strength"], derive(product(2))
    balanced = {weight: sp.sqrt(strength) for weight in chain.model.weights}
    yield strength.subs(T, 0), A0
    yield sp.diff(strength, T), -chain.tangent.subs(balanced) * (strength - S)


@statement(
    "DEEP-2", "Along gradient flow of two layers every singular mode rises on a sigmoid of its own rate 2 s.",
    kind="identity", source="1312.6120", tolerance=1e-10, families=COVERED, proof=_mode_path_derived,
    conditions="depth 2, balanced start aligned with the target's singular vectors",
)  # fmt: skip
def _mode_path():
    return {"strength": S / (1 + (S / A0 - 1) * sp.exp(-2 * S * T))}


def _chains_derived() -> Proof:
    typed = _chains()
    u = sp.Symbol("u", positive=True)
    for depth in (2, 3, 4):
        steps = derive(product(depth))
        first, *rest = steps.model.weights
        whole = sp.prod(steps.model.weights)
        chain = steps.gd_map[first].subs(GRADIENT_BETA, whole - S)
        yield typed["w_next"].subs({WEIGHT: first, OTHERS: sp.prod(rest)}), chain
        balanced = sp.expand(chain.subs({weight: u * S ** sp.Rational(1, depth) for weight in steps.model.weights}))
        reduced = typed["u_next"].subs({U: u, L: depth}).subs(KAPPA, typed["kappa"].subs(L, depth))
        yield reduced, balanced / S ** sp.Rational(1, depth)
        yield typed["multiplier"].subs(L, depth), sp.diff(balanced, u).subs(u, 1) / S ** sp.Rational(1, depth)
    # Two weights r, of strength r^2: the two ends of the cycle map to one another, and its multiplier is -1 at the end.
    lr = sp.Symbol("lr", positive=True)
    ends = [sp.sqrt(1 + 3 / lr) / 2 + sign * sp.sqrt(1 - 1 / lr) / 2 for sign in (1, -1)]
    for end, other, name in zip(ends, ends[::-1], ("cycle_high", "cycle_low"), strict=True):
        yield typed[name].subs({S: 1, LR: lr}), end**2
        yield sp.expand(end - lr * (end**2 - 1) * end), other
    slope = sp.prod([1 - lr * (3 * end**2 - 1) for end in ends])
    yield sp.expand(slope).subs(lr, typed["cycle_end"].subs(S, 1)), -1


@statement(
    "DEEP-3", "Started along the target's singular vectors, each mode descends as a chain of scalars, at any learning "
    "rate; a balanced one oscillates above lr L s^(2 - 2/L) = 2.",
    kind="identity", source="derived; compare 2502.20531", tolerance=1e-10, families=COVERED, proof=_chains_derived,
    conditions="layers aligned with the singular vectors; balanced for the multiplier; depth 2 for the 2-cycle, which "
    "is stable for 1 < lr s < sqrt(5) - 1",
)  # fmt: skip
def _chains():
    """One weight of a mode; ``others`` is the product of the mode's other weights, ``u = w / s^(1/L)``."""
    return {
        "w_next": WEIGHT - LR * OTHERS * (OTHERS * WEIGHT - S),
        "kappa": LR * S ** (2 - 2 / L),
        "u_next": U - KAPPA * (U**L - 1) * U ** (L - 1),
        "multiplier": 1 - L * LR * S ** (2 - 2 / L),  # of a small error in a balanced mode: -1 at the flip
        "cycle_high": S * (sp.sqrt(1 + 3 / (LR * S)) + sp.sqrt(1 - 1 / (LR * S))) ** 2 / 4,  # depth 2, 1 < lr s
        "cycle_low": S * (sp.sqrt(1 + 3 / (LR * S)) - sp.sqrt(1 - 1 / (LR * S))) ** 2 / 4,
        "cycle_end": (sp.sqrt(5) - 1) / S,
    }


def _spectrum_derived() -> Proof:
    """A pair of singular vectors (i, j) meets the entry (i, j) of every layer: a Hessian of rank one, J^T J."""
    a, b = sp.symbols("a b", positive=True)
    for depth in (2, 3, 4):
        moved = sp.symbols(f"e1:{depth + 1}")
        whole = sp.eye(2)
        for entry in moved:
            whole = sp.Matrix([[a, entry], [0, b]]) * whole
        still = dict.fromkeys(moved, 0)
        derived = sum(sp.diff(whole[0, 1], entry).subs(still) ** 2 for entry in moved)
        share = _spectrum()["share"].subs(L, depth).subs({LEFT: a**depth, RIGHT: b**depth})
        yield sum(share.subs(LAYER, layer) for layer in range(1, depth + 1)), derived
        chain = derive(product(depth))
        at_minimum = chain.tangent.subs(dict.fromkeys(chain.model.weights, S ** sp.Rational(1, depth)))
        yield _spectrum()["sharpness"].subs(L, depth), at_minimum


@statement(
    "DEEP-4", "At a balanced minimum the Hessian's eigenvalues are sums over the layers, one for each pair of "
    "singular vectors; the largest is L s_1^(2 - 2/L).",
    kind="identity", source="2002.04710", tolerance=1e-10, families=COVERED, proof=_spectrum_derived,
    conditions="balanced, zero error",
)  # fmt: skip
def _spectrum():
    """``share`` is what layer l adds to the eigenvalue of the pair (i, j)."""
    share = LEFT ** (2 * (L - LAYER) / L) * RIGHT ** (2 * (LAYER - 1) / L)
    return {"share": share, "sharpness": L * S ** (2 - 2 / L)}


@statement(
    "DEEP-5", "No factorization of the target is flatter than the balanced one.",
    kind="proved", source="2002.04710", tolerance=1e-10, families=COVERED, depends=("DEEP-4",),
    conditions="zero error; s is the largest singular value of the target",
)  # fmt: skip
def _flattest():
    return {"least": L * S ** (2 - 2 / L)}
