"""Numbers of one precision: data and weights that differ in it are refused by name, unless autocast sees to both."""

from __future__ import annotations

from torch import Tensor, amp, float64, is_autocast_enabled

from limitlab.errors import InvalidArgument


def require_dtype(argument: str, data: Tensor, weight: Tensor) -> None:
    """Raise InvalidArgument where the data are of another dtype than the weights that they meet."""
    if data.dtype == weight.dtype or (float64 not in (data.dtype, weight.dtype) and _is_autocast(data)):
        return
    raise InvalidArgument(
        f"{argument} must be of {weight.dtype} like the weights; got {data.dtype}: convert one with .to(dtype)"
    )


def _is_autocast(data: Tensor) -> bool:
    kind = data.device.type
    return amp.is_autocast_available(kind) and is_autocast_enabled(kind)
