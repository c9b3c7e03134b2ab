"""The methods by name."""

from __future__ import annotations

import dataclasses
from typing import Any

from limitlab.errors import InvalidArgument, one_of
from limitlab.solvers.methods.esdirk import KVAERNO3, KVAERNO5
from limitlab.solvers.methods.explicit import explicit
from limitlab.solvers.methods.geometric import LEAPFROG, REVERSIBLE_HEUN, YOSHIDA4
from limitlab.solvers.methods.jacobians import JacobianFunction
from limitlab.solvers.methods.method import Method
from limitlab.solvers.methods.rosenbrock import RODAS4, RODAS5P, ROSENBROCK23
from limitlab.solvers.methods.switching import AUTO
from limitlab.solvers.methods.tableaux import TABLEAUX

METHODS: dict[str, Method] = {
    **{name: explicit(tableau) for name, tableau in TABLEAUX.items()},
    **{method.name: method for method in (ROSENBROCK23, RODAS4, RODAS5P, KVAERNO3, KVAERNO5)},
    **{method.name: method for method in (REVERSIBLE_HEUN, LEAPFROG, YOSHIDA4, AUTO)},
}


def method_named(
    name: str, jacobian: JacobianFunction | None = None, rtol: float | None = None, atol: float | None = None
) -> Method:
    """The method of that name; stiff ones take the Jacobian, and those that iterate the tolerances of the solve.

    Raises UnknownName with the nearest one, and InvalidArgument where a Jacobian is of no use.
    """
    method: Any = METHODS[one_of("method", name, METHODS)]
    accepted = {field.name for field in dataclasses.fields(method)}
    if jacobian is not None and "jacobian" not in accepted:
        raise InvalidArgument(f"jacobian is for stiff methods; {name!r} has no use for it")
    options = {"jacobian": jacobian, "rtol": rtol, "atol": atol}
    settings = {key: value for key, value in options.items() if value is not None and key in accepted}
    return dataclasses.replace(method, **settings) if settings else method


def method_names() -> tuple[str, ...]:
    """The names that `solve_ode` knows.

    >>> "tsit5" in ll.solvers.method_names()
    True
    """
    return tuple(METHODS)
