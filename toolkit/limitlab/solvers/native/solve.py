"""A solve by machine code, as the outcome of a march."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
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
    LOGGED,
    OUT_OF_TIME,
    STUCK,
    TOO_MANY,
    Code,
    Flight,
    Plan,
    Rules,
    Work,
    give_up,
    left,
    march,
    prepare,
    spread,
)
from limitlab.solvers.native.frame import ATOL, MAX_STEP, RTOL
from limitlab.solvers.native.machine import FEWEST_A_THREAD, MOST_RECIPES, Machine, compiled
from limitlab.solvers.ode.march import Outcome
from limitlab.solvers.ode.recording import MOST_PENDING, PENDING_ELEMENTS
from limitlab.solvers.ode.step_control import Control
from limitlab.solvers.solution import Evaluations, Failure, StepLog

ATTEMPTS_A_SLICE = 2**15  # between two looks at whether to go on
Block = tuple[np.ndarray, np.ndarray]
KINDS = {BLOWN_UP: "blow-up", TOO_MANY: "too many steps", STUCK: "step size underflow", OUT_OF_TIME: "out of time"}


class Made(NamedTuple):
    """Code, and the machine that holds it."""

    code: Code
    machine: Machine


@lru_cache(maxsize=MOST_RECIPES)
def made(recipe: Recipe) -> Made:
    """The code of a recipe, made once."""
    machine, frame = compiled(attempt_module(recipe)), recipe.frame
    begin, advance, extend = (machine.addresses[name] for name in ("begin", "advance", "extend"))
    code = Code(
        begin, advance, extend, frame.slope, frame.before, frame.first_coefficient, frame.first_given, frame.degree,
        len(recipe.extra_stages),
    )  # fmt: skip
    return Made(code, machine)


def solve_natively(
    order: Order, y0: Float[Tensor, "batch state"], times: Float[Tensor, "batch time"], control: Control
) -> Outcome:
    """The march of an order from y0 over increasing times, in double precision on the CPU.

    Raises InvalidArgument where the field is not finite at y0.
    """
    recipe, batch = order.recipe, len(y0)
    # held: the code lives as long as its machine
    held = made(recipe)
    work, plan = _work(order, y0, times, control), Plan(held.code, _rules(recipe, y0, control))
    threads = max(1, min(torch.get_num_threads(), batch // FEWEST_A_THREAD))
    bounds = [batch * part // threads for part in range(threads + 1)]
    flights = [_flight(recipe, part, control) for part in pairwise(bounds)]
    blocks: list[Block] = []
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        on_all = map if pool is None else pool.map
        for _ in on_all(lambda flight: prepare(plan, work, flight), flights):
            pass
        require_finite("field at the initial state", torch.from_numpy(work.slopes))
        while any(left(flight) for flight in flights):
            try:
                ask_to_go_on()
            except TimeIsUp:
                for flight in flights:
                    give_up(work, flight)
                break
            blocks += on_all(lambda flight: _slice(plan, work, flight), flights)
    attempts = torch.from_numpy(work.attempts)
    calls = (1 if control.first_step else 2) + recipe.method.calls * attempts + torch.from_numpy(work.extra_calls)
    matrices = (each * attempts for each in (recipe.method.jacobians, recipe.method.factorizations))
    log = _log(blocks, work.attempts)
    return Outcome(torch.from_numpy(work.states), log, Evaluations(calls, *matrices), _failures(work))


def _slice(plan: Plan, work: Work, flight: Flight) -> Block:
    """Some attempts of the samples of a flight."""
    log = np.empty((ATTEMPTS_A_SLICE, LOGGED)), np.empty(ATTEMPTS_A_SLICE, dtype=np.int32)
    count = march(plan, work, flight, log)
    return log[0][:count], log[1][:count]


def _work(order: Order, y0: Tensor, times: Tensor, control: Control) -> Work:
    batch, size = y0.shape
    numbers = np.empty((len(order.given), batch))
    for index, value in enumerate(order.given):
        numbers[index] = value.detach().numpy() if isinstance(value, Tensor) else value
    first = np.full(batch, math.nan if control.first_step is None else control.first_step)
    states = np.full((batch, times.shape[1], size), math.nan)
    states[:, 0] = y0.detach().numpy()
    return Work(
        times.numpy(),
        y0.detach().numpy(),
        numbers,
        np.empty((batch, size)),
        first,
        states,
        np.zeros(batch, dtype=np.int64),
        np.zeros(batch, dtype=np.int64),
        np.zeros(batch, dtype=np.int8),
        np.empty(batch),
        np.empty(batch),
    )


def _rules(recipe: Recipe, y0: Tensor, control: Control) -> Rules:
    # what an attempt keeps alive decides when the other paths look whether a step still moves its time
    width = y0.numel() * (len(recipe.method.polynomials) + 4)
    memory = math.log(control.controller.limit(recipe.method.error_order))
    return Rules(memory, control.max_steps, max(1, min(MOST_PENDING, PENDING_ELEMENTS // width)))


def _flight(recipe: Recipe, part: tuple[int, int], control: Control) -> Flight:
    """Empty lanes, and a part of the samples in the queue."""
    frame, limit = np.zeros((recipe.frame.rows, WIDTH)), control.controller.limit(recipe.method.error_order)
    # the mean's root of n and the safety factor, as in `Control.limits`
    scale = recipe.frame.components**0.5 / limit
    frame[ATOL], frame[RTOL] = control.atol * scale, control.rtol * scale
    if control.max_step is not None:
        frame[MAX_STEP] = control.max_step
    idle = np.full(WIDTH, IDLE, dtype=np.int64)
    return Flight(frame, idle, np.zeros(WIDTH, dtype=np.int64), np.array(part, dtype=np.int64))


def _log(blocks: Sequence[Block], attempts: np.ndarray) -> StepLog:
    """The parts of the log, put in order by sample."""
    shape = (len(attempts), int(attempts.max()))
    columns, accepted = np.full((4, *shape), math.nan), np.zeros(shape, dtype=bool)
    cursor = np.zeros(len(attempts), dtype=np.int64)
    for logged, owner in blocks:
        spread(logged, owner, cursor, columns, accepted)
    time, size, error, stiffness = torch.from_numpy(columns).unbind(0)
    return StepLog(time, size, error, stiffness, torch.from_numpy(accepted))


def _failures(work: Work) -> tuple[Failure, ...]:
    return tuple(
        Failure(
            sample, float(work.failed_at[sample]), float(work.failed_step[sample]), KINDS[int(work.failure[sample])]
        )
        for sample in np.flatnonzero(work.failure).tolist()
    )
