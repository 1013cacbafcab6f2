"""Time gdbias and its peers on the same work, how its cost grows, and how long it takes to start (see README.md)."""

import sys

from avx2 import narrow

if "--avx2" in sys.argv:
    narrow()  # first of all

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from contestants import CONTESTANTS, WARM_CAP
from machine import machine
from report import plot, print_machine, print_scaling, print_start_up, print_workload
from workloads import CONVERGED, DIVERGED, UNSTABLE_MINIMUM, WORKLOADS

from gdbias.theory import MissingExtra

SECTIONS = (*WORKLOADS, "scaling", "startup")


def timed(call):
    """Seconds and outcome of one call."""
    start = time.perf_counter()
    outcome = call()
    return time.perf_counter() - start, outcome


def counts(outcome):
    """Number of runs per status, and steps of all runs."""
    names = ("converged", "diverged", "step_limit", "unstable_minimum")
    found = {name: int(np.sum(outcome.status == code)) for code, name in enumerate(names)}
    return found | {"run_steps": int(np.sum(outcome.steps))}


def agreement(ours, theirs):
    """How two outcomes differ, over runs that converged or diverged on either side.

    A chance crossing of the tolerance (UNSTABLE_MINIMUM) counts as converged, as it does for the peers. Losses and
    sharpness are compared at equal step counts: there chaos did not split the two runs.
    """
    a, b = (np.where(o.status == UNSTABLE_MINIMUM, CONVERGED, o.status) for o in (ours, theirs))
    settled = np.isin(a, (CONVERGED, DIVERGED)) | np.isin(b, (CONVERGED, DIVERGED))
    opposite = ((a == CONVERGED) & (b == DIVERGED)) | ((a == DIVERGED) & (b == CONVERGED))
    both = (a == CONVERGED) & (b == CONVERGED)
    same_path = both & (ours.steps == theirs.steps)

    def largest(x, y):
        return float(np.max(np.abs(x / y - 1)[same_path & np.isfinite(x) & np.isfinite(y)], initial=0))

    return {
        "settled": int(np.sum(settled)),
        "status_differs": int(np.sum(settled & (a != b))),
        "converged_against_diverged": int(np.sum(opposite)),
        "converged_in_both": int(np.sum(both)),
        "equal_steps": int(np.sum(same_path)),
        "loss_difference": largest(ours.loss, theirs.loss),
        "sharpness_difference": largest(ours.sharpness, theirs.sharpness),
    }


def spread(values):
    """Minimum, median and maximum over rounds."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def benchmark(work, names, rounds):
    """Warm every contestant once, then call all of them in every round, in turning order; ratios are of one round."""
    contestants, absent = {}, {}
    for name in names:
        try:
            contestants[name] = CONTESTANTS[name].make(work)
        except (ModuleNotFoundError, FileNotFoundError, MissingExtra) as reason:
            absent[name] = str(reason)
    for contestant in contestants.values():
        contestant(min(work.cap, WARM_CAP))()
    seconds = {name: [] for name in contestants}
    outcomes = {}
    for number in range(rounds):
        for name in list(contestants)[:: 1 if number % 2 == 0 else -1]:
            elapsed, outcomes[name] = timed(contestants[name](work.cap))
            seconds[name].append(elapsed)
    result = {
        "about": work.about, "model": work.model, "shape": work.X.shape, "runs": work.runs, "cap": work.cap,
        "tol": work.tol, "absent": absent, "contestants": {},
    }  # fmt: skip
    for name in contestants:
        base = CONTESTANTS[name].base
        entry = {"seconds": seconds[name], "outcome": counts(outcomes[name])}
        if base in contestants:
            ratios = [mine / other for mine, other in zip(seconds[name], seconds[base], strict=True)]
            entry["ratio"] = {"to": base} | spread(ratios) | {"all": ratios}
        if "gdbias" in outcomes:
            entry["agreement"] = agreement(outcomes["gdbias"], outcomes[name])
        result["contestants"][name] = entry
    return result


def parse():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)  # --avx2 is looked for by its name
    parser.add_argument("--workloads", default=",".join(SECTIONS), help=f"comma-separated, from {', '.join(SECTIONS)}")
    parser.add_argument("--contestants", default=",".join(CONTESTANTS), help=f"from {', '.join(CONTESTANTS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether all works, not how fast")
    parser.add_argument("--avx2", action="store_true", help="all contestants without AVX-512, where there is more")
    parser.add_argument("--rounds", type=int, default=3, help="timed calls of each contestant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result here")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw ratios and curves here")
    options = parser.parse_args()
    for what, known in (("workloads", SECTIONS), ("contestants", CONTESTANTS)):
        names = [name.strip() for name in getattr(options, what).split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            parser.error(f"--{what} {', '.join(unknown)}: choose from {', '.join(known)}")
        setattr(options, what, names)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main():
    options = parse()
    warnings.filterwarnings("ignore", category=UserWarning, module="gdbias")  # some data of W4 are hard to fit
    result = {"machine": machine(), "quick": options.quick, "rounds": options.rounds, "workloads": {}}
    print_machine(result["machine"])
    started = time.perf_counter()
    for name in options.workloads:
        if name in WORKLOADS:
            result["workloads"][name] = benchmark(WORKLOADS[name](options.quick), options.contestants, options.rounds)
            print_workload(name, result["workloads"][name])
        elif name == "scaling":
            from scaling import curves

            result["scaling"] = curves(options.quick, options.rounds)
            print_scaling(result["scaling"])
        else:
            from scaling import start_up

            result["startup"] = start_up(options.rounds)
            print_start_up(result["startup"])
        if options.json:  # after every section, so that an interrupt loses one
            options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{time.perf_counter() - started:.0f} s in all")
    if options.plot:
        plot(result, options.plot)


if __name__ == "__main__":
    main()
