import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName, check_number, check_numbers, digits, one_of


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


EIGHTS = [8, 8.0, np.int64(8), np.uint8(8), np.float32(8), np.float64(8), np.longdouble(8), np.array(8), Fraction(8),
          torch.tensor(8), torch.tensor(8.0)]  # fmt: skip


@pytest.mark.parametrize("value", EIGHTS, ids=lambda value: f"{type(value).__module__}.{type(value).__name__}")
def test_numbers_of_all_kinds_are_read_as_those_of_python(value):
    whole, number = check_number("modes", value, integer=True), check_number("modes", value)
    assert (whole, type(whole), number, type(number)) == (8, int, 8.0, float)


NO_NUMBERS = [True, np.True_, torch.tensor(True), "8", None, 8j, [8], np.array([8]), torch.ones(1), np.float32("inf"),
              torch.tensor(torch.nan), torch.empty((), device="meta"), 10**400]  # fmt: skip


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(InvalidArgument, match="modes must be a number; got"):
        check_number("modes", value)


def test_a_tensor_that_asks_for_a_gradient_is_no_number():
    with pytest.raises(InvalidArgument, match=r"no gradient flows; pass rate.item\(\)"):
        check_number("rate", torch.tensor(0.5, requires_grad=True))


def test_a_number_of_an_array_keeps_its_bounds():
    with pytest.raises(InvalidArgument, match="modes must be a whole number >= 2; got"):
        check_number("modes", np.int64(1), low=2, integer=True)
    with pytest.raises(InvalidArgument, match="modes must be a whole number; got"):
        check_number("modes", np.float32(2.5), integer=True)


@pytest.mark.parametrize("values", [(2, 3), [2.0, 3.0], np.array([2, 3]), torch.tensor([2, 3]), range(2, 4)], ids=repr)
def test_lists_of_numbers_of_all_kinds_are_read_as_tuples(values):
    numbers = check_numbers("modes", values, 2, integer=True)
    assert (numbers, {*map(type, numbers)}) == ((2, 3), {int})
    assert check_numbers("modes", values) == (2.0, 3.0)


def test_one_number_stands_for_all():
    assert check_numbers("padding", np.float64(0.25), 3) == (0.25, 0.25, 0.25)
    assert check_numbers("padding", torch.tensor(0.25), 1) == (0.25,)


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [
        ((1, 2), 3, "modes must hold 3 whole numbers, or be one for all; got"),
        ("12", 2, "modes must hold 2 whole numbers"),
        ({1: 2}, 1, "modes must hold 1 whole numbers"),
        (np.ones((2, 2)), 2, "modes must hold 2 whole numbers"),
        (4, None, "modes must be a list of whole numbers; got 4"),
        (None, 2, "modes must be a whole number"),
        ((4, 2.5), 2, r"modes\[1\] must be a whole number >= 1; got 2.5"),
        ((True, 2), 2, r"modes\[0\] must be a whole number"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(values, count, message):
    with pytest.raises(InvalidArgument, match=message):
        check_numbers("modes", values, count, low=1, integer=True)
