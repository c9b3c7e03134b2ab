"""ESDIRK methods in the lanes: the formulas of `limitlab.solvers.methods.esdirk`, by a Jacobian of formulas.

Every lane has as many Newton iterations as it needs: one that has ended waits, unchanged, for the others of its vector.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir

from limitlab.solvers.methods.esdirk import MOST_ITERATIONS, Esdirk
from limitlab.solvers.native.arithmetic import EVERYWHERE, Lanes
from limitlab.solvers.native.rosenbrock import factorized, shifted, solved, stiff_pair
from limitlab.solvers.native.stages import Around, Attempted, Position, Vectors, moved, times


def esdirk(method: Esdirk, lanes: Lanes, around: Around, step: Position) -> Attempted:
    """The stages of a table."""
    table, (t, h, y, slope) = method.table, step
    assert around.linear is not None
    newton = Newton(method, lanes, around, step)
    known, increments = y, [times(lanes, h, slope)]
    for row, guess, node in zip(table.lower, table.guesses, table.c[1:], strict=True):
        known = moved(lanes, y, row, increments)
        first = moved(lanes, [None] * len(y), guess, increments)
        increments.append(newton.solve(lanes.add(t, lanes.scaled(h, node)), known, first))
    last, unknown = increments[-1], lanes.number(float("nan"))
    # steps of given size have no other way to tell
    end = [lanes.select(newton.state.converged, value, unknown) for value in moved(lanes, known, [table.gamma], [last])]
    still = lanes.at_most(lanes.absolute(h), lanes.number(0.0))
    divisor = lanes.select(still, lanes.number(1.0), h)
    slope = [lanes.select(still, old, lanes.divide(u, divisor)) for old, u in zip(slope, last, strict=True)]
    error = moved(lanes, [None] * len(y), table.error, increments)
    pair = stiff_pair(lanes, around.linear.jacobian)
    return Attempted(end, slope, (error,), tuple(increments), pair, newton.state.converged, newton.state.calls)


class State(NamedTuple):
    """What goes from stage to stage: which lanes are solved so far, the rest by which a first correction is judged, and
    how many calls of the field there were."""

    converged: ir.Value
    rest: ir.Value
    calls: ir.Value


class Newton:
    """The stage equations of one attempt; `state` moves from stage to stage."""

    def __init__(self, method: Esdirk, lanes: Lanes, around: Around, step: Position) -> None:
        assert around.linear is not None
        self._lanes, self._slope_at, self._h = lanes, around.slope_at, step.h
        self._gamma = method.table.gamma
        matrix = shifted(lanes, around.linear.jacobian, lanes.scaled(step.h, self._gamma), 1.0)
        self._factors = factorized(lanes, matrix)
        atol, rtol = around.iteration
        self._weight = [
            lanes.divide(lanes.number(1.0), lanes.add(atol, lanes.multiply(rtol, lanes.absolute(value))))
            for value in step.y
        ]
        self.state = State(self._factors.regular, lanes.number(1.0), lanes.number(0.0))

    def solve(self, time: ir.Value, known: Vectors, first: Vectors) -> Vectors:
        """u of a stage from a first guess."""
        lanes, (converged, rest, calls) = self._lanes, self.state
        # for the rate that a first correction has not got: Hairer & Wanner, Solving ODEs II, IV.8
        rest = lanes.exp(lanes.scaled(lanes.log(lanes.maximum(rest, lanes.number(1e-16))), 0.8))

        def iteration(count: ir.Value, carried: Vectors) -> tuple[Vectors, ir.Value]:
            u, (active, converged, rest, calls, before) = carried[:-5], carried[-5:]
            change = self._change(time, known, u)
            size = lanes.norm([lanes.multiply(part, by) for part, by in zip(change, self._weight, strict=True)])
            calls = lanes.add(calls, lanes.select(active, lanes.number(1.0), lanes.number(0.0)))
            u = [lanes.select(active, lanes.add(old, part), old) for old, part in zip(u, change, strict=True)]
            state, active = self._judged(count, State(converged, rest, calls), active, size, before)
            return [*u, active, *state, size], active

        start = [*first, converged, converged, rest, calls, lanes.number(1.0)]
        *u, active, converged, rest, calls, _ = lanes.repeated(MOST_ITERATIONS, start, iteration)
        self.state = State(lanes.builder.and_(converged, lanes.builder.not_(active)), rest, calls)
        return u

    def _change(self, time: ir.Value, known: Vectors, u: Vectors) -> Vectors:
        lanes, at = self._lanes, moved(self._lanes, known, [self._gamma], [u])
        slope = times(lanes, self._h, self._slope_at(time, at))
        return solved(lanes, self._factors, [lanes.subtract(new, old) for new, old in zip(slope, u, strict=True)])

    def _judged(
        self, count: ir.Value, state: State, active: ir.Value, size: ir.Value, before: ir.Value
    ) -> tuple[State, ir.Value]:
        """After a correction of a size: what is known, and the lanes that need another one."""
        lanes, builder, one = self._lanes, self._lanes.builder, self._lanes.number(1.0)
        is_first = builder.icmp_unsigned("==", count, ir.Constant(count.type, 0))
        rate = lanes.divide(size, lanes.maximum(before, lanes.number(1e-300)))
        # corrections below the tolerance may grow: they are rounding
        shrinks = builder.or_(lanes.is_less(rate, one), lanes.is_less(size, one))
        shrinks = builder.select(is_first, EVERYWHERE, shrinks)
        converged = builder.and_(state.converged, builder.or_(builder.not_(active), shrinks))
        active = builder.and_(active, converged)
        by_rate = lanes.divide(rate, lanes.maximum(lanes.subtract(one, rate), lanes.number(1e-3)))
        rest = builder.select(is_first, state.rest, lanes.select(active, by_rate, state.rest))
        # a NaN is not at most one, and stays unsolved
        enough = lanes.at_most(lanes.multiply(rest, size), one)
        return State(converged, rest, state.calls), builder.and_(active, builder.not_(enough))
