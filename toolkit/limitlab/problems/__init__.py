"""What to solve: the catalogue of equations, and problems from a person's own text.

problems.get("burgers", nu=0.05).dataset(100, seed=0)
problems.parse("u_t = D*u_xx + u*(1 - u)", {"D": 0.01}).simulate(4)
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from limitlab.errors import unknown_name
from limitlab.problems import elliptic, navier_stokes, periodic
from limitlab.problems.custom import parse
from limitlab.problems.difficulty import difficulty
from limitlab.problems.problem import Field, Parameter, PDEProblem

__all__ = ["Field", "PDEProblem", "Parameter", "catalogue", "difficulty", "get", "names", "parse"]

Kind = Literal["evolution", "steady"]
_DOMAIN = ("length", "span", "frames")
_CATALOGUE: dict[str, PDEProblem] = {
    problem.name: problem for problem in (*periodic.PROBLEMS, *elliptic.PROBLEMS, *navier_stokes.PROBLEMS)
}


def get(name: str, **parameters: float) -> PDEProblem:
    """The problem of that name at these parameters; `length`, `span` and `frames` change its domain.

    Raises UnknownName, with the nearest name, for a problem or a parameter that does not exist; InvalidArgument for a
    value outside its range.
    """
    if name not in _CATALOGUE:
        raise unknown_name("problem", name, _CATALOGUE)
    problem = _CATALOGUE[name]
    own = {parameter.name for parameter in problem.parameters}
    domain: dict[str, Any] = {key: parameters.pop(key) for key in _DOMAIN if key in parameters and key not in own}
    return problem.with_domain(**domain).with_parameters(**parameters)


def catalogue(kind: Kind | None = None) -> tuple[PDEProblem, ...]:
    """All problems, or those that evolve in time ("evolution"), or that do not ("steady")."""
    if kind is not None and kind not in get_args(Kind):
        raise unknown_name("kind of problem", kind, get_args(Kind))
    return tuple(p for p in _CATALOGUE.values() if kind is None or (p.span > 0) == (kind == "evolution"))


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_CATALOGUE)
