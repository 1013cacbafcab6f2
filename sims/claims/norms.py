"""Norms rise where sharpness falls: which ones, and whether it is oscillation (section NORM)."""

from .claim import Claim, Expectation
from .measures import growth, kept, order, straightness
from .networks import MNIST_RELU, MNIST_TANH, RELU, TANH

CLAIMS = (
    Claim(
        "NORM-1",
        "Above eta_c the l1 norm of the parameters grows with the learning rate, about linearly.",
        (
            Expectation("rank correlation of l1 with lr", order("theta_l1"), low=0.9),
            Expectation("growth of l1 at the largest stable lr", growth("theta_l1"), low=0.01),
            Expectation("variance of l1 that a line in lr explains", straightness("theta_l1"), low=0.9),
        ),
        (TANH, RELU),
        (MNIST_TANH, MNIST_RELU),
    ),
    Claim(
        "NORM-2",
        "The growth of the l1 norm is no oscillation: it is left in averaged and in cooled weights.",
        (
            Expectation("share left in the mean of the next 20 weights", kept("averaged", "theta_l1"), low=0.9),
            Expectation("share left after cooling by gradient flow", kept("cooled", "theta_l1"), low=0.9),
        ),
        (TANH, RELU),
        (MNIST_TANH, MNIST_RELU),
        question="Is the norm increase an artefact of oscillation?",
    ),
    Claim(
        "NORM-3",
        "Sharpness of diag|theta| H diag|theta|, which ignores the scale of weights, falls with the learning rate too.",
        (Expectation("rank correlation of adaptive sharpness with lr", order("sharpness_adaptive"), high=-0.9),),
        (TANH, RELU),
        (MNIST_TANH, MNIST_RELU),
        question="Does a scale-invariant sharpness say the same?",
    ),
)
