"""How far predicted ends lie from those of runs with momentum, clipping, schedules or weight decay (see README.md).

python tests/benchmarks/endpoint_rules.py [--problems 20] [--workers 2] [--only nesterov]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
from collections import Counter  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from multiprocessing import get_context  # noqa: E402

import numpy as np  # noqa: E402

SIZES = ((5, 20), (8, 24), (10, 40), (6, 30))
SCALES = {"power(2)": 0.1, "difference(2)": 0.1, "product(2)": 0.1, "power(3)": 0.3}
BELOW, BETWEEN = (0.3, 0.9), (0.1, 0.4, 0.7)  # of lr_critical_final, and of the way from there to lr_max
MAX_NORMS = (0.05, 0.2, 0.5, 2.0)
MOMENTA = {0.3: (20, 50), 0.5: (20, 50), 0.9: (50, 100, 200)}
SCHEDULES = (
    "ramp(100, start=0.1)", "ramp(1000, start=0.1)", "ramp(10000, start=0.5)", "cosine(100, final=0.5)",
    "cosine(1000, final=0.5)",
)  # fmt: skip
DECAYS = (3e-3, 3e-2, 3e-1)
FIRST = 300_000  # seed


def problem_of(name, index):
    from gdbias import theory

    n, d = SIZES[index % len(SIZES)]
    for seed in range(FIRST + index, FIRST + 20_000, 1000):
        problem = theory.sparse_regression(
            n=n, d=d, sparsity=3, n_test=0, seed=seed, signs="positive" if name.startswith("power") else "random"
        )
        try:
            pred = theory.predict(theory.parse(name), problem, SCALES[name])
            if pred.lr_critical_final < pred.lr_max:
                return problem
        except theory.NoInterpolator:
            continue
    return None


def rows_of(name, problem, told, rule, rates, ends):
    """(what, name, outcome, error) of each run; ``ends`` predicts them, by what is told of each."""
    from gdbias import sims, theory

    model = theory.parse(name)
    settings = dict(rule=rule, max_steps=200_000, track_every=0, threads=1, keep=["beta", "theta"])
    ds = sims.sweep(model, problem, rates, SCALES[name], **settings).isel(init_scale=0)
    for j, rate in enumerate(rates):
        run = ds.isel(lr=j)
        status = sims.Status(int(run.status)).name
        if status == "CONVERGED" and model.degree % 2 and (run.theta.values < 0).any():
            status = "a weight changed its sign"
        for what, predicted in ends(float(rate)):
            key = (f"{told}{what}", name)
            if status != "CONVERGED":
                yield *key, status, None, None
                continue
            try:
                end = predicted()
            except theory.GdbiasError as refused:
                yield *key, type(refused).__name__, None, None
                continue
            if end.note.startswith("not predicted"):
                yield *key, "ended within the warm-up", None, None
                continue
            found = run.beta.values
            yield *key, "", float(np.linalg.norm(end.beta - found) / np.linalg.norm(found)), int(run.steps)


def warmed(only):
    """Each rule that is descent after a warm-up by what is told of it, with its warm-ups."""
    from gdbias import theory

    for norm in MAX_NORMS:
        if only in "clipped":
            terms = dict(step="clipped_descent", step_parameters={"max_norm": norm})
            yield f"clipped {norm}", theory.UpdateRule(**terms), (20, 50, 200)

    for momentum, warmups in MOMENTA.items():
        for told, terms in (("momentum", {}), ("nesterov", {"step": "nesterov"})):
            if only in told:
                yield f"{told} {momentum}", theory.UpdateRule(momentum=momentum, **terms), warmups


def measure(task):
    from gdbias import theory

    name, index, only = task
    problem, rows = problem_of(name, index), []
    if problem is None:
        return rows
    model, scale = theory.parse(name), SCALES[name]
    plain = theory.predict(model, problem, scale)
    for told, rule, warmups in warmed(only):
        pred = theory.predict(model, problem, scale, rule=rule)
        low, high = pred.lr_critical_final, pred.lr_max

        def after(rate, pred=pred, warmups=warmups, factor=pred.lr_critical_final / plain.lr_critical_final):
            yield ", the cap alone", lambda: plain.endpoint(rate / factor)
            for steps in warmups:
                yield f", warmup {steps:3}", lambda steps=steps: pred.endpoint(rate, warmup=steps)

        for side, rates in (("below", [s * low for s in BELOW]), ("above", [low + s * (high - low) for s in BETWEEN])):
            rows += rows_of(name, problem, f"{told} {side}", rule, np.array(rates), after)
    for text in filter(lambda text: only in text, SCHEDULES):
        rule = theory.UpdateRule(schedule=text)
        pred = theory.predict(model, problem, scale, rule=rule)
        low, high = plain.lr_critical_final, plain.lr_max
        rates = np.array([low + s * (high - low) for s in BETWEEN])

        def moved(rate, pred=pred, final=rule.schedule.final):
            yield ", settled lr alone", lambda: plain.endpoint(final * rate)
            yield "", lambda: pred.endpoint(rate)

        rows += rows_of(name, problem, text, rule, rates, moved)
    if model.degree == 2 and only in "weight_decay":
        for decay in DECAYS:
            rule = theory.UpdateRule(weight_decay=decay)
            pred = theory.predict(model, problem, scale, rule=rule)
            rates, ends = np.array([0.7 * plain.lr_critical]), lambda rate, p=pred: [("", lambda: p.endpoint(rate))]
            rows += rows_of(name, problem, f"weight_decay {decay}", rule, rates, ends)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20, help="of each family")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument(
        "--only", default="", help="what names hold: momentum, nesterov, clipped, ramp, cosine or weight_decay"
    )
    options = parser.parse_args()
    if not any(options.only in name for name in (*SCHEDULES, "momentum", "nesterov", "clipped", "weight_decay")):
        parser.error(f"--only {options.only}: no name holds it")
    tasks = [(name, index, options.only) for index in range(options.problems) for name in SCALES]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        rows = [row for found in pool.map(measure, tasks) for row in found]
    for what, name in dict.fromkeys(row[:2] for row in rows):
        mine = [row for row in rows if row[:2] == (what, name)]
        errors = [100 * row[3] for row in mine if row[3] is not None]
        told = "{:8.3f} {:8.3f}".format(*np.quantile(errors, [0.5, 0.9])) if errors else f"{'-':>8} {'-':>8}"
        steps = f"{np.median([row[4] for row in mine if row[4] is not None]):8.0f}" if errors else f"{'-':>8}"
        left_out = ", ".join(f"{count} {why}" for why, count in Counter(r[2] for r in mine if r[2]).items())
        print(f"{what:42} {name:14} {len(errors):4} of {len(mine):3} {told} steps {steps}  {left_out}")


if __name__ == "__main__":
    main()
