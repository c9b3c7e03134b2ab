"""What each operation of a program is in torch: from its fixed operands to a function of those that vary.

`limitlab.solvers.native.operations` has the same rows as machine code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limitlab.problems.text.functions import BY_SYMBOL

Make = Callable[..., Callable[..., Any]]


def _always(function: Callable[..., Any]) -> Make:
    return lambda: function


def _scaled_add(c: float | Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    if isinstance(c, Tensor):
        return lambda total, x: torch.addcmul(total, x, c)
    return lambda total, x: torch.add(total, x, alpha=c)


def _fused(fused: Callable[..., Tensor]) -> Make:
    def scaled(c: float | Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        if isinstance(c, Tensor):
            # `value` of a fused operation is a number, never a tensor
            return lambda total, p, q: fused(total, p * c, q)
        return lambda total, p, q: fused(total, p, q, value=c)

    return scaled


OPERATIONS: dict[str, Make] = {
    "add": _always(operator.add),
    "subtract": _always(operator.sub),
    "multiply": _always(operator.mul),
    "divide": _always(operator.truediv),
    "negate": _always(operator.neg),
    "reciprocal": _always(torch.reciprocal),
    "power": _always(torch.pow),
    "plus": lambda c: lambda x: x + c,
    "minus from": lambda c: lambda x: c - x,
    "scale": lambda c: lambda x: x * c,
    "raise to": lambda c: lambda x: x**c,
    "raise": lambda c: lambda x: c**x,
    "add scaled": _scaled_add,
    "add product": _always(torch.addcmul),
    "add product scaled": _fused(torch.addcmul),
    "add quotient": _always(torch.addcdiv),
    "add quotient scaled": _fused(torch.addcdiv),
    **{name: _always(row.tensor) for name, row in BY_SYMBOL.items()},
}
