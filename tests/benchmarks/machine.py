"""What a benchmark ran on: processor, cores, versions, date and load."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from avx2 import narrowed
from ceiling import FLAGS, compiler

from gdbias.sims.engine.cuda.gpu import gpu_module
from gdbias.sims.machine import cores
from gdbias.sims.store.provenance import versions
from gdbias.theory import MissingExtra

PACKAGES = ("gdbias", "numpy", "scipy", "numba", "jax", "jaxlib", "torch")


def machine():
    """A dictionary of it, for the report and the JSON file."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": cores(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # others' work at the start
        "system": platform.platform(),
        "commit": _output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
        "compiler": _compiler(),
        "gpu": _gpu(),
        "versions": {"python": platform.python_version(), **versions(PACKAGES)},
    }


def _processor():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    asked = ("avx2",) if narrowed() else ("avx512f", "avx2")
    wide = next((f for f in asked if any(f in line for line in lines if line.startswith("flags"))), "")
    return f"{names[0]} ({wide})" if names else platform.processor() or platform.machine()


def _gpu():
    try:
        cupy = gpu_module()
    except MissingExtra:
        return None
    return f"{cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}, cupy {cupy.__version__}"


def _compiler():
    command = compiler()
    return f"{_output(command, '--version')} {' '.join(FLAGS)}" if command else None


def _output(*command):
    """First line a command prints, None where it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None
