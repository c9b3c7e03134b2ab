import math

import pytest

from limitlab.errors import InvalidArgument, UnknownName, check_number, digits, one_of


def test_one_of_gives_the_name_back():
    assert one_of("gradient", "adjoint", ("direct", "adjoint")) == "adjoint"


@pytest.mark.parametrize("name", ["ajoint", 3, None, ["adjoint"]])
def test_one_of_names_what_it_knows(name):
    with pytest.raises(UnknownName, match=r"unknown gradient .*; .*known: adjoint, direct"):
        one_of("gradient", name, ("direct", "adjoint"))


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((0.5, 2.0), ["0.5", "2"]),
        ((14.614643, 14.614642143249512), ["14.614643", "14.6146421"]),
        ((1.7e9, 1.7e9 + 3), ["1700000000", "1700000003"]),
        ((1.7e9, 1.7e9 + 0.5), ["1700000000", "1700000000.5"]),
        ((1.0, 1.0), ["1", "1"]),
        ((math.nan, math.inf, 0.123456789), ["nan", "inf", "0.123457"]),
        ((1.0, 1.0 + 2**-52), ["1", "1.0000000000000002"]),
    ],
)
def test_digits_tell_numbers_apart(numbers, shown):
    assert digits(*numbers) == shown


def test_a_bound_is_shown_with_the_digits_that_differ_from_the_value():
    with pytest.raises(InvalidArgument, match=r"share must be a number <= 0\.12345678; got 0\.12345679"):
        check_number("share", 0.12345679, high=0.12345678)
