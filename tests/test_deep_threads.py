"""Deep runs side by side: they overlap, and one that fails or is no longer waited for stops the others."""

from threading import Barrier, Event

import pytest

pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")

from gdbias.sims.deep.threads import side_by_side

PATIENCE = 60.0  # seconds


def until_halted(tell, ended, run):
    """A run that goes on until it is told to stop."""
    try:
        while True:
            tell(f"run {run}")
    finally:
        ended.append(run)


def test_runs_overlap_and_each_is_found_once():
    both, told = Barrier(2, timeout=PATIENCE), []

    def find(run, tell):
        tell(f"run {run}")
        both.wait()  # for ever, if there were no other
        return dict(square=run**2)

    found = dict(side_by_side(find, [3, 1, 2, 0], 2, told.append))
    assert found == {run: dict(square=run**2) for run in range(4)} and sorted(told) == [f"run {i}" for i in range(4)]


def test_a_run_that_fails_stops_the_others_and_none_begins_after_it():
    both, ended, begun = Barrier(2, timeout=PATIENCE), [], []

    def find(run, tell):
        begun.append(run)
        if run < 2:
            both.wait()
        if run == 0:
            raise ValueError("not finite")
        until_halted(tell, ended, run)

    with pytest.raises(ValueError, match="not finite"):
        list(side_by_side(find, [0, 1, 2, 3], 2, lambda note: None))
    assert 1 in ended and 3 not in begun


def test_what_has_ended_is_found_though_another_fails_first():
    both, found = Barrier(2, timeout=PATIENCE), []

    def find(run, tell):
        both.wait()
        if run == 0:
            raise ValueError("not finite")
        return dict(run=run)

    with pytest.raises(ValueError, match="not finite"):
        for run, _ in side_by_side(find, [0, 1], 2, lambda note: None):
            found.append(run)
    assert found == [1]


def test_an_interrupt_while_waiting_stops_what_is_under_way():
    begun, ended = Event(), []

    def find(run, tell):
        if run == 0:
            assert begun.wait(PATIENCE)
            return {}
        begun.set()
        until_halted(tell, ended, run)

    results = side_by_side(find, [0, 1], 2, lambda note: None)
    assert next(results) == (0, {})
    results.close()  # as an exception in the loop over them does
    assert ended == [1]
