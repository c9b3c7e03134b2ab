import math

import numpy as np
import pytest
import torch
from torch import nn

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets.operator.truths import pairs
from limitlab_widgets.operator.worst import FAR, family_of, require_searchable, turned, worst_input

HEAT = problems.get("heat")


class Truth(nn.Module):
    """The exact propagator, which is wrong in proportion to one wave of its input."""

    def __init__(self, wrong=0.0, wave=3):
        super().__init__()
        self.wrong, self.wave = wrong, wave

    def forward(self, inputs):
        size = inputs.shape[-1]
        truth = HEAT.solve(inputs[:, 0].double(), np.array([0.0, HEAT.span]))[:, -1]
        spectrum = torch.fft.rfft(inputs[:, 0].double())
        kept = torch.zeros_like(spectrum)
        kept[:, self.wave] = spectrum[:, self.wave]
        return (truth + self.wrong * torch.fft.irfft(kept, size)).float()[:, None]


@pytest.fixture(scope="module")
def test_set():
    return HEAT.operator_view(HEAT.simulate(12, seed=0, resolution=32))


def test_the_search_ends_above_the_worst_of_the_test_set_on_the_wave_that_the_model_has_wrong(test_set):
    worst = worst_input(HEAT, Truth(wrong=0.2), test_set)
    assert worst.median <= worst.largest < worst.error
    spectrum = torch.fft.rfft(torch.from_numpy(worst.functions["input"].values[0, 0])).abs()
    others = torch.fft.rfft(torch.from_numpy(test_set["input"].values[:, 0])).abs()

    def share(amplitudes):
        return amplitudes[..., 3] / amplitudes.norm(dim=-1)

    assert float(share(spectrum)) > float(share(others).max())


def test_the_error_that_is_told_is_that_of_the_functions_that_are_shown(test_set):
    worst = worst_input(HEAT, Truth(wrong=0.2), test_set, rounds=3)
    target, prediction = (worst.functions[name].values[0, 0] for name in ("target", "prediction"))
    apart = ((prediction - target) ** 2).sum() / (target**2).sum()
    assert worst.error == pytest.approx(math.sqrt(apart), rel=1e-4)
    truth = HEAT.solve(torch.from_numpy(worst.functions["input"].values[:, 0]).double())[0, -1]
    assert torch.allclose(truth, torch.from_numpy(target).double(), atol=1e-5)


def test_a_right_model_has_no_bad_input_and_the_same_seed_finds_the_same(test_set):
    assert worst_input(HEAT, Truth(), test_set, rounds=3).error < 1e-5
    first, again = (worst_input(HEAT, Truth(wrong=0.1), test_set, rounds=2) for _ in range(2))
    assert first.functions.equals(again.functions)


def test_a_step_of_a_gaussian_law_keeps_its_variance_and_one_of_a_series_its_amplitude():
    law = problems.GaussianLaw(alpha=2.0, tau=5.0, sigma=25.0)
    grid = HEAT.grid(32)
    draws, fresh = (law.sample(grid, 4000, 0, first, {}) for first in (0, FAR))
    angles = torch.full((4000,), 0.7, dtype=torch.float64)
    ratio = turned(law, draws, fresh, angles).var() / draws.var()
    # four thousand draws know a variance to a few percent
    assert float(ratio) == pytest.approx(1.0, abs=0.06)
    series = problems.FourierLaw(modes=3, amplitude=2.5)
    a, b = series.sample(grid, 2, 0, 0, {})
    assert float(turned(series, a, b[None], angles[:1]).abs().max()) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kuramoto_sivashinsky", "on its attractor"),
        ("wave", "several fields"),
        ("gray_scott", "several fields, or no waves"),
        ("helmholtz", "no single random field"),
        ("darcy_multiscale", "of no Gaussian field"),
        ("wave_medium", "no single random field"),
    ],
)
def test_problems_whose_inputs_have_no_steps_are_refused_by_name(name, reason):
    with pytest.raises(InvalidArgument, match=f"inputs of {name} cannot be searched.*{reason}"):
        require_searchable(problems.get(name))


class Constant(nn.Module):
    """An operator that says the same to everything."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, inputs):
        return torch.full_like(inputs, self.value)


class Blind(nn.Module):
    """Darcy's truth for the share of the two phases, wherever they are: wrong where they lie apart."""

    def forward(self, inputs):
        mean = inputs.double().mean((1, 2, 3)).reshape(-1, 1, 1).expand(-1, *inputs.shape[2:])
        return problems.get("darcy").solve(mean.contiguous()).float()[:, None]


PLANES = {"darcy": {}, "darcy_lognormal": {}, "poisson": {}, "navier_stokes": {"span": 0.5}}
PLANES["allen_cahn_2d"] = {"span": 0.1}


@pytest.mark.parametrize("name", PLANES)
def test_a_plane_is_searched_in_its_family_and_ends_no_better_than_the_worst_of_the_test_set(name):
    problem = problems.get(name, frames=2, **PLANES[name])
    test = problem.operator_view(problem.simulate(3, seed=1, resolution=16))
    worst = worst_input(problem, Constant(1e-3), test, rounds=2)
    assert worst.error >= worst.largest
    target = worst.functions["target"].values[0, 0]
    assert worst.error == pytest.approx(np.sqrt(((target - 1e-3) ** 2).sum() / (target**2).sum()), rel=1e-4)


def test_a_turned_medium_of_two_phases_is_one_and_its_truth_that_of_the_data():
    darcy = problems.get("darcy")
    test = darcy.operator_view(darcy.simulate(4, seed=2, resolution=16))
    family = family_of(darcy, 16)
    # the field that a test function is made of, from its number
    inputs, truths = pairs(darcy, family.of(family.draw(4, 2, 0)), 16)
    np.testing.assert_allclose(inputs, test["input"].values[:, 0], rtol=1e-6)
    np.testing.assert_allclose(truths, test["target"].values[:, 0], rtol=1e-5, atol=1e-7)
    worst = worst_input(darcy, Blind(), test, rounds=6)
    assert worst.median <= worst.largest < worst.error
    # means of 4 x 4 cells of two phases
    phases = (worst.functions["input"].values - 3.0) / 9.0 * 16
    np.testing.assert_allclose(phases, phases.round(), atol=1e-3)


def test_turned_waves_keep_mean_and_amplitude():
    problem = problems.get("allen_cahn_2d")
    family = family_of(problem, 16)
    a, *fresh = family.draw(3, 0, 0)
    between = turned(family.law, a, torch.stack(fresh), torch.tensor([0.3, 1.2], dtype=torch.float64))
    assert (between - family.law.mean).abs().amax((1, 2)).tolist() == pytest.approx([family.law.amplitude] * 2)


def test_a_law_without_steps_is_refused_by_name():
    one = problems.parse("u_t = 0.01*u_xx", initial="sin(2*pi*x)", span=0.1)
    with pytest.raises(InvalidArgument, match="law TextLaw"):
        require_searchable(one)
