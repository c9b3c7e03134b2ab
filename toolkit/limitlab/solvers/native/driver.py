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
    BROKEN,
    CALLS,
    COUNT,
    END,
    MEMORY,
    MOST,
    NEXT,
    PROPOSED,
    SHORTEST,
    STATE,
    TIME,
)
from limitlab.solvers.numba_cache import forget_stale
from limitlab.solvers.ode.stepping import BESIDE_ZERO, HUGE, UNMOVED

forget_stale(Path(__file__).parent)

# mypy counts the typing context among the arguments of a call
intrinsic: Any = typed_intrinsic
IDLE = -1
BLOWN_UP, TOO_MANY, STUCK, OUT_OF_TIME = 1, 2, 3, 4
ALL_LANES = 2**WIDTH - 1


class Code(NamedTuple):
    """Addresses of functions of a frame, where its rows lie, and the calls that the extension of a step alone needs."""

    begin: int
    advance: int
    extend: int
    look: int
    slope: int
    inside: int
    given: int
    extra: int


class Work(NamedTuple):
    """All samples: what is given, and what becomes of them; (batch, ...) each.

    looks: the times that are asked for, of all samples or of each, infinity in the place of the last. ends: the start,
    and the times that steps have to end at. first: their first steps; those to be estimated are NaN. given: (numbers,
    batch). round, lane: of their first attempts, which those to come follow in the log. failure: its kind, 0 for none.
    """

    looks: Any
    ends: Any
    y0: Any
    given: Any
    slopes: Any
    first: Any
    states: Any
    attempts: Any
    round: Any
    lane: Any
    extra_calls: Any
    failure: Any
    failed_at: Any
    failed_step: Any


class Rules(NamedTuple):
    """The controller's memory before the first step, attempts that a sample may take, how many lie between two looks at
    whether a step still moves its time, and whether each step is as long as the way to the next end."""

    memory: float
    max_steps: int
    most: int
    uniform: bool


class Plan(NamedTuple):
    """What is the same for all samples."""

    code: Code
    rules: Rules


class Flight(NamedTuple):
    """What is in the lanes: the frame, samples, their next outputs and ends, the queue (next, last), and the round.

    A round is an attempt of all lanes.
    """

    frame: Any
    sample: Any
    output: Any
    end: Any
    queue: Any
    round: Any


@intrinsic
def _call(typing_context: Any, address: Any, frame: Any, log: Any) -> Any:
    """Call the function at an address with two pointers; a mask of lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 2)
        function, *pointers = arguments
        return builder.call(builder.inttoptr(function, kind.as_pointer()), pointers)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def _data(typing_context: Any, array: Any) -> Any:
    """The address of an array's numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def _lowest(typing_context: Any, mask: Any) -> Any:
    """The lowest lane of a mask that is not empty."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@njit(inline="always")
def _unowned(array: Any) -> Any:
    """The same array without its reference count, which would be moved up and down at every use."""
    return carray(_data(array), array.shape)


@njit(inline="always")
def _unowned_work(work: Work) -> Work:
    return Work(
        _unowned(work.looks), _unowned(work.ends), _unowned(work.y0), _unowned(work.given), _unowned(work.slopes),
        _unowned(work.first), _unowned(work.states), _unowned(work.attempts), _unowned(work.round), _unowned(work.lane),
        _unowned(work.extra_calls), _unowned(work.failure), _unowned(work.failed_at), _unowned(work.failed_step),
    )  # fmt: skip


@njit(inline="always")
def _unowned_flight(flight: Flight) -> Flight:
    return Flight(
        _unowned(flight.frame), _unowned(flight.sample), _unowned(flight.output), _unowned(flight.end),
        _unowned(flight.queue), _unowned(flight.round),
    )  # fmt: skip


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
            frame[END, lane] = work.ends[group + lane, -1]
        _call(code.begin, frame.ctypes.data, 0)
        for lane in range(count):
            sample = group + lane
            for index in range(work.y0.shape[1]):
                work.slopes[sample, index] = frame[code.slope + index, lane]
            if np.isnan(work.first[sample]):
                work.first[sample] = frame[PROPOSED, lane]
    frame[END], frame[PROPOSED] = frame[TIME], 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def march(plan: Plan, whole: Work, lanes: Flight, room: Any) -> int:
    """Rounds until the room (round, row, lane) for the log is full or all samples are at their ends; how many."""
    work, flight, log = _unowned_work(whole), _unowned_flight(lanes), _unowned(room)
    code, frame = plan.code, flight.frame
    busy = _refill(plan, work, flight)
    count = 0
    while busy and count < len(log):
        masks = _call(code.advance, frame.ctypes.data, log.ctypes.data + count * log.strides[0])
        count += 1
        flight.round[0] += 1
        passed, due = masks & busy, (masks >> WIDTH) & busy
        if passed:
            _write(code, work, flight, passed)
        if due:
            for lane in range(WIDTH):
                if due >> lane & 1:
                    _leave(plan, work, flight, lane)
            busy = _refill(plan, work, flight)
    return count


@njit(inline="always", nogil=True, error_model="numpy")
def _refill(plan: Plan, work: Work, flight: Flight) -> int:
    """Fill idle lanes from the queue; the mask of those that are busy."""
    busy = 0
    for lane in range(WIDTH):
        if flight.sample[lane] == IDLE and flight.queue[0] < flight.queue[1]:
            sample = flight.queue[0]
            flight.queue[0] += 1
            flight.sample[lane] = sample
            work.round[sample] = flight.round[0]
            work.lane[sample] = lane
            _load(plan, work, flight, lane, sample)
            _aim(work, flight, lane, sample, 1)
            for index in range(work.y0.shape[1]):
                flight.frame[plan.code.slope + index, lane] = work.slopes[sample, index]
        if flight.sample[lane] != IDLE:
            busy |= 1 << lane
    return busy


@njit(inline="always", nogil=True, error_model="numpy")
def _load(plan: Plan, work: Work, flight: Flight, lane: int, sample: int) -> None:
    """A sample at its start."""
    frame, code, rules = flight.frame, plan.code, plan.rules
    frame[TIME, lane] = work.ends[sample, 0]
    frame[PROPOSED, lane] = work.first[sample]
    flight.end[lane] = 0
    _head_on(plan, work, flight, lane, sample)
    frame[COUNT, lane] = frame[CALLS, lane] = 0.0
    frame[MOST, lane] = rules.max_steps
    frame[SHORTEST, lane] = UNMOVED * (BESIDE_ZERO * abs(work.ends[sample, -1] - work.ends[sample, 0]))
    frame[MEMORY, lane] = rules.memory
    frame[MEMORY + 1, lane] = rules.memory
    for index in range(work.y0.shape[1]):
        frame[STATE + index, lane] = work.y0[sample, index]
    for index in range(len(work.given)):
        frame[code.given + index, lane] = work.given[index, sample]


@njit(inline="always", nogil=True, error_model="numpy")
def _head_on(plan: Plan, work: Work, flight: Flight, lane: int, sample: int) -> bool:
    """Let the next end be the one that steps go to, if there is one that lies ahead."""
    for place in range(flight.end[lane] + 1, work.ends.shape[1]):
        size = work.ends[sample, place] - work.ends[sample, place - 1]
        if size > 0.0:
            flight.end[lane] = place
            flight.frame[END, lane] = work.ends[sample, place]
            if plan.rules.uniform:
                flight.frame[PROPOSED, lane] = size
            return True
    return False


@njit(inline="always", nogil=True, error_model="numpy")
def _aim(work: Work, flight: Flight, lane: int, sample: int, place: int) -> None:
    """Let an output be the next one; the last one of all is the end of a step."""
    flight.output[lane] = place
    flight.frame[NEXT, lane] = work.looks[sample if len(work.looks) > 1 else 0, place]


@njit(inline="always", nogil=True, error_model="numpy")
def _write(code: Code, work: Work, flight: Flight, passed: int) -> None:
    """The outputs inside the steps just accepted, by their continuous extensions.

    Which lanes passed one is as good as random, and a processor that guesses wrong waits for the whole attempt: all
    lanes write, those that passed none into a place that they will write to again.
    """
    frame = flight.frame
    if code.extra:
        _call(code.extend, frame.ctypes.data, 0)
        rest = passed
        while rest:
            work.extra_calls[flight.sample[_lowest(rest)]] += code.extra
            rest &= rest - 1
    _call(code.look, frame.ctypes.data, 0)
    again = 0
    for lane in range(WIDTH):
        if flight.sample[lane] != IDLE:
            again |= _record(code, work, flight, lane, passed >> lane & 1) << lane
    while again:
        _call(code.look, frame.ctypes.data, 0)
        rest, again = again, 0
        while rest:
            lane = _lowest(rest)
            rest &= rest - 1
            again |= _record(code, work, flight, lane, 1) << lane


@njit(inline="always", nogil=True, error_model="numpy")
def _record(code: Code, work: Work, flight: Flight, lane: int, passed: int) -> int:
    """Write the state at the next output, and aim at the one after it where this one is passed; whether that is too."""
    sample, place = flight.sample[lane], flight.output[lane]
    for index in range(work.y0.shape[1]):
        work.states[sample, place, index] = flight.frame[code.inside + index, lane]
    _aim(work, flight, lane, sample, place + passed)
    return passed & (flight.frame[NEXT, lane] <= flight.frame[TIME, lane])


@njit(inline="always", nogil=True, error_model="numpy")
def _leave(plan: Plan, work: Work, flight: Flight, lane: int) -> None:
    """Let a sample go that is at its last end or has to be given up."""
    frame, sample = flight.frame, flight.sample[lane]
    attempts, time = int(frame[COUNT, lane]), frame[TIME, lane]
    kind = 0
    if time == frame[END, lane] and not _head_on(plan, work, flight, lane, sample):
        for index in range(work.y0.shape[1]):
            work.states[sample, -1, index] = frame[STATE + index, lane]
    else:
        if not plan.rules.uniform:
            kind = _failure(plan.rules, work, flight, lane, sample)
        if kind == 0:
            return
        work.failed_at[sample] = time
        work.failed_step[sample] = frame[PROPOSED, lane]
        work.states[sample, flight.output[lane] :] = np.nan
        frame[END, lane] = time
    work.failure[sample] = kind
    work.attempts[sample] = attempts
    work.extra_calls[sample] += int(frame[CALLS, lane])
    flight.sample[lane] = IDLE
    # what an idle lane does is of no interest, and costs least where it stands still
    frame[NEXT, lane], frame[PROPOSED, lane] = np.inf, 0.0


@njit(inline="always", nogil=True, error_model="numpy")
def _failure(rules: Rules, work: Work, flight: Flight, lane: int, sample: int) -> int:
    """Why a sample has to be given up; 0 where it may go on."""
    frame, attempts = flight.frame, int(flight.frame[COUNT, lane])
    shortest = max(UNMOVED * abs(frame[TIME, lane]), frame[SHORTEST, lane])
    if attempts % rules.most == 0 and not frame[PROPOSED, lane] > shortest:
        start, now = 0.0, 0.0
        for index in range(work.y0.shape[1]):
            start = max(start, abs(work.y0[sample, index]))
            now = max(now, abs(frame[STATE + index, lane]))
        grown = now > HUGE * (1 + start) or frame[BROKEN, lane] != 0.0
        return BLOWN_UP if grown else STUCK
    return TOO_MANY if attempts == rules.max_steps else 0
