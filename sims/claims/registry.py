"""All claims by id, in the order in which they are told."""

from importlib import import_module

from .claim import Claim, Expectation

__all__ = ["Claim", "Expectation", "claims"]
GROUPS = ("regimes", "norms", "generalisation", "varied", "diagonal", "updates")  # modules beside this one


def claims() -> dict[str, Claim]:
    """Every claim by its id."""
    found = [claim for group in GROUPS for claim in import_module(f".{group}", __package__).CLAIMS]
    return {claim.id: claim for claim in found}
