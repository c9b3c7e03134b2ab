"""Uniform steps of a stochastic scheme, all samples at the same times: the fast way, with little beside the fields.

Times are Python numbers on the grid t_0 + k h; asked times that are not on it end a step of their own, so that nothing
is interpolated in the noise. Increments come in blocks; a block is checked for overflow once, and gone through again
where a sample is lost and shall be masked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.interruption import TimeIsUp, ask_to_go_on
from limitlab.solvers.failures import failed
from limitlab.solvers.sde.brownian import BLOCK_NUMBERS, BrownianPath
from limitlab.solvers.sde.fields import Fields, Interval, State
from limitlab.solvers.sde.schemes import Carry, Scheme, reversible_heun, reversible_start
from limitlab.solvers.solution import Evaluations, Failure, StepLog
from limitlab.solvers.times import sliver_of

BLOCK_STEPS = 64


@dataclass(frozen=True)
class TimeGrid:
    """regular: t_0 + k h up to the end. times: with the asked times in between. outputs: where those are in `times`."""

    regular: np.ndarray
    times: np.ndarray
    outputs: np.ndarray

    @property
    def steps(self) -> int:
        return len(self.times) - 1


def step_grid(outputs: np.ndarray, step_size: float) -> TimeGrid:
    """The grid of uniform steps through the asked times; those within rounding of a grid time take its place."""
    sliver = sliver_of(outputs, step_size)
    count = max(1, int(np.ceil((outputs[-1] - outputs[0]) / step_size - sliver)))
    regular = outputs[0] + step_size * np.arange(count + 1)
    regular[-1] = outputs[-1]  # t_0 + n h misses the end by rounding
    nearest = np.clip(np.rint((outputs - outputs[0]) / step_size).astype(np.int64), 0, count)
    close = np.abs(regular[nearest] - outputs) <= sliver * step_size
    # a path is asked at the very floats of its grid: beside one it would draw a bridge
    regular[nearest[close]] = outputs[close]
    times = np.union1d(regular, outputs)
    return TimeGrid(regular, times, np.searchsorted(times, outputs))


class Block:
    """Steps `first` to `last` of a march, made ready: sizes as numbers, times as views, increments and areas."""

    def __init__(self, march: UniformMarch, first: int, last: int, like: State) -> None:
        times = march.grid.times[first : last + 1]
        self.sizes = np.diff(times).tolist()
        dtype = march.fields.time_dtype or like.dtype
        moments = torch.tensor(times, dtype=dtype, device=like.device)[:, None, None]
        self._moments = moments.expand(-1, len(like), 1).unbind(0)
        w, h = march.path.increments(times, march.scheme.area)
        self._w, self._areas = w.unbind(0), h.unbind(0)

    def __getitem__(self, step: int) -> Interval:
        after = step + 1
        return Interval(self._moments[step], self._moments[after], self.sizes[step], self._w[step], self._areas[step])


@dataclass
class UniformMarch:
    """A scheme on a grid; `mask`: lost samples are held where they were and listed in `failures`, instead of raised.

    lost: in which step each sample was, (batch,), beyond the last where it was not; None while there are none.
    """

    fields: Fields
    scheme: Scheme
    path: BrownianPath
    grid: TimeGrid
    mask: bool = False
    failures: list[Failure] = field(default_factory=list)
    lost: Tensor | None = None

    def begin(self, y: State) -> Carry:
        """What the first step gets."""
        if self.scheme.step is not reversible_heun:
            return ()
        return reversible_start(self.fields, self.time(0, y), y)

    def time(self, step: int, like: State) -> Float[Tensor, "batch 1"]:
        """The time at which a step starts, as the fields get it."""
        dtype = self.fields.time_dtype or like.dtype
        return like.new_full((len(like), 1), float(self.grid.times[step]), dtype=dtype)

    def span(self, like: State) -> tuple[Float[Tensor, "batch 1"], Float[Tensor, "batch 1"]]:
        """Where the march starts and ends."""
        return self.time(0, like), self.time(self.grid.steps, like)

    def blocks(self, first: int, last: int) -> list[tuple[int, int]]:
        """Steps first to last, cut into blocks of bounded memory."""
        # even, as normals come in pairs
        most = max(2, min(BLOCK_STEPS, BLOCK_NUMBERS // self.path.shape[0] // self.path.shape[1] // 2 * 2))
        return [(low, min(low + most, last)) for low in range(first, last, most)]

    def block(self, first: int, last: int, like: State) -> Block:
        """Those steps made ready."""
        return Block(self, first, last, like)

    def advance(self, y: State, carry: Carry, first: int, last: int) -> tuple[State, Carry, list[State]]:
        """Go from the start of step `first` to that of `last`; returns the states at asked times on the way."""
        outputs: list[State] = []
        for low, high in self.blocks(first, last):
            try:
                ask_to_go_on()
            except TimeIsUp:
                self.give_up(low)
                later = (self.grid.outputs > low) & (self.grid.outputs <= last)
                return y, carry, outputs + [y] * int(later.sum())
            block = self.block(low, high, y)
            visited, carried = self._through(block, y, carry, low)
            # once a block: NaN and infinity do not go away, and a look at every step would stall a device
            if not bool(torch.isfinite(visited[-1].detach()).all()):
                self.lose(self._lost_in(visited, low))
                visited, carried = self._through(block, y, carry, low)
            y, carry = visited[-1], carried
            inside = self.grid.outputs[(self.grid.outputs > low) & (self.grid.outputs <= high)]
            outputs += [visited[index - low - 1] for index in inside.tolist()]
        return y, carry, outputs

    def states(self, y0: State, outputs: list[State]) -> Float[Tensor, "batch time state"]:
        """The states at the asked times, NaN where a sample was lost before."""
        return self.until_lost(torch.stack([y0, *outputs], 1))

    def until_lost(self, states: Float[Tensor, "batch time state"]) -> Float[Tensor, "batch time state"]:
        """The states at the asked times with NaN in the place of those after a sample was lost."""
        if self.lost is None:
            return states
        times = torch.tensor(self.grid.times[self.grid.outputs], dtype=torch.float64, device=states.device)
        return states.where((times <= self._end_times()[:, None])[..., None], torch.nan)

    def log(self, like: State) -> StepLog:
        """The log of all steps; nothing estimates errors here."""
        times = torch.tensor(self.grid.times, dtype=torch.float64, device=like.device)
        starts, sizes = times[:-1].expand(len(like), -1), times.diff().expand(len(like), -1)
        blank = like.new_full((1, 1), torch.nan).expand(len(like), self.grid.steps)
        accepted = torch.ones(1, 1, dtype=torch.bool, device=like.device).expand(len(like), self.grid.steps)
        if self.lost is not None:
            accepted = times[1:] <= self._end_times()[:, None]
            starts, sizes = starts.where(accepted, torch.nan), sizes.where(accepted, torch.nan)
        return StepLog(starts, sizes, blank, blank, accepted)

    def evaluations(self, like: State) -> Evaluations:
        """Drift calls of every sample, with the one that checks its shape and the one that starts reversible Heun."""
        before = 1 + (self.scheme.step is reversible_heun)
        calls = torch.full((len(like),), before + self.scheme.calls[0] * self.grid.steps, device=like.device)
        return Evaluations(calls, torch.zeros_like(calls), torch.zeros_like(calls))

    def _through(self, block: Block, y: State, carry: Carry, first: int) -> tuple[list[State], Carry]:
        step, fields, begin = self.scheme.step, self.fields, (y, carry)
        visited = []
        for index in range(len(block.sizes)):
            if self.lost is None:
                y, carry = step(fields, block[index], y, carry, False)[:2]
            else:
                held = self.lost <= first + index
                # lost samples step from where the block began: from where they were lost, gradients are infinite
                states, carried = (_held(held, old, new) for old, new in zip(begin, (y, carry), strict=True))
                after = step(fields, block[index], states, carried, False)
                y, carry = _held(held, y, after.y), _held(held, carry, after.carry)
            visited.append(y)
        return visited, carry

    def lose(self, lost: Int[Tensor, " batch"]) -> None:
        """Note which samples ceased to be finite in which step; raise unless they shall be masked."""
        for sample, step in enumerate(lost.tolist()):
            if step == self.grid.steps:
                continue
            time, after = self.grid.times[step : step + 2].tolist()
            self.failures.append(Failure(sample, time, after - time, "blow-up"))
        if not self.mask:
            raise failed(self.failures)
        self.lost = lost if self.lost is None else torch.minimum(self.lost, lost)

    def give_up(self, step: int) -> None:
        """Note that no sample goes beyond the start of this step; raise unless they shall be masked."""
        time, after = self.grid.times[step : step + 2].tolist()
        ended = {failure.sample for failure in self.failures}
        alive = [sample for sample in range(self.path.shape[0]) if sample not in ended]
        self.failures += [Failure(sample, time, after - time, "out of time") for sample in alive]
        if not self.mask:
            raise failed(self.failures)
        last = torch.full((self.path.shape[0],), step, device=self.path.device)
        self.lost = last if self.lost is None else torch.minimum(self.lost, last)

    def _lost_in(self, visited: list[State], first: int) -> Int[Tensor, " batch"]:
        """In which step each sample ceased to be finite."""
        finite = torch.stack([torch.isfinite(y.detach()).all(1) for y in visited], 1)
        return torch.where(finite[:, -1], self.grid.steps, first + (~finite).int().argmax(1))

    def _end_times(self) -> Float[Tensor, " batch"]:
        """Until when every sample is good."""
        ends = torch.full((self.path.shape[0],), torch.inf, dtype=torch.float64, device=self.path.device)
        for failure in self.failures:
            ends[failure.sample] = failure.time
        return ends


def _held(lost: Tensor, old: Any, new: Any) -> Any:
    """The old tensor where a sample is lost, else the new one; of each in turn where they are tuples."""
    if isinstance(new, tuple):
        return tuple(_held(lost, *pair) for pair in zip(old, new, strict=True))
    return torch.where(lost.view(-1, *(1,) * (new.dim() - 1)), old, new)
