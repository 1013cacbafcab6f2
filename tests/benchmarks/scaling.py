"""How the cost of gdbias grows with runs, samples, features and threads, and how long it takes to start."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from contestants_gdbias import sweep_contestant
from machine import cores
from workloads import Workload

_SWEEP = "from gdbias import sims, theory; sims.sweep(theory.power(2), theory.single_point((1.0,), 1.0), lr=[0.1, 0.2])"
_HELP = "import sys; sys.argv = ['gdbias', '--help']; from gdbias.figures.cli import main; main()"
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


def cost(n, d, runs, cap, rounds, threads=None):
    """Nanoseconds of each round per run-step of the public sweep, final sharpness included."""
    work = endless(n, d, runs, cap)
    contestant = sweep_contestant(work, threads=threads)
    contestant(2)()
    nanoseconds = []
    for _ in range(rounds):
        call = contestant(cap)
        start = time.perf_counter()
        steps = call().steps.sum()
        nanoseconds.append((time.perf_counter() - start) * 1e9 / int(steps))
        assert steps == cap * work.runs, "a run ended before the cap"
    return nanoseconds


def curves(quick, rounds):
    """Curves by name: the values of one size, the cost of a run-step at each, and the slope of their logarithms."""
    runs = [100, 400, 1600] if quick else [1_000, 10_000, 100_000, 1_000_000]
    sizes = [10, 20, 40, 80] if quick else [10, 20, 40, 80, 160, 320, 640]
    samples = [5, 10, 20, 40] if quick else [5, 10, 20, 40, 80, 160]
    many, cap = (64, 100) if quick else (1024, 1000)
    threads = sorted({1, *(2**k for k in range(1, 12) if 2**k < cores()), cores()})
    found = {
        "runs": _curve(runs, lambda v, r: cost(10, 20, v, 20 if quick else 200, r), rounds),
        "d": _curve(sizes, lambda v, r: cost(10, v, many, cap, r), rounds),
        "n": _curve(samples, lambda v, r: cost(v, samples[-1], many, cap, r), rounds),
    }
    if len(threads) > 1:
        found["threads"] = _curve(threads, lambda v, r: cost(20, 40, many, cap, r, threads=v), rounds)
    return found


def _curve(values, measure, rounds):
    nanoseconds = [measure(value, rounds) for value in values]
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
