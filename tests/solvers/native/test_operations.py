"""Every operation of a program gives as machine code what it gives in torch."""

import numpy as np
import pytest
import torch
from solvers.lanes import of_lanes

from limitlab.problems.compiled.operations import OPERATIONS as OF_TORCH
from limitlab.solvers.native.listing import Listing, Operation
from limitlab.solvers.native.operations import OPERATIONS, emitted

FIXED = {"plus": 1, "minus from": 1, "scale": 1, "raise to": 1, "raise": 1, "add scaled": 1}
FIXED |= {"add product scaled": 1, "add quotient scaled": 1}
SOURCES = {"add": 2, "subtract": 2, "multiply": 2, "divide": 2, "power": 2, "add scaled": 2}
SOURCES |= dict.fromkeys(("add product", "add product scaled", "add quotient", "add quotient scaled"), 3)
REAL = torch.tensor([0.3, -1.7, 2.5, 1e-7, -1e-7, 0.04, -30.0, 0.0], dtype=torch.float64)
POSITIVE = REAL.abs() + 0.1
NEED_POSITIVE = {"log", "sqrt", "power", "raise to", "reciprocal", "divide", "cot"}


def test_both_back_ends_have_the_same_rows():
    assert OPERATIONS.keys() == OF_TORCH.keys()


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_that_of_torch(name):
    first = POSITIVE if name in NEED_POSITIVE else REAL
    fixed, sources = [1.3] * FIXED.get(name, 0), [first, POSITIVE.flip(0), POSITIVE][: SOURCES.get(name, 1)]
    operation = Operation(name, (3,) * len(fixed), tuple(range(len(sources))), 4)
    listing = Listing(3, (operation,), ((3, 1.3),), (), (4,))
    run = of_lanes(lambda lanes, load: (3, emitted(lanes, listing, [load(0), load(1), load(2)], ())[0]))
    expected = OF_TORCH[name](*fixed)(*sources)
    np.testing.assert_allclose(run(*(source.numpy() for source in sources)), expected.numpy(), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("exponent", [0.5, 1.5, -1.5, -0.5, 3.0, 2.5, -4.0, 6.0, 6.5, 0.3, 0.0])
def test_powers_of_a_few_halves_are_those_of_the_library(exponent):
    listing = Listing(1, (Operation("raise to", (1,), (0,), 2),), ((1, exponent),), (), (2,))
    run = of_lanes(lambda lanes, load: (1, emitted(lanes, listing, [load(0)], ())[0]))
    # negative ones have no roots; ends of the range have infinite powers, or zero
    bases = np.array([1e-300, 0.0, 0.7, 1.0, 3.0, -2.0, 1e200, np.inf])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(run(bases), np.power(bases, exponent), rtol=1e-15, atol=0)
