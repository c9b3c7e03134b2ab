"""A training small enough for tests: learn the shift of a periodic function; as a script, train it in a run folder."""

import argparse
import os
import random
import signal
import time

import numpy as np
import torch
from torch import nn

from limitlab.spaces import Grid
from limitlab.training import Recipe, fit, operator_loss, runs

GRID = Grid.uniform(16)


class ShiftBatches:
    """`size` random trigonometric polynomials and their shifts a batch; a rank's rows of the world-times-larger one."""

    def __init__(self, size=4, *, samples=32, rank=0, world=1, poisoned=None):
        generator = torch.Generator().manual_seed(0)
        phase = 2 * torch.pi * GRID.points()[..., 0]
        coefficients = torch.randn(samples, 3, 2, generator=generator)
        waves = torch.stack([f(k * phase) for k in (1, 2, 3) for f in (torch.sin, torch.cos)]).float()
        self.inputs = (coefficients.reshape(samples, 6) @ waves)[:, None]
        self.targets = self.inputs.roll(3, -1)
        if poisoned is not None:
            self.inputs[poisoned, 0, 5] = torch.nan
        self.size, self.rank, self.world = size, rank, world

    def batch(self, step):
        whole = self.size * self.world
        order = torch.randperm(len(self.inputs), generator=torch.Generator().manual_seed(1000 + step))[:whole]
        rows = order[self.rank * self.size : (self.rank + 1) * self.size]
        return {"input": self.inputs[rows], "target": self.targets[rows], "rows": rows}

    def shard(self, rank, world):
        part = ShiftBatches(self.size, samples=len(self.inputs), rank=rank, world=world)
        part.inputs, part.targets = self.inputs, self.targets
        return part


class ShiftNet(nn.Module):
    """Convolution plus complex weights on the spectrum; dropout where a test needs random draws."""

    def __init__(self, seed=0, dropout=0.0):
        super().__init__()
        torch.manual_seed(seed)
        self.spectrum = nn.Parameter(0.5 * torch.randn(9, dtype=torch.complex64))
        self.convolution = nn.Conv1d(1, 4, 3, padding="same", padding_mode="circular")
        self.projection = nn.Conv1d(4, 1, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, u):
        spectral = torch.fft.irfft(torch.fft.rfft(u) * self.spectrum, n=u.shape[-1])
        return spectral + self.projection(self.dropout(nn.functional.gelu(self.convolution(u))))


def train_on(model, loss, batches, **options):
    """`fit` with the recipe's options and its own in one list."""
    recipe = {name: options.pop(name) for name in tuple(options) if name in Recipe.__dataclass_fields__}
    return fit(model, Recipe(loss, batches, **recipe), **options)


def noisy_loss(model, batch):
    """Relative L2 with a penalty that is drawn from numpy's and python's generators too."""
    weight = 0.01 * (random.random() + float(np.random.rand()))  # noqa: NPY002
    decay = sum(p.abs().square().sum() for p in model.parameters())
    return {**operator_loss("l2", GRID)(model, batch), "decay": weight * decay}


def train_noisy(run, resume=False, model=None):
    """Forty steps that use every kind of stored state: complex weights, dropout, three random generators."""
    model = ShiftNet(dropout=0.3) if model is None else model
    options = {"steps": 40, "learning_rate": 1e-2, "checkpoint_every": 7, "device": "cpu", "seed": 5}
    return train_on(model, noisy_loss, ShiftBatches(), run=run, resume=resume, **options)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=["killed", "distributed"])
    arguments.add_argument("folder")
    given = arguments.parse_args()
    run = runs.create(given.folder, {}, device="cpu")
    if given.what == "killed":
        for progress in train_noisy(run):
            if progress.step == 25:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
    else:
        recipe = Recipe(operator_loss("l2", GRID), ShiftBatches(4), steps=10, learning_rate=1e-2, clip=1.0)
        for _ in fit(ShiftNet(), recipe, run=run, device="cpu"):
            pass
