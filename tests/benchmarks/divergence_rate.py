"""How many runs diverge on both sides of lr_divergence, where it is below lr_max, of random problems (README.md)."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402

import numpy as np  # noqa: E402

from gdbias import sims, theory  # noqa: E402

MODELS = ("difference(2)", "product(2)", "difference(3)", "product(3)")
STARTS = {"0.05 to 0.3": (0.05, 0.1, 0.3), "0.5 to 1.2": (0.5, 0.8, 1.2)}
BELOW = np.array([0.6, 0.75, 0.9, 0.97])  # of lr_divergence
ABOVE = np.array([0.05, 0.3, 0.6, 0.9])  # of the way from there to lr_max


def statuses(name: str, scales: tuple[float, ...], problems: int, cap: int) -> np.ndarray:
    """Of (pair of problem and start, learning rate)."""
    model, found = theory.parse(name), []
    for seed in range(problems):
        problem = theory.sparse_regression(n=12, d=30, sparsity=5, signs="random", n_test=0, seed=seed)
        for scale in scales:
            pred = theory.predict(model, problem, scale)
            low, high = pred.lr_divergence, pred.lr_max
            if low < high:
                lr = np.append(BELOW * low, low + ABOVE * (high - low))
                ds = sims.sweep(model, problem, lr, scale, max_steps=cap, track_every=0, keep=(), threads=1)
                found.append(ds.status.values[0])
    return np.reshape(found, (-1, BELOW.size + ABOVE.size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=12, help="each of three starts a row")
    parser.add_argument("--cap", type=int, default=20_000)
    args = parser.parse_args()
    places = [*(f"{share:g} of it" for share in BELOW), *(f"{share:g} above" for share in ABOVE)]
    print(f"| model, init_scale | runs | {' | '.join(places)} | above: diverge | converge |")
    print("|---" * (len(places) + 4) + "|")
    for name in MODELS:
        for told, scales in STARTS.items():
            ends = statuses(name, scales, args.problems, args.cap)
            gone, above = ends == sims.Status.DIVERGED, ends[:, BELOW.size :]
            counts = [
                above.size and f"{(above == end).mean():.0%}" for end in (sims.Status.DIVERGED, sims.Status.CONVERGED)
            ]
            print(
                f"| {name}, {told} | {len(ends)} | {' | '.join(map(str, [*gone.sum(axis=0), *counts]))} |", flush=True
            )


if __name__ == "__main__":
    main()
