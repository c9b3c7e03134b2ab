"""The loop around the machine code of an attempt: samples enter and leave the lanes, and leave log and outputs.

All lanes step at once, each with its own sample, time and size; a lane whose sample has reached its end takes the next
one from the queue. Compiled by numba once for all fields and methods, and kept on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic as typed_intrinsic

from limitlab.solvers.native.arithmetic import WIDTH
from limitlab.solvers.native.frame import (
    ACCEPTED,
    AFTER,
    BROKEN,
    END,
    ERROR,
    MEMORY,
    PROPOSED,
    SIZE,
    START,
    STATE,
    STIFFNESS,
    TIME,
)
from limitlab.solvers.numba_cache import forget_stale
from limitlab.solvers.ode.stepping import BESIDE_ZERO, HUGE, UNMOVED

forget_stale(Path(__file__).parent)

# mypy counts the typing context among the arguments of a call
intrinsic: Any = typed_intrinsic
IDLE = -1
BLOWN_UP, TOO_MANY, STUCK, OUT_OF_TIME = 1, 2, 3, 4
LOGGED = 5  # numbers of an attempt: time, size, error, stiffness, accepted


class Code(NamedTuple):
    """Addresses of functions of a frame, where its rows lie, and what the continuous extension is made of.

    degree: of the extension. extra: calls of the field that it alone needs.
    """

    begin: int
    advance: int
    extend: int
    slope: int
    before: int
    first_coefficient: int
    first_given: int
    degree: int
    extra: int


class Work(NamedTuple):
    """All samples: what is given, and what becomes of them; (batch, ...) each.

    first: their first steps; those to be estimated are NaN. given: (numbers, batch). failure: its kind, 0 for none.
    """

    times: Any
    y0: Any
    given: Any
    slopes: Any
    first: Any
    states: Any
    attempts: Any
    extra_calls: Any
    failure: Any
    failed_at: Any
    failed_step: Any


class Rules(NamedTuple):
    """The controller's memory before the first step, attempts that a sample may take, and how many lie between two
    looks at whether a step still moves its time."""

    memory: float
    max_steps: int
    most: int


class Plan(NamedTuple):
    """What is the same for all samples."""

    code: Code
    rules: Rules


class Flight(NamedTuple):
    """What is in the lanes: the frame, samples, their next outputs, and the place in the queue (next, last)."""

    frame: Any
    sample: Any
    output: Any
    queue: Any


@intrinsic
def _call(typing_context: Any, address: Any, argument: Any) -> Any:
    """Call the function at an address with a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        function, pointer = arguments
        builder.call(builder.inttoptr(function, kind.as_pointer()), [pointer])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _data(typing_context: Any, array: Any) -> Any:
    """The address of an array's numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@njit(inline="always")
def _unowned(array: Any) -> Any:
    """The same array without its reference count, which would be moved up and down at every use."""
    return carray(_data(array), array.shape)


@njit(inline="always")
def _unowned_work(work: Work) -> Work:
    return Work(
        _unowned(work.times), _unowned(work.y0), _unowned(work.given), _unowned(work.slopes), _unowned(work.first),
        _unowned(work.states), _unowned(work.attempts), _unowned(work.extra_calls), _unowned(work.failure),
        _unowned(work.failed_at), _unowned(work.failed_step),
    )  # fmt: skip


@njit(inline="always")
def _unowned_flight(flight: Flight) -> Flight:
    return Flight(_unowned(flight.frame), _unowned(flight.sample), _unowned(flight.output), _unowned(flight.queue))


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(plan: Plan, whole: Work, lanes: Flight) -> None:
    """The slopes at the start of the samples in the queue, and their first steps where none is given."""
    code = plan.code
    work, flight = _unowned_work(whole), _unowned_flight(lanes)
    frame, first, last = flight.frame, flight.queue[0], flight.queue[1]
    for group in range(first, last, WIDTH):
        count = min(WIDTH, last - group)
        for lane in range(count):
            _load(plan, work, flight, lane, group + lane)
        _call(code.begin, frame.ctypes.data)
        for lane in range(count):
            sample = group + lane
            for index in range(work.y0.shape[1]):
                work.slopes[sample, index] = frame[code.slope + index, lane]
            if np.isnan(work.first[sample]):
                work.first[sample] = frame[PROPOSED, lane]
    frame[END] = frame[TIME]


@njit(cache=True, nogil=True, error_model="numpy")
def march(plan: Plan, whole: Work, lanes: Flight, log: tuple[Any, Any]) -> int:
    """Attempts until the log is full or all samples are at their ends; how many were logged.

    log: (attempts, LOGGED), and (attempts,) the sample of each.
    """
    work, flight = _unowned_work(whole), _unowned_flight(lanes)
    logged, owner = _unowned(log[0]), _unowned(log[1])
    code, frame, count = plan.code, flight.frame, 0
    while count + WIDTH <= len(owner):
        if not _refill(plan, work, flight):
            break
        _call(code.advance, frame.ctypes.data)
        extended = False
        for lane in range(WIDTH):
            sample = flight.sample[lane]
            if sample == IDLE:
                continue
            owner[count] = sample
            moved = frame[SIZE, lane] != 0.0
            logged[count, 0] = frame[START, lane] if moved else np.nan
            logged[count, 1] = frame[SIZE, lane] if moved else np.nan
            logged[count, 2] = frame[ERROR, lane]
            logged[count, 3] = frame[STIFFNESS, lane]
            logged[count, 4] = frame[ACCEPTED, lane]
            count += 1
            if frame[ACCEPTED, lane] and _has_output(work, flight, lane, sample):
                if not extended:
                    _call(code.extend, frame.ctypes.data)
                    extended = True
                work.extra_calls[sample] += code.extra
                _write(code, work, flight, lane, sample)
            _leave(plan.rules, work, flight, lane, sample)
    return count


@njit(inline="always", nogil=True, error_model="numpy")
def _refill(plan: Plan, work: Work, flight: Flight) -> bool:
    """Fill idle lanes from the queue; whether any lane is busy."""
    busy = False
    for lane in range(WIDTH):
        if flight.sample[lane] == IDLE and flight.queue[0] < flight.queue[1]:
            sample = flight.queue[0]
            flight.queue[0] += 1
            flight.sample[lane] = sample
            flight.output[lane] = 1
            _load(plan, work, flight, lane, sample)
            for index in range(work.y0.shape[1]):
                flight.frame[plan.code.slope + index, lane] = work.slopes[sample, index]
        busy = busy or flight.sample[lane] != IDLE
    return busy


@njit(inline="always", nogil=True, error_model="numpy")
def _load(plan: Plan, work: Work, flight: Flight, lane: int, sample: int) -> None:
    """A sample at its start."""
    frame, code, rules = flight.frame, plan.code, plan.rules
    frame[TIME, lane] = work.times[sample, 0]
    frame[END, lane] = work.times[sample, -1]
    frame[PROPOSED, lane] = work.first[sample]
    frame[MEMORY, lane] = rules.memory
    frame[MEMORY + 1, lane] = rules.memory
    for index in range(work.y0.shape[1]):
        frame[STATE + index, lane] = work.y0[sample, index]
    for index in range(len(work.given)):
        frame[code.first_given + index, lane] = work.given[index, sample]


@njit(inline="always", nogil=True, error_model="numpy")
def _has_output(work: Work, flight: Flight, lane: int, sample: int) -> bool:
    """Whether the step just accepted reaches a time that is asked for, the last one aside."""
    place = flight.output[lane]
    return place < work.times.shape[1] - 1 and work.times[sample, place] <= flight.frame[AFTER, lane]


@njit(inline="always", nogil=True, error_model="numpy")
def _write(code: Code, work: Work, flight: Flight, lane: int, sample: int) -> None:
    """The outputs inside the step just accepted, by its continuous extension."""
    frame, size = flight.frame, work.y0.shape[1]
    while _has_output(work, flight, lane, sample):
        place = flight.output[lane]
        theta = (work.times[sample, place] - frame[START, lane]) / frame[SIZE, lane]
        for index in range(size):
            value = 0.0
            for power in range(code.degree - 1, -1, -1):
                value = theta * (value + frame[code.first_coefficient + power * size + index, lane])
            # at its end the polynomial would differ from the step's own state by rounding
            inside = frame[code.before + index, lane] + value
            work.states[sample, place, index] = inside if theta < 1.0 else frame[STATE + index, lane]
        flight.output[lane] = place + 1


@njit(inline="always", nogil=True, error_model="numpy")
def _leave(rules: Rules, work: Work, flight: Flight, lane: int, sample: int) -> None:
    """Count an attempt, and let a sample go that is at its end or has to be given up."""
    frame = flight.frame
    work.attempts[sample] += 1
    time, end, proposed = frame[TIME, lane], frame[END, lane], frame[PROPOSED, lane]
    if time == end:
        for index in range(work.y0.shape[1]):
            work.states[sample, -1, index] = frame[STATE + index, lane]
        flight.sample[lane] = IDLE
        return
    kind = 0
    if work.attempts[sample] % rules.most == 0:
        length = abs(end - work.times[sample, 0])
        if not proposed > UNMOVED * max(abs(time), BESIDE_ZERO * length):
            start, now = 0.0, 0.0
            for index in range(work.y0.shape[1]):
                start = max(start, abs(work.y0[sample, index]))
                now = max(now, abs(frame[STATE + index, lane]))
            grown = now > HUGE * (1 + start) or frame[BROKEN, lane] != 0.0
            kind = BLOWN_UP if grown else STUCK
    if kind == 0 and work.attempts[sample] == rules.max_steps:
        kind = TOO_MANY
    if kind != 0:
        work.failure[sample] = kind
        work.failed_at[sample] = time
        work.failed_step[sample] = proposed
        flight.sample[lane] = IDLE
        frame[END, lane] = time


def left(flight: Flight) -> bool:
    """Whether there are samples that are not at their ends."""
    return bool(flight.queue[0] < flight.queue[1] or (flight.sample != IDLE).any())


def give_up(work: Work, flight: Flight) -> None:
    """Note of all samples that are not at their ends that time is up, and where they are."""
    for lane in np.flatnonzero(flight.sample != IDLE):
        sample = flight.sample[lane]
        work.failure[sample] = OUT_OF_TIME
        work.failed_at[sample], work.failed_step[sample] = flight.frame[TIME, lane], flight.frame[PROPOSED, lane]
    waiting = slice(*flight.queue)
    work.failure[waiting] = OUT_OF_TIME
    work.failed_at[waiting], work.failed_step[waiting] = work.times[waiting, 0], work.first[waiting]
    flight.sample[:], flight.queue[0] = IDLE, flight.queue[1]


@njit(cache=True, nogil=True, error_model="numpy")
def spread(logged: Any, owner: Any, cursor: Any, columns: Any, accepted: Any) -> None:
    """A part of the log, sample by sample: columns (4, batch, step), accepted (batch, step)."""
    for attempt in range(len(owner)):
        sample = owner[attempt]
        step = cursor[sample]
        cursor[sample] += 1
        for column in range(4):
            columns[column, sample, step] = logged[attempt, column]
        accepted[sample, step] = logged[attempt, 4] != 0.0
