"""Time the public sweep against a JAX and a Numba program that do the same work (see README.md)."""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
from contestants import (
    CONVERGED,
    DIVERGED,
    PEERS,
    UNSTABLE_MINIMUM,
    WARM_CAP,
    gdbias_contestant,
    workload,
)


def timed(run, cap):
    """Seconds and outcome of one call."""
    start = time.perf_counter()
    outcome = run(cap)
    return time.perf_counter() - start, outcome


def summary(seconds):
    """Minimum and median of a list of seconds."""
    return {"min": min(seconds), "median": statistics.median(seconds), "all": seconds}


def counts(status):
    """Number of runs per status."""
    names = ("converged", "diverged", "step_limit", "unstable_minimum")
    return {name: int(np.sum(status == code)) for code, name in enumerate(names)}


def agreement(ours, theirs):
    """Differing statuses, and relative differences of sharpness over runs that reached the tolerance in both.

    A chance crossing of the tolerance (UNSTABLE_MINIMUM) counts as reaching it, as it does for the peers.
    """
    a, b = (np.where(o[0] == UNSTABLE_MINIMUM, CONVERGED, o[0]) for o in (ours, theirs))
    settled = np.isin(a, (CONVERGED, DIVERGED)) | np.isin(b, (CONVERGED, DIVERGED))
    opposite = ((a == CONVERGED) & (b == DIVERGED)) | ((a == DIVERGED) & (b == CONVERGED))
    both = (a == CONVERGED) & (b == CONVERGED)
    same_path = both & (ours[1] == theirs[1])  # equal step counts: chaos did not split the two runs
    relative = np.abs(ours[3] / theirs[3] - 1)
    return {
        "status_differs": int(np.sum(settled & (a != b))),
        "converged_against_diverged": int(np.sum(opposite)),
        "converged_in_both": int(np.sum(both)),
        "equal_steps": int(np.sum(same_path)),
        "sharpness_difference_max": float(np.max(relative[both], initial=0)),
        "sharpness_difference_max_equal_steps": float(np.max(relative[same_path], initial=0)),
    }


def machine():
    """Cores this process may use, processor model and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (s.split(":", 1) for s in info.read_text().splitlines() if s.startswith("model name"))
        model = next((value.strip() for _, value in lines), model)
    versions = {"python": platform.python_version()}
    for package in ("gdbias", "numpy", "scipy", "numba", "jax", "jaxlib"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cores": cores, "processor": model, "versions": versions}


def benchmark(side, cap, repeats, peers, only_peers):
    """Warm every contestant once, then alternate gdbias and each peer `repeats` times."""
    grid = workload(side)
    contestants = {} if only_peers else {"gdbias": gdbias_contestant(*grid)}
    contestants |= {name: PEERS[name](*grid) for name in peers}
    for run in contestants.values():
        run(min(cap, WARM_CAP))

    result = {"runs": side * side, "cap": cap, "repeats": repeats, "machine": machine()}
    result |= {"statuses": {}, "peers": {}}
    for name in peers:
        seconds = {"gdbias": [], name: []}
        outcomes = {}
        for _ in range(repeats):
            for who in seconds:
                if who in contestants:
                    elapsed, outcomes[who] = timed(contestants[who], cap)
                    seconds[who].append(elapsed)
        for who, outcome in outcomes.items():
            result["statuses"][who] = counts(outcome[0]) | {"run_steps": int(np.sum(outcome[1]))}
        entry = {"seconds": summary(seconds[name])}
        if not only_peers:
            entry["gdbias_seconds"] = summary(seconds["gdbias"])
            for which in ("min", "median"):
                entry[f"ratio_{which}"] = entry["seconds"][which] / entry["gdbias_seconds"][which]
            entry["agreement"] = agreement(outcomes["gdbias"], outcomes[name])
        result["peers"][name] = entry
    return result


def report(result):
    """Print the result as plain tables."""
    place = result["machine"]
    print(f"{result['runs']} runs, cap {result['cap']}, {result['repeats']} repeats, warm")
    print(f"{place['cores']} cores, {place['processor']}")
    print(", ".join(f"{package} {version}" for package, version in place["versions"].items()))
    heading = f"{'seconds':<14}{'min':>9}{'median':>9}{'gdbias min':>12}{'median':>9}"
    print(f"\n{heading}{'ratio min':>12}{'median':>9}")
    for name, entry in result["peers"].items():
        line = f"{name:<14}{entry['seconds']['min']:>9.2f}{entry['seconds']['median']:>9.2f}"
        if "gdbias_seconds" in entry:
            ours = entry["gdbias_seconds"]
            line += f"{ours['min']:>12.2f}{ours['median']:>9.2f}"
            line += f"{entry['ratio_min']:>12.2f}{entry['ratio_median']:>9.2f}"
        print(line)
    heading = f"{'statuses':<14}{'converged':>10}{'diverged':>10}{'step_limit':>12}{'unstable':>10}"
    print(f"\n{heading}{'run-steps':>12}")
    for name, c in result["statuses"].items():
        line = f"{name:<14}{c['converged']:>10}{c['diverged']:>10}{c['step_limit']:>12}"
        print(line + f"{c['unstable_minimum']:>10}{c['run_steps']:>12}")
    for name, entry in result["peers"].items():
        if "agreement" in entry:
            print(f"\ngdbias against {name}")
            for key, value in entry["agreement"].items():
                print(f"  {key.replace('_', ' '):<40}{value:>12.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-side", type=int, default=64, help="grid points per axis (64: 4096 runs)")
    parser.add_argument("--cap", type=int, default=20_000, help="step limit of every run")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each contestant")
    parser.add_argument("--peers", default="jax,numba", help=f"comma-separated, from {', '.join(PEERS)}")
    parser.add_argument("--only-peers", action="store_true", help="leave gdbias out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result here")
    options = parser.parse_args()
    peers = [name.strip() for name in options.peers.split(",") if name.strip()]
    for name in peers:
        if name not in PEERS:
            parser.error(f"unknown peer {name!r}; choose from {', '.join(PEERS)}")
    if not peers or min(options.runs_side, options.cap, options.repeats) < 1:
        parser.error("--runs-side, --cap and --repeats must be at least 1, and --peers must name one")
    try:
        result = benchmark(options.runs_side, options.cap, options.repeats, peers, options.only_peers)
    except ModuleNotFoundError as missing:
        parser.error(f"{missing}; install the project and JAX: pip install -e '.[deep]'")
    report(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
