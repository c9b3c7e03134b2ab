"""Numbers as a caller has them, in lists, arrays of any layout or tensors, as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from limitlab.errors import InvalidArgument


def tensor_of(
    argument: str, values: Any, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """The values as a tensor, sharing memory where torch can; raises InvalidArgument for what are no numbers.

    >>> import numpy as np
    >>> from limitlab.numbers import tensor_of
    >>> tensor_of("t", np.linspace(0.0, 1.0, 3)[::-1]).tolist()
    [1.0, 0.5, 0.0]
    """
    if hasattr(values, "__array__") and not isinstance(values, Tensor):
        values = np.asarray(values)
        # torch shares no memory that runs backwards, lies in the other byte order, or is not to be written
        shared = min(values.strides, default=0) >= 0 and values.dtype.isnative and values.flags.writeable
        values = values if shared else np.array(values, dtype=values.dtype.newbyteorder("="))
    try:
        return torch.as_tensor(values, dtype=dtype, device=device)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InvalidArgument(f"{argument} must be numbers; got {values!r:.80}") from problem
