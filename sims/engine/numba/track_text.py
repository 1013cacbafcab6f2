"""The lines of a kernel that look at the sharpness along the path: one shifted power step of the Hessian."""

from ....theory.parameterization import Parameterization
from ..runs import NUDGE
from .rule_text import block, unpack, weight_lines

# H v + shift v + nudge noise, with H + shift >= 0.
_TRACK = """
if tracked:
    {pull}
    shift, rayleigh, square = load(zero, 0), load(zero, 0), load(zero, 0)
    for j in range(d):
        {read}
        {seconds} = curvature({weights})
        g = {gradient}
        {gershgorin}
    nudge = {nudge} * larger(larger(shift, load(top, 0)), 1e-100)
    for j in range(d):
        {read}
        {read_v}
        {slopes} = jacobian({weights})
        {seconds} = curvature({weights})
        g, pulled = {gradient}, {pulled}
        {products}
        rayleigh = rayleigh + {dot}
        {shifted}
        square = square + {norm}
    store(top, 0, larger(load(top, 0), rayleigh))
    inverse = less(0.0, square) / xp.sqrt(square + (1.0 - less(0.0, square)))
    for j in range(m * D):
        store(V, j, load(V, j) * inverse)
"""

# X^T A X J v of its direction, and dL/dbeta; of one sample each is a multiple of that sample.
_PULL = """
for j in range(d):
    {read}
    {read_v}
    {slopes} = jacobian({weights})
    store(M, j, {moved})
matmul(X, M, Q, X_first, X_last)
for i in range(n):
    store(Q, i, load(Q, i) * load(C, i))
matmul(XT, Q, M, XT_first, XT_last)
matmul(XT, R, B, XT_first, XT_last)
"""
_PULL_ONE = """
shadow, slope = load(zero, 0), load(R, 0)
for j in range(d):
    {read}
    {read_v}
    {slopes} = jacobian({weights})
    shadow = fma(X[0, j], {moved}, shadow)
shadow = shadow * load(C, 0)
"""


def track_lines(model: Parameterization, one_sample: bool) -> str:
    """The power step for a model, which leaves dL/dbeta in B but of one sample."""
    m = len(model.weights)
    pairs = [(p, q) for p in range(m) for q in range(p, m)]
    second = {frozenset((p, q)): f"h{p}{q}" for p, q in pairs}

    def row(p: int, term: str) -> str:
        return " + ".join(term.format(h=second[frozenset((p, q))], q=q) for q in range(m))

    shared = dict(
        **weight_lines(m),
        read_v="; ".join(f"v{p} = load(V, {p} * D + j)" for p in range(m)),
        moved=" + ".join(f"j{p} * v{p}" for p in range(m)),
    )
    return _TRACK.format(
        **shared,
        nudge=NUDGE,
        m=m,
        pull=block((_PULL_ONE if one_sample else _PULL).format(**shared), 4),
        gradient="X[0, j] * slope" if one_sample else "load(B, j)",
        pulled="X[0, j] * shadow" if one_sample else "load(M, j)",
        seconds=unpack([second[frozenset(pair)] for pair in pairs]),
        gershgorin="; ".join(f"shift = larger(shift, {row(p, 'size({h} * g)')})" for p in range(m)),
        products="; ".join(f"k{p} = j{p} * pulled + g * ({row(p, '{h} * v{q}')})" for p in range(m)),
        dot=" + ".join(f"v{p} * k{p}" for p in range(m)),
        shifted="; ".join(
            f"k{p} = k{p} + shift * v{p} + nudge * noise[{p}, j]; store(V, {p} * D + j, k{p})" for p in range(m)
        ),
        norm=" + ".join(f"k{p} * k{p}" for p in range(m)),
    )
