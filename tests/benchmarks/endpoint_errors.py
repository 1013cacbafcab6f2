"""How far the predicted endpoints of descent lie from those of runs, over random problems (see README.md)."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices; the workers are the parallelism
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from multiprocessing import get_context  # noqa: E402

import numpy as np  # noqa: E402

SIZES = ((3, 12), (5, 20), (6, 30), (8, 24), (10, 40), (20, 60))
FRACTIONS = (0.1, 0.4, 0.7, 0.95)  # of the way from lr_critical_final to lr_max
SCALES = {
    "power(2)": (0.1, 0.01), "difference(2)": (0.1, 0.01), "product(2)": (0.1, 0.01), "power(3)": (0.3, 0.1),
    "power(4)": (0.3,), "difference(3)": (0.3,),
}  # fmt: skip
CUSTOM = {  # what --families custom stands for
    "custom(3*u*v; v=0)": (0.1, 0.01), "custom(u**2 - v**2 + 2*u*v)": (0.1, 0.01), "custom(2*u**3 - 2*v**3)": (0.3,),
    "custom(u**2*v; u=1.4142135623730951*alpha)": (0.3, 0.1), "custom(u**2*v**2)": (0.3,),
}  # fmt: skip
POSITIVE = [name for name in SCALES | CUSTOM if name.startswith("power") or "u**2*v" in name]
GOALS = {name: (4, 13) if name in ("difference(2)", "product(2)", "difference(3)") else (2, 7) for name in SCALES}
PREDICTORS = ("flow", "frontier", "bregman", "constrained_flow")
WARMUPS = (20, 50)  # steps of descent beyond the first rise of its loss
ATTEMPTS = 20  # seeds for one problem


def problem_of(name, index, sizes=SIZES):
    """The first problem of this index that the family can fit from its start, its seed, and what was passed over."""
    from gdbias import theory

    model, (n, d), passed = theory.parse(name), sizes[index % len(sizes)], []
    for seed in range(index, index + 1000 * ATTEMPTS, 1000):
        problem = theory.sparse_regression(
            n=n, d=d, sparsity=min(5, max(1, n // 2)), n_test=200, seed=seed,
            signs="positive" if name in POSITIVE else "random",
        )  # fmt: skip
        try:
            pred = theory.predict(model, problem, (SCALES | CUSTOM)[name][0])
            if pred.lr_critical_final < pred.lr_max:
                return problem, seed, passed
            passed.append("gradient flow ends at the least sharpness")
        except theory.NoInterpolator:
            passed.append("no strictly positive interpolator")
    return None, None, passed


def measure(task):
    """Rows (one a run) of one problem of one family: errors by predictor, and the exclusions by reason."""
    from gdbias import sims, theory

    name, index, sizes, predictors = task
    rows, excluded = [], []  # excluded: reason, seed or index, init_scale, f
    problem, seed, passed = problem_of(name, index, sizes)
    excluded += [(f"problem: {reason}", index + 1000 * k, None, None) for k, reason in enumerate(passed)]
    for scale in (SCALES | CUSTOM)[name] if problem is not None else ():
        model = theory.parse(name)
        pred = theory.predict(model, problem, scale)
        low, high = pred.lr_critical_final, pred.lr_max
        lrs = low + np.array(FRACTIONS) * (high - low)
        ds = sims.compare(model, problem, lrs, scale, methods=predictors, threads=1)
        reasons = {(p, lr): why for p, lr, why in json.loads(ds.attrs["not_predicted"])}
        for j, fraction in enumerate(FRACTIONS):
            run, where = ds.isel(lr=j), (seed, scale, fraction)
            status = sims.Status(int(run.status))
            if status != sims.Status.CONVERGED:
                excluded.append((f"run: {status.name}, f = {fraction}", *where))
                continue
            if model.degree % 2 and (run.theta.values < 0).any():
                excluded.append(("run: a weight changed its sign (odd L)", *where))
                continue
            for p in predictors:
                if (p, float(run.lr)) in reasons:
                    why = reasons[p, float(run.lr)].split(":")[1].strip()[:60]
                    excluded.append((f"prediction: {p}: {why}", *where))
            if np.isnan(run.sensitivity):
                excluded.append(("floor only: no convergence at 1.003 lr", *where))
            warmed = {f"warmup {k}": _warmed(pred, float(run.lr), k, run.beta.values, excluded, where) for k in WARMUPS}
            rows.append(
                dict(
                    **warmed, index=index, seed=seed, n=problem.n, init_scale=scale, f=fraction, steps=int(run.steps),
                    floor=float(run.sensitivity), undershoot=1 - float(run.lr * run.sharpness) / 2,
                    predicted=1 - float(run.lr * run.predicted_sharpness.sel(predictor=PREDICTORS[-1])) / 2,
                    **{p: float(run.beta_error.sel(predictor=p)) for p in predictors},
                    **{f"{p} l1": float(run.l1_error.sel(predictor=p)) for p in predictors},
                )
            )  # fmt: skip
    return name, rows, excluded


def _warmed(pred, lr, warmup, beta, excluded, where):
    """The relative error of the endpoint with a warm-up; NaN where it is not predicted, or descent had ended."""
    from gdbias import theory

    try:
        end = pred.endpoint(lr, warmup=warmup)
    except theory.GdbiasError as error:
        excluded.append((f"prediction: warmup {warmup}: {str(error).split(':')[1].strip()[:40]}", *where))
        return np.nan
    return np.nan if end.note else float(np.linalg.norm(end.beta - beta) / np.linalg.norm(beta))


def report(name, rows, excluded, problems, predictors):
    def spread(column):
        values = np.array([row[column] for row in rows], dtype=float)
        values = 100 * values[np.isfinite(values)]
        return f"{np.median(values):6.2f} ({np.percentile(values, 90):6.2f})" if values.size else "   -"

    used = len({row["index"] for row in rows})
    print(f"\n{name}: {used} of {problems} problems, {len(rows)} runs; error in %, median (90th percentile)")
    for p in predictors:
        print(f"  {p:18} beta {spread(p)}   l1 {spread(f'{p} l1')}")
    for warmup in WARMUPS:
        print(f"  {f'rise + {warmup}':18} beta {spread(f'warmup {warmup}')}")
    print(f"  {'descent, 1.003 lr':18} beta {spread('floor')}")
    print(f"  1 - lr S / 2: {spread('undershoot')}, predicted {spread('predicted')}")
    if rows:
        errors = 100 * np.array([row["constrained_flow"] for row in rows])
        errors = errors[np.isfinite(errors)]
        median, top = np.median(errors), np.percentile(errors, 90)
        goal = GOALS.get(name, (2, 7) if name in POSITIVE else (4, 13))
        l1 = 100 * np.nanmedian([row["constrained_flow l1"] for row in rows])
        said = ["met" if good else "MISSED" for good in (median <= goal[0], top <= goal[1], l1 <= 1)]
        print(f"  goals: median {goal[0]} % {said[0]}, 90th percentile {goal[1]} % {said[1]}, l1 1 % {said[2]}")
    for reason, count in sorted(Counter(reason for reason, *_ in excluded).items()):
        print(f"  excluded {count:4d}  {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=40, help="problems of each family")
    parser.add_argument("--families", default=",".join(SCALES), help="comma-separated, or custom")
    parser.add_argument("--size", type=int, nargs=2, metavar=("N", "D"), help="one size instead of the six small ones")
    parser.add_argument("--alone", action="store_true", help="the constrained flow without the other predictors")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=600, help="stop then, and report the problems so far")
    parser.add_argument("--json", help="file for all rows, written as they come")
    options = parser.parse_args()
    names = list(CUSTOM) if options.families == "custom" else options.families.split(",")
    sizes = SIZES if options.size is None else (tuple(options.size),)
    predictors = PREDICTORS[-1:] if options.alone else PREDICTORS
    tasks = [(name, index, sizes, predictors) for index in range(options.problems) for name in names]
    deadline = time.monotonic() + 60 * options.minutes
    rows, excluded, done = {n: [] for n in names}, {n: [] for n in names}, Counter()
    pool = ProcessPoolExecutor(options.workers, mp_context=get_context("spawn"))
    try:
        for future in [pool.submit(measure, task) for task in tasks]:  # in order: a slow problem is not passed over
            name, found, reasons = future.result(max(0, deadline - time.monotonic()))
            rows[name] += found
            excluded[name] += reasons
            done[name] += 1
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump({"rows": rows, "excluded": excluded, "problems": done}, file)
    except TimeoutError:
        print(f"stopped after {options.minutes:g} minutes")
        for process in list(pool._processes.values()):
            process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)
    for name in names:
        report(name, rows[name], excluded[name], done[name], predictors)


if __name__ == "__main__":
    main()
