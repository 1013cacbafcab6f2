"""The package gdbias: rooms that are imported when they are first used, its version, and the command line from it."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import gdbias

HEAVY = ("numpy", "sympy", "numba", "xarray", "matplotlib", "scipy", "pandas", "jax")


def loaded(code):
    """Which heavy packages a fresh process has imported after ``code``."""
    code = f"{code}\nimport sys\nprint(*set({HEAVY}) & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return told.stdout.split()


@pytest.mark.parametrize("code", ["import gdbias", "from gdbias import theory, sims, figures; import gdbias.sims.deep"])
def test_nothing_heavy_is_imported_before_it_is_used(code):
    assert loaded(code) == []


def test_rooms_are_attributes_of_the_package():
    assert gdbias.theory.power(2).name == "power(2)"
    assert {"theory", "sims", "figures"} <= set(dir(gdbias))
    with pytest.raises(AttributeError):
        gdbias.kitchen  # noqa: B018


def test_the_version_is_that_of_the_installed_distribution():
    root = Path(__file__).parent.parent
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert gdbias.__version__ == version("gdbias") == declared
    assert f"\nversion: {declared}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{declared}]" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_package_is_a_command():
    told = subprocess.run([sys.executable, "-m", "gdbias", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"gdbias {gdbias.__version__}\n"
