"""Sums, products and shifts show themselves at random points."""

import numpy as np
import pytest

from limitlab.discovery.symbolic.symmetries import product_defect, shift_defect, sum_defect
from limitlab.errors import InvalidArgument

BOX = [(0.5, 2.0), (1.0, 3.0), (-1.0, 1.0)]


def test_a_sum_parts_and_a_product_does_not():
    assert sum_defect(lambda p: np.sin(p[:, 0]) * p[:, 2] + np.exp(p[:, 1]), BOX, [0, 2]) < 1e-12
    assert sum_defect(lambda p: p[:, 0] * p[:, 1] + p[:, 2], BOX, [0]) > 0.1


def test_a_product_parts_and_a_sum_does_not():
    assert product_defect(lambda p: np.sin(p[:, 0]) * (p[:, 1] + p[:, 2]), BOX, [0]) < 1e-12
    assert product_defect(lambda p: p[:, 0] + p[:, 1], BOX, [0]) > 0.1


def test_a_function_of_a_difference_or_of_a_sum_does_not_move_with_both():
    assert shift_defect(lambda p: np.sin(p[:, 0] - p[:, 1]) * p[:, 2], BOX, 0, 1) < 1e-12
    assert shift_defect(lambda p: (p[:, 0] + p[:, 1]) ** 2, BOX, 0, 1, opposite=True) < 1e-12
    assert shift_defect(lambda p: p[:, 0] * p[:, 1], BOX, 0, 1) > 0.1


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda f: sum_defect(f, BOX, []), "some of the 3"),
        (lambda f: sum_defect(f, BOX, [0, 1, 2]), "not all"),
        (lambda f: sum_defect(f, [(1.0, 0.0)], [0]), "low < high"),
        (lambda f: shift_defect(f, BOX, 0, 3), "j must be"),
        (lambda f: sum_defect(lambda p: np.log(-p[:, 0]), BOX, [0]), "finite numbers"),
    ],
)
def test_questions_without_an_answer_are_refused(ask, message):
    with pytest.raises(InvalidArgument, match=message), np.errstate(all="ignore"):
        ask(lambda p: p[:, 0])
