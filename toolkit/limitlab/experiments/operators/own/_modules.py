"""A person's own modules as operators: rows that copy or make them, and the trial on zeros at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.rivals import copied_or_made
from limitlab.operators import Operator, Task

Build = Callable[[Task], nn.Module]


def row_of(name: str, model: nn.Module | Build) -> Operator:
    """The row of a module, of which every build is a copy, or of a function of the task. Raises InvalidArgument."""
    if not callable(model):
        raise InvalidArgument(f"{name} must be a torch module or a function of the task; got {model!r:.80}")

    def build(task: Task, settings: Any) -> nn.Module:
        return copied_or_made(name, model, task).train()

    return Operator(name, name, nn.Module, build)


def try_on(row: Operator, settings: Any, task: Task, tests: Iterable[tuple[int, ...]]) -> None:
    """Make a model once and show it zeros of every resolution. Raises InvalidArgument where it is another map."""
    with torch.random.fork_rng(devices=[]):
        model = row.build(task, settings).eval()
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    for points in dict.fromkeys([task.grid.shape, *tests]):
        asked = f"{row.name} must map (batch, {task.in_channels}, *grid) to (batch, {task.out_channels}, *grid)"
        way_out = "" if points == task.grid.shape else f"; without {points[0]} in test_resolutions it need not"
        try:
            with torch.no_grad():
                # two samples, in eval mode: a batch norm refuses one, and would learn from zeros
                answer = model(torch.zeros(2, task.in_channels, *points, device=device))
        # whatever a module does with what it cannot take
        except Exception as error:
            raise InvalidArgument(
                f"{asked}; on a grid {points} it failed with {type(error).__name__}: {error}{way_out}"
            ) from error
        shape = tuple(getattr(answer, "shape", ()))
        if shape != (2, task.out_channels, *points):
            raise InvalidArgument(f"{asked}; on a grid {points} it gave {shape or type(answer).__name__}{way_out}")
