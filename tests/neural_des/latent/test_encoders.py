"""What an encoding may depend on: what was measured and when, and nothing else."""

import pytest
import torch

from limitlab.data import series
from limitlab.errors import InvalidArgument
from limitlab.neural_des.latent import GRUEncoder, ODERNNEncoder
from limitlab.neural_des.ode import MLPField

KINDS = {
    "gru": lambda: GRUEncoder(2, 8, seed=1).double(),
    "ode_rnn": lambda: ODERNNEncoder(
        2, 8, field=MLPField(8, 8, 1, seed=1).double(), seed=1, rtol=1e-9, atol=1e-9
    ).double(),
}


@pytest.fixture(params=KINDS)
def encoder(request):
    return KINDS[request.param]()


@pytest.fixture
def data():
    draws = torch.Generator().manual_seed(2)
    times = torch.rand(3, 6, generator=draws).double().sort(1).values
    values = torch.randn(3, 6, 2, generator=draws).double()
    values[0, 3, 1] = values[1, 2] = torch.nan
    return series(times, values)


def test_shuffled_and_sorted_again_a_series_has_the_same_encoding(encoder, data):
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    times, values = data.times[:, order], data.values[:, order]
    back = times.argsort(1)
    again = encoder(times.gather(1, back), values.gather(1, back[..., None].expand(-1, -1, 2)))
    assert again.equal(encoder(data.times, data.values))


def test_the_order_in_time_matters(encoder, data):
    """The pitfall of a network that runs the wrong way round is not silent: its encoding differs."""
    assert not torch.allclose(encoder(data.times, data.values.flip(1)), encoder(data.times, data.values), atol=1e-3)


def test_rows_without_a_measurement_change_nothing(encoder, data):
    """The union of all times as one grid, with gaps, is the same series."""
    first = data.times[:, :1]
    own = torch.cat([first - 0.1, data.times], 1)
    start = torch.zeros(3, 1, 2).double()
    union = torch.unique(own - own[:, :1])
    wide = torch.full((3, len(union), 2), torch.nan).double()
    rows = torch.searchsorted(union, own - own[:, :1])
    wide.scatter_(1, rows[..., None].expand(-1, -1, 2), torch.cat([start, data.values], 1))
    narrow = encoder(own, torch.cat([start, data.values], 1))
    assert torch.allclose(encoder(union.expand(3, -1), wide), narrow, atol=1e-6)


def test_the_value_that_stands_for_a_missing_one_is_masked(encoder, data):
    zero = data.values.clone()
    zero[0, 3, 1] = 0.0
    assert not encoder(data.times, zero)[0].equal(encoder(data.times, data.values)[0])


def test_only_differences_of_times_count(encoder, data):
    moved = encoder(data.times + 16.0, data.values)
    assert torch.allclose(moved, encoder(data.times, data.values), atol=1e-7)


def test_between_measurements_an_ode_rnn_follows_its_ode():
    """With h' = -h and one late measurement, its encoding decays by exp(-gap) backwards in time."""
    encoder = ODERNNEncoder(1, 4, field=lambda s, h: -h, rtol=1e-9, atol=1e-9).double()
    late = torch.tensor([[[torch.nan], [1.0]]]).double()
    near, far = (encoder(torch.tensor([[0.0, gap]]).double(), late) for gap in (0.5, 2.0))
    assert torch.allclose(far, near * torch.exp(torch.tensor(-1.5).double()), rtol=1e-7)


def test_what_cannot_be_read_is_refused_naming_the_sample(encoder, data):
    empty = data.values.clone()
    empty[1] = torch.nan
    with pytest.raises(InvalidArgument, match="sample 1 has no measurement"):
        encoder(data.times, empty)
    with pytest.raises(InvalidArgument, match=r"\(batch, time, 2\); got \(3, 6\) and \(3, 6, 1\)"):
        encoder(data.times, data.values[..., :1])
