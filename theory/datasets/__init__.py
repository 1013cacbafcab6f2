"""Problems that their spec makes again: synthetic ones, and real data that packages ship."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .made import MADE_BY_SPEC
    from .shipped import breast_cancer, diabetes, digit_pair, gse7390, khan
    from .synthetic import single_point, sparse_regression

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "made": ["MADE_BY_SPEC"],
        "shipped": ["breast_cancer", "diabetes", "digit_pair", "gse7390", "khan"],
        "synthetic": ["single_point", "sparse_regression"],
    },
)
