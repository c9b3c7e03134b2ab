"""The methods by name."""

from __future__ import annotations

from limitlab.errors import unknown_name
from limitlab.solvers.geometric import LEAPFROG, REVERSIBLE_HEUN, YOSHIDA4
from limitlab.solvers.methods import ExplicitMethod, Method
from limitlab.solvers.tableaux import TABLEAUX

METHODS: dict[str, Method] = {
    **{name: ExplicitMethod(tableau) for name, tableau in TABLEAUX.items()},
    **{method.name: method for method in (REVERSIBLE_HEUN, LEAPFROG, YOSHIDA4)},
}


def method_named(name: str) -> Method:
    """The method of that name. Raises UnknownName with the nearest one."""
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]


def method_names() -> tuple[str, ...]:
    """The names that `solve_ode` knows."""
    return tuple(METHODS)
