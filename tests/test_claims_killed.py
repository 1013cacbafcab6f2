"""A reproduction that is killed in the midst of a deep sweep ends with the numbers of one that was not."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

from gdbias.sims.store.files import read_text

CODE = """
import sys
from gdbias import sims
from gdbias.sims.claims import Claim, Expectation, reproduce
from gdbias.sims.claims.networks import digits, fcn
runs = digits("tiny", fcn(width=8), 0.1, lr=(0.5, 0.9, 1.2, 1.5), train=50)
steps = Expectation("steps", lambda runs: float(runs[0]["steps"].min()), low=1)
reproduce(quick=True, folder=sys.argv[1], known={"T-1": Claim("T-1", "It takes steps.", (steps,), (runs,))})
"""


@pytest.fixture
def started(tmp_path):
    """Processes that reproduce in a folder of the test's; what the first of them compiled serves the others."""
    compiled = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return lambda name: subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path / name)], env=os.environ | compiled)


@pytest.mark.slow
def test_a_killed_reproduction_ends_with_the_same_numbers(tmp_path, started):
    assert started("whole").wait() == 0
    store = tmp_path / "part" / "quick" / "digits-tiny.zarr"
    process = started("part")
    while not list((store / "status").rglob("c/*")):  # until the first run is done
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert store.exists() and not store.with_suffix(".json").exists()
    store.with_suffix(".seconds").write_text("1000")  # as if it had gone on for long
    assert started("part").wait() == 0
    whole, part = (read_text(tmp_path / name / "quick" / "digits-tiny.json") for name in ("whole", "part"))
    assert part.drop_attrs().identical(whole.drop_attrs()) and not store.exists()
    assert part.attrs["seconds"] > 1000 > whole.attrs["seconds"] and not list(store.parent.glob("*.seconds"))
