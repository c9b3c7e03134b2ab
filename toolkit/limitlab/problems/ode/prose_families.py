"""The fifteen families of the PROSE training set, and the rules by which its trajectories are drawn.

Every parameter ~ U(0.9 c, 1.1 c) about its value c, initial values ~ U(-2, 2)^d, t in [0, 6] at 192 times; trajectories
that fail or reach 1000 are drawn again, at most ten times. The forcing time of the Duffing oscillator is a state.
Source: Liu, Zhang & Schaeffer 2024 (PROSE).
"""

from __future__ import annotations

import dataclasses

from limitlab.errors import one_of
from limitlab.problems.laws import Box
from limitlab.problems.ode.problem import ODEProblem

FAMILIES: dict[str, int] = {
    "thomas": 0,
    "lorenz": 0,
    "aizawa": 0,
    "chen_lee": 0,
    "dadras": 0,
    "rossler": 0,
    "halvorsen": 0,
    "rabinovich_fabrikant": 0,
    "sprott_b": 0,
    "sprott_linz_f": 0,
    "four_wing": 0,
    "forced_duffing": 0,
    "lorenz_96_4": 4,
    "lorenz_96_5": 5,
    "double_pendulum": 0,
}
"""Sites by name of the family; 0 for those without sites."""


def prose_family(name: str) -> ODEProblem:
    """The problem of that family under PROSE's rules. Raises UnknownName.

    >>> ll.problems.prose_family("lorenz_96_4").sites
    4
    """
    from limitlab.problems import get

    sites = FAMILIES[one_of("PROSE family", name, FAMILIES)]
    problem = get(name.removesuffix(f"_{sites}"), **({"sites": sites} if sites else {}))
    assert isinstance(problem, ODEProblem)
    return prose_rules(problem)


def prose_rules(problem: ODEProblem) -> ODEProblem:
    """Any problem with PROSE's laws of parameters and initial values, times and bound.

    >>> ll.problems.prose_rules(ll.problems.get("pendulum")).frames
    192
    """
    return dataclasses.replace(problem, law=Box(-2.0, 2.0), spread=0.1, bound=1e3, span=6.0, frames=192)
