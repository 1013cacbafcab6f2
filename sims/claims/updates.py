"""Momentum and mini-batches in deep networks, which reviewers asked for (section ASK, as in ``diagonal``)."""

from .claim import Claim, Expectation
from .measures import departure_from_edge, share_of_edge
from .networks import BATCHES, HALF, HEAVY, HEAVY_BATCHES

CLAIMS = (
    Claim(
        "ASK-7",
        "With momentum b deep networks above eta_c (1 + b) end at S = 2 (1 + b) / lr.",
        (Expectation("lr S / 2 (1 + b) off 1 by (median)", departure_from_edge(limit=2 + 2 * HALF), high=0.05),),
        (HEAVY,),
        question="And deep networks with momentum?",
        source="2103.00065",
    ),
    Claim(
        "ASK-8",
        "With mini-batches it is batch sharpness that is at 2 / lr above eta_c, and the sharpness stays below.",
        (
            Expectation("lr / 2 of batch sharpness off 1 by", departure_from_edge("batch_sharpness"), high=0.1),
            Expectation("lr S / 2 (median)", share_of_edge(), high=0.95),
        ),
        (BATCHES,),
        question="And deep networks by SGD?",
        source="2412.20553",
    ),
    Claim(
        "ASK-9",
        "With momentum b and small batches batch sharpness is at 2 (1 - b) / lr.",
        (
            Expectation(
                "lr / 2 (1 - b) of batch sharpness off 1 by",
                departure_from_edge("batch_sharpness", 2 - 2 * HALF),
                high=0.1,
            ),
        ),
        (HEAVY_BATCHES,),
        question="And by SGD with momentum?",
        source="2604.14108",
    ),
)
