"""Runs as data: a sweep of a deep network or of a diagonal one over multiples of lr_critical."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import theory
from ...theory.datasets import MADE_BY_SPEC
from .. import deep
from ..deep.architecture import Network
from ..deep.options import DeepOptions
from ..gradient_flow import flow
from ..sweeps import sweep

FLOW = ("sharpness", "theta_l1", "theta_l2", "beta_l1", "test_risk")  # of gradient flow's endpoint


@dataclass(frozen=True)
class DeepRuns:
    """One deep sweep, as ``gdbias deep`` makes it.

    Attributes:
        name: of its files.
        lr: multiples of lr_critical.
    """

    name: str
    network: Network
    options: DeepOptions
    data: str = "digits"
    train: int = 200
    test: int | None = None
    lr: tuple[float, ...] = (0.5, 0.8, 0.95, 1.1, 1.3, 1.6, 2.0, 3.0)

    @property
    def spec(self) -> dict:
        """What decides the numbers."""
        options = self.options.deciding() | dict(chunk=self.options.chunk)  # which files from before name
        return _plain(asdict(self) | dict(network=self.network.spec(), options=options))

    @property
    def command(self) -> str:
        """The command that makes these runs by itself."""
        words = ["gdbias deep", f"{self.name}.zarr", f"--data {self.data} --train {self.train}"]
        words += [f"--test {self.test}"] if self.test is not None else []
        for part in (self.network, self.options):
            given = {f.name: getattr(part, f.name) for f in fields(part) if getattr(part, f.name) != f.default}
            words += [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
        return " ".join([*words, f"--lr {','.join(map('{:g}'.format, self.lr))}"])

    def make(self, store: Path, progress: bool | None = None) -> xr.Dataset:
        """Make what is missing in the store, and return all."""
        images = deep.load(self.data, self.train, self.test)
        return deep.sweep(
            self.network, images, list(self.lr), relative=True, store=store, progress=progress, options=self.options
        )


@dataclass(frozen=True)
class DiagonalRuns:
    """A sweep of a diagonal network from one initialization, with gradient flow from the same.

    Attributes:
        name: of its files.
        model: as :func:`gdbias.theory.parse` reads it.
        problem: the spec of its data, by their kind.
        classify: the signs of the targets are the labels of a logistic loss.
        lr: multiples of lr_critical, which momentum b raises by 1 + b.
        options: of the sweep.
        rule: of the update, by name.
        ends: whether the risks of the norm minimiser and of the sharpness minimiser are added.
    """

    name: str
    model: str
    problem: Mapping[str, Any]
    lr: tuple[float, ...] = (0.5, 0.7, 0.9, 0.95, 1.06, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5)
    init_scale: float = 0.1
    classify: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    rule: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = False

    @property
    def spec(self) -> dict:
        """What decides the numbers."""
        return _plain(asdict(self))

    @property
    def command(self) -> str:
        """These runs in the words of Python: rates are multiples of the ``lr_critical`` of plain descent."""
        data = dict(self.problem)
        made = f"theory.{data.pop('kind')}({', '.join(f'{name}={value!r}' for name, value in data.items())})"
        told = [f"lr=np.array({list(self.lr)}) * lr_critical", f"init_scale={self.init_scale:g}"]
        told += [f"{name}={value!r}" for name, value in self.options.items()]
        rule = ", ".join(f"{name}={value!r}" for name, value in self.rule.items())
        told += [f"rule=theory.UpdateRule({rule})"] if rule else []
        told += ["labels=sign(y)"] if self.classify else []
        return f"sims.sweep(theory.parse({self.model!r}), {made}, {', '.join(told)})"

    def data(self) -> theory.Problem:
        """The data."""
        made = dict(self.problem)
        problem = MADE_BY_SPEC[made.pop("kind")](**made)
        if not self.classify:
            return problem
        held_out = None if problem.y_test is None else np.sign(problem.y_test)
        spec = dict(kind="labels", of=str(dict(self.problem)))
        return theory.Problem(
            problem.X, np.sign(problem.y), loss=theory.logistic, X_test=problem.X_test, y_test=held_out, spec=spec
        )

    def make(self, store: Path, progress: bool | None = None) -> xr.Dataset:
        """Gradient flow and the runs; nothing is kept in the store, since they take seconds."""
        model, problem, rule = theory.parse(self.model), self.data(), theory.UpdateRule(**self.rule)
        tol = {"tol": self.options["tol"]} if "tol" in self.options else {}
        start = flow(model, problem, self.init_scale, **tol)
        critical = float(start.lr_critical) * (1 + rule.momentum)
        rates = [float(f"{multiple * critical:.6g}") for multiple in self.lr]
        ds = sweep(model, problem, rates, [self.init_scale], rule=rule, **self.options).isel(init_scale=0)  # type: ignore[arg-type]
        found = {f"flow_{name}": float(start[name]) for name in FLOW if name in start}
        found |= dict(lr_critical=critical, start_sharpness=float(start.path_sharpness[0]))
        if self.ends and problem.n == 1:
            risk, ends = _expected_errors(model, problem, ds.beta.transpose("lr", "feature").values, start.beta.values)
            ds, found = ds.assign(test_risk=("lr", risk)), found | ends
        elif self.ends:
            norm, flat = theory.frontier(model, problem, 2).test_risk  # type: ignore[misc]  # its problems hold samples out
            found |= dict(norm_minimiser_risk=float(norm), sharpness_minimiser_risk=float(flat))
        ds = ds.drop_vars([name for name, v in ds.variables.items() if set(v.dims) - {"lr"}])
        return ds.assign({name: xr.DataArray(value) for name, value in found.items()})


def _expected_errors(
    model: theory.Parameterization, problem: theory.Problem, beta: np.ndarray, flow_beta: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    """Of one sample, in place of a test risk: that of the runs, (run,), and those of the minimisers and of flow."""
    three = theory.minimisers(model, problem.X[0], float(problem.y[0]))
    return three.expected_error(beta), dict(
        flow_test_risk=float(three.expected_error(flow_beta)),
        norm_minimiser_risk=three.norm.expected_error,
        sharpness_minimiser_risk=three.sharpness.expected_error,
        least_risk=three.generalisation.expected_error,
    )


def _plain(spec: dict) -> dict:
    return json.loads(json.dumps(spec, default=dict))
