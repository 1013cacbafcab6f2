"""The deep sweeps that claims share: quick ones on digits, and those of the full protocol."""

from typing import Any

from ..deep.architecture import Network
from ..deep.options import DeepOptions
from .protocols import DeepRuns

WIDE = (0.5, 0.8, 0.95, 1.1, 1.3, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0)  # multiples of lr_critical, far above it
LONGEST = 20_000  # steps of a quick run
NEAR = (0.8, 0.95, 1.1, 1.3, 1.6, 2.0, 3.0)
ABOVE = (1.1, 1.3, 1.6, 2.0, 2.4, 3.0)
EIGHT = (0.6, 0.8, 0.95, 1.1, 1.3, 1.6, 2.0, 3.0)


def digits(
    name: str,
    network: Network,
    tol: float = 0.03,
    loss: str = "squared",
    lr: tuple = NEAR,
    train: int = 200,
    **update: Any,
) -> DeepRuns:
    """On so many 8 x 8 digits, with 500 held out."""
    options = DeepOptions(loss, tol, max_steps=LONGEST, **update)  # type: ignore[arg-type]
    return DeepRuns(f"digits-{name}", network, options, "digits", train, 500, lr)


def larger(
    name: str, network: Network, tol: float, loss: str = "squared", lr: tuple = EIGHT, **images: Any
) -> DeepRuns:
    """On MNIST, or on the images that are named."""
    options = DeepOptions(loss, tol, track_every=201 if loss == "squared" else 51)  # type: ignore[arg-type]
    return DeepRuns(name, network, options, **({"data": "mnist5k", "train": 1000} | images), lr=lr)


def fcn(activation: str = "tanh", width: int = 24, depth: int = 2, **rest) -> Network:
    """A fully connected network."""
    return Network("fcn", width, depth, activation, **rest)  # type: ignore[arg-type]


TANH = digits("fcn-tanh", fcn(), lr=WIDE)
RELU = digits("fcn-relu", fcn("relu"), lr=WIDE)
ENTROPY = digits("fcn-entropy", fcn(), 0.05, "cross_entropy", WIDE)
CNN = digits("cnn", Network("cnn", 8, 2, "tanh"), 0.05, train=100)
RESNET = digits("resnet", Network("resnet", 8, 1, "tanh"), 0.05, train=100)
HALF = 0.5  # momentum
HEAVY = digits("fcn-tanh-momentum", fcn(), lr=(1.65, 1.8, 1.95, 2.1, 2.4, 3.0), momentum=HALF)
BATCHES = digits("fcn-tanh-batches", fcn(), lr=ABOVE, batch=20)
HEAVY_BATCHES = digits("fcn-tanh-momentum-batches", fcn(), lr=ABOVE, momentum=HALF, batch=20)
VIT = digits("vit", Network("vit", 16, 1, "gelu"), 0.05, train=100)

MNIST_TANH = larger("mnist1k-fcn-tanh", fcn("tanh", 100), 0.01, lr=WIDE)
MNIST_RELU = larger("mnist1k-fcn-relu", fcn("relu", 100), 0.005, lr=WIDE)
MNIST_4K = larger("mnist4k-fcn-relu", fcn("relu", 100), 0.01, lr=WIDE, train=4000, test=1000)
MNIST_ENTROPY = larger("mnist1k-fcn-entropy", fcn("relu", 100), 0.05, "cross_entropy", WIDE)
MNIST_CNN = larger("mnist1k-cnn", Network("cnn", 8, 2, "relu"), 0.05)
MNIST_RESNET = larger("mnist1k-resnet", Network("resnet", 8, 1, "relu"), 0.15)
MNIST_VIT = larger("mnist1k-vit", Network("vit", 16, 1, "gelu"), 0.15)
PATCHES: dict[str, Any] = dict(data="patches32", train=1000, test=1000)
PATCHES_FCN = larger("patches32-fcn-relu", fcn("relu", 100), 0.05, lr=WIDE, **PATCHES)
PATCHES_ENTROPY = larger("patches32-fcn-entropy", fcn("relu", 100), 0.2, "cross_entropy", WIDE, **PATCHES)
FEWER_PATCHES: dict[str, Any] = dict(data="patches32", train=400, test=1000)
PATCHES_RESNET = larger("patches32-resnet", Network("resnet", 8, 1, "relu"), 0.2, **FEWER_PATCHES)
PATCHES_VIT = larger("patches32-vit", Network("vit", 16, 1, "gelu"), 0.2, **FEWER_PATCHES)
SMALL_PATCHES: dict[str, Any] = dict(data="patches32", train=100, test=500)
QUICK_PATCHES = larger("patches-fcn-tanh", fcn(), 0.1, lr=WIDE, **SMALL_PATCHES)
QUICK_PATCHES_ENTROPY = larger("patches-fcn-entropy", fcn(), 0.2, "cross_entropy", WIDE, **SMALL_PATCHES)
