"""Channel statistics: standardising, and its inverse, on every resolution."""

import pytest
import torch

from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument


@pytest.fixture
def values():
    """Three channels of scales 1e-3, 1, 1e3 and means 0, 5, -1e4."""
    draws = torch.randn(50, 3, 16, 8, generator=torch.Generator().manual_seed(0))
    return draws * torch.tensor([1e-3, 1.0, 1e3]).view(1, 3, 1, 1) + torch.tensor([0.0, 5.0, -1e4]).view(1, 3, 1, 1)


def test_encoded_values_have_mean_zero_and_std_one(values):
    encoded = ChannelStatistics.of(values).encode(values).double()
    zeros, ones = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    # float32 rounding of the mean, relative to the std: 1e4 * 6e-8 / 1e3 at worst
    torch.testing.assert_close(encoded.mean(dim=(0, 2, 3)), zeros, rtol=0, atol=2e-6)
    torch.testing.assert_close(encoded.std(dim=(0, 2, 3), correction=0), ones, rtol=1e-6, atol=0)


def test_decode_is_the_inverse_of_encode(values):
    statistics = ChannelStatistics.of(values)
    torch.testing.assert_close(statistics.decode(statistics.encode(values)), values, rtol=1e-5, atol=1e-6)


def test_statistics_of_one_resolution_work_on_another(values):
    statistics = ChannelStatistics.of(values)
    coarse = values[:2, :, ::4, ::2]
    torch.testing.assert_close(statistics.encode(coarse), statistics.encode(values)[:2, :, ::4, ::2])


def test_statistics_do_not_depend_on_how_finely_a_function_is_sampled():
    def cosine(n):
        return torch.cos(2 * torch.pi * torch.arange(n, dtype=torch.float64) / n).view(1, 1, n)

    coarse, fine = ChannelStatistics.of(cosine(16)), ChannelStatistics.of(cosine(512))
    torch.testing.assert_close(coarse.std, fine.std, rtol=1e-12, atol=0)
    torch.testing.assert_close(coarse.std, torch.tensor([0.5**0.5], dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_a_constant_channel_encodes_to_zero_and_comes_back(constant):
    values = torch.full((7, 1, 33), constant)
    statistics = ChannelStatistics.of(values)
    assert statistics.std.item() == 1.0
    assert statistics.encode(values).abs().max() == 0.0
    torch.testing.assert_close(statistics.decode(torch.zeros(2, 1, 5)), torch.full((2, 1, 5), constant))


def test_encode_keeps_dtype_and_gradient(values):
    statistics = ChannelStatistics.of(values)
    doubled = values.double().requires_grad_()
    encoded = statistics.encode(doubled)
    encoded.sum().backward()
    assert encoded.dtype == torch.float64
    torch.testing.assert_close(doubled.grad[0, :, 0, 0], 1 / statistics.std.double())


def test_statistics_are_frozen(values):
    with pytest.raises(AttributeError):
        ChannelStatistics.of(values).mean = torch.zeros(3)


@pytest.mark.parametrize(
    "bad",
    [torch.zeros(3), torch.zeros(0, 1, 4), torch.zeros(2, 1, 4, dtype=torch.int64), torch.full((2, 1, 4), torch.inf)],
    ids=["one dimension", "empty", "integers", "infinite"],
)
def test_what_has_no_statistics_is_refused(bad):
    with pytest.raises(InvalidArgument, match="values must be"):
        ChannelStatistics.of(bad)


def test_another_number_of_channels_is_refused(values):
    with pytest.raises(InvalidArgument, match="3 channels"):
        ChannelStatistics.of(values).encode(values[:, :2])
