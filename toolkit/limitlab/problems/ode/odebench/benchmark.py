"""ODEBench by number: 63 textbook systems with two initial values each, 150 points on [0, 10].

They have a list of their own: equation finders walk all of it, and pickers show the catalogue, whose systems have
ranges and laws that were chosen one by one. Equations, constants and initial values are those of the list of
d'Ascoli, Becker, Schwaller, Mathis and Kilbertus (ODEFormer, 2023, MIT licence). Two of its labels are off: number 40
is a Van der Pol oscillator, not Duffing's, and number 61 has -3.8 where the Chen-Lee system usually has -0.38.
"""

from __future__ import annotations

from limitlab.errors import check_number
from limitlab.problems.ode.odebench import planar, scalar, spatial
from limitlab.problems.ode.problem import ODEProblem

ODEBENCH = dict(enumerate((*scalar.SYSTEMS, *planar.SYSTEMS, *spatial.SYSTEMS), start=1))


def odebench(number: int, start: int = 1) -> ODEProblem:
    """System 1 ... 63 of ODEBench, from its first or second initial value (start 1 or 2).

    Raises InvalidArgument. Source: d'Ascoli et al., ODEFormer, 2023.

    >>> ll.problems.odebench(27).equation
    "x' = x*(a - b*y); y' = -y*(c - d*x)"
    """
    number = int(check_number("number", number, low=1, high=len(ODEBENCH), integer=True))
    start = int(check_number("start", start, low=1, high=2, integer=True))
    return ODEBENCH[number].problem(number, start)
