"""Diagonal networks: one sample, several, classification, and what reviewers asked of them (sections DIA and ASK)."""

from .claim import Claim, Expectation
from .diagonal_networks import CLASSIFICATION, DECAY, DENSE, MOMENTUM, NOISE, ONE, PLAIN, SCALAR, SPARSE
from .measures import (
    above_minimiser,
    beside,
    beside_least,
    departure_from_edge,
    depth_of_the_u,
    growth,
    least_beside_minimiser,
    order,
    place_of_the_best,
    sharpening,
    typical,
)  # fmt: skip
from .regimes import TWO_REGIMES

IN_BETWEEN = (
    Expectation("depth of the U below both its ends", depth_of_the_u, low=0.02),
    Expectation("lr / eta_c of the least test risk", place_of_the_best, low=1.0),
    Expectation("least test risk above the norm minimiser's by, over flow's", above_minimiser("norm"), high=0.0),
    Expectation("above the sharpness minimiser's by, over flow's", above_minimiser("sharpness"), high=0.0),
)

CLAIMS = (
    Claim(
        "DIA-1",
        "One sample: the expected error is least neither at the norm minimiser nor at the sharpness minimiser.",
        (
            Expectation("least error over the norm minimiser's", least_beside_minimiser("norm"), high=0.95),
            Expectation("over the sharpness minimiser's", least_beside_minimiser("sharpness"), high=0.95),
        ),
        ONE,
    ),
    Claim(
        "DIA-2",
        "One sample: as the learning rate grows, descent goes from near the norm minimiser towards the sharpness "
        "minimiser, and passes by the least expected error.",
        (
            Expectation("rank correlation of |beta|_1 with lr above eta_c", order("beta_l1"), low=0.9),
            Expectation("of the sharpness", order("sharpness"), high=-0.9),
            Expectation("lr / eta_c of the least expected error", place_of_the_best, low=1.0),
            Expectation("it is above the least of all interpolators by", beside_least, high=0.05),
        ),
        ONE,
        question="What does descent converge to at each learning rate, not only where are the minimisers?",
    ),
    Claim(
        "DIA-3",
        "Several samples, a dense teacher: the best learning rate is in between, and better than both minimisers.",
        IN_BETWEEN,
        DENSE,
        question="One sample says little of generalisation: what of several?",
    ),
    Claim("DIA-4", "The same where the teacher is sparse and without noise.", IN_BETWEEN, SPARSE),
    Claim(
        "DIA-5",
        "Several samples: the two regimes of deep networks are those of diagonal ones.",
        TWO_REGIMES,
        SPARSE,
        question="Why is the transition at eta_c, and why is it sharp?",
    ),
    Claim(
        "DIA-6",
        "Classification, logistic loss: at one training loss sharpness falls and norm rises with the learning rate.",
        (
            Expectation("rank correlation of the sharpness with lr above eta_c", order("sharpness"), high=-0.9),
            Expectation("of |beta|_1", order("beta_l1"), low=0.9),
            Expectation("above eta_c lr S / 2 off 1 by (median)", departure_from_edge(), high=0.05),
        ),
        CLASSIFICATION,
    ),
    Claim(
        "ASK-1",
        "|beta|_1 of the predictor is what small starts minimise; above eta_c it rises with the norm of the weights.",
        (
            Expectation("growth of |beta|_1 at the largest stable lr", growth("beta_l1"), low=0.01),
            Expectation("of |theta|_1", growth("theta_l1"), low=0.01),
            Expectation("of |theta|_2", growth("theta_l2"), low=0.0),
        ),
        SPARSE,
        question="Norm of what?",
    ),
    Claim(
        "ASK-2",
        "In scalar factorization u v the two biases do not conflict: |theta|_2 falls with the sharpness.",
        (
            Expectation("rank correlation of the sharpness with lr above eta_c", order("sharpness"), high=-0.9),
            Expectation("of |theta|_2", order("theta_l2"), high=-0.9),
        ),
        (SCALAR,),
        question="Why does the norm rise as sharpness falls, when in scalar factorization the two coincide?",
    ),
    Claim(
        "ASK-3",
        "Diagonal networks sharpen progressively, and large rates do not only oscillate around the same solution.",
        (
            Expectation("largest sharpness of gradient flow over that of its start", sharpening, low=1.5),
            Expectation("lr S / 2 of cooled weights off 1 by", departure_from_edge("cooled_sharpness"), high=0.05),
            Expectation("growth of |beta|_1 that is left when cooled", growth("cooled_beta_l1"), low=0.01),
        ),
        SPARSE,
        question="Do diagonal networks show no progressive sharpening, and do large rates only oscillate?",
    ),
    Claim(
        "ASK-4",
        "With momentum b the edge is at S = 2 (1 + b) / lr.",
        (
            Expectation(
                "lr S / 2 (1 + b) off 1 above eta_c (1 + b) by", typical(departure_from_edge(limit=2.6)), high=0.05
            ),
        ),
        MOMENTUM,
        question="And with momentum?",
    ),
    Claim(
        "ASK-5",
        "Label noise flattens at learning rates below eta_c as well.",
        (
            Expectation("trace of the Hessian over that without noise", beside("trace"), high=0.99),
            Expectation("sharpness over that without noise", beside("sharpness"), high=0.99),
        ),
        (PLAIN, NOISE),
        question="And with the noise of SGD?",
        source="2206.09841",
    ),
    Claim(
        "ASK-6",
        "Weight decay ends flatter, below the sharpness of plain descent at the same learning rate.",
        (Expectation("sharpness over that without decay", beside("sharpness"), high=0.99),),
        (PLAIN, DECAY),
        question="And with weight decay?",
        source="2605.16622",
    ),
)
