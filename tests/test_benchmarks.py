"""The benchmark's contestants do the same work: equal outcomes on a tiny workload."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.fixture
def suite(monkeypatch):
    """The contestants and workloads by name, and how suite.py compares outcomes."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)
    from contestants import CONTESTANTS
    from suite import agreement
    from workloads import WORKLOADS

    yield CONTESTANTS, WORKLOADS, agreement
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == BENCHMARKS:
            del sys.modules[name]


def tiny(workload):
    """A workload with few runs, of which some converge, some diverge and some are stopped."""
    work = workload(quick=True)
    step = 2 if work.X.size > 10_000 else 1
    return replace(work, lrs=work.lrs[::step], scales=work.scales[::step], tol=1e-3, cap=300)


def check_outcomes(suite, name, contestants):
    known, workloads, agreement = suite
    work = tiny(workloads[name])
    ours = known["gdbias"].make(work)(work.cap)()
    assert len(np.unique(ours.status)) > 1, "the workload tells nothing"
    for who in contestants:
        theirs = known[who].make(work)(work.cap)()
        assert theirs.status.shape == (work.runs,)
        stopped = (ours.status == 2) & (theirs.status == 2)
        assert (theirs.steps[stopped] == work.cap).all(), who
        same = agreement(ours, theirs)
        assert same["settled"] > 3
        assert same["status_differs"] <= 0.02 * same["settled"], who  # chaos may split one run or another
        assert same["equal_steps"] >= 0.95 * same["converged_in_both"], who
        assert same["loss_difference"] < 1e-6, who
        assert same["sharpness_difference"] < 1e-4, who


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W4", "W5"])
def test_numpy_and_the_bare_loop_end_as_gdbias_does(suite, name):
    check_outcomes(suite, name, ("numpy", "gdbias-loop"))


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W4", "W5"])
def test_the_kernel_in_c_ends_as_gdbias_does(suite, name):
    import ceiling

    if ceiling.compiler() is None:
        pytest.skip("no C compiler")
    check_outcomes(suite, name, ("c", "c-dense"))


def test_another_learning_rate_is_told_apart(suite):
    known, workloads, agreement = suite
    work = tiny(workloads["W5"])
    ours, theirs = (known["gdbias"].make(w)(w.cap)() for w in (work, replace(work, lrs=1.1 * work.lrs)))
    same = agreement(ours, theirs)
    assert same["status_differs"] > 0.02 * same["settled"] or same["equal_steps"] < 0.95 * same["converged_in_both"]
