"""Shared toys of the search for formulas."""

import pytest
import torch

from limitlab.discovery.symbolic.trees.mutations import Alphabet, random_trees
from limitlab.discovery.symbolic.trees.population import OPS, require_codes

EVERY = ("+", "-", "*", "/", "sin", "cos", "tan", "exp", "log", "sqrt", "square", "tanh", "abs")


@pytest.fixture(scope="session")
def alphabet():
    return Alphabet(require_codes(EVERY), 3, tuple(1.0 for _ in OPS), 30)


@pytest.fixture(scope="session")
def trees(alphabet):
    generator = torch.Generator().manual_seed(7)
    return random_trees(generator, torch.randint(1, 22, (2000,), generator=generator), 30, alphabet)


@pytest.fixture(scope="session")
def points():
    return torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(8))


@pytest.fixture
def tokens():
    """Function of trees and a row to the tree as nested tuples, read with a stack; fails for what is no tree."""
    return _tokens


def _tokens(trees, row):
    stack = []
    for code, var, const in zip(*(getattr(trees, name)[row].tolist() for name in ("op", "var", "const")), strict=True):
        if code == -1:
            break
        arity = OPS[code].arity
        arguments, stack = tuple(stack[len(stack) - arity :]), stack[: len(stack) - arity]
        assert len(arguments) == arity
        leaf = ("x", var) if code == 0 else const
        stack.append((OPS[code].name, *arguments) if arity else leaf)
    (tree,) = stack
    return tree
