"""Numbers as a caller has them, in lists, arrays of any layout or tensors, as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from limitlab.errors import InvalidArgument, digits

NUMBERS_IN_A_SPAN = 2.0**12


def tensor_of(
    argument: str, values: Any, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """The values as a tensor, sharing memory where torch can; raises InvalidArgument for what are no numbers.

    >>> import numpy as np
    >>> from limitlab.numbers import tensor_of
    >>> tensor_of("t", np.linspace(0.0, 1.0, 3)[::-1]).tolist()
    [1.0, 0.5, 0.0]
    """
    if not isinstance(values, Tensor) and hasattr(values, "__array__"):
        values = np.asarray(values)
        # torch shares no memory that runs backwards, lies in the other byte order, or is not to be written
        shared = min(values.strides, default=0) >= 0 and values.dtype.isnative and values.flags.writeable
        values = values if shared else np.array(values, dtype=values.dtype.newbyteorder("="))
    try:
        return torch.as_tensor(values, dtype=dtype, device=device)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InvalidArgument(f"{argument} must be numbers; got {values!r:.80}") from problem


def array_of(argument: str, values: Any) -> np.ndarray:
    """A float64 array of the values, that nobody else writes to; raises InvalidArgument for what are no numbers.

    >>> from limitlab.numbers import array_of
    >>> array_of("t", torch.tensor([0.0, 1.0], requires_grad=True))
    array([0., 1.])
    """
    try:
        # np.array of a tensor would warn
        return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64).copy()
    except (TypeError, ValueError):
        raise InvalidArgument(f"{argument} must be numbers; got {values!r:.80}") from None


def resolves(dtype: torch.dtype, start: Tensor, end: Tensor) -> bool:
    """Whether spans start to end are so near to zero that dtype has some thousands of numbers in each of them.

    >>> from limitlab.numbers import resolves
    >>> epoch = torch.tensor(1.7e9, dtype=torch.float64)
    >>> resolves(torch.float32, epoch, epoch + 3600), resolves(torch.float64, epoch, epoch + 3600)
    (False, True)
    """
    if dtype == torch.float64:
        return True
    nearest = torch.minimum(start.abs(), end.abs()).where(start * end > 0, 0.0)
    return not bool((torch.finfo(dtype).eps * nearest > (end - start).abs() / NUMBERS_IN_A_SPAN).any())


def resolved(argument: str, values: Any, like: Tensor) -> Tensor:
    """The values in the precision of `like`; raises InvalidArgument where it cannot tell their span from its start.

    >>> from limitlab.numbers import resolved
    >>> resolved("times", [0.0, 0.5], torch.ones(1)).dtype
    torch.float32
    """
    numbers = tensor_of(argument, values, device=like.device)
    if numbers.numel() and not resolves(like.dtype, numbers.min(), numbers.max()):
        low, high = digits(float(numbers.min()), float(numbers.max()))
        raise InvalidArgument(f"{argument} from {low} to {high} are too far from zero for {like.dtype}; take double")
    return numbers.to(like.dtype)


def rounding_of(values: Tensor | np.ndarray) -> float:
    """By how much the largest of the values, in double precision, was rounded: that of float32 where all are such.

    >>> from limitlab.numbers import rounding_of
    >>> rounding_of(torch.linspace(0, 1, 11).double()) > 1e-8 > rounding_of(torch.linspace(0, 1, 11).double() / 3)
    True
    """
    numbers = torch.as_tensor(values, dtype=torch.float64)
    single = bool((numbers == numbers.float()).all())
    return torch.finfo(torch.float32 if single else torch.float64).eps * float(numbers.abs().max())
