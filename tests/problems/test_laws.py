"""Laws of initial values, on a space that is no problem: their ranges, moments, texts and streams."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from limitlab.problems.laws import Box, Draw, Drawn, Gaussian, Nearby, streams


@dataclass
class Plane:
    """All that a law asks for."""

    dimension: int = 2
    sites: int = 0

    def start(self, values):
        return torch.tensor([values["a"], -4.0], dtype=torch.float64)

    def evaluate(self, texts, values, extras):
        return torch.stack([extras[text] * values["a"] for text in texts], -1)


VALUES = {"a": 3.0}


def draws(law, samples=4000):
    return law.draw(Plane(), streams(samples, 0, 0), VALUES)


def test_nearby_moves_each_number_by_a_factor_of_its_own():
    factors = draws(Nearby(0.2)) / torch.tensor([3.0, -4.0])
    assert float(factors.min()) >= 0.8
    assert float(factors.max()) <= 1.2
    assert not torch.allclose(factors[:, 0], factors[:, 1])
    assert torch.equal(draws(Nearby(0.0), 3), torch.tensor([[3.0, -4.0]] * 3).double())


def test_a_box_is_uniform_between_its_corners():
    """Mean and variance within five standard errors of 4000 samples."""
    y = draws(Box((0.0, -1.0), (1.0, 3.0)))
    width = torch.tensor([1.0, 4.0])
    assert torch.allclose((y.mean(0) - torch.tensor([0.5, 1.0])) / width, torch.zeros(2).double(), atol=5 * 0.29 / 63)
    assert torch.allclose(y.var(0) / width**2, torch.full((2,), 1 / 12).double(), rtol=0.08)


def test_a_gaussian_has_its_mean_and_deviation():
    y = draws(Gaussian(2.0, 0.5))
    assert torch.allclose(y.mean(0), torch.full((2,), 2.0).double(), atol=5 * 0.5 / 63)
    assert torch.allclose(y.std(0), torch.full((2,), 0.5).double(), rtol=0.06)


def test_a_drawn_law_hands_its_numbers_to_the_texts():
    y = draws(Drawn(("low", "high"), (Draw("low", 0.0, 1.0), Draw("high", 10.0, 0.0, "normal"))), 100)
    assert torch.equal(y[:, 1], torch.full((100,), 30.0).double())
    assert float(y[:, 0].min()) >= 0
    assert float(y[:, 0].max()) <= 3


@pytest.mark.parametrize("law", [Nearby(), Box(-1.0, 1.0), Gaussian(), Drawn(("p", "p"), (Draw("p", 0, 1),))])
def test_a_sample_depends_only_on_seed_number_and_attempt(law):
    together = law.draw(Plane(), streams(5, 7, 0), VALUES)
    alone = law.draw(Plane(), streams(1, 7, 3), VALUES)
    assert np.array_equal(together[3], alone[0])
    again = law.draw(Plane(), streams(1, 7, 3, attempt=1), VALUES)
    assert not np.array_equal(alone, again)
