"""A network as data: what is built, how it is parameterized and from where it starts."""

from dataclasses import dataclass, fields
from typing import Literal

from ...theory.errors import InputError
from ...theory.validate import one_of, real, whole

CHOICES = {
    "kind": ("fcn", "cnn", "resnet", "vit"),
    "activation": ("relu", "tanh", "gelu"),
    "parameterization": ("standard", "mup", "kernel"),
}


@dataclass(frozen=True)
class Network:
    """A deep network and its initialization; equal networks start from equal weights.

    Raises:
        InputError: an unknown name, or a value outside its limits.
    """

    kind: Literal["fcn", "cnn", "resnet", "vit"] = "fcn"
    """fcn: fully connected; cnn: convolutions and pooling; resnet: residual blocks without batch norm;
    vit: a small vision transformer."""
    width: int = 100
    """Units of a hidden layer, channels, or the dimension of a token."""
    depth: int = 2
    """Hidden layers or blocks."""
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    """Nonlinearity."""
    parameterization: Literal["standard", "mup", "kernel"] = "standard"
    """standard; mup: features learn alike at every width; kernel: the neural tangent parameterization."""
    init_scale: float = 1.0
    """Factor on all initial weights and biases."""
    base_width: int = 64
    """Width at which mup is the standard parameterization."""
    seed: int = 0
    """Seed of the initial weights."""
    patches: int = 4
    """Patches of a vit along each side of an image; their squares are its tokens."""

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            object.__setattr__(self, name, one_of(name, getattr(self, name), allowed))
        limits = {"width": (1, 10**6), "depth": (1, 1000), "base_width": (1, 10**6), "seed": (0, 2**63 - 1)}
        limits["patches"] = (1, 1000)
        for name, (low, high) in limits.items():
            object.__setattr__(self, name, whole(name, getattr(self, name), low, high))
        object.__setattr__(self, "init_scale", real("init_scale", self.init_scale, above=0))
        if self.kind == "vit" and self.parameterization != "standard":
            raise InputError("a vit is built in the standard parameterization only: use parameterization='standard'")
        if self.kind == "vit" and self.width % 4:
            raise InputError(f"width = {self.width} of a vit must be a multiple of 4, its number of heads")

    @property
    def name(self) -> str:
        """For example ``fcn(width=100, depth=2, activation=relu)``: what differs from the default is named."""
        shown = [f for f in fields(self) if f.name in ("width", "depth", "activation")]
        shown += [f for f in fields(self) if f not in shown and f.name != "kind" and getattr(self, f.name) != f.default]
        return f"{self.kind}({', '.join(f'{f.name}={getattr(self, f.name)}' for f in shown)})"

    def spec(self) -> dict:
        """What decides the network and its start, for a stored result."""
        unread = {"base_width": self.parameterization != "mup", "patches": self.kind != "vit"}
        head = {"head": "all positions"} if self.kind in ("resnet", "vit") else {}  # a mean of them in older results
        return {f.name: getattr(self, f.name) for f in fields(self) if not unread.get(f.name)} | head


def network(
    kind: str = "fcn",
    width: int = 100,
    depth: int = 2,
    activation: str = "relu",
    parameterization: str = "standard",
    init_scale: float = 1.0,
    base_width: int = 64,
    seed: int = 0,
    patches: int = 4,
) -> Network:
    """A deep network ``fcn``, ``cnn``, ``resnet`` or ``vit``; its input and output sizes come from the data.

    ``standard`` starts weights and biases uniformly in ``+-1/sqrt(fan_in)``. ``kernel`` multiplies every weight by
    ``1/sqrt(fan_in)`` in the forward pass and starts it larger by ``sqrt(fan_in)`` (1806.07572). ``mup``
    multiplies first-layer weights by ``r = sqrt(width / base_width)`` and last-layer weights by ``1/r`` in the
    forward pass and starts the first layer smaller by ``r``: one learning rate then fits every width, and at
    ``base_width`` it is ``standard`` (2011.14522).

    Raises:
        InputError: an unknown name, or a value outside its limits.
    """
    return Network(kind, width, depth, activation, parameterization, init_scale, base_width, seed, patches)  # type: ignore[arg-type]
