"""Shared toys of the search for formulas."""

import itertools

import numpy as np
import pytest
import torch

from limitlab.discovery.symbolic.trees.mutations import Alphabet, random_trees
from limitlab.discovery.symbolic.trees.population import CONSTANT, OPS, PAD, VARIABLE, require_codes

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


@pytest.fixture
def bounded():
    """Function of trees and points (variable, point) to values (tree, point) and how far from them any other may be."""
    return _values_with_errors


def _spread(code, value, arguments, errors):
    """How far a value lies at most from what the operation gives where its arguments are off by their errors.

    The ends of the errors are asked, since the operations are monotone between poles and quadratic at turning points;
    what an error carries across a pole or out of a domain is unbounded.
    """
    name, operation = OPS[code].name, OPS[code].value
    ends = [
        operation(*(a + sign * e for a, sign, e in zip(arguments, signs, errors, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(arguments))
    ]
    spread = torch.stack([end - value for end in ends]).abs().amax(0)
    if name in ("sin", "cos"):
        spread = errors[0].clamp(max=2.0)
    elif name == "tan":
        spread = torch.where((errors[0] < 1) & (ends[0] <= ends[1]), spread, torch.inf)
    elif name == "/":
        spread = torch.where(errors[1] < arguments[1].abs(), spread, torch.inf)
    # four units in the last place of the operation itself, and one of torch's
    last = 5 * torch.from_numpy(np.spacing((value.abs() + spread).numpy()))
    return (spread + last).nan_to_num(nan=torch.inf, posinf=torch.inf)


def _values_with_errors(trees, points):
    """Values (tree, point) by torch on a stack, node after node, and what rounding can make of them in any evaluation.

    The bound of an evaluation whose every operation is right to four units in the last place: the condition of the
    whole tree, its inner nodes included, where moving the points alone would miss what x + 1e9 - 1e9 loses.
    """
    count, width = trees.op.shape
    stack = torch.zeros(2, width, count, points.shape[1], dtype=torch.float64)
    top = torch.zeros(count, dtype=torch.long)
    for op, var, const in zip(trees.op.T, trees.var.T, trees.const.T, strict=True):
        for code in op[op != PAD].unique().tolist():
            rows = (op == code).nonzero()[:, 0]
            first = top[rows] - OPS[code].arity
            if code == VARIABLE:
                value, error = points[var[rows]], torch.zeros((), dtype=torch.float64)
            elif code == CONSTANT:
                value, error = const[rows, None].expand(-1, points.shape[1]), torch.zeros((), dtype=torch.float64)
            else:
                arguments, errors = zip(*(stack[:, first + k, rows] for k in range(OPS[code].arity)), strict=True)
                value = OPS[code].value(*arguments)
                error = _spread(code, value, arguments, errors)
            stack[0, first, rows], stack[1, first, rows] = value, error
            top[rows] = first + 1
    assert (top == 1).all()
    return stack[:, 0]
