"""A problem without physics, for tests of the cache: u_i(x) = A exp(sin(x + phase_i)), the phase drawn for i."""

import json
import os
import time
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from limitlab.spaces import Grid


@dataclass(frozen=True)
class Waves:
    """blow_up: sample that is NaN. pause: seconds a chunk takes, which is no part of the numbers."""

    amplitude: float = 1.0
    blow_up: int | None = None
    pause: float = 0.0
    name: str = "waves"

    def spec(self):
        return {"name": self.name, "values": {"amplitude": self.amplitude}, "blow_up": self.blow_up}

    def simulate(self, samples, seed=0, resolution=None, *, first=0):
        time.sleep(self.pause)
        grid = Grid.uniform(resolution or 8, lengths=2 * np.pi)
        numbers = range(first, first + samples)
        phases = torch.tensor([np.random.default_rng([seed, i]).uniform(0, 7) for i in numbers], dtype=torch.float64)
        u = self.amplitude * torch.sin(grid.points()[:, 0] + phases[:, None]).exp()
        for row, number in enumerate(numbers):
            if number == self.blow_up:
                u[row, 2] = torch.nan
        field = u.float().numpy()[:, None]
        waves = {"long_name": "wave", "units": "m"}
        return xr.Dataset(
            {"input": (("sample", "channel", "x"), field, waves), "target": (("sample", "channel", "x"), 2 * field)},
            coords={
                "sample": ("sample", np.arange(first, first + samples), {"long_name": "sample", "units": "1"}),
                "x": ("x", grid.coordinates()["x"], {"long_name": "position x", "units": "s"}),
                "phase": ("sample", phases.numpy(), {"units": "days since 2000-01-01"}),
            },
            attrs={
                "problem": self.name,
                "parameters": json.dumps({"amplitude": self.amplitude}),
                "seed": seed,
                "first": first,
                "grid": grid.to_json(),
                "dt": 0.1,
                "limitlab_version": "test",
            },
        )


@dataclass(frozen=True)
class WavesKilledMidway(Waves):
    """The process ends as by kill -9 when sample 32 is asked for."""

    def simulate(self, samples, seed=0, resolution=None, *, first=0):
        if first > 0:
            os.kill(os.getpid(), 9)
        return super().simulate(samples, seed, resolution, first=first)
