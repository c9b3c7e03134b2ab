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


@pytest.fixture
def slopes():
    """Function of a loss and its parameters to its slope along a random direction: by its gradient, by differences."""
    return _slopes


def _slopes(loss, parameters, step=1e-5):
    trained = list(parameters)
    gradients = torch.autograd.grad(loss(), trained)
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in trained]
    ends = []
    with torch.no_grad():
        for move in (step, -2 * step, step):
            for parameter, d in zip(trained, direction, strict=True):
                parameter.add_(move * d)
            ends.append(loss().item())
    by_gradient = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True)).item()
    return by_gradient, (ends[0] - ends[1]) / (2 * step)
