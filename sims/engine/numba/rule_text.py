"""The lines of a kernel that an update rule needs: constants, weight decay, draws, the schedule."""

import numpy as np

from ....theory.derivation.dynamics import Dynamics

# Convergence with weight decay, as array_program.decayed_calm says it.
_DECAY = """
matmul(XT, R, M, XT_first, XT_last)
none, slow = load(zero, 0), np.sqrt(tol) * weight_decay
square, norms, leaving = none, none, none
for j in range(d):
    {read}
    {slopes} = jacobian({weights})
    g = load(M, j)
    {pulls}
    {gradient}
    {rates}
    square = square + ({squares})
    norms = norms + ({norms})
    leaving = leaving + less(none, {growing}) * less(none, {excess})
balanced = less(square, tol * weight_decay * weight_decay * norms)
vanished = less(norms, tol)
objective = x + 0.5 * weight_decay * norms
"""

# Loss slopes of the samples drawn (selection sampling: Fan, Muller and Rezucha 1962), at noisy targets.
_DRAWN = """
for q in range(LANES):
    if run[q] >= 0:
        state[q], need[q] = stream(key[run[q]], t[0, q]), batch
for i in range(n):
    for q in range(LANES):
        if batch == n or uniform(state[q], 3 * i) * (n - i) < need[q]:
            target = y[i]
            if t[0, q] < noise_steps:
                target += label_noise * normal(state[q], 3 * i + 1)
            R[i, q] = loss_slope(F[i, q], target) * (n / batch) * scale
            need[q] -= 1.0
        else:
            R[i, q] = 0.0
"""

_SCHEDULED = """
for q in range(LANES):
    if run[q] >= 0:
        p, done = run[q], t[0, q] / schedule_steps
        rate[0, q] = schedule(first[p], lr[p], done) if done < 1.0 else lr[p]
"""

SETTINGS = ("settled", "schedule_steps", "batch", "label_noise", "noise_steps")


def settings(dynamics: Dynamics, n: int) -> np.ndarray:
    """The numbers of the rule as the kernel reads them, with as many samples as a batch holds."""
    rule = dynamics.rule
    noise_steps = 1e18 if rule.noise_steps is None else rule.noise_steps
    own = (rule.settled, rule.schedule.steps, rule.batch or n, rule.label_noise, noise_steps if rule.label_noise else 0)
    return np.array([*rule.parameters, *own], dtype=float)


def rule_lines(dynamics: Dynamics) -> dict[str, str]:
    """What the driver's text is filled with for the rule; for plain descent its test of convergence alone."""
    rule, m = dynamics.rule, len(dynamics.model.weights)
    parameters = [symbol.name for symbol in rule.step.parameters]
    decayed = dict(
        **weight_lines(m),
        pulls="; ".join(f"k{p} = j{p} * g" for p in range(m)),
        gradient="; ".join(f"s{p} = k{p} + weight_decay * x{p}" for p in range(m)),
        rates="; ".join(f"r{p} = s{p} + slow * x{p}" for p in range(m)),
        squares=" + ".join(f"s{p} * s{p}" for p in range(m)),
        norms=" + ".join(f"x{p} * x{p}" for p in range(m)),
        growing=" + ".join(
            f"less(r{p}, none) * (1 - less(x{p}, none)) + less(none, r{p}) * (1 - less(none, x{p}))" for p in range(m)
        ),
        excess=" + ".join(f"size(k{p}) - weight_decay * size(x{p})" for p in range(m)),
    )
    calm = "less(x, tol) * less(-tol, x)"
    if rule.weight_decay:
        calm = "less(leaving, 0.5) * (balanced + vanished - balanced * vanished)"
    settling = " * less(settled - 0.5, load(t, 0))" if rule.settled else ""
    constants = [f"{name} = parameters[{k}]" for k, name in enumerate([*parameters, *SETTINGS])]
    constants += ["F = np.zeros((N, LANES), number)", "state, need = np.zeros(LANES, dtype=np.uint64), np.zeros(LANES)"]
    return dict(
        constants=block("\n".join(constants), 4) if rule.settled or rule.stochastic or parameters else "",
        decay=block(_DECAY.format(**decayed), 12) if rule.weight_decay else "",
        objective="objective" if rule.weight_decay else "x",
        calm=calm + settling,
        drawn=block(_DRAWN, 8) if rule.stochastic else "",
        scheduled=block(_SCHEDULED, 8) if rule.schedule.steps else "",
    )


def weight_lines(m: int) -> dict[str, str]:
    """What the lines of a feature read of its m weights: their loads, their names, and those of the slopes."""
    return dict(
        read="; ".join(f"x{p} = load(T, {p} * D + j)" for p in range(m)),
        weights=", ".join(f"x{p}" for p in range(m)),
        slopes=unpack([f"j{p}" for p in range(m)]),
    )


def unpack(names: list[str]) -> str:
    """The names as the target of a tuple's values, which one name needs a comma for."""
    return ", ".join(names) + ("," if len(names) == 1 else "")


def block(text: str, indent: int) -> str:
    """The lines of a text, indented behind the first."""
    return ("\n" + " " * indent).join(text.strip("\n").splitlines())
