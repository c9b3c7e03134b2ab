"""Spirals solve their equation, mirrored ones turn the other way, paced ones have the same values at other times."""

import numpy as np
import torch

from limitlab import data
from limitlab.data.sources.spirals import END


def test_spirals_solve_their_equation():
    spirals = data.spirals(samples=6, times=40, noise=0.0)
    matrix = torch.tensor([[-0.3, 2.0], [-2.0, -0.3]], dtype=torch.float64)
    flows = torch.linalg.matrix_exp(spirals.times[0].double()[:, None, None] * matrix)
    values = spirals.values.double()
    values[spirals.labels == 1, :, 0] *= -1
    expected = torch.einsum("tij,bj->bti", flows, values[:, 0])
    assert torch.allclose(values, expected, atol=1e-5)
    assert torch.allclose(values[:, 0].norm(dim=-1), torch.ones(6, dtype=torch.float64), atol=1e-6)


def test_noise_has_its_deviation_and_its_seed():
    clean, noisy = (data.spirals(samples=128, noise=noise) for noise in (0.0, 0.05))
    assert abs(float((noisy.values - clean.values).std()) - 0.05) < 0.002
    assert torch.equal(noisy.values, data.spirals(samples=128, noise=0.05).values)
    assert not torch.equal(noisy.values, data.spirals(samples=128, noise=0.05, seed=1).values)


def test_paced_spirals_have_the_same_values_at_other_times():
    paced = data.paced_spirals(samples=6, noise=0.0)
    # a turn by the angle between their starts takes one to any other
    starts = torch.view_as_complex(paced.values[:, 0].contiguous())
    turned = torch.view_as_complex(paced.values.contiguous()) / starts[:, None]
    assert torch.allclose(turned, turned[:1].expand(6, -1), atol=1e-5)
    assert torch.view_as_real(starts).sub(torch.view_as_real(starts[:1])).norm(dim=-1).max() < 0.5
    np.testing.assert_allclose(paced.times[1] / END, (paced.times[0] / END) ** 2, atol=1e-6)
    # neither class turns the other way
    assert (paced.values[:, 1] - paced.values[:, 0]).norm(dim=-1).max() < 0.5
