"""A person's own equation, typed as text: the kind is what the left side says.

    u_t = D*u_xx + u*(1 - u)                        partial differential equation on a periodic interval
    u_t = D*(u_xx + u_yy) - v; v_t = u - v          the same in the plane, of one field or several
    x' = y; y' = mu*(1 - x^2)*y - x                 system of ordinary differential equations (or dx/dt = ...)
    dX = theta*(mu - X)*dt + sigma*dW               stochastic system; several noises dW1, dW2, ...

The text goes through the whitelist parser of `limitlab.problems.text.grammar`; nothing of it is run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.problems.base import Field, GenerativeProblem, Parameter
from limitlab.problems.dynamical import NEARBY, DynamicalProblem
from limitlab.problems.ode.problem import ODEProblem
from limitlab.problems.pde.typed import declared
from limitlab.problems.pde.typed import parse as parse_pde
from limitlab.problems.sde.problem import SDEProblem
from limitlab.problems.text.systems import kind_of, parse_dynamics

MOST_STEPS = 1000
Initial = Mapping[str, float | str] | Sequence[float | str] | float | str
_OPTIONS = {
    "ode": ("law", "sites", "ends", "stiff", "rtol", "atol"),
    "sde": ("law", "sites", "ends", "calculus", "step_size", "method"),
    "pde": ("length", "resolution", "dt"),
}


def parse(
    text: str,
    parameters: Mapping[str, float | Parameter] | None = None,
    *,
    initial: Any = None,
    span: float | None = None,
    frames: int | None = None,
    name: str = "own_equation",
    **options: Any,
) -> GenerativeProblem:
    """The problem of a typed equation or system: parse("x' = a*x", {"a": -1.0}, initial={"x": 2.0}, span=5.0).

    parameters: values, or Parameters with a range. initial: of a system, numbers or texts in the parameters, by name or
    in the order of the equations (1 where left out), one alone for one equation, or a law; of a PDE a number, text in x
    or a law, of several fields by name. A function is none of these: what it computes is written as text.
    frames: stored times on [0, span]. options: of a PDE length, resolution, dt; of systems law, sites and ends (for
    x[i]' = ...), of an ODE stiff, rtol, atol, of an SDE calculus ("ito"), step_size, method. Raises InvalidArgument or
    UnknownName for what cannot be read.

    >>> decay = ll.problems.parse("x' = a*x", {"a": -1.0}, initial={"x": 2.0}, span=1.0)
    >>> round(float(decay.solve().y[0, -1]), 5)
    0.73576
    """
    kind = kind_of(text) or "pde"
    for option in options:
        described = {"pde": "a partial", "ode": "an ordinary", "sde": "a stochastic"}[kind]
        one_of(f"option of {described} differential equation", option, _OPTIONS[kind])
    if kind != "pde" and hasattr(initial, "draw"):
        if "law" in options:
            raise InvalidArgument("initial and law are two laws; give one of them")
        initial, options["law"] = None, initial
    common = {"span": span, "frames": frames, "initial": initial}
    options |= {key: value for key, value in common.items() if value is not None}
    if kind == "pde":
        return dataclasses.replace(parse_pde(text, parameters, **options), name=name)
    return _system(kind, text, parameters or {}, name, **options)


def _system(
    kind: str,
    text: str,
    parameters: Mapping[str, float | Parameter],
    name: str,
    *,
    initial: Initial = (),
    span: float = 10.0,
    frames: int = 201,
    sites: int = 0,
    **options: Any,
) -> DynamicalProblem:
    typed = tuple(declared(key, value) for key, value in parameters.items())
    dynamics = parse_dynamics(text, tuple(parameters))
    span = check_number("span", span, low=1e-9, high=1e9)
    if dynamics.indexed and not sites:
        raise InvalidArgument("sites must be given for equations of x[i]: their number")
    common: dict[str, Any] = {
        "name": name,
        "title": "Your equation" if len(dynamics.states) == 1 else "Your system",
        "equation": text.strip(),
        "states": tuple(Field(state, f"your {state}") for state in dynamics.states),
        "parameters": typed,
        "initial": _initial(dynamics.states, initial),
        "law": NEARBY,
        "span": span,
        "frames": frames,
        "sites": sites,
        "site_range": (2, 1000) if dynamics.indexed else (0, 0),
        "source": "typed",
        **options,
    }
    if kind == "ode":
        problem: DynamicalProblem = ODEProblem(**common)
    else:
        problem = SDEProblem(**{"step_size": span / MOST_STEPS, **common})
    _require_finite(problem)
    return problem


def _initial(states: tuple[str, ...], initial: Initial) -> tuple[float | str, ...]:
    if isinstance(initial, Mapping):
        for name in initial:
            one_of("state", name, states)
        values: list[Any] = [initial.get(state, 1.0) for state in states]
    elif isinstance(initial, str) or not isinstance(initial, Iterable) or getattr(initial, "ndim", 1) == 0:
        values = [initial]
    else:
        values = list(initial) or [1.0] * len(states)
    if callable(initial) or len(values) != len(states):
        raise InvalidArgument(
            f"initial must hold a number or text for each of {', '.join(states)}, or be a law; got {initial!r:.60}"
        )
    return tuple(
        value if isinstance(value, str) else check_number(f"initial value of {state}", value)
        for state, value in zip(states, values, strict=True)
    )


def _require_finite(problem: DynamicalProblem) -> None:
    """Refuse a system whose right side is not a number where it starts."""
    start = problem.initial_value[None]
    time = torch.zeros(1, 1, dtype=start.dtype)
    if not bool(torch.isfinite(start).all()):
        raise InvalidArgument(f"the initial value of {problem.equation!r:.60} is not finite")
    sides = [problem.field()(time, start)]
    if isinstance(problem, SDEProblem):
        sides.append(problem.diffusion()(time, start))
    if not all(bool(torch.isfinite(side).all()) for side in sides):
        raise InvalidArgument(
            f"the right side of {problem.equation!r:.60} is not finite at t = 0 and its initial value: choose another"
        )
