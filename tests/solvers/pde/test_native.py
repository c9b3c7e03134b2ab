"""Lengths that machine code transforms."""

from limitlab.solvers.pde.native import is_transformed


def test_lengths_are_powers_of_two():
    assert [n for n in range(-4, 70) if is_transformed(n)] == [4, 8, 16, 32, 64]
