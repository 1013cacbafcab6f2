"""How the cost of gdbias grows with runs, samples, features and threads, and how long it takes to start."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from contestants_gdbias import loop_contestant, sweep_contestant
from workloads import Workload

from gdbias.sims.machine import cores

_SWEEP = "from gdbias import sims, theory; sims.sweep(theory.power(2), theory.single_point((1.0,), 1.0), lr=[0.1, 0.2])"
_HELP = "import sys; sys.argv = ['gdbias', '--help']; from gdbias.figures.cli.command import main; main()"
START_UP = {  # name: code, and whether the kernels' cache is empty
    "python alone": ("pass", False),
    "import": ("from gdbias import sims, theory; theory.power, sims.sweep", False),
    "gdbias --help": (_HELP, False),
    "first sweep, cold cache": (_SWEEP, True),
    "first sweep, warm cache": (_SWEEP, False),
}


def endless(n, d, runs, cap):
    """A workload none of whose runs ends before the cap: a small learning rate, and no tolerance to speak of."""
    side = int(np.ceil(np.sqrt(runs)))
    X = np.random.default_rng(0).standard_normal((n, d))
    lrs, scales = np.geomspace(1e-4, 1e-3, side), np.geomspace(0.1, 0.2, -(-runs // side))
    return Workload("scaling", "", "power(2)", X[None], X[None, :, :3].sum(2), lrs, scales, cap, 1e-300)


def cost(make, n, d, runs, cap, rounds, **options):
    """Nanoseconds of each round per run-step of a contestant."""
    make(endless(n, d, 100, cap), **options)(20)()  # compiled
    work = endless(n, d, runs, cap)
    contestant = make(work, **options)
    nanoseconds = []
    for _ in range(rounds):
        call = contestant(cap)
        start = time.perf_counter()
        steps = call().steps.sum()
        nanoseconds.append((time.perf_counter() - start) * 1e9 / int(steps))
        if steps != cap * work.runs:
            raise RuntimeError(f"n = {n}, d = {d}: a run ended before the cap of {cap}")
    return nanoseconds


def curves(quick, rounds):
    """Curves by name: the values of one size, the cost of a run-step at each, and the slope of their logarithms.

    Against runs it is the public sweep's, final sharpness included (one round from 100,000 runs on); against the
    rest the step loop's, with as many steps as make the same work at every size.
    """
    runs = [100, 400, 1600] if quick else [1_000, 10_000, 100_000, 1_000_000]
    sizes = [10, 20, 40, 80] if quick else [10, 20, 40, 80, 160, 320, 640]
    samples = [5, 10, 20, 40] if quick else [5, 10, 20, 40, 80, 160]
    many, products = (64, 2e7) if quick else (1024, 2e9)  # runs, and multiply-adds of all of them
    threads = sorted({1, *(2**k for k in range(1, 12) if 2**k < cores()), cores()})

    def loop(n, d, **options):
        return cost(loop_contestant, n, d, many, int(products / (2 * n * d * many)), rounds, **options)

    def sweep(count):
        return cost(sweep_contestant, 10, 20, count, 20 if quick else 200, rounds if count < 100_000 else 1)

    found = {
        "runs": _curve(runs, sweep),
        "d": _curve(sizes, lambda d: loop(10, d)),
        "n": _curve(samples, lambda n: loop(n, samples[-1])),
    }
    if len(threads) > 1:
        found["threads"] = _curve(threads, lambda count: loop(20, 40, threads=count))
    return found


def _curve(values, measure):
    nanoseconds = [measure(value) for value in values]
    least = [min(rows) for rows in nanoseconds]
    slope = float(np.polyfit(np.log(values), np.log(least), 1)[0])
    return {"values": values, "ns_per_run_step": nanoseconds, "slope": slope}


def start_up(rounds):
    """Seconds of each round of fresh processes, the whole process from start to end."""
    seconds = {name: [] for name in START_UP}
    with tempfile.TemporaryDirectory() as warm:
        _process(_SWEEP, warm)
        for _ in range(rounds):
            for name, (code, cold) in START_UP.items():
                with tempfile.TemporaryDirectory() as empty:
                    seconds[name].append(_process(code, empty if cold else warm))
    return seconds


def _process(code, cache):
    start = time.perf_counter()
    environment = os.environ | {"GDBIAS_CACHE_DIR": cache}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
