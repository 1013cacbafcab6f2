"""The verb ``gdbias report``: how a stored result was made, and what makes it again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from ... import sims
from ...sims.status import Status
from ...theory.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

DIAGONAL = (
    "sweep",
    "descend",
    "flow",
    "compare",
    "predicted",
)  # kinds of results that Python makes again from models and problems


@dataclass(frozen=True)
class Report:
    """Print how a stored result was made: models, data, options, versions, and the command that makes it again."""

    store: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STORE")]
    """Folder or URL of a Zarr store, or a .json file of a result."""

    def __call__(self) -> None:
        print(describe(sims.store.open_result(self.store), self.store))


def describe(ds: "xr.Dataset", store: str | Path) -> str:
    """The report as text: first what it is, then each field of its spec, then how to make it again.

    Raises:
        InputError: attributes that a result of gdbias has are missing, or hold something else.
    """
    try:
        spec, versions = dict(json.loads(ds.attrs["spec"])), dict(json.loads(ds.attrs["versions"]))
        title, command = str(ds.attrs["title"]), str(ds.attrs["command"])
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{store} does not say how it was made ({error!r}): give what gdbias wrote") from None
    lines = [title, ""]
    lines += [f"{name:12} {size}" for name, size in ds.sizes.items()]
    done = int((ds["status"].values != Status.NOT_RUN).sum())
    if done < ds["status"].size:
        size = ds["status"].size
        unfinished = f"unfinished: {done} of {size} runs are done; the same command goes on"
        predicted = str(spec.get("kind", "")).endswith("predicted")
        lines += [f"{size - done} of {size} runs are not predicted, or not yet" if predicted else unfinished]
    lines += _steps(ds, str(spec.get("kind", "")))
    lines += [f"{name:12} {_short(value)}" for name, value in spec.items() if name != "kind"]
    lines += [f"{'versions':12} {', '.join(f'{name} {version}' for name, version in versions.items())}"]
    lines += [f"{'git':12} {ds.attrs['git']}"] if ds.attrs.get("git") else []
    lines += ["", "Made by", "", f"    {command}"]
    if spec["kind"] in DIAGONAL or "network" in spec:
        lines += ["", "The same in Python", "", *(f"    {line}" for line in python(ds, store).splitlines())]
    return "\n".join(lines)


def _steps(ds: "xr.Dataset", kind: str) -> list[str]:
    """How long runs take that converge, measured or predicted; nothing where none does."""
    if "steps" not in ds:
        return []
    steps = ds["steps"].values[(ds["status"].values == Status.CONVERGED) & (ds["steps"].values >= 0)]
    if not steps.size:
        return []
    told = "predicted for" if kind.endswith("predicted") else "of"
    return [
        f"{'steps':12} {np.median(steps):.0f} in the median, {steps.max()} at most, {told} {steps.size} that converge"
    ]


def python(ds: "xr.Dataset", store: str | Path) -> str:
    """Python text that makes the result ``ds`` again, on the models and problems rebuilt from its store."""
    spec = json.loads(ds.attrs["spec"])
    if "network" in spec:
        return _linear(ds, store, spec)
    names = []
    for name in ("model", "problem"):
        listed = ("seed" if name == "problem" else name) in ds.dims
        names.append(f"{name}s" if listed else f"[{name}]")
    values = {
        name: value
        for name, value in spec.items()
        if name not in ("kind", "model", "problem", "rule") and value is not None
    }
    arguments = [*(n.strip("[]") for n in names), *(f"{n}={_argument(ds, n, value)}" for n, value in values.items())]
    several = "s" * isinstance(spec.get("rule"), list)
    arguments += [f"rule=sims.rebuild_rule{several}(stored)"] if "rule" in spec else []
    return "\n".join((
        "from gdbias import sims",
        "from gdbias.sims.store import open_result",
        f"stored = open_result({str(store)!r})",
        f"{', '.join(names)} = sims.rebuild(stored)",
        f"ds = sims.{spec['kind']}({', '.join(arguments)})",
    ))  # fmt: skip


def _linear(ds: "xr.Dataset", store: str | Path, spec: dict) -> str:
    """The same of a deep linear network; ``average`` and ``cool`` stand in its spec, and are no options of it."""
    left = ("kind", "model", "problem", "network", "average", "cool")
    values = {name: value for name, value in spec.items() if name not in left and value is not None}
    return "\n".join((
        "import json",
        "from gdbias import sims, theory",
        "from gdbias.sims.store import open_result",
        f"stored = open_result({str(store)!r})",
        'net = theory.linear_network(**json.loads(stored.attrs["spec"])["network"])',
        f"ds = sims.{spec['kind'].replace(' ', '.')}(net, "
        + ", ".join(f"{name}={_argument(ds, name, value)}" for name, value in values.items()) + ")",
    ))  # fmt: skip


def _argument(ds: "xr.Dataset", name: str, value) -> str:
    """The text of an argument; a grid by the coordinate that holds it."""
    if isinstance(value, list) and name in ds.coords and np.array_equal(ds[name].values, value):
        return f"stored[{name!r}].values"
    return repr(value)


def _short(value) -> str:
    """A value on one line; long lists by their ends."""
    if isinstance(value, list) and len(value) > 8 and not isinstance(value[0], dict):
        return f"{value[0]!r}, {value[1]!r}, ... {value[-1]!r} ({len(value)} values)"
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items() if k != "fingerprint")
    return str(value)
