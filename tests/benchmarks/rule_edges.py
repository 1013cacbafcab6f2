"""The edge of each update rule: predicted and measured at minima, approached in training, and what a step costs.

    python tests/benchmarks/rule_edges.py

Minima: 30 problems with random sizes and models; at a minimum of each, moved by 1e-7, the learning rate at which the
loss grows over 4,000 steps, looked for in steps of 0.025 %, beside 1 / sharpness_effective at learning rate 1. What
preconditioners keep is random there, and stays. Plateaus: sharpness_effective over the last third of 6,000 steps, or of
those before a run converged, on 5 problems.
"""

import time
import warnings
from dataclasses import replace

import numpy as np

from gdbias import sims, theory
from gdbias.sims.engine.backends import backend
from gdbias.sims.engine.job import Job
from gdbias.sims.measure.block import advance_block, begin_runs
from gdbias.sims.measure.effective import sharpness_effective
from gdbias.sims.measure.sharpness import sharpness_at
from gdbias.sims.options import Options
from gdbias.theory import UpdateRule
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.rules.steps import STEPS

PROBLEMS, LONG, SPACING, SIDE = 30, 4000, 2.5e-4, 8
STILL = 1 - 1e-9  # of a mean of squares that does not change while a run is watched
AT_MINIMA = {
    "gradient_descent": UpdateRule(),
    "heavy_ball 0.9": UpdateRule(momentum=0.9),
    "nesterov 0.5": UpdateRule(step="nesterov", momentum=0.5),
    "nesterov 0.9": UpdateRule(step="nesterov", momentum=0.9),
    "clipped_descent": UpdateRule(step="clipped_descent"),
    "normalized_descent": UpdateRule(step="normalized_descent", step_parameters=dict(eps=0.1)),
    "rmsprop": UpdateRule(step="rmsprop", step_parameters=dict(beta2=STILL)),
    "rmsprop_scalar": UpdateRule(step="rmsprop_scalar", step_parameters=dict(beta2=STILL)),
    "adam": UpdateRule(step="adam", step_parameters=dict(beta2=STILL)),
    "adamw": UpdateRule(step="adamw", step_parameters=dict(beta2=STILL, decay=0)),
}
PLATEAUS = {  # learning rates, relative to that at which a minimum near the start's flow is at the edge, or as they are
    "gradient_descent": (UpdateRule(noise_seed=1), (1.1, 1.2)),
    "heavy_ball 0.3": (UpdateRule(momentum=0.3), (1.05, 1.1)),
    "nesterov 0.3": (UpdateRule(step="nesterov", momentum=0.3), (1.05, 1.1)),
    "clipped_descent": (UpdateRule(step="clipped_descent"), (1.1, 1.2)),
    "polyak": (UpdateRule(step="polyak"), (2.0, 4.0)),
    "sam": (UpdateRule(step="sam", step_parameters=dict(rho=0.01)), (0.5, 1.0)),
    "sam_max": (UpdateRule(step="sam_max", step_parameters=dict(rho=0.003)), (0.5, 1.0)),
    "sign_descent": (UpdateRule(step="sign_descent"), (0.003, 0.01)),
    "normalized_descent": (UpdateRule(step="normalized_descent"), (0.01, 0.03)),
    "rmsprop": (UpdateRule(step="rmsprop"), (0.003, 0.01)),
    "rmsprop_scalar": (UpdateRule(step="rmsprop_scalar"), (0.03, 0.1)),
    "adam": (UpdateRule(step="adam", step_parameters=dict(beta2=0.99)), (0.01, 0.03)),
    "adamw": (UpdateRule(step="adamw", step_parameters=dict(beta2=0.99, decay=1e-2)), (0.01, 0.03)),
}
ABSOLUTE = {"sign_descent", "normalized_descent", "rmsprop", "rmsprop_scalar", "adam", "adamw"}


def minimum(seed: int) -> tuple[theory.Parameterization, theory.Problem, np.ndarray]:
    """A model, a problem, and weights at a minimum."""
    rng = np.random.default_rng(seed)
    n, model = int(rng.integers(2, 9)), [theory.difference(2), theory.difference(3), theory.product(2)][seed % 3]
    problem = theory.sparse_regression(n=n, d=2 * n + int(rng.integers(1, 6)), sparsity=3, seed=seed, n_test=0)
    problem = theory.Problem(problem.X * 10 ** rng.uniform(-1, 1), problem.y)
    lr = 0.3 * theory.predict(model, problem, 0.3).lr_critical
    run = sims.descend(model, problem, lr, 0.3, tol=1e-25, max_steps=200_000)
    return model, problem, run.theta.values


def measured_edge(rule: UpdateRule, model, problem, theta: np.ndarray, seed: int) -> tuple[float, float]:
    """The learning rate at the edge, predicted and measured."""
    landscape, rng = Landscape(theory.derive(model, problem.loss, rule), problem), np.random.default_rng(seed)
    rates = np.ones(2 * SIDE + 1)
    moved = theta * (1 + 1e-7 * rng.standard_normal(theta.shape))
    runs = begin_runs(landscape, moved[None], np.zeros(len(rates), dtype=int), rates)
    for k, state in enumerate(rule.step.memory):
        rows = slice(len(theta) + k, None, len(rule.step.memory))
        if state.symbol.name == "square":
            alike = rule.step.name == "rmsprop_scalar"
            runs.theta[:, rows] = rng.lognormal(size=theta.shape if not alike else (1, 1))
        elif state.symbol.name.startswith("left"):  # of the bias correction
            runs.theta[:, rows] = 0
    still = np.concatenate([theta, runs.theta[0, len(theta) :]])[None]
    found = sharpness_at(landscape, still[:, : len(theta)]).value
    predicted = 1 / sharpness_effective(landscape, still, np.ones(1), 0.0, found)[0]
    runs = replace(runs, lr=predicted * (1 + SPACING * np.arange(-SIDE, SIDE + 1)))
    first = problem.loss_at(landscape.beta(moved[None]))[0]
    job = Job(landscape, Options(max_steps=LONG, tol=0, track_every=0), np.zeros(1, dtype=np.int64))
    backend(job.options).advance(job, runs)
    near = np.abs(runs.weights - theta).max(axis=(1, 2)) < 1e-3 * np.abs(theta).max()  # not at another minimum
    stable = near & (runs.loss < first)
    if stable.all() or not stable.any():
        return predicted, np.nan
    return predicted, float(runs.lr[stable].max() * (1 + SPACING / 2))


def plateau(name: str, rule: UpdateRule, shares: tuple[float, ...]) -> np.ndarray:
    late = []
    for seed in range(5):
        problem = theory.sparse_regression(n=10, d=20, sparsity=5, seed=seed, n_test=0)
        flow = theory.predict(theory.difference(2), problem, 0.1).flow.sharpness
        for share in shares:
            factor = (2 + 2 * rule.momentum) / (1 + 2 * rule.momentum * (rule.step.name == "nesterov"))
            lr = share if name in ABSOLUTE else share * factor / flow
            run = sims.descend(theory.difference(2), problem, lr, rule=rule, max_steps=6000, record_every=1)
            if run.status != sims.Status.DIVERGED:
                values = run.path_sharpness_effective.values
                late.append(values[-len(values) // 3 :])
    return np.concatenate(late) if late else np.full(1, np.nan)


def cost(rule: UpdateRule) -> float:
    """CPU seconds of a million steps of 1,024 runs of power(2), n = 10 and d = 40."""
    problem, model = theory.sparse_regression(n=10, d=40, sparsity=5, signs="positive", n_test=0), theory.power(2)
    landscape = Landscape(theory.derive(model, problem.loss, rule), problem)
    options = Options(max_steps=1000, tol=0, threads=1, track_every=0)
    job = Job(landscape, options, np.zeros(1, dtype=np.int64))
    starts, lrs = model.theta0(0.1, 40)[None], np.full(1024, 1e-3)
    best = np.inf
    for _ in range(6):  # the first compiles
        began = time.process_time()
        runs = advance_block(job, starts, lrs)
        best = min(best, (time.process_time() - began) / runs.steps.sum() * 1e6)
    return best


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    minima = [minimum(seed) for seed in range(PROBLEMS)]
    print("at minima: relative error of the predicted edge, median and largest, of how many that were found")
    for name, rule in AT_MINIMA.items():
        pairs = [measured_edge(rule, *at, seed) for seed, at in enumerate(minima)]
        errors = np.array([abs(found / predicted - 1) for predicted, found in pairs])
        print(f"{name:20} {np.nanmedian(errors):.1e} {np.nanmax(errors):.1e} {np.isfinite(errors).sum()}", flush=True)
    print("late in training: sharpness_effective, its 10th percentile, median and 90th percentile")
    for name, (rule, shares) in PLATEAUS.items():
        values = plateau(name, rule, shares)
        print(f"{name:20} " + " ".join(f"{q:.3f}" for q in np.nanquantile(values, [0.1, 0.5, 0.9])), flush=True)
    plain = cost(UpdateRule())
    print(f"cost of a step, in that of descent ({plain:.2f} s of CPU for a million)")
    for name in STEPS:
        rule = UpdateRule(step=name, momentum=0.5 * (name in ("nesterov", "heavy_ball")))
        if "weight_decay" not in name:
            print(f"{name:20} {cost(rule) / plain:.2f}", flush=True)
