"""The running mean of the weights over the last steps of a training, which the trained model gets in the end.

    mean <- mean + (weights - mean) / n,    n = 1, 2, ... from the step after `first` to `last`

A game does not converge but goes round, and the mean lies in the middle of what it goes round; a loss with noisy
gradients is lower at the mean than at most of what it is the mean of. The mean stands in the optimiser's state, so
that a checkpoint holds it and a resumed training goes on with it. Source: Polyak & Juditsky 1992; Izmailov et al.,
Averaging weights leads to wider optima and better generalization (2018); of GANs, Yazici et al. 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from limitlab.errors import InvalidArgument, check_number
from limitlab.training.optimizers.quasi_newton import QuasiNewton


def averaged(
    optimizer: Callable[..., torch.optim.Optimizer], first: int, last: int
) -> Callable[..., torch.optim.Optimizer]:
    """A maker of that optimiser, for `Recipe`, at whose step `last` the weights become their mean since `first`.

    Steps are those of its phase. Until then weights, losses and metrics are those of the optimiser; buffers, such as
    the statistics of a batch norm, stay those of its last weights. Raises InvalidArgument for steps out of order and,
    when it makes one, for a quasi-Newton optimiser, which may end before `last`.

    >>> weight = torch.ones(1, requires_grad=True)
    >>> optimizer = ll.training.averaged(torch.optim.SGD, first=1, last=3)([weight], lr=1.0)
    >>> for gradient in (0.0, -1.0, -4.0):
    ...     weight.grad = torch.full((1,), gradient)
    ...     optimizer.step()
    >>> weight.tolist()  # the mean of 2 and 6
    [4.0]
    """
    first = int(check_number("first", first, low=0, integer=True))
    last = int(check_number("last", last, low=1, integer=True))
    if first >= last:
        raise InvalidArgument(f"first must be a step before last, {last}; got {first}")

    def make(groups: Sequence[Any], lr: float) -> torch.optim.Optimizer:
        made = optimizer(groups, lr=lr)
        if isinstance(made, QuasiNewton):
            raise InvalidArgument(
                "optimizer must take one gradient a step, to be averaged; a line search may end early"
            )
        made.register_step_post_hook(lambda *_: _record(made, first, last))
        return made

    name = getattr(optimizer, "__qualname__", type(optimizer).__name__)
    make.__qualname__ = f"{name} averaged over steps {first + 1} to {last}"
    return make


@torch.no_grad()
def _record(optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    """Take up the weights of one more step."""
    moved = [
        parameter
        for group in optimizer.param_groups
        for parameter in group["params"]
        # Adam takes a state for its own, so that a parameter without a gradient so far must have none
        if parameter.grad is not None or parameter in optimizer.state
    ]
    for parameter in moved:
        state = optimizer.state[parameter]
        state["taken"] = state.get("taken", torch.tensor(0.0)) + 1
        count = int(state["taken"]) - first
        if count == 1:
            state["mean"] = parameter.clone()
        elif count > 1:
            state["mean"] += (parameter - state["mean"]) / count
        if count == last - first:
            parameter.copy_(state["mean"])
