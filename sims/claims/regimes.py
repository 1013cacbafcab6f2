"""Two regimes, parted by the critical learning rate (section REG)."""

from .claim import Claim, Expectation, Runs
from .measures import departure_from_edge, departure_from_flow, slope
from .networks import (
    CNN,
    ENTROPY,
    MNIST_CNN,
    MNIST_ENTROPY,
    MNIST_RELU,
    MNIST_RESNET,
    MNIST_TANH,
    MNIST_VIT,
    PATCHES_FCN,
    PATCHES_RESNET,
    PATCHES_VIT,
    QUICK_PATCHES,
    RELU,
    RESNET,
    TANH,
    VIT,
)  # fmt: skip

OF_FLOW = Expectation("below eta_c sharpness off gradient flow's by", departure_from_flow("sharpness"), high=0.05)
NORM_OF_FLOW = Expectation("l1 norm off gradient flow's by", departure_from_flow("theta_l1"), high=0.01)
AT_EDGE = Expectation("above eta_c lr S / 2 off 1 by (median)", departure_from_edge(), high=0.05)
TWO_REGIMES = (OF_FLOW, NORM_OF_FLOW, AT_EDGE)


def _regimes(number: int, what: str, quick: Runs, full: Runs = ()) -> Claim:
    told = "Below eta_c = 2 / max S(flow) descent ends where gradient flow does, above it at S = 2 / lr"
    return Claim(f"REG-{number}", f"{told}: {what}.", TWO_REGIMES, quick, full)


CLAIMS = (
    _regimes(1, "fully connected, tanh, squared loss", (TANH,), (MNIST_TANH,)),
    _regimes(2, "fully connected, relu, squared loss", (RELU,), (MNIST_RELU,)),
    _regimes(3, "convolutions", (CNN,), (MNIST_CNN,)),
    _regimes(4, "a residual network", (RESNET,), (MNIST_RESNET, PATCHES_RESNET)),
    _regimes(5, "a vision transformer", (VIT,), (MNIST_VIT, PATCHES_VIT)),
    _regimes(6, "cross-entropy", (ENTROPY,), (MNIST_ENTROPY,)),
    _regimes(7, "a colour set, tiles of photographs", (QUICK_PATCHES,), (PATCHES_FCN,)),
    Claim(
        "REG-8",
        "Above eta_c the final sharpness is a hyperbola in the learning rate.",
        (Expectation("d log S / d log lr", slope("sharpness"), -1.1, -0.9), AT_EDGE),
        (TANH, RELU),
        (MNIST_TANH, MNIST_RELU),
    ),
)
