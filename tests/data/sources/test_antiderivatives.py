import numpy as np
import pytest
import torch

from limitlab.data import antiderivatives
from limitlab.data.sources.antiderivatives import _functions
from limitlab.errors import InvalidArgument


@pytest.mark.parametrize("length_scale", [0.05, 0.2, 1.0])
def test_terms_add_up_to_the_covariance(length_scale):
    """Exactly, on the whole interval: the terms left out are below rounding."""
    x = torch.linspace(0, 1, 41, dtype=torch.float64)
    z = (x - 0.5) / length_scale
    phi = _functions(z, int(np.ceil(np.e * (0.5 / length_scale) ** 2)) + 60)
    assert torch.allclose(phi.mT @ phi, torch.exp(-((z[:, None] - z) ** 2) / 2), atol=1e-12)


@pytest.mark.parametrize("length_scale", [0.05, 0.2, 1.0])
def test_integrals_are_those_of_simpsons_rule(length_scale):
    pairs = antiderivatives(5, 2001, length_scale=length_scale, seed=3)
    u, s = (pairs[name].values[:, 0].astype(float) for name in ("input", "target"))
    panels = (u[:, :-2:2] + 4 * u[:, 1:-1:2] + u[:, 2::2]) / 6000
    assert np.abs(np.cumsum(panels, 1) - s[:, 2::2]).max() < 1e-6
    assert np.all(s[:, 0] == 0)


def test_a_function_depends_on_its_number_alone():
    coarse, fine = antiderivatives(6, 26, seed=1), antiderivatives(2, 101, seed=1, first=3)
    for name in ("input", "target"):
        assert np.allclose(coarse[name].values[3:5], fine[name].values[..., ::4], atol=1e-6)
    assert not np.allclose(coarse["input"], antiderivatives(6, 26, seed=2)["input"])


def test_deviations_are_one_and_correlations_those_of_the_law():
    u = antiderivatives(4000, 11, seed=5)["input"].values[:, 0]
    covariance = u.T @ u / len(u)
    expected = np.exp(-((np.arange(11)[:, None] - np.arange(11)) ** 2) * 0.01 / 0.08)
    # the mean of 4000 products of deviation up to sqrt 2 is off by 0.022 or less, three times of which is passed by few
    assert np.abs(covariance - expected).max() < 0.09


@pytest.mark.parametrize(
    ("options", "name"),
    [({"samples": 0}, "samples"), ({"points": 1}, "points"), ({"length_scale": 0.0}, "length_scale")],
)
def test_arguments_are_checked(options, name):
    with pytest.raises(InvalidArgument, match=name):
        antiderivatives(**{"samples": 2, **options})
