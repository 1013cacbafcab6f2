"""What a sweep will cost, from a few of its runs: time, memory, and the size of its store."""

import itertools
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from ..theory import (
    GdbiasError,
    NoInterpolator,
    Parameterization,
    Prediction,
    Problem,
    UpdateRule,
    gradient_descent,
    predict,
)
from ..theory.validate import truth
from .grid import Grid
from .machine import cores
from .options import SHORTEST_WINDOW, STORE_CHUNK, SweepChanges, SweepOptions, options_of
from .parallel.chunks import compute, write
from .parallel.local import side_by_side
from .parallel.plan import KEPT, Plan, Work
from .status import Status
from .store.group import open_for_writing

SETTINGS = 4  # rules with a model and a problem that are tried
FIRST_CAP = 1000  # steps of a first try
FLOPS = 4e10  # of a first try, some seconds
BUDGET = 10.0  # seconds for all tries together
PREDICTED = 3, 12  # starts, and learning rates, whose runs are predicted
AT_ONCE = 1e5  # n^2 d up to which that takes about a second
UNENDED = (Status.STEP_LIMIT, Status.BOUNDED)  # at the last step


@dataclass(frozen=True, repr=False)
class Estimate:
    """What a sweep will cost on this machine."""

    runs: int
    chunks: int
    seconds: float  # an upper bound where runs were still under way at the last step tried
    memory: int  # bytes, of the process at its peak
    size: int  # bytes of the store, or of the result in memory
    tried: int  # runs that this was measured on
    unfinished: float  # share of these that were counted as going on to max_steps
    ending: float | None  # share of the runs that theory expects to end before max_steps, where it can say so at once

    def __repr__(self) -> str:
        bound = f"at most, {self.unfinished:.0%} of them unfinished" if self.unfinished else "to their end"
        ends = "" if self.ending is None else f"; {self.ending:.0%} of all end by themselves, predicted"
        return "\n".join((
            f"runs    {self.runs} in {self.chunks} chunks",
            f"time    {_time(self.seconds)}   from {self.tried} runs tried here, {bound}{ends}",
            f"memory  {_bytes(self.memory)}   at its peak",
            f"size    {_bytes(self.size)}   of the result",
        ))  # fmt: skip


def estimate(
    model: Parameterization | Sequence[Parameterization],
    problem: Problem | Sequence[Problem],
    lr: float | np.ndarray | Sequence[float] | Grid,
    init_scale: float | np.ndarray | Sequence[float] | Grid = 0.1,
    *,
    rule: UpdateRule | Sequence[UpdateRule] = gradient_descent,
    keep: Sequence[str] = KEPT,
    stored: bool = True,
    options: SweepOptions | None = None,
    **changes: Unpack[SweepChanges],
) -> Estimate:
    """What :func:`gdbias.sims.sweep` with these arguments will cost, after about ten seconds of trying.

    Runs spread evenly over the grid of up to four settings of rule, model and problem are made, their outcomes written
    to a temporary store when ``stored``, and time and bytes scaled up. Options are those of ``sweep``.

    Raises:
        InputError: as ``sweep``.
    """
    options, stored = options_of("estimate", SweepOptions(), options, changes), truth("stored", stored)
    plan = Plan.of(model, problem, lr, init_scale, rule, keep, options, stored)
    plan.check(here=True)
    samples = _samples(plan)
    tries = [_tried(sample, stored, BUDGET / len(samples)) for sample in samples]
    tried = sum(t.runs for t in tries)
    chunks = [plan.work(chunk).runs for chunk in plan.chunks()]
    beside = side_by_side(len(chunks), options)
    runs = plan.layout.runs
    size = sum(t.size for t in tries) / tried * runs
    computing = sum(t.computing for t in tries) / tried * runs
    writing = sum(t.writing for t in tries) / len(tries) * len(chunks)
    working = max((t.peak + 2 * t.size * (beside > 1)) / t.runs for t in tries) * max(chunks) * beside
    return Estimate(
        runs, len(chunks), computing + writing, int(_resident() + working + (0 if stored else size)), int(size),
        tried, sum(t.unfinished for t in tries) / tried, _ending(plan),
    )  # fmt: skip


def _ending(plan: Plan) -> float | None:
    """The share of runs that theory expects to converge or diverge before max_steps, from some of one problem."""
    model, problem, options = plan.models[0], plan.problems[0], plan.options
    if list(plan.rules) != [gradient_descent] or problem.n**2 * problem.d > AT_ONCE or not options.tol:
        return None
    ends = []
    try:
        for scale in plan.scales[_middles(len(plan.scales), PREDICTED[0])]:
            pred = predict(model, problem, float(scale))
            for lr in plan.lrs[_middles(len(plan.lrs), PREDICTED[1])].tolist():
                ends.append(lr >= pred.lr_divergence or _steps(pred, lr, options.tol) < options.max_steps)
    except GdbiasError:  # a loss, a degree or data without predictions
        return None
    return float(np.mean(ends))


def _steps(pred: Prediction, lr: float, tol: float) -> float:
    try:
        return pred.steps(lr, tol)
    except NoInterpolator:  # that is stable
        return np.inf


@dataclass(frozen=True)
class _Try:
    runs: int
    unfinished: int
    computing: float  # seconds
    writing: float  # seconds, of one chunk
    peak: int  # bytes, while computing
    size: int  # bytes of the outcomes


def _samples(plan: Plan) -> list[Plan]:
    """Plans of one chunk, for some rules, models and problems: runs in the middle of equal parts of the grid."""
    settings = list(itertools.product(plan.rules, plan.models, plan.problems))
    chosen = [settings[i] for i in _middles(len(settings), SETTINGS)]
    samples = []
    for rule, model, problem in chosen:
        wanted = FLOPS / len(chosen) / (4 * problem.n * problem.d * len(model.weights) * FIRST_CAP)
        runs = int(np.clip(wanted, 64, STORE_CHUNK))
        rows = int(np.clip(np.sqrt(runs * len(plan.scales) / len(plan.lrs)), 1, len(plan.scales)))
        rows = max(rows, min(len(plan.scales), runs // len(plan.lrs)))
        axes = _middles(len(plan.scales), rows), _middles(len(plan.lrs), max(1, runs // rows))
        samples.append(
            replace(plan, rules=[rule], models=[model], problems=[problem], scales=plan.scales[axes[0]],
                    lrs=plan.lrs[axes[1]], options=replace(plan.options, chunk_runs=STORE_CHUNK))
        )  # fmt: skip
    return samples


def _middles(length: int, parts: int) -> np.ndarray:
    parts = min(length, parts)
    return ((np.arange(parts) + 0.5) * length / parts).astype(int)


def _tried(sample: Plan, stored: bool, budget: float) -> _Try:
    [chunk], options = sample.chunks(), sample.options
    window = min(options.window, SHORTEST_WINDOW)  # its cost is proportional to its length
    plain = replace(options, threads=options.threads or cores(), window=0)
    short = replace(plain, max_steps=min(1, options.max_steps), window=window)
    work = replace(sample.work(chunk), options=short)
    _timed(replace(work, lrs=work.lrs[:1], scales=work.scales[:1]))  # compiles
    tracemalloc.start()
    try:
        _timed(work)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    cap = min(options.max_steps, FIRST_CAP)
    while True:
        computing, found = _timed(replace(work, options=replace(plain, max_steps=cap)))
        at_end = np.isin(found["status"], UNENDED) & (found["steps"] == cap)
        unfinished = int(at_end.sum()) if cap < options.max_steps else 0
        if not unfinished or 4 * computing > budget:
            break
        cap = min(4 * cap, options.max_steps)
    following = 0.0
    if window:
        with_window, _ = _timed(replace(work, options=replace(plain, max_steps=cap, window=window)))
        following = max(0.0, with_window - computing) * options.window / window
    computing *= 1 + unfinished * (options.max_steps - cap) / max(1, int(found["steps"].sum()))
    computing += following
    size, writing = _written(sample, found) if stored else (sum(found[n].nbytes for n in sample.layout.variables), 0.0)
    return _Try(work.runs, unfinished, computing, writing, peak, size)


def _timed(work: Work) -> tuple[float, dict]:
    """Seconds that the work takes, and its outcomes."""
    began = time.perf_counter()
    found = compute(work, np.zeros(1, dtype=np.int64))
    return time.perf_counter() - began, found


def _written(sample: Plan, found: dict) -> tuple[int, float]:
    """Bytes of the outcomes in a store, and the seconds that writing them takes."""
    [chunk] = sample.chunks()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "sample.zarr"
        with open_for_writing(store, sample.layout, {}, {"spec": json.dumps({"kind": "sample"})}) as group:
            before = _files(store)
            began = time.perf_counter()
            names = sample.layout.variables
            write(found, chunk, names, {name: group[name] for name in names})
            return _files(store) - before, time.perf_counter() - began


def _files(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _resident() -> int:
    """Bytes that this process held at its peak so far: libraries and compiled kernels, mostly; 0 where unknown."""
    try:
        import resource  # not on every system
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
