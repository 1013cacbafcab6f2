"""Fit the bars of predicted endpoints to runs of random problems, and tell how many runs of others they hold.

    python tests/benchmarks/endpoint_bars.py [--problems 36] [--workers 2]

The first half of the problems is fitted, the second counted. What is fitted stands in
theory/prediction/bars.py; --installed counts with the bars that are there.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from multiprocessing import get_context  # noqa: E402

import numpy as np  # noqa: E402

FAMILIES = {"power(2)": 0.01, "difference(2)": 0.01, "product(2)": 0.01, "power(3)": 0.1, "difference(3)": 0.1}
LARGEST, SCALES, RATES = 0.6, 4, 8  # from the family's smallest init_scale to this; how many of a problem
SIZES = (
    (20, 40),
    (4, 16),
    (10, 40),
    (6, 30),
    (20, 60),
    (9, 36),
    (30, 90),
    (5, 20),
    (8, 24),
    (50, 200),
    (3, 12),
    (15, 60),
)
LOWEST, HIGHEST = 0.15, 0.995  # learning rates, of the smaller of lr_critical_final and the largest that ends
SHARP = 0.15  # least init_scale of starts that are to be sharper than the edge
WARMUPS = (0, 20, 50)
QUANTITIES = ("beta", "l1_norm", "sharpness", "test_risk")


def problem_of(name, index):
    from gdbias import theory

    n, d = SIZES[index % len(SIZES)]
    for seed in range(200_000 + index, 220_000 + index, 1000):
        problem = theory.sparse_regression(
            n=n, d=d, sparsity=min(5, max(1, n // 2)), n_test=200, seed=seed,
            signs="positive" if name.startswith("power") else "random",
        )  # fmt: skip
        try:
            pred = theory.predict(theory.parse(name), problem, 0.1)
            if pred.lr_critical_final < pred.lr_max:
                return problem
        except theory.NoInterpolator:
            continue
    return None


def start_sharpness(pred):
    """That of the tangent kernel where descent starts."""
    reachable, w0 = pred.reachable(0.1 * pred.lr_critical_final)
    return reachable.sharpness_of(w0**reachable.coordinates.degree)


def measure(task):
    """Of one problem of one family: what the bars go by, and the errors in their units, one row an endpoint."""
    from gdbias import sims, theory
    from gdbias.theory.prediction import endpoints

    name, index, sharp = task
    model, problem, rows, moved = theory.parse(name), problem_of(name, index), [], []
    told = endpoints._error
    endpoints._error = lambda end, problem, at, warmup: moved.append(at) or told(end, problem, at, warmup)
    rng = np.random.default_rng([index, list(FAMILIES).index(name)])
    least = SHARP if sharp else FAMILIES[name]
    scales = np.exp(rng.uniform(np.log(least), np.log(LARGEST), SCALES)) if problem is not None else ()
    for scale in map(float, scales):
        pred = theory.predict(model, problem, scale)
        top = min(pred.lr_max, pred.lr_divergence)
        low = 2 / start_sharpness(pred) if sharp else LOWEST * min(top, pred.lr_critical_final)
        if low >= HIGHEST * top:
            continue
        rates = np.sort(rng.uniform(low, HIGHEST * top, RATES))
        ds = sims.sweep(model, problem, rates, scale, max_steps=30_000, track_every=0, threads=1).isel(init_scale=0)
        for j, lr in enumerate(rates):
            run = ds.isel(lr=j)
            if int(run.status) != sims.Status.CONVERGED or (model.degree % 2 and (run.theta.values < 0).any()):
                continue
            for warmup in WARMUPS[:1] if sharp else WARMUPS:
                try:
                    end = pred.endpoint(float(lr), warmup=warmup)
                except theory.GdbiasError:
                    rows.append(dict(name=name, warmup=warmup, lost=True))
                    continue
                if end.note:  # descent had ended
                    continue
                size, spread = float(np.linalg.norm(end.beta)), float(np.sqrt((problem.X_test**2).mean()))
                found = {
                    "beta": float(np.linalg.norm(end.beta - run.beta)), "l1_norm": end.l1_norm - float(run.beta_l1),
                    "sharpness": end.sharpness - float(run.sharpness),
                    "test_risk": end.test_risk - float(run.test_risk),
                }  # fmt: skip
                rows.append(
                    dict(
                        name=name, warmup=warmup, lost=False, index=index, moved=moved[-1], size=size, spread=spread,
                        l1=end.l1_norm, S=end.sharpness, risk=end.test_risk, n=problem.n,
                        found={q: abs(value) for q, value in found.items()},
                        held={q: [found[q] <= bar for bar in getattr(end.error, q)] for q in QUANTITIES},
                    )
                )  # fmt: skip
    endpoints._error = told
    return rows


def units(row, expected):
    """Each quantity's own unit for a relative error ``expected`` of the coefficients."""
    from gdbias.theory.prediction.bars import risk_unit

    return {
        "beta": expected * row["size"], "l1_norm": expected * row["l1"], "sharpness": expected * row["S"],
        "test_risk": risk_unit(expected, row["size"], row["risk"], row["spread"]),
    }  # fmt: skip


def fit(rows, warmup):
    """The bars of one warm-up: where the edge did not bind, and where it did."""
    return tuple(_fit([row for row in rows if row["moved"].bound == bound], warmup) for bound in (False, True))


def _fit(rows, warmup, names=None):
    from gdbias.theory.prediction.bars import COVERAGE, Bars

    names = names or (
        ("size", "far", "undershoot", "several") if warmup else ("size", "far", "several", "start", "kick")
    )
    every = [row["moved"].features() for row in rows]
    columns = np.array([[features[name] for name in names] for features in every])
    target = np.log([max(row["found"]["beta"] / row["size"], 1e-6) for row in rows])
    gains = dict.fromkeys(every[0], 0.0)
    gains |= dict(zip(names, np.linalg.lstsq(columns, target)[0].round(3).tolist(), strict=True))
    law = Bars(**gains, **dict.fromkeys(QUANTITIES, (0.0, 0.0)))
    in_units = [{q: row["found"][q] / unit for q, unit in units(row, law.error(row["moved"])).items()} for row in rows]
    spread = {q: tuple(np.quantile([row[q] for row in in_units], COVERAGE).round(3).tolist()) for q in QUANTITIES}
    return Bars(**gains, **spread)


def held(rows, bars):
    """The share of runs in each bar."""
    counts = {q: [] for q in QUANTITIES}
    for row in rows:
        of = bars[row["moved"].bound]
        for q, unit in units(row, of.error(row["moved"])).items():
            counts[q].append([row["found"][q] <= unit * width for width in getattr(of, q)])
    return {q: np.mean(found, axis=0).round(2).tolist() for q, found in counts.items()}


def tell_sharp(rows):
    """The fit of sharp starts, and the shares that each quarter of the problems has in the bars of the others."""
    names, shares, counts = ("size", "far", "several", "kick"), [], []
    for fold in range(4):
        rest = [row for row in rows if row["index"] % 4 == fold]
        if rest and len(rest) < len(rows):
            bars = _fit([row for row in rows if row["index"] % 4 != fold], 0, names)
            shares.append(held(rest, (bars, bars)))
            counts.append(len(rest))
    print(f"{len(rows)} endpoints from sharp starts\n  {_fit(rows, 0, names)}")
    for q in QUANTITIES:
        print(f"  {q:10} held", np.average([share[q] for share in shares], axis=0, weights=counts).round(2))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=36, help="of each family")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--installed", action="store_true", help="count with the bars of this version, on all problems")
    parser.add_argument("--sharp", action="store_true", help="starts sharper than the edge alone, without a warm-up")
    options = parser.parse_args()
    tasks = [(name, index, options.sharp) for index in range(options.problems) for name in FAMILIES]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        every = [row for rows in pool.map(measure, tasks) for row in rows]
    if options.sharp:
        tell_sharp([row for row in every if not row["lost"]])
        return
    half = options.problems // 2
    for warmup in WARMUPS:
        rows = [row for row in every if row["warmup"] == warmup]
        lost = sum(row["lost"] for row in rows)
        print(f"\nwarmup {warmup}: {len(rows)} endpoints, {lost} of them refused")
        rows = [row for row in rows if not row["lost"] and (warmup or options.installed or row["moved"].start <= 1)]
        for bound in (False, True):
            errors = [100 * row["found"]["beta"] / row["size"] for row in rows if row["moved"].bound == bound]
            where = "the edge bound  " if bound else "it did not bind "
            told = "{} endpoints, error of beta in %, median {:.3f}, 90th percentile {:.2f}"
            print(f"  {where}", told.format(len(errors), *np.quantile(errors, [0.5, 0.9])))
        if options.installed:
            for q in QUANTITIES:
                print(f"  {q:10} held", np.mean([row["held"][q] for row in rows], axis=0).round(3))
            continue
        first, second = ([row for row in rows if (row["index"] < half) == low] for low in (True, False))
        bars = fit(first, warmup)
        print(f"  {warmup}: {bars}")
        print("  fitted on:", held(first, bars))
        print("  others:   ", held(second, bars))
        for bound in (False, True):
            print(f"    bound {bound!s:8}", held([row for row in second if row["moved"].bound == bound], bars))
        print("    n < 10        ", held([row for row in second if row["n"] < 10], bars))
        for name in FAMILIES:
            print(f"    {name:14}", held([row for row in second if row["name"] == name], bars))


if __name__ == "__main__":
    main()
