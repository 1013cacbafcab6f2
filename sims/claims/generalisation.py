"""The test loss against the learning rate (section GEN)."""

from .claim import Claim, Expectation
from .measures import depth_of_the_u, place_of_the_best, risk_of_least_norm
from .networks import (
    ENTROPY,
    MNIST_4K,
    MNIST_ENTROPY,
    MNIST_RELU,
    MNIST_TANH,
    PATCHES_ENTROPY,
    PATCHES_FCN,
    QUICK_PATCHES,
    QUICK_PATCHES_ENTROPY,
    RELU,
    TANH,
)  # fmt: skip

U = Expectation("depth of the U below both its ends", depth_of_the_u, low=0.02)
ABOVE = Expectation("lr / eta_c of the least test loss", place_of_the_best, low=1.0)

CLAIMS = (
    Claim(
        "GEN-1",
        "The test loss is U-shaped over the learning rate: digit images, squared loss.",
        (U, ABOVE),
        (TANH, RELU),
        (MNIST_4K,),
        question="Which learning rate to take?",
    ),
    Claim("GEN-2", "The same with cross-entropy.", (U, ABOVE), (ENTROPY,), (MNIST_ENTROPY,)),
    Claim(
        "GEN-3",
        "The run of least l1 norm is never the best.",
        (Expectation("its test loss above the least by", risk_of_least_norm, low=0.01),),
        (TANH, RELU, ENTROPY),
        (MNIST_TANH, MNIST_RELU, MNIST_4K, MNIST_ENTROPY),
    ),
    Claim(
        "GEN-4",
        "On a colour set the test loss is U-shaped with cross-entropy and not with squared loss.",
        (
            Expectation("squared loss: depth of the U", lambda runs: depth_of_the_u(runs[:1]), high=0.02),
            Expectation("cross-entropy: depth of the U", lambda runs: depth_of_the_u(runs[1:]), low=0.02),
        ),
        (QUICK_PATCHES, QUICK_PATCHES_ENTROPY),
        (PATCHES_FCN, PATCHES_ENTROPY),
    ),
)
