"""The options of a run: when it ends and how it is computed, the same for Python and the command line.

Each is a field of a class below, and a keyword of the verbs that have it: the :class:`TypedDict` beside the class.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from .. import theory
from ..theory.errors import InputError
from ..theory.validate import one_of, real, shown, truth, whole

LARGEST = 10**18  # steps, which the kernels count in 64 bits
LARGEST_SINGLE = 2**23 - 1  # the same in float32, which the half of a step still fits
SHORTEST_WINDOW = 512  # three returns of the longest period, and as much again for the exponent
LONGEST_AVERAGE = 10_000  # steps, whose states are held in memory
MEMORY_CHUNK, STORE_CHUNK = 8192, 1024  # runs; a store loses at most the chunks under way
BACKENDS = {"numba": "numba.backend", "numpy": "reference", "cupy": "cuda.gpu"}  # name: module of the engine
if TYPE_CHECKING:
    BackendName = str
else:
    BackendName = Literal[tuple(BACKENDS)]  # the choices of the command line


@dataclass(frozen=True)
class Deciding:
    """Options, most of which decide a result."""

    def deciding(self) -> dict[str, Any]:
        """The options that decide a result, by name: not how the work is shared out."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("result", True)}


@dataclass(frozen=True)
class RunOptions(Deciding):
    """When a run ends, and how often its sharpness is looked at."""

    max_steps: int = 100_000
    """Steps after which a run is stopped with status STEP_LIMIT."""
    tol: float = 1e-10
    """Excess loss (training loss above its minimum) below which a run may have converged. With weight decay: the
    squared gradient of the objective, relative to that of the decay alone. With 0 no run converges: each takes
    max_steps."""
    hold: int = 20
    """Consecutive steps for which that must stay below tol."""
    track_every: int = 11
    """Steps between looks at the sharpness for its maximum along the path; 0 for none. Odd, because at the
    edge of stability the weights alternate between two sides."""

    def __post_init__(self):
        for name, low in (("max_steps", 0), ("hold", 1), ("track_every", 0)):
            object.__setattr__(self, name, whole(name, getattr(self, name), low, LARGEST))
        require_odd(self.track_every)
        object.__setattr__(self, "tol", real("tol", self.tol, low=0, hint="use for example 1e-10, or 0 to never stop"))


def require_odd(track_every: int) -> None:
    """Raise InputError for looks at one side of an oscillation alone."""
    if track_every and track_every % 2 == 0:
        raise InputError(
            f"track_every = {track_every} is even, and weights at the edge alternate: use {track_every + 1}"
        )


class RunChanges(TypedDict, total=False):
    """Keywords of the verbs for :class:`RunOptions`."""

    max_steps: int
    tol: float
    hold: int
    track_every: int


@dataclass(frozen=True)
class Options(RunOptions):
    """When a run ends, what is watched on the way, and which backend computes it."""

    window: int = 0
    """Steps that a run which did not converge or diverge is followed on, to tell its phase: periodic, chaotic or
    neither. 0 for none; 2000 is enough for most."""
    average: int = 0
    """Further steps whose weights are averaged, so that oscillation is not taken for bias: variables averaged_*.
    Even, since at the edge of stability the weights alternate between two sides. 0 for none."""
    cool: bool = False
    """Follow gradient flow from where the run ended to its own end: variables cooled_*."""
    backend: BackendName = "numba"
    """numba: the compiled engine; numpy: the readable reference; cupy: an NVIDIA GPU."""
    threads: int | None = field(default=None, metadata={"result": False})
    """Worker threads, all cores unless given; results do not depend on it."""

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "window", whole("window", self.window, 0, LARGEST))
        if 0 < self.window < SHORTEST_WINDOW:
            raise InputError(
                f"window = {self.window} is too short for a phase: use at least {SHORTEST_WINDOW}, or 0 for none"
            )
        object.__setattr__(self, "average", whole("average", self.average, 0, LONGEST_AVERAGE))
        if self.average % 2:
            raise InputError(
                f"average = {self.average} is odd, and weights at the edge alternate: use {self.average + 1}"
            )
        object.__setattr__(self, "cool", truth("cool", self.cool))
        object.__setattr__(self, "backend", one_of("backend", self.backend, BACKENDS))
        if self.threads is not None:
            object.__setattr__(self, "threads", whole("threads", self.threads, 1))

    def check(self, rule: "theory.UpdateRule") -> None:
        """Raise InputError where a window, mean or cooling does not fit the rule."""
        if self.window and rule.once_settled.stochastic:
            raise InputError(f"window = {self.window} follows the map of one step, and {rule} has none: use window = 0")
        if self.window and rule.step.shared:
            raise InputError(
                f"window = {self.window} follows a tangent of each weight's step, and {rule.step.name!r} reads "
                f"{rule.step.shared[0]}: use window = 0"
            )
        for name in ("window", "average"):
            if getattr(self, name) and self.max_steps < rule.settled:
                raise InputError(
                    f"{name} = {getattr(self, name)} begins after max_steps = {self.max_steps}, before the rule "
                    f"settles at step {rule.settled}: raise max_steps"
                )
        if self.cool and rule.weight_decay:
            raise InputError(
                "cool follows gradient flow of the loss alone, and the runs have "
                f"weight_decay = {rule.weight_decay:g}: use average, or no weight decay"
            )


class Changes(RunChanges, total=False):
    """Keywords of the verbs for :class:`Options`."""

    window: int
    average: int
    cool: bool
    backend: BackendName
    threads: int | None


@dataclass(frozen=True)
class SweepOptions(Options):
    """The options of a sweep: those of its runs, or of a map of divergence."""

    precision: Literal["float64", "float32"] = "float64"
    """float64; or float32 for a map of divergence, which has status (diverged or bounded) and steps alone."""
    chunk_runs: int | None = field(default=None, metadata={"result": False})
    """Runs that are computed together, and written together to a store, which keeps what it was made with; 1024 of a
    store and 8192 in memory unless given. Results do not depend on it."""

    def __post_init__(self):
        super().__post_init__()
        if self.chunk_runs is not None:
            object.__setattr__(self, "chunk_runs", whole("chunk_runs", self.chunk_runs, 1))
        object.__setattr__(self, "precision", one_of("precision", self.precision, ("float64", "float32")))
        if self.precision == "float64":
            return
        alone = "precision = 'float32' tells whether runs diverge, and nothing else"
        for name in ("window", "average", "cool"):
            if getattr(self, name):
                raise InputError(f"{name} = {getattr(self, name)} measures runs, and {alone}: use float64")
        if self.backend != "numba":
            raise InputError(f"backend = {self.backend!r} steps in float64: use numba for precision = 'float32'")
        if self.max_steps > LARGEST_SINGLE:
            raise InputError(
                f"max_steps = {self.max_steps} is above {LARGEST_SINGLE}, the most that precision = 'float32' counts: "
                "use float64"
            )
        if self.track_every not in (0, Options.track_every):
            raise InputError(f"track_every = {self.track_every} looks at the sharpness, and {alone}: leave it out")
        object.__setattr__(self, "track_every", 0)

    def chunk(self, stored: bool) -> int:
        """Runs of one chunk, of a result that is stored or in memory."""
        return self.chunk_runs or (STORE_CHUNK if stored else MEMORY_CHUNK)

    def deciding(self) -> dict[str, Any]:
        """As for a run, and ``precision`` where it is not float64."""
        asked = super().deciding()
        return asked if self.precision == "float32" else {k: v for k, v in asked.items() if k != "precision"}


class SweepChanges(Changes, total=False):
    """Keywords of the verbs for :class:`SweepOptions`."""

    precision: Literal["float64", "float32"]
    chunk_runs: int | None


@dataclass(frozen=True)
class FlowOptions(Deciding):
    """When gradient flow ends, and how closely it is followed."""

    tol: float = RunOptions.tol
    """Excess loss below which it has arrived."""
    rtol: float = 1e-9
    """Relative error of the integrator's steps."""
    max_time: float = 1e9
    """Time after which it is given up with status STEP_LIMIT."""

    def __post_init__(self):
        object.__setattr__(self, "tol", real("tol", self.tol, above=0, hint="use for example 1e-10"))
        object.__setattr__(self, "rtol", real("rtol", self.rtol, above=0, below=1, hint="use for example 1e-9"))
        object.__setattr__(self, "max_time", real("max_time", self.max_time, above=0, hint="use for example 1e9"))


class FlowChanges(TypedDict, total=False):
    """Keywords of the verbs for :class:`FlowOptions`."""

    tol: float
    rtol: float
    max_time: float


Kind = TypeVar("Kind", bound="Any")  # a dataclass of options


def options_of(verb: str, defaults: Kind, given: Kind | None, changes: Mapping[str, Any]) -> Kind:
    """The options of a verb: its defaults, or those that were given together, with the changes by keyword.

    Raises:
        InputError: an option that the verb does not have, or a value outside its limits.
    """
    check_names(verb, [f.name for f in fields(defaults)], changes)
    if given is not None and not isinstance(given, type(defaults)):
        raise InputError(f"options = {shown(given)} is no {type(defaults).__name__}: make one, or use keywords")
    return replace(defaults if given is None else given, **changes)


def check_names(verb: str, names: Collection[str], changes: Collection[str]) -> None:
    """Raise InputError for a keyword that is none of a verb's options, with the one that may have been meant."""
    for name in changes:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise InputError(
                f"{verb} has no option {name!r}: " + (f"do you mean {near[0]}?" if near else f"use {', '.join(names)}")
            )
