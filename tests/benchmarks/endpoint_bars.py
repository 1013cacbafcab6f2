"""Fit the bars of predicted endpoints to runs of random problems, and tell how many runs of others they hold.

    python tests/benchmarks/endpoint_bars.py [--problems 80] [--workers 2] [--rows bars.pkl]

What is fitted to all problems is printed as it stands in theory/prediction/bars.py; then the shares are counted by
classes, a third of the problems in bars that are fitted to the others. --installed counts with the bars that are there:
with --first 80 on problems that nothing was fitted to.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
import pickle  # noqa: E402
from collections import Counter, defaultdict  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from multiprocessing import get_context  # noqa: E402

import numpy as np  # noqa: E402
from scipy.optimize import lsq_linear  # noqa: E402

FAMILIES = {  # the least init_scale
    "power(2)": 1e-3, "difference(2)": 1e-3, "product(2)": 1e-3, "power(3)": 0.03, "difference(3)": 0.03,
    "power(4)": 0.1, "difference(4)": 0.1,
}  # fmt: skip
SIZES = (
    (8, 24), (4, 16), (10, 40), (3, 12), (20, 60), (6, 30), (3, 6), (30, 90), (1, 6), (5, 20), (20, 40), (2, 8),
    (9, 36), (15, 60), (5, 10), (50, 200),
)  # fmt: skip
LARGEST, LARGE, RATES = 0.6, 0.2, 6  # init_scales: half of them are large; learning rates of each
LOWEST, HIGHEST = 0.15, 0.995  # learning rates, of the smaller of lr_critical_final and the largest that ends
SLOW, SLOW_SAMPLES = 4, 50  # the degree of which every other problem is drawn, and the n of which degree 2 alone is
WARMUPS = (0, 20, 50)
FOLDS = 3
TAIL = 3  # wide bars, beyond which errors are told of as a tail
ROUNDING = 1e-6  # of an error, relative
SHARE, SOFT, RIDGE = 0.8, 0.05, 1e-4  # of the runs below the law whose slopes count; of its least absolute deviations


def degree(name):
    return int(name[-2])


def problem_of(name, index, rng):
    from gdbias import theory

    n, d = SIZES[index % len(SIZES)]
    usual = min(5, max(1, n // 2))
    sparsity = min(int(rng.choice([1, usual, usual, d])), d)
    for seed in range(500_000 + index, 508_000 + index, 1000):
        problem = theory.sparse_regression(
            n=n, d=d, sparsity=sparsity, n_test=200, seed=seed,
            signs="positive" if name.startswith("power") else "random",
        )  # fmt: skip
        try:
            pred = theory.predict(theory.parse(name), problem, 0.1)
            if pred.lr_critical_final < pred.lr_max:
                return problem, pred.lr_max
        except theory.NoInterpolator:
            continue
    return None, None


def scales_of(name, rng) -> Iterator[float]:
    """From very small to large starts, two of the four large."""
    least = FAMILIES[name]
    small = LARGE / 2 if least == 0.1 else np.sqrt(least * LARGE)
    top = 0.3 if least == 0.1 else LARGE
    for low, high in ((least, LARGE if least == 0.1 else small), (small, top), (LARGE, LARGEST), (LARGE, LARGEST)):
        yield float(np.exp(rng.uniform(np.log(low), np.log(high))))


def measure(task):
    """Of one problem of one family: what the bars go by, and the errors, one row an endpoint."""
    from gdbias import sims, theory
    from gdbias.theory.prediction import endpoints

    name, index = task
    rng = np.random.default_rng([77, index, list(FAMILIES).index(name)])
    model, rows, moved = theory.parse(name), [], []
    problem, lr_max = problem_of(name, index, rng)
    told = endpoints._error
    endpoints._error = lambda end, problem, at, warmup: moved.append(at) or told(end, problem, at, warmup)
    for scale in scales_of(name, rng) if problem is not None else ():
        try:
            pred = theory.predict(model, problem, scale)
            top = min(lr_max, pred.lr_divergence if degree(name) < SLOW else np.inf)
            low = LOWEST * min(top, pred.lr_critical_final)
        except theory.GdbiasError:
            continue
        rates = np.sort(rng.uniform(low, HIGHEST * top, RATES))
        ds = sims.sweep(model, problem, rates, scale, max_steps=30_000, track_every=0, threads=1).isel(init_scale=0)
        for j, lr in enumerate(map(float, rates)):
            run = ds.isel(lr=j)
            if int(run.status) != sims.Status.CONVERGED or (model.degree % 2 and (run.theta.values < 0).any()):
                continue
            for warmup in WARMUPS:
                try:
                    end = pred.endpoint(lr, warmup=warmup)
                except theory.GdbiasError:
                    rows.append(dict(name=name, warmup=warmup, lost=True))
                    continue
                if end.note:  # descent had ended
                    continue
                found = {
                    "beta": float(np.linalg.norm(end.beta - run.beta)), "l1_norm": end.l1_norm - float(run.beta_l1),
                    "sharpness": end.sharpness - float(run.sharpness),
                    "test_risk": end.test_risk - float(run.test_risk),
                }  # fmt: skip
                rows.append(
                    dict(
                        name=name, warmup=warmup, lost=False, index=index, scale=scale, moved=moved[-1], end=end,
                        spread=float(np.sqrt((problem.X_test**2).mean())),
                        found={q: abs(value) for q, value in found.items()},
                    )
                )  # fmt: skip
    endpoints._error = told
    return rows


def relative(row, quantity):
    """An error as bars have it: of the size of what is off."""
    end, error = row["end"], row["found"][quantity]
    size = float(np.linalg.norm(end.beta))
    if quantity == "test_risk":  # by the coefficients that change the loss so much
        return (np.sqrt(2 * (end.test_risk + error)) - np.sqrt(2 * end.test_risk)) / (size * row["spread"])
    return error / {"beta": size, "l1_norm": end.l1_norm, "sharpness": end.sharpness}[quantity]


def law_of(features, errors, problems):
    """Slopes by which four in five errors are below the law, and the sizes by which the shares of a bar are.

    No bar narrows with the distance, the sharpness of the start or the learning rate. The shares are those that are
    told and one standard deviation, of so many problems: few of them make bars wide.
    """
    from gdbias.theory.prediction.bars import COVERAGE, Law

    target = np.log(np.maximum(errors, ROUNDING))
    columns = np.column_stack([np.ones(len(target)), features])
    ridge = np.diag([0.0] + [RIDGE * len(target)] * features.shape[1])
    least = np.array([-np.inf, 0.0, 0.0, 0.0, 0.0, -np.inf, -np.inf, -np.inf])  # far, start, edge, near
    weight, slopes = np.ones(len(target)), np.zeros(features.shape[1])
    for _ in range(50):  # least absolute deviations
        weighted = columns * weight[:, None]
        factor = np.linalg.cholesky(weighted.T @ columns + ridge)
        fit = lsq_linear(factor.T, np.linalg.solve(factor, weighted.T @ target), (least, np.inf)).x
        off, slopes = target - columns @ fit, fit[1:].round(2)
        weight = np.where(off > 0, SHARE, 1 - SHARE) / np.maximum(np.abs(off), SOFT)
    told = np.array(COVERAGE)
    shares = told + np.sqrt(told * (1 - told) / problems)
    return Law(tuple(np.quantile(target - features @ slopes, shares).round(2).tolist()), *(slopes + 0.0).tolist())


def fit(rows):
    """The laws of each warm-up and course."""
    from gdbias.theory.prediction.bars import QUANTITIES

    groups = defaultdict(list)
    for row in rows:
        groups[row["warmup"], row["moved"].course].append(row)
    fitted = {warmup: {} for warmup in WARMUPS}
    for (warmup, course), group in sorted(groups.items()):
        features = np.array([row["moved"].features for row in group])
        problems = len({(row["name"], row["index"]) for row in group})
        fitted[warmup][course] = tuple(
            law_of(features, np.array([relative(row, q) for row in group]), problems) for q in QUANTITIES
        )
    return fitted


def show(fitted):
    """As it stands in theory/prediction/bars.py."""
    for warmup, courses in fitted.items():
        print(f"    {warmup}: {{")
        for course, laws in courses.items():
            print(f'        "{course}": (')
            for law in laws:
                values = law.sizes, law.far, law.start, law.edge, law.near, law.samples, law.dense, law.square
                print(f"            Law({', '.join(map(str, values))}),")
            print("        ),")
        print("    },")


def classes(row):
    """What kinds of endpoint it is one of."""
    moved = row["moved"]
    yield "all"
    yield f"course: {moved.course}"
    yield f"family: {row['name']}"
    for title, value, steps in (
        ("n", moved.samples, (1, 2, 4, 6, 10, 20)), ("init_scale", row["scale"], (0, 0.01, 0.1, 0.2, 0.35)),
        ("lr S(start) / 2", moved.start, (0, 0.05, 0.2, 0.5, 1)),
        ("lr / lr_critical_final", moved.edge, (0, 0.5, 0.8, 1, 1.2, 1.5)),
    ):  # fmt: skip
        yield f"{title} from {max(step for step in steps if step <= value):g}"


def held(rows, fitted):
    """Whether each error is in its bars, and in several of the wide ones, by row."""
    from gdbias.theory.prediction.bars import QUANTITIES

    for row in rows:
        laws, features = fitted[row["warmup"]][row["moved"].course], row["moved"].features
        widths = [law.widths(features) for law in laws]
        bars = [np.append(width, TAIL * width[-1]) for width in widths]
        yield row, [relative(row, q) <= bar for q, bar in zip(QUANTITIES, bars, strict=True)]


def tell(counted, lost, least):
    """The shares in the bars of classes of at least so many endpoints."""
    for warmup in WARMUPS:
        print(f"\n| warmup={warmup}, {lost[warmup]} refused | endpoints | beta | l1 norm | sharpness | test risk |")
        print("|---" * 6 + "|")
        shares = defaultdict(list)
        for row, within in counted:
            for kind in classes(row) if row["warmup"] == warmup else ():
                shares[kind].append(within)
        for kind in sorted(kind for kind in shares if len(shares[kind]) >= least):
            told = " | ".join(f"{low:.2f} / {high:.2f}" for low, high, _ in np.mean(shares[kind], axis=0))
            print(f"| {kind} | {len(shares[kind])} | {told} |")
        if shares["all"]:
            beyond = " | ".join(f"{1 - far:.1%}" for *_, far in np.mean(shares["all"], axis=0))
            print(f"| beyond {TAIL} of the wide bars | {len(shares['all'])} | {beyond} |")


def drawn(options):
    """The rows of all problems, kept in a file where one is named."""
    if options.rows and os.path.exists(options.rows):
        with open(options.rows, "rb") as file:
            return pickle.load(file)
    tasks = [
        (name, index)
        for index in range(options.first, options.first + options.problems)
        for name in FAMILIES
        if SIZES[index % len(SIZES)][0] <= options.most
        and not (degree(name) == SLOW and index % 2)
        and not (degree(name) > 2 and SIZES[index % len(SIZES)][0] == SLOW_SAMPLES)
    ]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        rows = [row for found in pool.map(measure, tasks) for row in found]
    if options.rows:
        with open(options.rows, "wb") as file:
            pickle.dump(rows, file)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=80, help="of each family")
    parser.add_argument("--first", type=int, default=0, help="index of the first: others are other problems")
    parser.add_argument("--most", type=int, default=SIZES[-1][0], help="samples: problems of more are left out")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--installed", action="store_true", help="count with the bars of this version, on all problems")
    parser.add_argument("--rows", help="file for what is measured, read where it is there")
    parser.add_argument("--least", type=int, default=100, help="endpoints of a class that is told")
    options = parser.parse_args()
    every = drawn(options)
    rows, lost = [row for row in every if not row["lost"]], Counter(row["warmup"] for row in every if row["lost"])
    if options.installed:
        from gdbias.theory.prediction import bars

        counted = list(held(rows, bars.FITTED))
    else:
        show(fit(rows))
        fold = lambda row: row["index"] // len(SIZES) % FOLDS  # noqa: E731
        counted = [
            found
            for k in range(FOLDS)
            for found in held([r for r in rows if fold(r) == k], fit([r for r in rows if fold(r) != k]))
        ]
    tell(counted, lost, options.least)


if __name__ == "__main__":
    main()
