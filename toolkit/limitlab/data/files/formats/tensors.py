"""Files of torch: a tensor, or tensors by name. They are read with weights_only, which runs nothing that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limitlab.data.files.row import Contents, Format
from limitlab.errors import InvalidArgument


def read(path: Path) -> Contents:
    """The tensors of a file by name, in memory; a tensor alone is called "tensor", those of a tuple by their number."""
    arrays = dict(_tensors("", torch.load(path, map_location="cpu", weights_only=True)))
    if not arrays:
        raise InvalidArgument(f"{path.name} must hold a tensor, or tensors by name; it holds none")
    return Contents(path.name, arrays)


def _tensors(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized:
            raise InvalidArgument(f"tensor {name!r} must be dense; got {value.layout}")
        # NumPy has no bfloat16
        plain = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
        yield name or "tensor", plain.resolve_conj().numpy()
    elif isinstance(value, np.ndarray):
        yield name or "array", value
    elif isinstance(value, Mapping | list | tuple):
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, entry in entries:
            yield from _tensors(f"{name}/{key}" if name else str(key), entry)


ROW = Format("torch file", (".pt", ".pth"), read, (b"PK\x03\x04", b"\x80"))
