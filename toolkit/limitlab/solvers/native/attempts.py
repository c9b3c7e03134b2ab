"""Machine code of one attempt of eight trajectories: the method, its error, and the next step.

The numbers are those of `limitlab.solvers.ode.attempts` and `step_control`, up to rounding. A lane whose time is its
end takes a step of size zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from llvmlite import ir

from limitlab.solvers.methods.esdirk import Esdirk
from limitlab.solvers.methods.explicit import ExplicitMethod
from limitlab.solvers.methods.rosenbrock import Rosenbrock
from limitlab.solvers.native.arithmetic import POINTER, TINY, WIDTH, WORD, Lanes
from limitlab.solvers.native.choice import Recipe
from limitlab.solvers.native.esdirk import esdirk
from limitlab.solvers.native.field import Rows, define, linearization_of, parts_of, slope_of
from limitlab.solvers.native.frame import (
    ATOL,
    BROKEN,
    CALLS,
    COUNT,
    END,
    ITERATION,
    LOGGED_ERROR,
    LOGGED_SIZE,
    LOGGED_TIME,
    LOGGED_TOP,
    MAX_STEP,
    MEMORY,
    MOST,
    NEXT,
    PROPOSED,
    RTOL,
    SHORTEST,
    SIZE,
    START,
    STATE,
    TIME,
)
from limitlab.solvers.native.rosenbrock import rosenbrock
from limitlab.solvers.native.sides import Inside
from limitlab.solvers.native.stages import Around, Attempted, Linear, Position, Vectors, explicit, moved, times
from limitlab.solvers.ode.attempts import LANDING, SHORTER
from limitlab.solvers.ode.step_control import GROW, SHRINK, SMALLEST_LOGARITHM
from limitlab.solvers.ode.stepping import UNMOVED
from limitlab.solvers.times import SLIVER

STAGES: dict[type, Callable[..., Attempted]] = {ExplicitMethod: explicit, Rosenbrock: rosenbrock, Esdirk: esdirk}


def attempt_module(recipe: Recipe) -> ir.Module:
    """A module of `begin`, `advance`, `extend` and `look`, each of a frame and a place in the log.

    `advance` gives two masks of lanes, one above the other: those that passed an output, and those to be looked after.
    """
    module = ir.Module("attempt")
    define(parts_of(recipe), module)
    for name, emit in (("begin", _begin), ("advance", _advance), ("extend", _extend), ("look", _look)):
        function = ir.Function(module, ir.FunctionType(WORD, [POINTER] * 2), name)
        builder = ir.IRBuilder(function.append_basic_block())
        frame, log = (Rows(Lanes(builder), base) for base in function.args)
        builder.ret(emit(recipe, frame, log) or ir.Constant(WORD, 0))
    return module


def _begin(recipe: Recipe, rows: Rows, log: Rows) -> None:
    """The slope at the start, and a first step from one trial step: Hairer, Norsett & Wanner, Solving ODEs I, II.4."""
    lanes, frame = rows.lanes, recipe.frame
    slope_at, count = slope_of(recipe, rows), frame.components
    t, y, span = rows[TIME], rows.several(STATE, count), lanes.subtract(rows[END], rows[TIME])
    slope = slope_at(t, y)
    scale = [lanes.add(rows[ATOL], lanes.multiply(rows[RTOL], lanes.absolute(value))) for value in y]
    # the tolerances of a frame hold the root of n and the safety factor
    limit = recipe.limit
    mean = partial(_scaled_norm, lanes, scale, 1.0 / limit)
    size, speed = mean(y), mean(slope)
    still = lanes.builder.or_(lanes.is_less(size, lanes.number(1e-5)), lanes.is_less(speed, lanes.number(1e-5)))
    trial = lanes.select(still, lanes.number(1e-6), lanes.scaled(lanes.divide(size, speed), 0.01))
    trial = lanes.minimum(trial, span)
    ahead = slope_at(
        lanes.add(t, trial), [lanes.add(a, lanes.multiply(trial, b)) for a, b in zip(y, slope, strict=True)]
    )
    change = mean([lanes.subtract(a, b) for a, b in zip(ahead, slope, strict=True)])
    bend = lanes.divide(change, trial)
    bend = lanes.select(lanes.is_less(bend, speed), speed, bend)
    steady = lanes.maximum(lanes.scaled(trial, 1e-3), lanes.number(1e-6))
    power = lanes.exp(lanes.scaled(lanes.log(lanes.divide(lanes.number(0.01), bend)), 1.0 / recipe.error_order))
    chosen = lanes.select(lanes.at_most(bend, lanes.number(1e-15)), steady, power)
    longest = lanes.scaled(trial, 100.0)
    # the trial step may have overflowed
    rows[PROPOSED] = lanes.select(lanes.at_most(chosen, longest), chosen, longest)
    rows.write(frame.slope, slope)


def _scaled_norm(lanes: Lanes, scale: Vectors, factor: float, values: Vectors) -> ir.Value:
    scaled = [lanes.divide(value, by) for value, by in zip(values, scale, strict=True)]
    return lanes.scaled(lanes.norm(scaled), factor)


def _advance(recipe: Recipe, rows: Rows, log: Rows) -> ir.Value:
    """One attempt; what it did stands in the rows of the frame, and where the next one starts."""
    lanes, frame = rows.lanes, recipe.frame
    t, end, proposed = rows[TIME], rows[END], rows[PROPOSED]
    y, slope = rows.several(STATE, frame.components), rows.several(frame.slope, frame.components)
    h = proposed if recipe.uniform else _size(recipe, rows, t, end, proposed)
    attempt = _attempted(recipe, rows, Position(t, h, y, slope))
    error = _scaled_error(lanes, rows[ATOL], rows[RTOL], attempt, y)
    if recipe.uniform:
        accepted = lanes.at_most(lanes.number(0.0), lanes.number(0.0))
        rows[TIME] = end
    else:
        accepted = lanes.at_most(error, lanes.number(recipe.limit))
        reached = lanes.minimum(lanes.add(t, lanes.scaled(h, LANDING)), end)
        rows[TIME] = lanes.select(accepted, reached, t)
        factor, memory = _next_factor(recipe, rows, error, accepted)
        following = lanes.multiply(h, factor)
        if recipe.sided:
            # a step that was cut says little about the next one
            cut = lanes.builder.and_(accepted, lanes.is_less(h, proposed))
            following = lanes.select(cut, lanes.maximum(following, proposed), following)
        rows[PROPOSED] = following
        rows.write(MEMORY, memory)
    rows[START], rows[SIZE] = t, h
    rows[COUNT] = lanes.add(rows[COUNT], lanes.number(1.0))
    if attempt.calls is not None:
        rows[CALLS] = lanes.add(rows[CALLS], attempt.calls)
    # a sum of squares is finite only where all of them are
    rows[BROKEN] = lanes.select(lanes.is_less(error, lanes.number(math.inf)), lanes.number(0.0), lanes.number(1.0))
    rows.write(frame.before, y)
    rows.write(STATE, [lanes.select(accepted, new, old) for new, old in zip(attempt.end, y, strict=True)])
    rows.write(frame.slope, [lanes.select(accepted, new, old) for new, old in zip(attempt.slope, slope, strict=True)])
    for index, increment in enumerate(attempt.increments):
        rows.write(frame.first_increment + index * frame.components, increment)
    log[LOGGED_TIME], log[LOGGED_SIZE] = t, lanes.select(accepted, h, lanes.negate(h))
    log[LOGGED_ERROR] = lanes.scaled(error, 1.0 / recipe.limit)
    pair = attempt.stiff_pair
    log.write(
        LOGGED_TOP, [lanes.number(math.nan)] * 2 if pair is None else [lanes.sum_of_squares(each) for each in pair]
    )
    return _masks(rows)


def _masks(rows: Rows) -> ir.Value:
    """Lanes that passed an output; above them those at their ends, out of attempts, or whose step moves no time."""
    lanes, time = rows.lanes, rows[TIME]
    shortest = lanes.maximum(lanes.scaled(lanes.absolute(time), UNMOVED), rows[SHORTEST])
    # a step that is no number moves none either
    still = lanes.builder.fcmp_unordered(">=", shortest, rows[PROPOSED])
    ended = lanes.builder.or_(lanes.at_most(rows[END], time), lanes.at_most(rows[MOST], rows[COUNT]))
    passed, due = (lanes.mask(each) for each in (lanes.at_most(rows[NEXT], time), lanes.builder.or_(ended, still)))
    return lanes.builder.or_(passed, lanes.builder.shl(due, ir.Constant(WORD, WIDTH)))


def _attempted(recipe: Recipe, rows: Rows, step: Position) -> Attempted:
    slope_at, at = slope_of(recipe, rows), step.t
    if recipe.sided:
        inside = Inside(rows.lanes, step.t, step.h)
        slope_at, at = inside.of(slope_at), inside.drawn(step.t)
        step = step._replace(slope=slope_at(step.t, step.y))
    linear = None if recipe.linear is None else Linear(*linearization_of(recipe, rows)(at, step.y))
    around = Around(slope_at, linear, (rows[ITERATION], rows[ITERATION + 1]))
    return STAGES[type(recipe.method)](recipe.method, rows.lanes, around, step)


def _size(recipe: Recipe, rows: Rows, t: ir.Value, end: ir.Value, proposed: ir.Value) -> ir.Value:
    lanes = rows.lanes
    left = lanes.builder.fsub(end, t)
    if recipe.limited:
        proposed = lanes.minimum(proposed, rows[MAX_STEP])
        whole = lanes.at_most(left, lanes.scaled(proposed, 1 + SLIVER))
        proposed = lanes.select(whole, left, proposed)
    # of a step that is not a number, torch's minimum is none either
    h = lanes.select(lanes.is_less(left, proposed), left, proposed)
    beyond = lanes.is_less(end, lanes.builder.fadd(t, h))
    return lanes.select(beyond, lanes.scaled(h, SHORTER), h)


def _scaled_error(lanes: Lanes, atol: ir.Value, rtol: ir.Value, attempt: Attempted, y: Vectors) -> ir.Value:
    scale = [
        lanes.add(atol, lanes.multiply(rtol, lanes.maximum(lanes.absolute(new), lanes.absolute(old))))
        for new, old in zip(attempt.end, y, strict=True)
    ]
    squares = [
        lanes.sum_of_squares([lanes.divide(part, by) for part, by in zip(error, scale, strict=True)])
        for error in attempt.errors
    ]
    if not squares:
        return lanes.number(math.nan)
    if len(squares) == 1:
        error = lanes.square_root(squares[0])
    else:
        # DOP853: |e5|^2 / sqrt(|e5|^2 + 0.01 |e3|^2)
        square = lanes.add(squares[0], lanes.number(TINY))
        whole = lanes.add(square, lanes.scaled(squares[1], 0.01))
        error = lanes.multiply(lanes.square_root(square), lanes.square_root(lanes.divide(square, whole)))
    return error if attempt.solved is None else lanes.select(attempt.solved, error, lanes.number(math.inf))


def _next_factor(recipe: Recipe, rows: Rows, error: ir.Value, accepted: ir.Value) -> tuple[ir.Value, Vectors]:
    lanes, controller = rows.lanes, recipe.controller
    logarithm = lanes.log(error)
    latest, *past = (-exponent / recipe.error_order for exponent in controller.exponents)
    remembered = sum(1 for exponent in controller.exponents[1:] if exponent)
    memory = rows.several(MEMORY, remembered)
    if remembered:
        smallest = lanes.number(SMALLEST_LOGARITHM)
        logarithm = lanes.select(lanes.is_less(logarithm, smallest), smallest, logarithm)
    exponent = lanes.scaled(logarithm, latest)
    for weight, before in zip(past, memory, strict=False):
        exponent = lanes.add(exponent, lanes.scaled(before, weight))
    # where it is not a number, the step shrinks
    factor = lanes.maximum(lanes.exp(exponent), lanes.number(SHRINK))
    factor = lanes.minimum(factor, lanes.number(GROW))
    shifted = zip((logarithm, *memory), memory, strict=False)
    return factor, [lanes.select(accepted, new, old) for new, old in shifted]


def _extend(recipe: Recipe, rows: Rows, log: Rows) -> None:
    """The stages that the continuous extension alone needs."""
    lanes, frame = rows.lanes, recipe.frame
    slope_at, count = slope_of(recipe, rows), frame.components
    t, h, y = rows[START], rows[SIZE], rows.several(frame.before, count)
    extra = recipe.extra_stages
    if recipe.sided:
        slope_at = Inside(lanes, t, h).of(slope_at)
    known = range(frame.increments - len(extra))
    increments = [rows.several(frame.first_increment + index * count, count) for index in known]
    for node, row in extra:
        slope = slope_at(lanes.add(t, lanes.scaled(h, node)), moved(lanes, y, row, increments))
        increments.append(times(lanes, h, slope))
        rows.write(frame.first_increment + (len(increments) - 1) * count, increments[-1])


def _look(recipe: Recipe, rows: Rows, log: Rows) -> None:
    """The continuous extension at the next output: weights of the increments, since few outputs share a step."""
    lanes, frame = rows.lanes, recipe.frame
    count = frame.components
    theta = lanes.divide(lanes.builder.fsub(rows[NEXT], rows[START]), rows[SIZE])
    within = lanes.is_less(theta, lanes.number(1.0))
    inside, end = rows.several(frame.before, count), rows.several(STATE, count)
    for index, row in enumerate(recipe.method.polynomials.tolist()):
        if any(row):
            weight = lanes.multiply(theta, lanes.polynomial(row, theta))
            increment = rows.several(frame.first_increment + index * count, count)
            inside = [lanes.add(sum_, term) for sum_, term in zip(inside, times(lanes, weight, increment), strict=True)]
    # at its end the polynomial would differ from the step's own state by rounding
    rows.write(frame.first_inside, [lanes.select(within, *pair) for pair in zip(inside, end, strict=True)])
