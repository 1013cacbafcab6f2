"""Python text that makes the run of a cell again."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import xarray as xr

from ...sims.options import Options, RunOptions


def options_of_run(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a spec that one run has, where they are not the default."""
    known = RunOptions if "network" in spec else Options
    defaults = {f.name: f.default for f in fields(known) if f.metadata.get("result", True)}
    return {name: spec[name] for name, value in defaults.items() if spec.get(name) not in (None, value)}


def python_of_run(spec: Mapping[str, Any], ds: xr.Dataset, store: str, at: Mapping[str, Any]) -> str:
    """The text for the cell ``at`` of a stored result; of a deep network the command that makes them all."""
    if "network" not in spec and str(spec.get("kind", "")).startswith("deep"):
        return f"# all runs of the store, by the command line:\n# {ds.attrs.get('command', '')}"
    lines = ["from gdbias import sims, theory" if "network" in spec else "from gdbias import sims", ""]
    lines += [f"stored = sims.store.open_result({store!r})"]
    given = {name: at[name] for name in ("lr", "init_scale") if name in at}
    if "network" in spec:
        lines = [
            "import json",
            "",
            *lines,
            'net = theory.linear_network(**json.loads(stored.attrs["spec"])["network"])',
        ]
        called = "sims.linear.descend(net"
        given |= {name: spec[name] for name in ("start", "seed") if name in spec}
    else:
        model = spec["model"].index(at["model"]) if "model" in at else 0
        seeds = ds["seed"].values.tolist() if "seed" in at else [None]
        problem = seeds.index(at["seed"]) if "seed" in at else 0
        lines += ["models, problems = sims.rebuild(stored)"]
        called = f"sims.descend(models[{model}], problems[{problem}]"
    given |= options_of_run(spec) | {"record_every": 1}
    words = [f"{name}={value!r}" for name, value in given.items()]
    if "rule" in spec:
        rule = np.ravel(ds["rule"].values).tolist().index(at["rule"]) if "rule" in at else 0
        words += [f"rule=sims.rebuild_rules(stored)[{rule}]"]
    return "\n".join([*lines, f"run = {called}, {', '.join(words)})"])
