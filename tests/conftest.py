"""Fixtures of the tests of stores."""

import importlib

import pytest

from small_stores import SCALES

LOCAL = importlib.import_module("gdbias.sims.parallel.local")


@pytest.fixture
def computed(monkeypatch):
    """The first init_scale of every chunk computed, in order."""
    chunks, compute = [], LOCAL.compute

    def counted(work, *rest):
        chunks.append(SCALES.index(work.scales[0]))
        return compute(work, *rest)

    monkeypatch.setattr(LOCAL, "compute", counted)
    return chunks
