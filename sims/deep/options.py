"""When a deep run ends and what is watched on the way, the same for Python and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from ...theory.validate import one_of, real, whole
from ..options import RunOptions, require_odd

LOSSES = ("squared", "cross_entropy")


@dataclass(frozen=True)
class DeepOptions:
    """The protocol of a run: loss, threshold and what is measured on the way."""

    loss: Literal["squared", "cross_entropy"] = "squared"
    """squared: sum over outputs, mean over samples, / 2, with one-hot targets; or cross_entropy."""
    tol: float = 5e-3
    """Training loss below which a run ends; 0 for never."""
    hold: int = 10
    """Consecutive steps for which the loss must stay below tol."""
    max_steps: int = RunOptions.max_steps
    """Steps after which a run is stopped with status STEP_LIMIT."""
    track_every: int = 51
    """Steps between looks at the sharpness for its maximum along the path. Odd, because at the edge of stability
    the weights alternate between two sides."""
    average: int = 20
    """Further steps over which weights are averaged, and for whose time flow cools them, to remove oscillation."""
    precision: Literal["float32", "float64"] = "float32"
    """Floating-point numbers of the network."""

    def __post_init__(self):
        for name, low in (("max_steps", 0), ("hold", 1), ("track_every", 1), ("average", 1)):
            object.__setattr__(self, name, whole(name, getattr(self, name), low))
        require_odd(self.track_every)
        object.__setattr__(self, "tol", real("tol", self.tol, low=0, hint="use for example 5e-3"))
        object.__setattr__(self, "loss", one_of("loss", self.loss, LOSSES))
        object.__setattr__(self, "precision", one_of("precision", self.precision, ("float32", "float64")))

    @property
    def common(self) -> dict[str, Any]:
        """The options that all runs of a sweep share, by name."""
        return {name: getattr(self, name) for name in CommonChanges.__annotations__}


class CommonChanges(TypedDict, total=False):
    """Keywords of the deep verbs for :class:`DeepOptions` that all runs of a sweep share."""

    hold: int
    max_steps: int
    track_every: int
    average: int
    precision: Literal["float32", "float64"]


class DeepChanges(CommonChanges, total=False):
    """Keywords of one deep run for :class:`DeepOptions`."""

    loss: Literal["squared", "cross_entropy"]
    tol: float


class DeepSweepChanges(CommonChanges, total=False):
    """The same of a deep sweep, which takes several losses and thresholds."""

    loss: str | Sequence[str]
    tol: float | Sequence[float]
