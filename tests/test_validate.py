"""One door for numbers: every integer and float type comes in as a plain one, anything else is named in one line."""

from fractions import Fraction

import numpy as np
import pytest

from gdbias.theory import InputError
from gdbias.theory.validate import real, real_array, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_every_integer_type_is_a_whole_number(value):
    found = whole("count", value, 0, 3)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize("value", [-1, 4, 2.0, np.float64(2), "2", True, np.bool_(True), None, [2], np.array([2, 3])])
def test_no_other_is(value):
    with pytest.raises(InputError, match="^count = .* must be a whole number from 0 to 3$"):
        whole("count", value, 0, 3)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int8(1), np.array(1.0), Fraction(1)])
def test_every_real_type_is_a_number(value):
    found = real("size", value, above=0, below=2)
    assert found == 1 and type(found) is float


@pytest.mark.parametrize(
    "value", [0, 2, np.nan, np.inf, 10**400, "1", None, 1j, True, [1.0], np.ones((40, 40)), "a\nb", object()]
)
def test_nothing_else_is(value):
    with pytest.raises(InputError, match="^size = .* must be one finite number > 0 and < 2: try 1$") as error:
        real("size", value, above=0, below=2, hint="try 1")
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize("value", [1j, [1.0, 2j], np.ones(2, complex), "1", ["1", "2"], [[1.0], [1.0, 2.0]], {"a": 1}])
def test_arrays_are_real_numbers(value):
    with pytest.raises(InputError, match="^X is not an array of real numbers: give some$"):
        real_array("X", value, "give some")


def test_an_array_is_a_copy():
    given = np.ones(3)
    real_array("X", given, "")[0] = 7
    np.testing.assert_array_equal(given, 1)
    assert real_array("X", [True, 2, Fraction(1, 2)], "").tolist() == [1.0, 2.0, 0.5]
