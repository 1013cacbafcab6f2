"""What JAX compiles for a command serves the next one, which finds the same numbers."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("jax", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("equinox", reason="needs pip install 'gdbias[deep]'")
pytest.importorskip("sklearn", reason="needs pip install 'gdbias[deep]'")

COMMAND = (
    "deep runs.zarr --data digits --train 60 --test 20 --width 8 --depth 1 --lr 0.8,1.5 --tol 0.05 --max-steps 300"
).split()
LOGGED = {"JAX_LOGGING_LEVEL": "DEBUG"}  # by which JAX tells what it compiles and what it finds


def told(folder, **environment):
    """The table of a process of its own in an empty folder, and what JAX said."""
    folder.mkdir()
    here = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(
        [sys.executable, "-m", "gdbias", *COMMAND], capture_output=True, text=True, cwd=folder, env=here | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def programs(folder):
    return sorted(folder.glob("jax-*/*-cache"))


def test_programs_are_kept_and_found_and_do_without_where_damaged(tmp_path):
    cache = {"GDBIAS_CACHE_DIR": str(tmp_path / "kernels")}
    first, _ = told(tmp_path / "first", **cache)
    kept = programs(tmp_path / "kernels")
    assert any("advance" in path.name for path in kept)

    again, said = told(tmp_path / "again", **cache, **LOGGED)
    assert again == first and programs(tmp_path / "kernels") == kept
    assert "Persistent compilation cache hit for 'jit__advance'" in said
    assert "PERSISTENT COMPILATION CACHE MISS" not in said.upper()

    for path in kept:
        path.write_bytes(path.read_bytes()[:20])
    damaged, said = told(tmp_path / "damaged", **cache)
    assert damaged == first and "Error reading" in said and "Traceback" not in said


def test_a_place_that_the_user_names_stays(tmp_path):
    own = tmp_path / "own"
    told(tmp_path / "here", GDBIAS_CACHE_DIR=str(tmp_path / "kernels"), JAX_COMPILATION_CACHE_DIR=str(own))
    assert not programs(tmp_path / "kernels")
