"""Fixtures of the tests of stores."""

import importlib

import pytest

from small_stores import SCALES

SWEEP = importlib.import_module("gdbias.sims.sweeps")  # the module: sims.sweep is the function
LOCAL = importlib.import_module("gdbias.sims.parallel.local")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(SWEEP, "STORE_CHUNK", 4)  # one init_scale a chunk


@pytest.fixture
def computed(monkeypatch):
    """The first init_scale of every chunk computed, in order."""
    chunks, compute = [], LOCAL.compute

    def counted(work, *rest):
        chunks.append(SCALES.index(work.scales[0]))
        return compute(work, *rest)

    monkeypatch.setattr(LOCAL, "compute", counted)
    return chunks
