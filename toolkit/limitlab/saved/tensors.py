"""Tensors with a JSON header in one safetensors file: written whole or not at all, read without ever running a pickle.

Complex tensors are stored as pairs of reals and named in the header; a CRC-32 of every byte finds what a disk has
damaged.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as registration

from limitlab.atomic import replacing
from limitlab.errors import InvalidArgument

FORMAT = "limitlab-tensors-1"
SLACK = 2**20
"""Numbers that a model may have beside four times those of its file: tied weights, and what is registered twice."""


class DamagedFile(InvalidArgument):
    """A file of tensors is truncated, altered, or none of ours."""


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name. Raises InvalidArgument for state that is not a tensor."""
    state = model.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise InvalidArgument(f"model state {name!r} is a {type(value).__name__}; only tensors can be stored")
    return state


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Copy weights into the model. Raises InvalidArgument that names the first difference of names or shapes."""
    expected = weights_of(model)
    if missing := sorted(expected.keys() ^ weights.keys()):
        side = "the model" if missing[0] in weights else origin
        raise InvalidArgument(f"{origin} belongs to another model: {side} has no {missing[0]!r}")
    for name, tensor in expected.items():
        if tensor.shape != weights[name].shape:
            shapes = f"{tuple(weights[name].shape)} there, {tuple(tensor.shape)} in the model"
            raise InvalidArgument(f"{origin} belongs to another model: {name!r} is {shapes}")
    model.load_state_dict(dict(weights))


@contextmanager
def no_larger_than(tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Let this thread make modules, but none that are much larger than these tensors. Raises InvalidArgument.

    Numbers are counted as modules register them, which is before they are drawn, so that memory is not touched yet.
    """
    left, thread = 4 * sum(tensor.numel() for tensor in tensors.values()) + SLACK, threading.get_ident()

    def count(_module: nn.Module, _name: str, value: Tensor | None) -> None:
        nonlocal left
        if threading.get_ident() == thread and value is not None and not nn.parameter.is_lazy(value):
            left -= value.numel()
            if left < 0:
                raise InvalidArgument("its arguments ask for a model of far more numbers than are stored")

    hooks = (
        registration.register_module_parameter_registration_hook(count),
        registration.register_module_buffer_registration_hook(count),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able header as one safetensors file, atomically and durably."""
    from safetensors.torch import save_file

    # a copy of each: safetensors refuses tensors that share memory, as tied weights do
    stored = {name: _as_real(tensor.detach()).to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    about = {
        "format": FORMAT,
        "complex": [name for name, tensor in tensors.items() if tensor.is_complex()],
        "crc32": _checksum(stored, header),
        "header": dict(header),
    }
    with replacing(path) as temporary:
        save_file(stored, temporary, metadata={"limitlab": json.dumps(about)})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and header of a file of `write_tensors`. Raises DamagedFile, FileNotFoundError."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["limitlab"])
            # cloned, since what safetensors gives is mapped from a file that will be dropped
            stored = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
        written, header = about["format"], about["header"]
        complete = about["crc32"] == _checksum(stored, header)
        tensors = {n: torch.view_as_complex(t) if n in about["complex"] else t for n, t in stored.items()}
    # RuntimeError: JSON that is nested without end, and pairs that are none
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DamagedFile(f"{path} is damaged or no file of ours ({error})") from error
    if written != FORMAT:
        raise DamagedFile(f"{path} has format {written!r}; this version reads {FORMAT!r}")
    if not complete:
        raise DamagedFile(f"{path} is damaged (its checksum does not match its content)")
    return tensors, header


def _as_real(tensor: Tensor) -> Tensor:
    # a conjugate is a flag in torch, which the real view refuses
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _checksum(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> int:
    value = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        flat = tensors[name].reshape(-1)
        # one number out of a row counts as contiguous whatever its stride, which a view of its bytes refuses
        flat = flat if flat.stride(0) == 1 else flat.clone(memory_format=torch.contiguous_format)
        # bytes, since numpy has no bfloat16
        value = zlib.crc32(flat.view(torch.uint8).numpy().data, value)
    return value
