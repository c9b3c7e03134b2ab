"""Laws of several fields: independent, of the size that they state, one function at every resolution."""

import math

import pytest
import torch

from limitlab.problems.pde.laws import TextLaw
from limitlab.problems.pde.system_laws import GaussianFields, Independent, Seeds, WaveLaw
from limitlab.solvers.pde.bases import basis_of
from limitlab.spaces.grid import Grid

BOXES = {
    "interval": Grid.uniform(64, lengths=3.0, starts=-1.0),
    "torus": Grid.uniform((64, 64), lengths=(2.0, 1.0), starts=(-1.0, 0.0)),
    "cells": Grid.uniform((64, 64), lengths=2.0, kind="cells"),
}
LAWS = [WaveLaw(modes=4), GaussianFields((0.5, 2.0), (0.0, 1.0), alpha=6.0, tau=4.0), Seeds(width=0.2)]


@pytest.mark.parametrize(
    ("law", "box"),
    # bumps live on a torus
    [(law, box) for law in LAWS for box in BOXES if not (isinstance(law, Seeds) and box == "cells")],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_a_sample_is_one_function_at_every_resolution_alone_and_in_a_batch(law, box):
    fine = BOXES[box]
    coarse = fine.at(40)
    drawn, alone = law.sample(fine, 3, 5, 10, {}), law.sample(coarse, 1, 5, 12, {})
    assert torch.allclose(basis_of(fine).resample(drawn[2:], fine, 40), alone, atol=2e-5)
    assert float((drawn[0] - drawn[1]).abs().max()) > 0.02
    assert float((law.sample(coarse, 1, 6, 12, {}) - alone).abs().max()) > 0.02


@pytest.mark.parametrize("box", BOXES)
def test_waves_keep_their_mean_and_their_distance_from_it(box):
    u = WaveLaw(modes=5, amplitude=0.4, mean=0.5).sample(BOXES[box].at(256 if box == "interval" else 96), 20, 0, 0, {})
    assert float((u.flatten(1).mean(1) - 0.5).abs().max()) < 1e-12
    farthest = (u - 0.5).abs().flatten(1).amax(1)
    assert float(farthest.max()) < 0.402
    assert float(farthest.min()) > 0.39


@pytest.mark.parametrize("box", BOXES)
def test_gaussian_fields_have_the_deviations_that_are_stated(box):
    grid = BOXES[box]
    # many correlation lengths a box, so that the mean over the box is an expectation
    u = GaussianFields((0.5, 2.0), (0.0, 1.0), alpha=3.0, tau=25.0).sample(grid, 60, 0, 0, {})
    assert torch.allclose(u.std((0, *range(2, u.dim()))), torch.tensor([0.5, 2.0]).double(), rtol=0.06)
    assert torch.allclose(u.mean((0, *range(2, u.dim()))), torch.tensor([0.0, 1.0]).double(), atol=1e-10)
    correlation = torch.corrcoef(u.movedim(1, 0).flatten(1))[0, 1]
    assert abs(float(correlation)) < 0.05


def test_bumps_meet_smoothly_at_the_seam():
    grid = BOXES["torus"].at(96)
    a, b = Seeds(clusters=5, width=0.1).sample(grid, 1, 1, 0, {})[0]
    assert torch.allclose(1 - a, 2 * b, rtol=0, atol=1e-15)
    assert 0.5 <= float(a.min()) < 0.55
    assert float(a.max()) <= 1
    spectrum = basis_of(grid).transform(a, grid).abs()
    assert float(spectrum[:, 30:].max()) < 1e-6 * float(spectrum.max())


def test_each_field_of_independent_laws_has_a_stream_of_its_own():
    u = Independent((WaveLaw(), WaveLaw(), TextLaw("sin(2*pi*y)"))).sample(BOXES["torus"], 2, 0, 0, {})
    assert float((u[:, 0] - u[:, 1]).abs().max()) > 0.5
    y = BOXES["torus"].points()[..., 1]
    assert torch.allclose(u[:, 2], torch.sin(2 * math.pi * y).expand(2, 64, 64))
