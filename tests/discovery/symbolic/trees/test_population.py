"""Trees in postfix: their shapes, their blocks, their formulas."""

import pytest
import torch

from limitlab.discovery.symbolic.trees.population import (
    OPERATOR_NAMES,
    Block,
    Population,
    assembled,
    require_codes,
    sizes_of,
)
from limitlab.errors import InvalidArgument, UnknownName

TREE = [("x", 0), 2.0, "*", ("x", 1), "sin", "+"]


def test_sizes_are_those_of_the_tree():
    assert sizes_of(Population.of([TREE]).op).tolist() == [[1, 1, 3, 1, 2, 6]]


def test_sizes_are_those_of_a_recursion(trees, tokens):

    def parts_of(tree):
        "Size of every part, in postfix."
        branches = tree[1:] if isinstance(tree, tuple) and tree[0] != "x" else ()
        below = [size for branch in branches for size in parts_of(branch)]
        return [*below, 1 + len(below)]

    sizes = sizes_of(trees.op)
    for row in range(0, 2000, 10):
        expected = parts_of(tokens(trees, row))
        assert sizes[row].tolist()[: len(expected)] == expected


def test_formula_of_a_tree_with_its_scale():
    expr = Population.of([TREE]).expr(0, ("x", "y"), (0.5, 3.0))
    assert str(expr) == "6.0*x + 3.0*sin(y) + 0.5"


def test_blocks_one_after_the_other_and_whether_they_fit():
    trees = Population.of([TREE], width=8)
    row, one = torch.tensor([0]), torch.tensor([1])
    made, whole = assembled([Block(trees, row, 0 * one, 3 * one), Block(trees, row, 4 * one, one)])
    assert bool(whole)
    assert made.op[0, :5].tolist() == [*trees.op[0, [0, 1, 2, 4]].tolist(), -1]
    _, whole = assembled([Block(trees, row, 0 * one, 6 * one)] * 2)
    assert not bool(whole)


def test_names_of_operations_are_checked():
    assert len(require_codes(OPERATOR_NAMES)) == len(OPERATOR_NAMES)
    with pytest.raises(UnknownName, match="did you mean 'sin'"):
        require_codes(["sine"])
    with pytest.raises(InvalidArgument, match="at least one"):
        require_codes([])
