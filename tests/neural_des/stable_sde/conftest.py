"""Toys: classes whose networks are the constants of an equation with a known law, and paths to drive them."""

import pytest
import torch
from torch import nn

from limitlab.neural_des.stable_sde import Architecture, StableSDE
from limitlab.spaces import control_path


class Constant(nn.Module):
    """The same values, whatever it is asked."""

    def __init__(self, *values):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, inputs):
        return self.values.expand(len(inputs), -1)


class Linear(nn.Module):
    """rate z of the last component of (t, z): what gamma is of the state before any mixing."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, inputs):
        return self.rate * inputs[:, -1:]


@pytest.fixture
def known():
    """(kind, gamma, s, **options) -> a model of one state; gamma: a number, or a rate times z; s: a number."""

    def make(kind, gamma, s, **options):
        model = StableSDE(kind, 2, 1, Architecture(width=1, bound="none"), **options).double()
        dynamics = model.dynamics
        dynamics.from_state, dynamics.mix = nn.Identity(), nn.Identity()
        dynamics.from_control = Constant(0.0).double()
        # what is mixed ends with X's embedding: gamma reads the state before it
        linear = isinstance(gamma, Linear)
        dynamics.mix = Last() if linear else nn.Identity()
        dynamics.gamma = gamma if linear else Constant(gamma).double()
        dynamics.s = Constant(s).double()
        return model

    return make


class Last(nn.Module):
    """Drops the path's embedding again."""

    def forward(self, inputs):
        return inputs[:, :-1]


@pytest.fixture
def linear():
    """rate -> gamma(z) = rate z."""
    return Linear


@pytest.fixture
def still():
    """(batch) -> paths that stand still at zero on [0, T], float64."""

    def make(batch, end=1.0):
        return control_path([0.0, end], torch.zeros(batch, 2, 1).double(), "hermite")

    return make


@pytest.fixture
def moving():
    """(batch, knots, channels) -> rough paths on [0, 1]."""

    def make(batch=4, knots=12, channels=2, dtype=torch.float32):
        values = torch.randn(batch, knots, channels, generator=torch.Generator().manual_seed(5)).to(dtype)
        return control_path(torch.linspace(0, 1, knots, dtype=dtype), values, "hermite")

    return make
