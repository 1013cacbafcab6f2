"""When a deep run ends and what is watched on the way, the same for Python and the command line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict

from ...theory.validate import one_of, real, whole
from ..options import LARGEST, RunOptions, require_odd

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
    chunk: int | None = None
    """Samples whose activations are held at once; as many as a gibibyte has room for unless given. Sums of chunks
    differ by rounding, and their derivatives compute the activations twice."""

    def __post_init__(self):
        for name, low in (("max_steps", 0), ("hold", 1), ("track_every", 1), ("average", 1)):
            object.__setattr__(self, name, whole(name, getattr(self, name), low))
        if self.chunk is not None:
            object.__setattr__(self, "chunk", whole("chunk", self.chunk, 1))
        require_odd(self.track_every)
        object.__setattr__(self, "tol", real("tol", self.tol, low=0, hint="use for example 5e-3"))
        object.__setattr__(self, "loss", one_of("loss", self.loss, LOSSES))
        object.__setattr__(self, "precision", one_of("precision", self.precision, ("float32", "float64")))

    @property
    def common(self) -> dict[str, Any]:
        """The options that decide all runs of a sweep, by name."""
        return {name: value for name, value in self.deciding().items() if name in CommonChanges.__annotations__}

    def deciding(self) -> dict[str, Any]:
        """The options that decide a run, by name; ``chunk`` where it is given, as stores from before have none."""
        return {name: value for name, value in asdict(self).items() if name != "chunk" or value is not None}


class CommonChanges(TypedDict, total=False):
    """Keywords of the deep verbs for :class:`DeepOptions` that all runs of a sweep share."""

    hold: int
    max_steps: int
    track_every: int
    average: int
    precision: Literal["float32", "float64"]
    chunk: int | None


class DeepChanges(CommonChanges, total=False):
    """Keywords of one deep run for :class:`DeepOptions`."""

    loss: Literal["squared", "cross_entropy"]
    tol: float


class DeepSweepChanges(CommonChanges, total=False):
    """The same of a deep sweep, which takes several losses and thresholds."""

    loss: str | Sequence[str]
    tol: float | Sequence[float]


@dataclass(frozen=True)
class FollowingOptions:
    """How a prediction follows the central flow."""

    warm: int = 30
    """Steps of descent itself, after which the flow begins."""
    land: int = 200
    """Steps before the flow's own loss is below tol, or before max_steps, from where descent itself goes on from the
    flow to its end; 0 for the mean of descent by the flow alone."""
    rtol: float = 1e-2
    """Local error of one step of the flow, relative to the weights' norm."""

    def __post_init__(self):
        for name in ("warm", "land"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 0, LARGEST))
        object.__setattr__(self, "rtol", real("rtol", self.rtol, above=0, below=1, hint="use for example 1e-2"))


class FollowingChanges(DeepSweepChanges, total=False):
    """Keywords of a deep prediction for :class:`FollowingOptions`, and those of a sweep."""

    warm: int
    land: int
    rtol: float
