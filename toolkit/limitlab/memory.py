"""What a computation is about to allocate, compared with what is free, before it is allocated."""

from __future__ import annotations

import psutil
import torch

from limitlab.errors import InvalidArgument, check_number


def require_memory(
    needed: int, purpose: str, device: torch.device, limit: int | None = None, *, advice: str = "take fewer points"
) -> None:
    """Raise InvalidArgument where `needed` bytes exceed `limit`, by default what is free on the device.

    purpose: what needs them, as the message begins: "a kernel between 10000 and 10000 points". advice: how it ends.
    """
    if limit is None:
        # free by the driver: what torch caches is not counted as free
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    else:
        free = int(check_number("memory_limit", limit, low=1, integer=True))
    if needed > free:
        sizes = f"{needed / 2**30:.3g} GiB, but {free / 2**30:.3g} GiB are free"
        raise InvalidArgument(f"{purpose} needs {sizes}; {advice}")
