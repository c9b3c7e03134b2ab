"""Checkpoints: all that decides the next step of a training, in one safetensors file with a JSON header; never pickle.

A file holds the model's state, the optimiser's state, the random states of torch (CPU and CUDA), numpy and python,
the step and the recipe of the training. The schedule and the batches are pure functions of the step, so the step is
their state. The two newest stay, so a good one exists at any moment.
"""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limitlab.saved.tensors import DamagedFile, load_weights, read_tensors, weights_of, write_tensors

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after `step` steps; tensors on the CPU, named `model.*` and `optimizer.<parameter>.*`.

    Where its batches were made from the model, `start.*` and `start_random` are what they were made from.
    """

    step: int
    seconds: float
    recipe: dict[str, Any]
    random_state: dict[str, Any]
    tensors: dict[str, Tensor]
    start_random: dict[str, Any] | None = None

    def restore_model(self, model: nn.Module, *, start: bool = False) -> None:
        """Put weights back, or those at the start of the phase. Raises InvalidArgument for another model."""
        prefix = "start." if start else "model."
        weights = {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}
        load_weights(model, weights, f"checkpoint of step {self.step}")

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the optimiser's state back, on the device of its parameters."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            if name.startswith("optimizer."):
                _, index, quantity = name.split(".", 2)
                state.setdefault(int(index), {})[quantity] = tensor
        # rates belong to the schedule, not to the file
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@dataclass(frozen=True)
class Start:
    """What a phase began with: weights, and the random state."""

    weights: dict[str, Tensor]
    random_state: dict[str, Any]


def save(
    folder: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Mapping[str, Any],
    *,
    seconds: float = 0.0,
    start: Start | None = None,
) -> Path:
    """Write the checkpoint of `step` into `folder`, then drop all but the two newest. Returns its path."""
    tensors = {f"model.{name}": tensor for name, tensor in weights_of(model).items()}
    if start is not None:
        tensors |= {f"start.{name}": tensor for name, tensor in start.weights.items()}
    for index, quantities in optimizer.state_dict()["state"].items():
        # some versions of SGD store None for the momentum that they lack
        present = {name: value for name, value in quantities.items() if value is not None}
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in present.items()}
    header = {"step": step, "seconds": seconds, "recipe": dict(recipe), "random_state": random_state()}
    if start is not None:
        header["start_random"] = start.random_state
    path = folder / f"step-{step:08d}.safetensors"
    write_tensors(path, tensors, header)
    # only after the new one is complete: a good one exists at any moment
    for old in paths(folder)[:-KEPT]:
        old.unlink()
    return path


def latest(folder: Path) -> Checkpoint | None:
    """The newest undamaged checkpoint of `folder`, None where there is none; warns of each damaged one it passes over.

    Raises DamagedFile when checkpoints exist and not one of them can be read.
    """
    damaged: list[str] = []
    for path in reversed(paths(folder)):
        try:
            tensors, header = read_tensors(path)
            checkpoint = Checkpoint(tensors=tensors, **header)
        except (DamagedFile, TypeError) as error:
            damaged.append(str(error))
            continue
        for message in damaged:
            warnings.warn(
                f"{message}; going back to the checkpoint of step {checkpoint.step}", RuntimeWarning, stacklevel=2
            )
        return checkpoint
    if damaged:
        raise DamagedFile(f"no checkpoint in {folder} can be read: {'; '.join(damaged)}. Start again in a new folder")
    return None


def random_state() -> dict[str, Any]:
    """State of the global generators of torch (CPU, and CUDA where in use), numpy and python, as JSON-able values."""
    # asking an unused CUDA for its state would start it
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002 (the global state is what a loss may draw from)
    generator = numpy_state["state"]
    return {
        "torch": _hex(torch.get_rng_state()),
        "cuda": [_hex(state) for state in cuda],
        "numpy": {**numpy_state, "state": {"key": generator["key"].tolist(), "pos": int(generator["pos"])}},
        "python": random.getstate(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put back what `random_state` gave; CUDA states go to as many devices as there are."""
    torch.set_rng_state(_from_hex(state["torch"]))
    for index, cuda in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(_from_hex(cuda), index)
    generator = state["numpy"]["state"]
    key = np.array(generator["key"], dtype=np.uint32)
    np.random.set_state({**state["numpy"], "state": {**generator, "key": key}})  # noqa: NPY002
    version, values, gauss = state["python"]
    # JSON made lists of the tuples
    random.setstate((version, tuple(values), gauss))


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch (every device), numpy and python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)


def paths(folder: Path) -> list[Path]:
    """Checkpoint files, oldest first."""
    return sorted(path for path in folder.glob("step-*.safetensors") if re.fullmatch(r"step-\d{8,}", path.stem))


def _hex(state: Tensor) -> str:
    return state.numpy().tobytes().hex()


def _from_hex(text: str) -> Tensor:
    # a bytearray: torch warns about memory that it may not write
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
