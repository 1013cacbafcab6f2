"""One BLAS thread a process, which is set before NumPy is there, and fixtures of the tests of stores."""

import os

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # a worker a core: on small matrices the threads of all would wait for each other


@pytest.fixture
def computed(monkeypatch):
    """The first init_scale of every chunk computed, in order."""
    from gdbias.sims.parallel import local  # here, for the process that hands the tests out needs none of it
    from small_stores import SCALES

    chunks, compute = [], local.compute

    def counted(work, *rest):
        chunks.append(SCALES.index(work.scales[0]))
        return compute(work, *rest)

    monkeypatch.setattr(local, "compute", counted)
    return chunks
