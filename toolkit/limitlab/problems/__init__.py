"""What to solve: the catalogue of equations, and problems from a person's own text.

problems.get("burgers", nu=0.05).dataset(100, seed=0)
problems.get("lorenz", rho=20.0).simulate(4)
problems.parse("x' = y; y' = mu*(1 - x^2)*y - x", {"mu": 2.0}, initial={"x": 1.0, "y": 0.0}).simulate(4)
"""

from __future__ import annotations

from typing import Any, Literal, get_args, overload

from limitlab.errors import one_of, unknown_name
from limitlab.extensions import Catalogue
from limitlab.problems.base import Field, Parameter, Problem
from limitlab.problems.difficulty import difficulty
from limitlab.problems.dynamical import DynamicalProblem
from limitlab.problems.integral import catalogue as integral_catalogue
from limitlab.problems.integral.problem import IntegralProblem
from limitlab.problems.laws import Box, Draw, Drawn, Gaussian, Nearby
from limitlab.problems.ode import chaos, growth, kinetics, mechanics
from limitlab.problems.ode.odebench.benchmark import odebench
from limitlab.problems.ode.problem import ODEProblem
from limitlab.problems.ode.prose_families import prose_family, prose_rules
from limitlab.problems.pde import (
    drum,
    elliptic,
    helmholtz,
    navier_stokes,
    periodic_catalogue,
    sorption,
    system_catalogue,
)
from limitlab.problems.pde.flows import cavity, conservation, smoke
from limitlab.problems.pde.laws import FourierLaw, GaussianLaw, TextLaw
from limitlab.problems.pde.problem import PDEProblem
from limitlab.problems.sde import catalogue as sde_catalogue
from limitlab.problems.sde.catalogue import linear_sde
from limitlab.problems.sde.problem import SDEProblem
from limitlab.problems.typed import parse

__all__ = [
    "Box",
    "Draw",
    "Drawn",
    "DynamicalProblem",
    "Field",
    "FourierLaw",
    "Gaussian",
    "GaussianLaw",
    "IntegralProblem",
    "Nearby",
    "ODEProblem",
    "PDEProblem",
    "Parameter",
    "Problem",
    "SDEProblem",
    "TextLaw",
    "catalogue",
    "difficulty",
    "get",
    "linear_sde",
    "names",
    "odebench",
    "parse",
    "prose_family",
    "prose_rules",
]

Kind = Literal["pde", "evolution", "steady", "ode", "sde", "integral"]
_DOMAIN = ("length", "span", "frames", "sites")
_TABLES: tuple[tuple[Problem, ...], ...] = (
    periodic_catalogue.PROBLEMS,
    system_catalogue.PROBLEMS,
    elliptic.PROBLEMS,
    helmholtz.PROBLEMS,
    navier_stokes.PROBLEMS,
    cavity.PROBLEMS,
    conservation.PROBLEMS,
    smoke.PROBLEMS,
    drum.PROBLEMS,
    sorption.PROBLEMS,
    growth.PROBLEMS,
    mechanics.PROBLEMS,
    kinetics.PROBLEMS,
    chaos.PROBLEMS,
    sde_catalogue.PROBLEMS,
    integral_catalogue.PROBLEMS,
)
PROBLEMS: Catalogue[Problem] = Catalogue("problem", Problem, {p.name: p for table in _TABLES for p in table})


def get(name: str, **parameters: float) -> Any:
    """The problem of that name at these parameters; `length`, `span`, `frames` and `sites` change its domain.

    Raises UnknownName, with the nearest name, for a problem or a parameter that does not exist; InvalidArgument for a
    value outside its range.

    >>> ll.problems.get("lorenz", rho=20.0, span=5.0).values["rho"]
    20.0
    """
    problem = PROBLEMS.named(name)
    known = {parameter.name for parameter in problem.parameters}
    domain: dict[str, Any] = {key: parameters.pop(key) for key in _DOMAIN if key in parameters and key not in known}
    if domain and isinstance(problem, PDEProblem | DynamicalProblem):
        problem = problem.with_domain(**domain)
    elif domain:
        raise unknown_name(f"parameter of {name}", next(iter(domain)), known)
    return problem.with_parameters(**parameters)


@overload
def catalogue(kind: Literal["pde", "evolution", "steady"]) -> tuple[PDEProblem, ...]: ...
@overload
def catalogue(kind: Literal["ode"]) -> tuple[ODEProblem, ...]: ...
@overload
def catalogue(kind: Literal["sde"]) -> tuple[SDEProblem, ...]: ...
@overload
def catalogue(kind: Literal["integral"]) -> tuple[IntegralProblem, ...]: ...
@overload
def catalogue(kind: None = None) -> tuple[Problem, ...]: ...
def catalogue(kind: Kind | None = None) -> tuple[Any, ...]:
    """All problems, or those of a kind; PDEs are those that evolve in time ("evolution") and others ("steady").

    >>> [problem.name for problem in ll.problems.catalogue("steady")]
    ['darcy', 'darcy_lognormal', 'darcy_multiscale', 'poisson', 'helmholtz', 'helmholtz_sourced']
    """
    if kind is not None:
        one_of("kind of problem", kind, get_args(Kind))
    evolving = {"evolution": True, "steady": False}.get(kind or "")
    problems = (p for p in PROBLEMS.values() if kind is None or p.kind == ("pde" if evolving is not None else kind))
    if evolving is None:
        return tuple(problems)
    return tuple(p for p in problems if isinstance(p, PDEProblem) and (p.span > 0) == evolving)


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """The names that `get` knows, or those of a kind.

    >>> ll.problems.names("evolution")[:3]
    ('advection', 'heat', 'burgers')
    """
    return tuple(problem.name for problem in catalogue(kind))
