"""What each update rule picks on each family: predicted ends beside those of runs (see README.md).

python tests/benchmarks/rule_picks.py [--problems 20] [--families "power(2),difference(2)"] [--rules "polyak; sam 0.02"]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
import warnings  # noqa: E402
from collections import Counter  # noqa: E402

import numpy as np  # noqa: E402

from gdbias import sims, theory  # noqa: E402
from gdbias.theory import GdbiasError, UpdateRule  # noqa: E402
from gdbias.theory.derivation.landscape import Landscape  # noqa: E402
from gdbias.theory.prediction.flow_endpoint import end_of_moved  # noqa: E402

SCALES = {"power(2)": 0.1, "difference(2)": 0.1, "product(2)": 0.1, "power(3)": 0.3, "difference(3)": 0.3}
SIZES = (20, 40), (5, 20)
LONG = 10_000  # steps of a rule that does not rest
FIRST = 400_000  # seed
RULES = {  # rule; lr in lr_critical of descent, or as it is; steps, where the rule does not rest: 0 until it arrives
    "heavy_ball b=0.5": (UpdateRule(momentum=0.5), 0.05, None, None),
    "nesterov b=0.5": (UpdateRule(step="nesterov", momentum=0.5), 0.05, None, None),
    "clipped_descent 0.5": (UpdateRule(step="clipped_descent", step_parameters={"max_norm": 0.5}), 0.4, None, None),
    "polyak": (UpdateRule(step="polyak"), 0.4, None, None),
    "label_noise 0.1": (UpdateRule(label_noise=0.1, noise_steps=5000), 0.2, None, None),
    "normalized_descent": (UpdateRule(step="normalized_descent"), None, 0.005, 0),
    "normalized_descent on": (UpdateRule(step="normalized_descent"), None, 0.02, LONG),
    "rmsprop_scalar": (UpdateRule(step="rmsprop_scalar"), None, 0.004, 0),
    "rmsprop_scalar on": (UpdateRule(step="rmsprop_scalar"), None, 0.004, LONG),
    "sam 0.02": (UpdateRule(step="sam", step_parameters={"rho": 0.02}), 0.2, None, 0),
    "sam 0.02 on": (UpdateRule(step="sam", step_parameters={"rho": 0.02}), 0.2, None, LONG),
    "sam_max 0.0005": (UpdateRule(step="sam_max", step_parameters={"rho": 5e-4}), 0.2, None, 0),
    "sam_max 0.002 on": (UpdateRule(step="sam_max", step_parameters={"rho": 2e-3}), 0.2, None, LONG),
    "sign_descent": (UpdateRule(step="sign_descent"), None, 1e-4, 0),
    "rmsprop 0.9": (UpdateRule(step="rmsprop", step_parameters={"beta2": 0.9}), None, 2e-5, 0),
    "adam 0.5, 0.9": (UpdateRule(step="adam", step_parameters={"beta1": 0.5, "beta2": 0.9}), None, 2e-5, 0),
    "adam, defaults": (UpdateRule(step="adam"), None, 1e-4, 0),
    "adamw": (UpdateRule(step="adamw"), None, 1e-4, 0),
}


def problem_of(name, index):
    """A regression whose gradient flow ends, of a teacher without zeros where coefficients cannot be below 0."""
    n, d = SIZES[index % len(SIZES)]
    above = name.startswith("power")
    for seed in range(FIRST + index, FIRST + 20_000, 1000):
        problem = theory.sparse_regression(
            n=n, d=d, sparsity=d if above else 3, n_test=0, seed=seed, signs="positive" if above else "random"
        )
        try:
            return problem, theory.predict(theory.parse(name), problem, SCALES[name]).lr_critical
        except theory.NoInterpolator:
            continue
    raise SystemExit(f"no problem {index} of {name}")


def measure(name, problem, critical, rule, share, rate, steps):
    """The relative error of the prediction, with the run's swing and without, and of gradient flow; or why none."""
    model, scale = theory.parse(name), SCALES[name]
    lr = rate if share is None else share * critical * (1 - rule.momentum)
    try:
        pred = theory.predict(model, problem, scale, rule=rule)
        method = "effective_start" if rule.momentum else "constrained_flow"
        end = pred.endpoint(lr, method, steps=steps or None)
    except GdbiasError as refused:
        return type(refused).__name__
    signed = end.method == "sign_flow"
    settings = dict(rule=rule, track_every=0, max_steps=400_000)
    if steps is not None:
        settings |= dict(tol=0, max_steps=int(end.steps * (1.02 if signed else 1)))
    run = sims.descend(model, problem, lr, scale, **settings)
    if steps is None and run.status != sims.Status.CONVERGED:
        return sims.Status(int(run.status)).name
    found = swinging = run.beta.values
    if steps is not None and not signed:  # without its swing
        landscape = Landscape(pred.dynamics, problem)
        found = end_of_moved(landscape, run.theta.transpose("weight", "feature").values).beta
    away = [end.beta - swinging, end.beta - found, pred.flow.beta - found]
    return tuple(np.linalg.norm(away, axis=1) / np.linalg.norm(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20, help="of each family")
    parser.add_argument("--families", default=",".join(SCALES))
    parser.add_argument("--rules", default="; ".join(RULES), help="of those below RULES, with '; ' between them")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in options.families.split(","):
        problems = [problem_of(name, index) for index in range(options.problems)]
        for what in options.rules.split("; "):
            rule, *settings = RULES[what]
            found = [measure(name, *problem, rule, *settings) for problem in problems]
            errors = 100 * np.array([row for row in found if not isinstance(row, str)]).reshape(-1, 3)
            told = f"{'-':>8} {'-':>8}   flow {'-':>8}   swinging {'-':>8}"
            if len(errors):
                median, most = np.quantile(errors[:, 1], [0.5, 0.9])
                swung = " ".join(f"{value:8.3f}" for value in np.quantile(errors[:, 0], [0.5, 0.9]))
                told = f"{median:8.3f} {most:8.3f}   flow {np.median(errors[:, 2]):8.2f}   swinging {swung}"
            left = ", ".join(f"{count} {why}" for why, count in Counter(r for r in found if isinstance(r, str)).items())
            print(f"{name:14} {what:24} {len(errors):3} of {len(found):3} {told}   {left}", flush=True)


if __name__ == "__main__":
    main()
