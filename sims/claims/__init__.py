"""The claims of the paper, and what its reviewers asked, as data: which runs show them, and what is expected there."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .judgement import Finding, Judgement, Verdict
    from .registry import Claim, Expectation, claims
    from .reproduction import Reproduction, reproduce

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "judgement": ["Finding", "Judgement", "Verdict"],
        "registry": ["Claim", "Expectation", "claims"],
        "reproduction": ["Reproduction", "reproduce"],
    },
)
