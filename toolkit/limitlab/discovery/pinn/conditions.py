"""Conditions that a network keeps by its form, u = A(z) + B(z) N(z), and those that are terms of a loss.

A holds the values, and B vanishes where they are prescribed, so nothing needs to be weighed against the equation:

    u(0) = u0                    A = u0,               B = 3 s t/T
    u(x, 0) = g(x), u = 0        A = g(x),             B = s t/T d(x),  d = 4 (x - a)(b - x)/(b - a)^2 on [a, b]
    periodic in x                A = g(x),             B = s t/T, and a network of sin and cos(2 pi k x/L)

A and B are texts in the coordinates, whose derivatives are symbolic; s is the scale of the unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.problems.compiled.program import Program
from limitlab.problems.ode.problem import ODEProblem
from limitlab.problems.pde.problem import PDEProblem
from limitlab.problems.text.grammar import COORDINATES, parse_expression

if TYPE_CHECKING:
    import sympy

REACH = 3.0
"""How far, in scales, a state may go from its initial value while the network's output stays near 1."""
WALLS = ("zero", "periodic", "open")


@dataclass(frozen=True)
class Ansatz:
    """u = base + factor * network for each unknown, as texts in the coordinates; periods of the periodic axes.

    >>> ll.discovery.pinn.Ansatz(base=("0.5",), factor=("3*t",)).periods
    ()
    """

    base: tuple[str, ...]
    factor: tuple[str, ...]
    periods: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if len(self.base) != len(self.factor):
            raise InvalidArgument(f"base and factor must hold a text for each unknown; got {self.base}, {self.factor}")

    def parsed(self, coordinates: Sequence[str]) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
        """Base and factor of each unknown as expressions. Raises InvalidArgument, and UnknownName for other names."""
        # names that are no coordinate of this equation would pass as coordinates of the grammar
        return _parsed(self.base, self.factor, tuple(coordinates))


@dataclass(frozen=True)
class Soft:
    """Values that a loss asks for: of the unknowns of a trajectory, or of their derivative along `axes`, at points.

    values: (point, unknown); NaN where nothing is asked.

    >>> at_rest = ll.discovery.pinn.Soft(torch.zeros(1, 1), torch.zeros(1, 2), axes="t")
    """

    points: Float[Tensor, "point axis"]
    values: Float[Tensor, "point unknown"]
    axes: str = ""
    trajectory: int = 0

    def __post_init__(self) -> None:
        if self.points.dim() != 2 or self.values.dim() != 2 or len(self.points) != len(self.values):
            raise InvalidArgument(
                f"points must be (point, axis) and values (point, unknown); got {tuple(self.points.shape)} and "
                f"{tuple(self.values.shape)}"
            )


def initial_value(
    problem: ODEProblem, scale: float | Sequence[float], initial: Sequence[float] | None = None
) -> Ansatz:
    """u = u0 + (t/T) 3 s network: the initial value holds whatever the network is. initial: else the problem's.

    >>> ll.discovery.pinn.initial_value(ll.problems.get("logistic", span=2.0), scale=1.0).factor
    ('1.5*t',)
    """
    count = problem.dimension
    start = problem.initial_value.tolist() if initial is None else check_numbers("initial", initial, count)
    scales = check_numbers("scale", scale, count, low=1e-300)
    return Ansatz(tuple(map(_text, start)), tuple(f"{REACH * s / problem.span!r}*t" for s in scales))


def free(scale: Sequence[float], middle: Sequence[float]) -> Ansatz:
    """u = m + s network: nothing holds by form, and an initial value is a soft condition.

    >>> ll.discovery.pinn.free([2.0], [1.0]).base
    ('1.0',)
    """
    middles = check_numbers("middle", middle)
    return Ansatz(tuple(map(_text, middles)), tuple(map(_text, check_numbers("scale", scale, len(middles)))))


def evolution(
    problem: PDEProblem, initial: str, walls: Literal["zero", "periodic", "open"], scale: float = 1.0
) -> Ansatz:
    """u = g + s (t/T) d network on a box that holds g at t = 0, and zero or periodic values at the walls.

    walls: "zero", "periodic", or "open" where nothing is prescribed. Raises InvalidArgument for a g that differs from
    what the walls prescribe.

    >>> burgers = ll.problems.parse("u_t = -u*u_x + nu*u_xx", {"nu": 0.05}, length=2.0, initial="sin(pi*x)")
    >>> ll.discovery.pinn.evolution(burgers, "sin(pi*x)", "zero").factor
    ('1.0*t*(2.0*(x - 0.0)*(2.0 - x)/2.0)',)
    """
    one_of("walls", walls, WALLS)
    if problem.span == 0:
        raise InvalidArgument(f"{problem.name} is steady: write its Ansatz as base and factor")
    scale = check_number("scale", scale, low=1e-300)
    _require_fitting(problem, initial, walls)
    factor = f"{scale / problem.span!r}*t"
    if walls == "zero":
        factor += "".join(f"*({_distance(axis, *ends)})" for axis, ends in _ends(problem))
    periods = (None, *problem.lengths) if walls == "periodic" else ()
    return Ansatz((initial,), (factor,), periods)


def _ends(problem: PDEProblem) -> list[tuple[str, tuple[float, float]]]:
    """Name and ends of each space axis."""
    ends = [(start, start + length) for start, length in zip(problem.starts, problem.lengths, strict=True)]
    return list(zip(COORDINATES[1:], ends, strict=False))


def _distance(axis: str, low: float, high: float) -> str:
    """Zero at both ends, one in the middle."""
    length = high - low
    return f"{4 / length!r}*({axis} - {_text(low)})*({_text(high)} - {axis})/{length!r}"


def _text(number: float) -> str:
    return repr(number) if number >= 0 else f"({number!r})"


def _require_fitting(problem: PDEProblem, initial: str, walls: str) -> None:
    """At points of no symmetry on each wall, where a text that does not fit will not happen to."""
    coordinates = COORDINATES[1 : problem.dimension + 1]
    expression = parse_expression(initial, parameters=tuple(problem.values), dimension=problem.dimension)
    run = Program((expression,), coordinates, tuple(problem.values)).bind(problem.values)
    inner = torch.tensor([0.1234, 0.4567, 0.8901], dtype=torch.float64)
    position = [start + length * inner for start, length in zip(problem.starts, problem.lengths, strict=True)]
    for index, (axis, ends) in enumerate(_ends(problem)):
        sides = []
        for end in ends:
            at = [torch.full_like(inner, end) if k == index else p for k, p in enumerate(position)]
            sides.append(torch.as_tensor(run(*at)[0], dtype=torch.float64).expand(3))
        agree = walls == "open" or torch.allclose(sides[0], sides[1], rtol=1e-9, atol=1e-9)
        vanish = walls != "zero" or all(bool((side.abs() < 1e-9).all()) for side in sides)
        if not (agree and vanish):
            raise InvalidArgument(
                f"initial {initial!r:.60} must be {'zero' if walls == 'zero' else 'periodic'} at the walls of {axis}, "
                f"{ends[0]:g} and {ends[1]:g}; choose other walls or another initial value"
            )


@lru_cache(maxsize=256)
def _parsed(
    base: tuple[str, ...], factor: tuple[str, ...], coordinates: tuple[str, ...]
) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
    import sympy

    dimension = max(COORDINATES.index(name) for name in coordinates)
    pairs = []
    for texts in zip(base, factor, strict=True):
        pair = tuple(parse_expression(text, dimension=dimension) for text in texts)
        strange = {s.name for e in pair for s in e.free_symbols} - set(coordinates)
        if strange:
            raise InvalidArgument(
                f"a condition of this equation holds {', '.join(coordinates)}; got {sorted(strange)[0]}"
            )
        pairs.append(tuple(map(sympy.sympify, pair)))
    return tuple(pairs)
