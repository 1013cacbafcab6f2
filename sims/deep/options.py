"""When a deep run ends and what is watched on the way, the same for Python and the command line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypedDict

from ...theory.errors import InputError
from ...theory.validate import one_of, real, truth, whole
from ..options import LARGEST, RunOptions, require_odd

LOSSES = ("squared", "cross_entropy")
RULE = ("momentum", "batch", "noise_seed")  # as fields of :class:`gdbias.theory.UpdateRule`
ASKED = ("top", "layers", "distance")  # for what is not measured unless asked for
MOST = 50  # eigenvalues, whose vectors are held at once


@dataclass(frozen=True)
class DeepOptions:
    """The protocol of a run: loss, threshold and what is measured on the way."""

    loss: Literal["squared", "cross_entropy"] = "squared"
    """squared: sum over outputs, mean over samples, / 2, with one-hot targets; or cross_entropy."""
    tol: float = 5e-3
    """Training loss below which a run ends; 0 for never, which gradient flow and with it a sweep does not take."""
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
    momentum: float = 0.0
    """Heavy-ball momentum b, 0 <= b < 1: a minimum is stable below S = 2 (1 + b) / lr."""
    batch: int | None = None
    """Samples of one step, without replacement within an epoch; all unless given. Loss and convergence are those of
    all samples."""
    noise_seed: int = 0
    """Seed of the batches, which are the same at every learning rate."""
    top: int = 0
    """Eigenvalues of the Hessian to measure, the largest first: variables spectrum."""
    layers: bool = False
    """Measure the largest eigenvalue of each layer's diagonal block of the Hessian: variables layer_sharpness."""
    distance: bool = False
    """Measure the distance to gradient flow at equal time, relative to flow's way: variables distance. It takes a
    flow for every run."""

    def __post_init__(self):
        for name, low in (("max_steps", 0), ("hold", 1), ("track_every", 1), ("average", 1)):
            object.__setattr__(self, name, whole(name, getattr(self, name), low))
        if self.chunk is not None:
            object.__setattr__(self, "chunk", whole("chunk", self.chunk, 1))
        require_odd(self.track_every)
        object.__setattr__(self, "tol", real("tol", self.tol, low=0, hint="use for example 5e-3"))
        object.__setattr__(self, "loss", one_of("loss", self.loss, LOSSES))
        object.__setattr__(self, "precision", one_of("precision", self.precision, ("float32", "float64")))
        object.__setattr__(
            self, "momentum", real("momentum", self.momentum, low=0, below=1, hint="use for example 0.9")
        )
        if self.batch is not None:
            object.__setattr__(self, "batch", whole("batch", self.batch, 1))
        object.__setattr__(self, "noise_seed", whole("noise_seed", self.noise_seed, 0, 2**63 - 1))
        if self.noise_seed and self.batch is None:
            raise InputError(f"noise_seed = {self.noise_seed} is of batches, and there are none: give batch too")
        object.__setattr__(self, "top", whole("top", self.top, 0, MOST))
        for name in ("layers", "distance"):
            object.__setattr__(self, name, truth(name, getattr(self, name)))

    @property
    def common(self) -> dict[str, Any]:
        """What decides all runs of a sweep, by name."""
        return {name: value for name, value in self.deciding().items() if name not in ("loss", "tol")}

    @property
    def changed(self) -> tuple[str, ...]:
        """The options of the update rule, and of what is measured where asked for, that are not at their default."""
        return tuple(f.name for f in fields(self) if f.name in (*RULE, *ASKED) and getattr(self, f.name) != f.default)

    def deciding(self) -> dict[str, Any]:
        """What decides a run, by name, with the update rule as one that is not plain descent.

        What stores from before do not have is left out at its default.
        """
        values, changed = asdict(self), self.changed
        rule = {name: values[name] for name in RULE if name in changed}
        left_out = {*RULE, *(set(ASKED) - set(changed)), *(["chunk"] if self.chunk is None else [])}
        kept = {name: value for name, value in values.items() if name not in left_out}
        return kept | {"rule": rule} if rule else kept

    def check(self, samples: int) -> None:
        """Raise InputError where batches do not fit so many samples."""
        if self.batch is not None and self.batch > samples:
            raise InputError(f"batch = {self.batch} is above the {samples} samples: use at most {samples}")


class CommonChanges(TypedDict, total=False):
    """Keywords of the deep verbs for :class:`DeepOptions` that all runs of a sweep share."""

    hold: int
    max_steps: int
    track_every: int
    average: int
    precision: Literal["float32", "float64"]
    chunk: int | None
    momentum: float
    batch: int | None
    noise_seed: int
    top: int
    layers: bool
    distance: bool


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

    warm: int = 100
    """Steps of descent itself, after which the flow begins."""
    land: int = 0
    """Steps before the flow's own loss is below tol, or before max_steps, from where descent itself goes on from the
    flow to its end; 0 for an end by the flow alone, the mean of descent's."""
    rtol: float = 1e-2
    """Local error of one step of the flow, relative to the weights' norm: three times as much where an oscillation is
    held, whose next step makes it good, and 0.03 times elsewhere if the network is smooth."""

    def __post_init__(self):
        for name in ("warm", "land"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 0, LARGEST))
        object.__setattr__(self, "rtol", real("rtol", self.rtol, above=0, below=1, hint="use for example 1e-2"))


class FollowingChanges(DeepSweepChanges, total=False):
    """Keywords of a deep prediction for :class:`FollowingOptions`, and those of a sweep."""

    warm: int
    land: int
    rtol: float
