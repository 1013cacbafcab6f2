"""Kill a sweep at random moments, resume it, and compare its store with one that was never interrupted."""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from gdbias.sims import Status

SWEEP = """
import sys
from gdbias import sims, theory
problem = theory.sparse_regression(n=5, d=12, sparsity=2, n_test=20)
sims.sweep(theory.difference(2), problem, sims.Grid(0.01, 1, 96), sims.Grid(0.01, 1, {rows}),
           max_steps=3000, window=512, threads=2, chunk_runs=192, store=sys.argv[1])
"""
LONGEST = 0.3  # seconds between a chunk that is done and the kill


@dataclass
class Killed:
    """What the kills of one sweep did."""

    kills: int = 0
    survived: int = 0  # chunks that were finished before a kill
    recomputed: int = 0  # of these, chunks whose files were written again afterwards
    differing: tuple[str, ...] = ()  # variables that are not those of the uninterrupted sweep, bit for bit


def start(store: Path, rows: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", SWEEP.format(rows=rows), str(store)])


def finished(store: Path) -> dict[str, int]:
    """The files of ``status`` with runs that are done, and the time of their last change."""
    chunks = (store / "status" / "c").rglob("*") if (store / "status" / "c").exists() else []
    return {str(p): p.stat().st_mtime_ns for p in chunks if p.is_file() and p.suffix != ".partial"}


def kill_again_and_again(folder: Path, kills: int, rows: int, seed: int = 0) -> Killed:
    """Sweeps of ``rows`` initialization scales, killed ``kills`` times by SIGKILL and resumed each time.

    A sweep that comes to its end is compared with the uninterrupted one, and a new one begun.
    """
    whole, found, rng = folder / "whole.zarr", Killed(), random.Random(seed)
    assert start(whole, rows).wait() == 0
    differing: set[str] = set()
    while found.kills < kills:
        part, done = folder / f"part{found.kills}.zarr", {}
        while True:
            process = start(part, rows)
            while found.kills < kills and process.poll() is None and finished(part).keys() <= done.keys():
                time.sleep(0.005)  # until a chunk is done, so that there is something to lose
            try:
                code = process.wait(timeout=rng.uniform(0, LONGEST) if found.kills < kills else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                found.kills += 1
                code = None
            now = finished(part)
            found.recomputed += sum(now.get(path) != changed for path, changed in done.items())
            if code is not None:
                break
            done = now
        assert code == 0
        found.survived += len(done)
        differing |= set(compare(whole, part))
    found.differing = tuple(sorted(differing))
    return found


def compare(whole: Path, part: Path) -> list[str]:
    """The variables of two finished stores that differ in any bit."""
    one, other = zarr.open_group(whole, mode="r"), zarr.open_group(part, mode="r")
    assert not (np.asarray(one["status"]) == Status.NOT_RUN).any()
    assert set(one.array_keys()) == set(other.array_keys())
    return [name for name in one.array_keys() if np.asarray(one[name]).tobytes() != np.asarray(other[name]).tobytes()]
