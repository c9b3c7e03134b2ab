"""An equation with holes: systems of ordinary equations some of whose terms are candidates of a search.

    x' = 1.3*x + F; y' = G - 1.8*y          holes F, G, each with candidate formulas in the states and t

Every fill of the holes, at every set of constants and from every start, is one sample of a single solve, and so are
the shifted constants and starts of which differences give the sensitivities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import InvalidArgument, one_of
from limitlab.problems.compiled.program import Program
from limitlab.problems.text.systems import Dynamics, parse_dynamics
from limitlab.solvers import solve_ode

Array = np.ndarray
TIME = "t"
RTOL = 1e-8
FROZEN_AT = 1e3
"""Spreads of the measurements from their middle at which a trajectory has left for good, and is held."""


@dataclass(frozen=True)
class Holed:
    """The text of a system, its holes, and values of its parameters, of which `free` ones are fitted with the rest.

    Raises InvalidArgument, or UnknownName for a free parameter without a value.

    >>> from limitlab.discovery.symbolic import Holed
    >>> Holed("x' = a*x + F; y' = G - b*y", ("F", "G"), {"a": 1.3, "b": 1.8}).states
    ('x', 'y')
    """

    equation: str
    holes: tuple[str, ...]
    values: Mapping[str, float] = field(default_factory=dict)
    free: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("holes", "free"):
            if isinstance(getattr(self, name), str):
                raise InvalidArgument(f"{name} must be a list of names, such as ('F',); got {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a frozen dataclass
        for name in self.free:
            one_of("parameter", name, self.values)
        symbols = {symbol.name for drift in self._dynamics.drift for symbol in drift.free_symbols}
        for hole in self.holes:
            if hole not in symbols:
                raise InvalidArgument(f"the hole {hole!r} does not stand in {self.equation!r:.80}")
        if self._dynamics.indexed or self._dynamics.noises:
            raise InvalidArgument("equations with holes are ordinary ones without sites")

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states in the order of the equations."""
        return self._dynamics.states

    def filled(self, formulas: Sequence[Expr], free: Sequence[float] = ()) -> str:
        """Text of the system with formulas in its holes, in their order, and free parameters at these values."""
        import sympy

        from limitlab.problems.text.notation import equation_text

        put = {sympy.Symbol(h, real=True): e.numeric for h, e in zip(self.holes, formulas, strict=True)}
        numbers = {**self.values, **dict(zip(self.free, free, strict=bool(free)))}
        put |= {sympy.Symbol(name, real=True): sympy.Float(value) for name, value in numbers.items()}
        sides = (drift.xreplace(put) for drift in self._dynamics.drift)
        return "; ".join(f"{state}' = {equation_text(side)}" for state, side in zip(self.states, sides, strict=True))

    @cached_property
    def program(self) -> Program:
        """Right sides of time, states and holes, with the parameters bound."""
        return Program(self._dynamics.drift, (TIME, *self.states, *self.holes), tuple(self.values))

    @cached_property
    def _dynamics(self) -> Dynamics:
        return parse_dynamics(self.equation, (*self.values, *self.holes))


class Completable(Protocol):
    """An equation with holes, as a fit of their formulas sees it."""

    @property
    def holes(self) -> tuple[str, ...]:
        """Names of the holes."""

    @property
    def free(self) -> tuple[str, ...]:
        """Parameters that are fitted with the formulas."""

    @property
    def values(self) -> Mapping[str, float]:
        """Of the parameters."""

    def filled(self, formulas: Sequence[Expr], free: Sequence[float] = ()) -> str:
        """Text of the equation with these formulas in its holes."""


class Fills(NamedTuple):
    """Combinations (fill, hole) of formulas by number; the constants of a fill lie in one block a hole, then the free.

    formulas: by hole. widths: constants of the longest formula of each hole.
    """

    holed: Completable
    formulas: tuple[tuple[Expr, ...], ...]
    chosen: Int[Array, "fill hole"]

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(max(len(expr.names) for expr in row) for row in self.formulas)

    def constants(self) -> tuple[Float[Array, "fill constant"], Array]:
        """Start values and, true where a fill has one, which constants there are."""
        size = sum(self.widths) + len(self.holed.free)
        values, there = np.zeros((len(self.chosen), size)), np.zeros((len(self.chosen), size), dtype=bool)
        for fill, numbers in enumerate(self.chosen):
            for (start, _), row, number in zip(self.blocks(), self.formulas, numbers, strict=True):
                constants = row[number].values
                values[fill, start : start + len(constants)] = constants
                there[fill, start : start + len(constants)] = True
        if self.holed.free:
            values[:, -len(self.holed.free) :] = [self.holed.values[name] for name in self.holed.free]
            there[:, -len(self.holed.free) :] = True
        return values, there

    def blocks(self) -> list[tuple[int, int]]:
        """Where the block of each hole begins, and where the next one does."""
        ends = np.cumsum(self.widths).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))


class Samples(NamedTuple):
    """Where fills are solved: times (sample, time), states to compare with, and the box that trajectories may fill.

    spread: of each state, infinite for one without a measure of how far it goes.
    """

    times: Float[Array, "sample time"]
    middle: Float[Array, " state"]
    spread: Float[Array, " state"]
    method: str
    max_steps: int


def trajectories(
    fills: Fills,
    samples: Samples,
    fill: Int[Array, " row"],
    constants: Float[Array, "row constant"],
    starts: Float[Array, "row sample state"],
) -> Float[Array, "row sample time state"]:
    """States of every row and sample; NaN where a solve fails or leaves the box."""
    rows, count, dimension = starts.shape
    times = np.tile(samples.times, (rows, 1))
    y0 = torch.from_numpy(starts.reshape(-1, dimension))
    fill, constants = np.repeat(fill, count), np.repeat(constants, count, axis=0)
    middle, far = torch.from_numpy(samples.middle), torch.from_numpy(FROZEN_AT * samples.spread)
    y = torch.full((len(y0), times.shape[1], dimension), torch.nan, dtype=y0.dtype)
    with torch.no_grad():
        slopes = vector_field(fills, fill, constants)(torch.from_numpy(times[:, :1]), y0)
        # a solver takes no start at which the field is no number
        begun = np.flatnonzero((slopes.isfinite() & y0.isfinite()).all(1).numpy())
        if not len(begun):
            return y.reshape(rows, count, -1, dimension).numpy()
        inner = vector_field(fills, fill[begun], constants[begun])

        def held(t: Tensor, state: Tensor) -> Tensor:
            inside = ((state - middle).abs() < far).all(1, keepdim=True)
            # what has left costs no more steps
            return torch.where(inside, inner(t, torch.where(inside, state, middle)), 0.0)

        y[begun] = solve_ode(
            held,
            y0[begun],
            torch.from_numpy(times[begun]),
            method=samples.method,
            rtol=RTOL,
            atol=RTOL * float(samples.spread.min()),
            max_steps=samples.max_steps,
            on_failure="mask",
        ).y
    y = torch.where(((y - middle).abs() < far).all(-1, keepdim=True), y, torch.nan)
    return y.reshape(rows, count, -1, dimension).numpy()


def vector_field(
    fills: Fills, fill: Int[Array, " row"], constants: Float[Array, "row constant"]
) -> Callable[[Tensor, Tensor], Tensor]:
    """field(t, y): y (row, state), every row with its fill and its constants."""
    numbers, holed = torch.from_numpy(constants), fills.holed
    assert isinstance(holed, Holed)
    groups = [
        (hole, torch.from_numpy(rows), _bound(expr, numbers[rows, start : start + len(expr.names)]), expr)
        for hole, ((start, _), formulas) in enumerate(zip(fills.blocks(), fills.formulas, strict=True))
        for number, expr in enumerate(formulas)
        if len(rows := np.flatnonzero(fills.chosen[fill, hole] == number))
    ]
    count, states = len(holed.free), holed.states
    values: dict[str, float | Tensor] = dict(holed.values)
    values.update(zip(holed.free, numbers[:, len(numbers[0]) - count :].unbind(1), strict=True))
    outer = holed.program.bind(values)
    column_of = {name: column for column, name in enumerate((TIME, *states))}
    inputs = [(hole, rows, run, [column_of[name] for name in expr.variables]) for hole, rows, run, expr in groups]

    def right_side(t: Tensor, y: Tensor) -> Tensor:
        columns = (t[:, 0], *y.unbind(1))
        values_of = y.new_empty(len(fills.formulas), len(y))
        for hole, rows, run, numbers_of in inputs:
            # one formula for all rows needs no selection
            chosen = [columns[k] if len(rows) == len(y) else columns[k].index_select(0, rows) for k in numbers_of]
            values_of[hole].index_copy_(0, rows, torch.as_tensor(run(*chosen)[0], dtype=y.dtype).expand(len(rows)))
        sides = outer(*columns, *values_of.unbind(0))
        return torch.stack([torch.as_tensor(side, dtype=y.dtype).expand(len(y)) for side in sides], 1)

    return right_side


def _bound(expr: Expr, constants: Float[Tensor, "row constant"]):
    return _program(expr).bind(dict(zip(expr.names, constants.unbind(1), strict=True)))


@lru_cache(maxsize=1024)
def _program(expr: Expr) -> Program:
    return Program([expr.sympy], expr.variables, expr.names)
