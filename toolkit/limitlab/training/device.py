"""Where training runs: device, precision and several processes, all of it through Hugging Face Accelerate.

One process needs nothing; several are started by `accelerate launch` or `torchrun` and found through their environment.
Precision is "no" (as the model is) or "bf16" (the model's forward pass under autocast, its result back in float32).
There is no "fp16": spectral sums overflow its range, and a loss scaler skips the very overflow that we report.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from limitlab.errors import InvalidArgument, unknown_name

if TYPE_CHECKING:
    from accelerate import Accelerator

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("no", "bf16")


def device(name: str = "auto") -> torch.device:
    """The torch device of a name: "auto" (CUDA, else MPS, else CPU), "cpu", "cuda" or "mps".

    Raises UnknownName for any other name, InvalidArgument where this machine or this build of torch has no such device.

    >>> ll.training.device("cpu")
    device(type='cpu')
    """
    if name not in DEVICES:
        raise unknown_name("device", name, DEVICES)
    if name == "auto":
        if os.environ.get("ACCELERATE_USE_CPU", "false").lower() in {"1", "true", "yes"}:
            return torch.device("cpu")  # `accelerate launch --cpu` decided
        return torch.device(next((kind for kind in ("cuda", "mps") if _available(kind)), "cpu"))
    if not _available(name):
        available = ", ".join(kind for kind in DEVICES[1:] if _available(kind))
        raise InvalidArgument(f"device {name!r} is not available: torch {torch.__version__} finds {available} here")
    return torch.device(name)


def accelerator(name: str = "auto", precision: str = "no") -> Accelerator:
    """Accelerate's face for one training on the named device, with the process group joined where there is one.

    Raises InvalidArgument where running processes are bound to another device than the one asked for.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, is_initialized

    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    requested = device(name)
    if is_initialized():
        state = AcceleratorState()
        if (state.device.type, state.mixed_precision) != (requested.type, precision):
            # Accelerate fixes both once a process; a notebook changes its mind, and only a process group must stay
            AcceleratorState._reset_state(reset_partial_state=state.num_processes == 1)
    face = Accelerator(cpu=requested.type == "cpu", mixed_precision=precision)
    if face.device.type != requested.type:
        raise InvalidArgument(f"device {name!r} was asked for, but this process is bound to {face.device.type!r}")
    return face


@contextmanager
def prepared(face: Accelerator, model: nn.Module) -> Iterator[nn.Module]:
    """The model that a loss calls: autocast where the precision asks for it, averaging gradients in several processes.

    The model itself is as it was afterwards. One process without autocast needs nothing, and is spared the 2.5 s that
    Accelerate's preparation takes to import torch.distributed.tensor.
    """
    attributes = set(vars(model))
    try:
        yield face.prepare_model(model) if face.num_processes > 1 or face.mixed_precision != "no" else model
    finally:
        # Accelerate writes over forward on the instance, and deepcopy or a second training would meet it
        for name in {"forward", "_original_forward", "_is_accelerate_prepared"} - attributes:
            vars(model).pop(name, None)


def is_main_process() -> bool:
    """True in the one process that writes files (rank 0, or the only one)."""
    # from the environment: asking Accelerate would bind the process to a device
    return int(os.environ.get("RANK", "0")) == 0


def _available(name: str) -> bool:
    return name == "cpu" or (torch.cuda if name == "cuda" else torch.backends.mps).is_available()
