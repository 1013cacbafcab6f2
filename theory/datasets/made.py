"""What makes a problem again, by the kind of its spec."""

from .shipped import breast_cancer, diabetes, digit_pair, gse7390, khan
from .synthetic import single_point, sparse_regression

MADE_BY_SPEC = {
    maker.__name__: maker
    for maker in (sparse_regression, single_point, diabetes, breast_cancer, digit_pair, khan, gse7390)
}
