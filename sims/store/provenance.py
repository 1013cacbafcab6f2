"""How a result was made, so that it can be made again."""

import importlib.metadata
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...theory import Parameterization, Problem, UpdateRule, gradient_descent
from ..options import Deciding

_PACKAGES = ("gdbias", "numpy", "scipy", "sympy", "numba", "xarray", "zarr", "jax", "equinox", "cupy")
_DISTRIBUTIONS = {"cupy": ("cupy-cuda12x", "cupy-cuda13x", "cupy")}  # the same package for one CUDA or another


def result_spec(
    kind: str,
    model: Parameterization | list[Parameterization],
    problem: Problem | list[Problem],
    options: Deciding,
    rule: UpdateRule | list[UpdateRule] = gradient_descent,
    **rest,
) -> dict:
    """The spec of a result: what decides its numbers, and nothing else (not threads, not the machine)."""
    models = model if isinstance(model, list) else [model]
    problems = problem if isinstance(problem, list) else [problem]
    rules = [one.spec for one in rule] if isinstance(rule, list) else rule.spec
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in rest.items()}
    return json.loads(
        json.dumps(
            dict(
                kind=kind,
                model=[m.name for m in models],
                problem=[dict(p.spec) | {"fingerprint": p.fingerprint} for p in problems],
                **options.deciding(),
                **plain,
                **({"rule": rules} if rules else {}),
            )
        )
    )


def result_attributes(spec: dict, problems: list[Problem]) -> dict:
    """Attributes of a stored result: spec, versions, git hash, command, and the data themselves if a user's."""
    attributes = dict(
        title=f"gdbias {spec['kind']}",
        spec=json.dumps(spec),
        versions=json.dumps({"python": sys.version.split()[0], **versions()}),
        git=_git_hash(),
        command=_command(),
    )
    if not all(p.made_by_spec for p in problems):
        attributes["data"] = json.dumps([_data(p) for p in problems])
    return attributes


def _command() -> str:
    module = getattr(sys.modules["__main__"], "__spec__", None)  # None of a script
    program = [Path(word).name for word in sys.argv[:1]]
    if module:
        program = ["python", "-m", module.name.removesuffix(".__main__")]
    return shlex.join([*program, *sys.argv[1:]])


def _data(problem: Problem) -> dict:
    arrays = {name: getattr(problem, name) for name in ("X", "y", "beta_star", "X_test", "y_test")}
    return {name: value.tolist() for name, value in arrays.items() if value is not None}


@lru_cache(maxsize=2)  # reading them takes as long as a short run
def versions(packages: tuple[str, ...] = _PACKAGES) -> Mapping[str, str]:
    """The versions of what decides a result's numbers, or of other packages, those that are installed."""
    found = {}
    for name in packages:
        for distribution in _DISTRIBUTIONS.get(name, (name,)):
            with suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(distribution)
    return found


@lru_cache(maxsize=1)
def _git_hash() -> str:
    """The commit of the source tree this package runs from, "" when installed from a wheel."""
    here = Path(__file__).resolve().parent
    asked = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        tracked = subprocess.run([*asked[:3], "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=5)
        return (
            subprocess.run(asked, capture_output=True, text=True, timeout=5).stdout.strip()
            if not tracked.returncode
            else ""
        )
    except (OSError, subprocess.SubprocessError):
        return ""
