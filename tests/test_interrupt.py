"""Ctrl-C ends a run within moments, however many steps are left."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a program started in the background lacks
from gdbias import sims, theory
given = theory.power(2), theory.single_point((0.5, 1, 1.5), 3)
{warm}
print("ready", flush=True)
{call}
"""
CALLS = {
    "descend": "sims.descend(*given, 1e-9, max_steps={steps}, tol=1e-300)",
    "sweep": "sims.sweep(*given, [1e-9, 2e-9], max_steps={steps}, tol=1e-300, threads=1)",
}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no signal that stands for Ctrl-C reaches one process alone")
@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_ends_a_run(name):
    warm, call = (CALLS[name].format(steps=steps) for steps in (10, 10**15))  # compiled before
    run = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(warm=warm, call=call)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert run.stdout.readline() == b"ready\n"
        time.sleep(1)  # into the kernel
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=60)
    finally:
        run.kill()
    assert error.rstrip().endswith(b"KeyboardInterrupt")
