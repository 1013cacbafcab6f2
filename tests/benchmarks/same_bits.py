"""Whether two checkouts compute the same runs: a hash of every variable of some forty cases.

Models times rules and losses, one sample and many, single precision, histories and windows.

    python tests/benchmarks/same_bits.py > before.json     # with one version installed
    python tests/benchmarks/same_bits.py before.json       # with the other: names what differs; exit code 1
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator

import numpy as np
import sympy as sp
import xarray as xr

from gdbias import sims, theory
from gdbias.theory.rules.update_rule import GRADIENT, LEARNING_RATE, WEIGHT

VARIABLES = (
    "theta", "beta", "loss", "steps", "status", "sharpness_max", "rising_steps", "phase", "period", "lyapunov",
    "averaged_loss", "cooled_loss", "path_theta", "path_loss",
)  # fmt: skip
VELOCITY = sp.Symbol("velocity", real=True)
HEAVY_BALL = theory.Step(
    "half_momentum",
    WEIGHT - LEARNING_RATE * GRADIENT + VELOCITY / 2,
    (theory.StateVariable(VELOCITY, 0 * WEIGHT, VELOCITY / 2 - LEARNING_RATE * GRADIENT),),
)
MODELS = ("power(2)", "power(3)", "difference(2)", "difference(3)", "product(2)", "product(3)", "product(5)",
          "custom(u*v - w**2; w=0)")  # fmt: skip
RULES = {
    "momentum": dict(momentum=0.9),
    "decay": dict(weight_decay=1e-3),
    "decay_momentum": dict(weight_decay=1e-3, momentum=0.5),
    "batch": dict(batch=3),
    "noise": dict(label_noise=0.1, noise_steps=200),
    "batch_noise_ramp": dict(batch=4, label_noise=0.05, noise_steps=100, schedule=theory.ramp(100, start=0.5)),
    "cosine": dict(schedule=theory.cosine(150)),
    "own": dict(step=HEAVY_BALL),
}


def cases() -> Iterator[tuple[str, Callable[[], xr.Dataset]]]:
    """Names, and what each computes."""
    many = theory.sparse_regression(n=7, d=13, sparsity=3, noise=0.0, seed=1)
    one = theory.single_point([0.5, 1.0, -0.25, 2.0], 1.5)
    X = np.random.default_rng(2).standard_normal((9, 6))
    labels = theory.Problem(X, np.where(X[:, 0] + 0.3 * X[:, 1] > 0, 1.0, -1.0), loss=theory.logistic)
    grid = dict(lr=sims.Grid(0.01, 0.6, 9), init_scale=[0.05, 0.3, 1.0], max_steps=700)
    plain = theory.gradient_descent

    def swept(model, problem, rule=plain, **options):
        return lambda: sims.sweep(theory.parse(model), problem, rule=rule, **{**grid, **options})

    for name in MODELS:
        yield f"{name} squared", swept(name, many)
        yield f"{name} one sample", swept(name, one)
    for name in ("power(2)", "difference(2)", "product(3)"):
        yield f"{name} logistic", swept(name, labels)
        yield f"{name} float32", swept(name, many, precision="float32")
        yield f"{name} window", swept(name, many, window=600, lr=sims.Grid(0.1, 1.2, 20))
    yield "power(2) float32 one sample", swept("power(2)", one, precision="float32")
    yield "power(2) window one sample", swept("power(2)", one, window=600, lr=sims.Grid(0.1, 1.2, 20))
    for label, settings in RULES.items():
        for name in ("power(2)", "difference(2)"):
            yield f"{name} {label}", swept(name, many, theory.UpdateRule(**settings))
    yield "difference(2) momentum one sample", swept("difference(2)", one, theory.UpdateRule(momentum=0.9))
    yield "power(2) decay one sample", swept("power(2)", one, theory.UpdateRule(weight_decay=1e-3))
    yield "power(2) window momentum", swept("power(2)", many, theory.UpdateRule(momentum=0.5), window=600)
    yield "power(2) averaged and cooled", swept("power(2)", many, average=20, cool=True)
    yield "difference(2) reference", swept("difference(2)", many, backend="numpy", max_steps=200)
    yield "power(2) reference window", swept("power(2)", many, backend="numpy", max_steps=200, window=512)
    yield "power(2) reference decay noise", swept(
        "power(2)", many, theory.UpdateRule(weight_decay=1e-3, batch=3, label_noise=0.1, noise_steps=50),
        backend="numpy", max_steps=200,
    )  # fmt: skip
    for name in ("power(2)", "difference(3)"):
        model = theory.parse(name)
        yield f"{name} history", lambda model=model: sims.descend(model, many, 0.2, 0.3, max_steps=400, record_every=7)
    model = theory.parse("power(2)")
    yield "history one sample", lambda: sims.descend(model, one, 0.05, 0.3, max_steps=400, record_every=1)


def hashes(ds: xr.Dataset) -> dict[str, str]:
    """A hash of each variable's bits."""
    return {n: hashlib.sha256(np.ascontiguousarray(ds[n].values)).hexdigest()[:16] for n in VARIABLES if n in ds}


def main() -> int:
    found = {name: hashes(compute()) for name, compute in cases()}
    if len(sys.argv) == 1:
        print(json.dumps(found, indent=1))
        return 0
    with open(sys.argv[1]) as file:
        before = json.load(file)
    differing = [f"{case}: {name}" for case in found | before for name in found.get(case, {}) | before.get(case, {})
                 if found.get(case, {}).get(name) != before.get(case, {}).get(name)]  # fmt: skip
    count = sum(map(len, found.values()))
    print(f"{len(found)} cases, {count} variables, {len(differing)} differ", *differing, sep="\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
