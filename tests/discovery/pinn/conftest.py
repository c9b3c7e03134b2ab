"""Small problems with few weights, as every test of networks here uses them."""

import numpy as np
import pytest
import torch

import limitlab as ll
from limitlab.discovery import pinn

SMALL = pinn.Architecture(width=8, layers=2)
TERMS = {"x": "-beta*x*y", "y": "delta*x*y"}


@pytest.fixture
def predators():
    """Lotka-Volterra on [0, 3]."""
    return ll.problems.get("lotka_volterra", span=3.0)


@pytest.fixture
def seen(predators):
    """Twelve clean points of its trajectory, without the start."""
    times = np.linspace(0, 3, 13)
    y = predators.solve(times=times).y
    return pinn.Measurements(torch.tensor(times[1:])[None, :, None], y[:, 1:])


@pytest.fixture
def small():
    return SMALL


@pytest.fixture
def hidden():
    return pinn.HiddenTerms(TERMS, inputs=("x", "y"), architecture=SMALL)


@pytest.fixture
def upinn(predators, seen, hidden):
    forms = pinn.initial_value(predators, seen.scale.tolist())
    return pinn.UPINN(pinn.equations_of(predators), hidden, seen, forms, architecture=SMALL, seed=0)
