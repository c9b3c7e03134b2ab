"""How long the next step should be, from the scaled errors E_n of the last ones: I, PI and PID control.

    h' = h clip(0.9 E_n^(-b1/p) E_{n-1}^(-b2/p) E_{n-2}^(-b3/p), 0.2, 10),    error = O(h^p)

E_{n-1} and E_{n-2} are those of accepted steps. Sources: Gustafsson 1991
(PI); Kennedy & Carpenter 2003 (the PID exponents); Hairer, Norsett & Wanner, Solving ODEs I, II.4 (the first step).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.solvers.methods.method import Method, VectorField

SMALLEST_LOGARITHM = -23.0  # of 1e-10: an error of zero would be remembered as minus infinity
SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0


@dataclass(frozen=True)
class Controller:
    """Exponents (b1, b2, b3) before the division by the order p of the error estimate."""

    name: str
    exponents: tuple[float, float, float]

    def limit(self, order: int) -> float:
        """The number s such that E_n s, raised to the powers of the formula, brings its own safety factor."""
        return SAFETY ** (-order / sum(self.exponents))


CONTROLLERS: dict[str, Controller] = {
    controller.name: controller
    for controller in (
        Controller("i", (1.0, 0.0, 0.0)),
        Controller("pi", (0.7, -0.4, 0.0)),
        Controller("pid", (0.58, -0.21, 0.1)),
    )
}


class Limits(NamedTuple):
    """Tolerances, such that the norm of error / (atol + rtol |y|) is E times the limit; the limit; step factors."""

    atol: Float[Tensor, ""]
    rtol: Float[Tensor, ""]
    limit: Float[Tensor, ""]
    shrink: Float[Tensor, ""]
    grow: Float[Tensor, ""]


@dataclass(frozen=True)
class Control:
    """How a solve chooses its steps: by tolerances and a controller, or uniformly where there is a step_size.

    shared_steps: all samples take the same. max_steps: attempts of a sample. first_step: estimated where it is None.
    max_step: the longest step, where there is one.
    """

    rtol: float
    atol: float
    controller: Controller
    shared_steps: bool = False
    max_steps: int = 10_000
    step_size: float | None = None
    first_step: float | None = None
    max_step: float | None = None

    def limits(self, method: Method, y: Float[Tensor, "batch state"]) -> Limits:
        """The numbers of the loop on the device and in the precision of the state."""
        limit = self.controller.limit(method.error_order or 1)
        # the mean's root of n and the safety factor go into the tolerances, out of the loop
        scale = y.shape[1] ** 0.5 / limit
        numbers = (self.atol * scale, self.rtol * scale, limit, SHRINK, GROW)
        return Limits(*(y.new_tensor(number) for number in numbers))


def next_factor(
    controller: Controller,
    order: int,
    error: Float[Tensor, "batch 1"],
    accepted: Bool[Tensor, "batch 1"],
    memory: tuple[Tensor, ...],
) -> tuple[Float[Tensor, "batch 1"], tuple[Tensor, ...]]:
    """What to multiply the step by, before it is clipped, and the memory of accepted errors for the next call.

    error: E times `controller.limit(order)`. memory: logarithms of the like of earlier steps, newest first.
    """
    # exp and log give a sample the same bits in any batch, torch's power does not
    logarithm = error.log()
    latest, *past = (-exponent / order for exponent in controller.exponents)
    if not memory:
        return (latest * logarithm).exp(), memory
    logarithm = logarithm.clamp_min(SMALLEST_LOGARITHM)
    exponent = latest * logarithm
    for weight, before in zip(past, memory, strict=False):
        exponent = torch.add(exponent, before, alpha=weight)
    shifted = zip((logarithm, *memory), memory, strict=False)
    return exponent.exp(), tuple(torch.where(accepted, new, old) for new, old in shifted)


def no_memory(controller: Controller, order: int, like: Float[Tensor, "batch 1"]) -> tuple[Tensor, ...]:
    """The memory before the first step: errors of one."""
    start = math.log(controller.limit(order))
    return tuple(torch.full_like(like, start) for exponent in controller.exponents[1:] if exponent)


def estimated_first_step(
    field: VectorField,
    t: Float[Tensor, "batch 1"],
    y: Float[Tensor, "batch state"],
    slope: Float[Tensor, "batch state"],
    *,
    span: Float[Tensor, "batch 1"],
    order: int,
    control: Control,
) -> Float[Tensor, "batch 1"]:
    """A first step for every sample from one trial Euler step, which stays inside the span that begins at t.

    Source: Hairer, Norsett & Wanner, Solving ODEs I, II.4.
    """
    scale = control.atol + control.rtol * y.abs()
    size, speed = _rms(y / scale), _rms(slope / scale)
    trial = torch.where((size < 1e-5) | (speed < 1e-5), torch.full_like(size, 1e-6), 0.01 * size / speed)
    trial = torch.minimum(trial, span.to(trial.dtype))
    ahead = field(t + trial.to(t.dtype), y + trial * slope)
    bend = torch.maximum(speed, _rms((ahead - slope) / scale) / trial)
    steady = torch.maximum(trial * 1e-3, torch.full_like(trial, 1e-6))
    # a power, by the two functions that give a sample the same bits in any batch
    chosen = torch.where(bend <= 1e-15, steady, ((0.01 / bend).log() / order).exp())
    # fmin passes over NaN: the trial step may have overflowed
    return torch.fmin(100 * trial, chosen)


def _rms(values: Float[Tensor, "batch state"]) -> Float[Tensor, "batch 1"]:
    return torch.linalg.vector_norm(values, dim=1, keepdim=True) * values.shape[1] ** -0.5
