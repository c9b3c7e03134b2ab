"""Progress: what a training tells of each step, without making the host wait for the device.

On an accelerator a float of a loss stops the host until the device has caught up. So losses stay device tensors until
somebody reads them, or until `fetch` brings those of many steps over in one transfer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Progress:
    """State after `step` of `steps` steps: losses by name (at the weights before it), metrics, training seconds.

    `metrics` is empty except at evaluated steps. Reading `losses`, `loss` (their sum) or `gradient_norm` (before
    clipping) waits for the device, once. `phase` counts a recipe's phases from 0. Where a line search made the step,
    losses and gradient are those at the point that it accepted, and `learning_rate` is its step length.

    >>> ll.training.Progress(3, 10, {"mse": torch.tensor(0.25)}, seconds=1.5)
    step 3/10  mse 0.25  1.5 s
    """

    def __init__(
        self,
        step: int,
        steps: int,
        losses: Mapping[str, float | Tensor],
        metrics: Mapping[str, float] | None = None,
        seconds: float = 0.0,
        *,
        learning_rate: float = math.nan,
        gradient_norm: float | Tensor = math.nan,
        phase: int = 0,
    ) -> None:
        self.step, self.steps, self.seconds, self.learning_rate = step, steps, seconds, learning_rate
        self.phase = phase
        self.metrics = dict(metrics or {})
        self._names = tuple(losses)
        self._values: list[float | Tensor] = [*losses.values(), gradient_norm]

    @property
    def losses(self) -> dict[str, float]:
        fetch([self])
        return {name: float(value) for name, value in zip(self._names, self._values, strict=False)}

    @property
    def loss(self) -> float:
        return sum(self.losses.values())

    @property
    def total(self) -> float | Tensor:
        """The sum of the losses where it lies: nothing waits for the device."""
        return sum(self._values[:-1])

    @property
    def gradient_norm(self) -> float:
        fetch([self])
        return float(self._values[-1])

    def record(self) -> dict[str, Any]:
        """The step's line in a log."""
        return {
            "step": self.step,
            "phase": self.phase,
            "losses": self.losses,
            "metrics": self.metrics,
            "learning_rate": self.learning_rate,
            "gradient_norm": self.gradient_norm,
            "seconds": round(self.seconds, 4),
        }

    def __repr__(self) -> str:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in (self.losses | self.metrics).items())
        return f"step {self.step}/{self.steps}  {shown}  {self.seconds:.1f} s"


def fetch(progress: Sequence[Progress]) -> None:
    """Bring the losses of several steps to the host in one transfer."""
    waiting = [item for item in progress if any(isinstance(value, Tensor) for value in item._values)]
    if waiting:
        device = next(value.device for value in waiting[0]._values if isinstance(value, Tensor))
        # floats among them go along: one stack and one transfer bring back all
        scalars = [torch.as_tensor(value, device=device) for item in waiting for value in item._values]
        values = iter(torch.stack(scalars).tolist())
        for item in waiting:
            item._values = [next(values) for _ in item._values]
