"""A solve by machine code, as the outcome of a march."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.interruption import TimeIsUp, ask_to_go_on
from limitlab.solvers.arguments import require_finite
from limitlab.solvers.native.arithmetic import WIDTH
from limitlab.solvers.native.attempts import attempt_module
from limitlab.solvers.native.choice import Order, Recipe
from limitlab.solvers.native.driver import (
    BLOWN_UP,
    IDLE,
    OUT_OF_TIME,
    STUCK,
    TOO_MANY,
    Code,
    Flight,
    Plan,
    Rules,
    Work,
    march,
    prepare,
)
from limitlab.solvers.native.frame import ATOL, CALLS, COUNT, ITERATION, LOGGED, MAX_STEP, PROPOSED, RTOL, TIME
from limitlab.solvers.native.log import LaneLog, Part, Unordered
from limitlab.solvers.native.machine import FEWEST_A_THREAD, MOST_RECIPES, Machine, compiled
from limitlab.solvers.ode.march import Outcome, blown_up, uniform_grid
from limitlab.solvers.ode.recording import MOST_PENDING, PENDING_ELEMENTS
from limitlab.solvers.ode.step_control import Control
from limitlab.solvers.solution import Evaluations, Failure
from limitlab.threads import mapping, threads_for

ROUNDS_A_SAMPLE = 8  # at first
FEWEST_ROUNDS, MOST_ROUNDS = 2**6, 2**12  # between two looks at whether to go on
ROOM = 2**16  # rounds: of large blocks the system makes large pages, and few of them
KINDS = {BLOWN_UP: "blow-up", TOO_MANY: "too many steps", STUCK: "step size underflow", OUT_OF_TIME: "out of time"}


class Made(NamedTuple):
    """Code, and the machine that holds it."""

    code: Code
    machine: Machine


@lru_cache(maxsize=MOST_RECIPES)
def made(recipe: Recipe) -> Made:
    """The code of a recipe, made once."""
    machine, frame = compiled(attempt_module(recipe)), recipe.frame
    begin, advance, extend, look = (machine.addresses[name] for name in ("begin", "advance", "extend", "look"))
    code = Code(begin, advance, extend, look, frame.slope, frame.first_inside, frame.first_given, recipe.extra_calls)
    return Made(code, machine)


def solve_natively(
    order: Order,
    y0: Float[Tensor, "batch state"],
    times: Float[Tensor, "batch time"],
    control: Control,
    stops: Float[Tensor, "batch stops"] | None = None,
) -> Outcome:
    """The march of an order from y0 over increasing times, in double precision on the CPU.

    stops: increasing times of the span that steps have to end at.
    Raises InvalidArgument where the field is not finite at y0.
    """
    recipe, batch = order.recipe, len(y0)
    # held: the code lives as long as its machine
    held = made(recipe)
    work = _work(order, y0, times, _ends(times, control, stops), control)
    plan = Plan(held.code, _rules(recipe, y0, control))
    threads = threads_for(batch // FEWEST_A_THREAD)
    bounds = [batch * part // threads for part in range(threads + 1)]
    flights = [_flight(order, part, control) for part in pairwise(bounds)]
    logs = [_Log() for _ in flights]
    with mapping(threads) as on_all:
        on_all(partial(prepare, plan, work), flights)
        require_finite("field at the initial state", torch.from_numpy(work.slopes))
        while any(_left(flight) for flight in flights):
            try:
                ask_to_go_on()
            except TimeIsUp:
                for flight in flights:
                    _give_up(work, flight)
                break
            on_all(partial(_rounds, plan, work), flights, logs)
    parts = [Part(*part, log.blocks()) for part, log in zip(pairwise(bounds), logs, strict=True)]
    attempts, method = work.attempts, recipe.method
    calls = (1 if control.first_step or recipe.uniform else 2) + recipe.calls * attempts + work.extra_calls
    costs = (calls, method.jacobians * attempts, method.factorizations * attempts)
    return Outcome(
        torch.from_numpy(work.states),
        LaneLog.of(Unordered(parts, work.round, work.lane, attempts)),
        Evaluations(*map(torch.from_numpy, costs)),
        _failures(work, times, control.step_size),
    )


def _left(flight: Flight) -> bool:
    """Whether there are samples that are not at their ends."""
    return bool(flight.queue[0] < flight.queue[1] or (flight.sample != IDLE).any())


def _give_up(work: Work, flight: Flight) -> None:
    """Note of all samples that are not at their ends that time is up, and where they are."""
    for lane in np.flatnonzero(flight.sample != IDLE):
        sample = flight.sample[lane]
        work.failure[sample] = OUT_OF_TIME
        work.failed_at[sample], work.failed_step[sample] = flight.frame[TIME, lane], flight.frame[PROPOSED, lane]
        work.attempts[sample] = flight.frame[COUNT, lane]
        work.extra_calls[sample] += int(flight.frame[CALLS, lane])
        work.states[sample, flight.output[lane] :] = np.nan
    waiting = slice(*flight.queue)
    work.failure[waiting] = OUT_OF_TIME
    work.failed_at[waiting], work.failed_step[waiting] = work.ends[waiting, 0], work.first[waiting]
    work.states[waiting, 1:] = np.nan
    flight.sample[:], flight.queue[0] = IDLE, flight.queue[1]


class _Log:
    """What a flight leaves of its rounds: full blocks, and one that is filled up to a count."""

    def __init__(self) -> None:
        self.full: list[np.ndarray] = []
        self.block, self.count = np.empty((0, LOGGED, WIDTH)), 0

    def room(self, rounds: int) -> np.ndarray:
        """What is left of a block that is not full; a new one has room for so many rounds."""
        if self.count == len(self.block):
            self.full += [self.block] if self.count else []
            self.block, self.count = np.empty((rounds, LOGGED, WIDTH)), 0
        return self.block[self.count :][:MOST_ROUNDS]

    def blocks(self) -> list[np.ndarray]:
        """All rounds that there were."""
        filled = self.block[: self.count]
        # what was not written to is no memory yet, but for what small arrays are made of
        last = filled if 2 * self.count > len(self.block) else filled.copy()
        return [*self.full, last] if self.count else self.full


def _rounds(plan: Plan, work: Work, flight: Flight, log: _Log) -> None:
    """Some attempts of the samples of a flight: as many rounds as there were so far, with bounds."""
    waiting = int(flight.queue[1] - flight.queue[0])
    most = min(ROOM, max(FEWEST_ROUNDS, waiting * ROUNDS_A_SAMPLE, int(flight.round[0])))
    room = log.room(most)
    log.count += march(plan, work, flight, room)


def _ends(times: Tensor, control: Control, stops: Tensor | None) -> Tensor:
    """The start, and the times that steps have to end at."""
    start, end = times[:, :1], times[:, -1:]
    if control.step_size is not None:
        return uniform_grid(start, end, control.step_size, stops)
    return torch.cat([start, end] if stops is None else [start, stops, end], 1)


def _work(order: Order, y0: Tensor, times: Tensor, ends: Tensor, control: Control) -> Work:
    batch, size = y0.shape
    numbers = np.empty((len(order.given), batch))
    for index, value in enumerate(order.given):
        numbers[index] = value.detach().numpy() if isinstance(value, Tensor) else value
    first = np.full(batch, math.nan if control.first_step is None else control.first_step)
    states = np.empty((batch, times.shape[1], size))
    # times that all samples share are one row of memory
    looks = (times if times.stride(0) else times[:1]).numpy().copy()
    looks[:, -1] = math.inf
    states[:, 0] = y0.detach().numpy()
    attempts, begun_round, begun_lane, extra_calls = np.zeros((4, batch), dtype=np.int64)
    return Work(
        looks,
        ends.numpy(),
        y0.detach().numpy(),
        numbers,
        np.empty((batch, size)),
        first,
        states,
        attempts,
        begun_round,
        begun_lane,
        extra_calls,
        np.zeros(batch, dtype=np.int8),
        np.empty(batch),
        np.empty(batch),
    )


def _rules(recipe: Recipe, y0: Tensor, control: Control) -> Rules:
    # what an attempt keeps alive decides when the other paths look whether a step still moves its time
    width = y0.numel() * (len(recipe.method.polynomials) + 4)
    most = max(1, min(MOST_PENDING, PENDING_ELEMENTS // width))
    return Rules(math.log(recipe.limit), control.max_steps, most, recipe.uniform)


def _flight(order: Order, part: tuple[int, int], control: Control) -> Flight:
    """Empty lanes, and a part of the samples in the queue."""
    recipe = order.recipe
    frame = np.zeros((recipe.frame.rows, WIDTH))
    # the mean's root of n and the safety factor, as in `Control.limits`
    scale = recipe.frame.components**0.5 / recipe.limit
    frame[ATOL], frame[RTOL] = control.atol * scale, control.rtol * scale
    frame[ITERATION], frame[ITERATION + 1] = order.iteration
    if control.max_step is not None:
        frame[MAX_STEP] = control.max_step
    idle = np.full(WIDTH, IDLE, dtype=np.int64)
    output, end = np.zeros((2, WIDTH), dtype=np.int64)
    return Flight(frame, idle, output, end, np.array(part, dtype=np.int64), np.zeros(1, dtype=np.int64))


def _failures(work: Work, times: Tensor, step_size: float | None) -> tuple[Failure, ...]:
    failures = [
        Failure(
            sample, float(work.failed_at[sample]), float(work.failed_step[sample]), KINDS[int(work.failure[sample])]
        )
        for sample in np.flatnonzero(work.failure).tolist()
    ]
    if step_size is not None:
        others = blown_up(times, torch.from_numpy(work.states), step_size, KINDS[BLOWN_UP])
        failures += [failure for failure in others if not work.failure[failure.sample]]
    return tuple(sorted(failures, key=lambda failure: failure.sample))
