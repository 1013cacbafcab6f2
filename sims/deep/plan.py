"""The plan of a deep sweep: its axes, its runs and what is stored of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...theory.errors import InputError
from ..schema import measured
from ..store.dataset import seed_labels
from ..store.layout import Layout
from .architecture import Network
from .backend import jax
from .data import Data
from .options import DeepOptions
from .training_loss import Objective, objective


@dataclass(frozen=True)
class Case:
    """One network on one data set with one protocol: gradient flow, and a run for each learning rate."""

    index: tuple[int, ...]
    net: Network
    data: Data
    options: DeepOptions

    def objective(self) -> tuple[jax.Array, Objective]:
        """The initial weights and the training loss."""
        options = self.options
        return objective(self.net, self.data, options.loss, options.precision, options.chunk)


@dataclass(frozen=True)
class DeepPlan:
    """Axes (model, seed, objective, tol, lr); all but lr only where several were given."""

    nets: list[Network]
    data: list[Data]
    losses: list[str]
    tols: list[float]
    lrs: np.ndarray
    several: tuple[str, ...]
    options: DeepOptions

    def __post_init__(self):
        lists = {"model": self.nets, "data": self.data, "loss": self.losses, "tol": self.tols, "lr": list(self.lrs)}
        for name, values in lists.items():
            if not values:
                raise InputError(f"the sweep has no {name}: give at least one")
            if name != "data" and len(set(values)) < len(values):
                raise InputError(f"{name} has repeated values: give each once")

    @cached_property
    def layout(self) -> Layout:
        """Gradient flow's variables and those of the runs, each written when done: a run takes minutes."""
        every = {
            "model": np.array([net.name for net in self.nets]),
            "seed": np.array(seed_labels(self.data)),
            "objective": np.array(self.losses),
            "tol": np.array(self.tols),
        }
        axes = {name: values for name, values in every.items() if name in self.several} | {"lr": self.lrs}
        return Layout(axes, measured("deep", ("flow", "end", "averaged", "cooled")))

    def cases(self) -> Iterator[Case]:
        lists = (self.nets, self.data, self.losses, self.tols)
        names = ("model", "seed", "objective", "tol")
        for place in np.ndindex(*(len(values) for values in lists)):
            net, data, loss, tol = (values[i] for values, i in zip(lists, place, strict=True))
            index = tuple(i for name, i in zip(names, place, strict=True) if name in self.several)
            yield Case(index, net, data, replace(self.options, loss=loss, tol=tol))  # type: ignore[arg-type]

    def spec(self) -> dict:
        """What decides the numbers, and nothing else."""
        return dict(
            kind="deep sweep",
            model=[net.spec() for net in self.nets],
            problem=[dict(data.spec) | {"fingerprint": data.fingerprint} for data in self.data],
            loss=self.losses,
            tol=self.tols,
            lr=self.lrs.tolist(),
            **self.options.common,
        )
