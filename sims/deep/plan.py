"""The plan of a deep sweep: its axes, its runs and what is stored of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...theory.errors import InputError
from ...theory.validate import one_or_more, real, real_array
from ..grid import Grid, learning_rates
from ..options import options_of
from ..schema import Kind, measured
from ..store.dataset import seed_labels
from ..store.layout import Layout
from .architecture import Network
from .backend import jax
from .data import Data
from .layers import count
from .options import DeepOptions, FollowingOptions
from .training_loss import Objective, objective

INNER = ("eigenvalue", "layer")  # dimensions of what is measured where it is asked for


def places(length: int) -> np.ndarray:
    """1, 2, 3 ..."""
    return np.arange(1, length + 1)


@dataclass(frozen=True)
class Case:
    """One network on one data set with one protocol: gradient flow, and a run for each learning rate."""

    index: tuple[int, ...]
    net: Network
    data: Data
    options: DeepOptions
    following: FollowingOptions | None = None

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
    following: FollowingOptions | None = None  # of predictions

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
        kind: Kind = "deep" if self.following is None else "deep_predicted"
        asked = self.options.changed
        found = measured(kind, ("end", "averaged", "cooled", "low", "high"), asked)
        return Layout(axes, (*measured("deep", ("flow",), asked), *found), self.inner)

    @cached_property
    def inner(self) -> dict[str, int]:
        """Lengths of the dimensions of what options ask for."""
        lengths = {"eigenvalue": self.options.top, "layer": self._layers() if self.options.layers else 0}
        return {name: length for name, length in lengths.items() if length}

    def _layers(self) -> int:
        counts = {count(net, data) for net in self.nets for data in self.data}
        if len(counts) > 1:
            raise InputError(f"these networks have {min(counts)} to {max(counts)} layers: sweep them one by one")
        return counts.pop()

    def cases(self) -> Iterator[Case]:
        lists = (self.nets, self.data, self.losses, self.tols)
        names = ("model", "seed", "objective", "tol")
        for place in np.ndindex(*(len(values) for values in lists)):
            net, data, loss, tol = (values[i] for values, i in zip(lists, place, strict=True))
            index = tuple(i for name, i in zip(names, place, strict=True) if name in self.several)
            options = replace(self.options, loss=loss, tol=tol)  # type: ignore[arg-type]
            yield Case(index, net, data, options, self.following)

    def spec(self) -> dict:
        """What decides the numbers, and nothing else."""
        return dict(
            kind="deep sweep" if self.following is None else "deep predicted",
            model=[net.spec() for net in self.nets],
            problem=[dict(data.spec) | {"fingerprint": data.fingerprint} for data in self.data],
            loss=self.losses,
            tol=self.tols,
            lr=self.lrs.tolist(),
            **self.options.common,
            **({} if self.following is None else asdict(self.following)),
        )


def planned(
    verb: str,
    net: Network | Sequence[Network],
    data: Data | Sequence[Data],
    lr: float | np.ndarray | Sequence[float] | Grid,
    options: DeepOptions | None,
    changes: Mapping[str, Any],
    following: FollowingOptions | None = None,
) -> DeepPlan:
    """The plan of what a verb was given.

    Raises:
        InputError: an unknown option, or a value outside its limits.
    """
    common = {name: value for name, value in changes.items() if name not in ("loss", "tol")}
    options = options_of(verb, DeepOptions(), options, common)
    if following is not None and options.changed:
        name = options.changed[0]
        raise InputError(
            f"{name} = {getattr(options, name)} is of runs, and predictions are of plain gradient descent: leave it out"
        )
    nets, datasets = one_or_more(net, Network, "sims.deep.network"), one_or_more(data, Data, "sims.deep.load")
    loss, tol = changes.get("loss", options.loss), changes.get("tol", options.tol)
    given = {"model": net, "seed": data, "objective": loss, "tol": tol}
    one = Network | Data | str
    several = tuple(name for name, value in given.items() if not isinstance(value, one) and np.ndim(value))
    losses = [str(name) for name in np.ravel(loss)]
    tols = [
        real("tol", t, above=0, hint="gradient flow ends there")
        for t in np.ravel(real_array("tol", tol, "give one number, or several").tolist())
    ]
    each = [replace(options, loss=one, tol=threshold) for one in losses for threshold in tols]
    if not each:
        raise InputError("a sweep needs at least one loss and one tol, got an empty list")
    for images in datasets:
        options.check(images.n)
    return DeepPlan(nets, datasets, losses, tols, np.atleast_1d(learning_rates(lr)), several, each[0], following)
