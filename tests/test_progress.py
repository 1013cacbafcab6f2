"""A bar is drawn where it is asked for, and by itself where work takes long and someone looks."""

import io
import time

import pytest

from gdbias.sims.parallel import progress
from gdbias.sims.parallel.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    """Its module is that of the streams of a notebook."""


Notebook.__module__ = "ipykernel.iostream"


def said(stream, shown, monkeypatch, seconds=0.0):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "DELAY", 0.05)
    with progress_bar("runs", 2, shown) as add:
        add(1)
        time.sleep(seconds)
        add(1, "lr = 0.1")
    return stream.getvalue()


@pytest.mark.parametrize("kind", [Terminal, Notebook])
def test_long_work_is_shown_to_whom_looks_and_short_work_is_not(kind, monkeypatch):
    assert said(kind(), None, monkeypatch) == ""
    assert "2/2" in said(kind(), None, monkeypatch, seconds=0.2)
    assert said(kind(), False, monkeypatch, seconds=0.2) == ""


def test_a_file_gets_a_bar_that_is_asked_for_alone(monkeypatch):
    assert said(io.StringIO(), None, monkeypatch, seconds=0.2) == ""
    assert "2/2" in said(io.StringIO(), True, monkeypatch)
