"""A latent ODE: its clock, its two forms of times, and its prior."""

import pytest
import torch

from limitlab.data import series
from limitlab.errors import InvalidArgument
from limitlab.neural_des.latent import LatentODE, ODERNNEncoder


@pytest.fixture
def data():
    draws = torch.Generator().manual_seed(2)
    times = torch.rand(3, 6, generator=draws).sort(1).values
    values = torch.randn(3, 6, 2, generator=draws)
    values[0, 3, 1] = values[1, 2] = torch.nan
    return series(times, values, lengths=[6, 6, 4])


def test_both_forms_of_times_give_the_same_series(data):
    fine = {"seed": 1, "rtol": 1e-6, "atol": 1e-6}
    scaled, union = (LatentODE(2, 3, 8, times=form, **fine) for form in ("scaled", "union"))
    outputs = [model(data.times, data.values, data.lengths) for model in (scaled, union)]
    assert torch.allclose(*outputs, atol=1e-4)


def test_a_series_does_not_depend_on_its_batch(data):
    model = LatentODE(2, 3, 8, seed=1)
    whole = model(data.times, data.values, data.lengths)
    one = data.take(torch.tensor([1]))
    assert torch.allclose(model(one.times, one.values, one.lengths), whole[1:2], atol=1e-6)


def test_rows_that_only_fill_a_batch_change_no_other(data):
    """Sample 2 has four rows; cut to them it is the same series."""
    model = LatentODE(2, 3, 8, seed=1)
    whole = model(data.times, data.values, data.lengths)[2, :4]
    cut = model(data.times[2:, :4], data.values[2:, :4])[0]
    assert torch.allclose(whole, cut, atol=2e-3)
    posterior, alone = model.encode(data.times, data.values), model.encode(data.times[2:, :4], data.values[2:, :4])
    assert torch.allclose(posterior.mean[2:], alone.mean, atol=1e-6)


def test_the_first_value_is_the_read_out_of_the_lifted_state():
    model, z = LatentODE(2, 3, 8, seed=1), torch.randn(4, 3)
    times = torch.tensor([[1.0, 1.5, 2.0]]).expand(4, -1)
    assert torch.allclose(model.decode(z, times)[:, 0], model.read_out(model.lift(z)))


def test_series_from_the_prior_come_from_the_seed_and_have_its_spread():
    model, times = LatentODE(1, 2, 8, seed=1), torch.linspace(0, 1, 5)
    first = model.sample(500, times, seed=3)
    assert first.equal(model.sample(500, times, seed=3))
    assert not first.equal(model.sample(500, times, seed=4))
    many = model.read_out(model.lift(torch.randn(20_000, 2)))
    assert float(first[:, 0].std()) == pytest.approx(float(many.std()), rel=0.1)


def test_every_parameter_gets_a_gradient(data):
    for encoder in (None, ODERNNEncoder(2, 8)):
        model = LatentODE(2, 3, 8, encoder=encoder, seed=1)
        posterior = model.encode(data.times, data.values)
        expected = model.decode(posterior.draw(0), data.times, data.lengths)
        (expected.square().sum() + model.log_std.sum()).backward()
        assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_there_is_no_last_solution_before_the_first_call(data):
    model = LatentODE(2, 3, 8)
    with pytest.raises(InvalidArgument, match="nothing was decoded yet"):
        model.last  # noqa: B018
    model(data.times, data.values, data.lengths)
    assert model.last.log.steps.shape == (3,)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([[0.0, 1.0, 2.0], [0.0, 1.0, 1.0]], "in sample 1, 1 follows 1 at row 2"),
        ([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], "in sample 1, 1 follows 2 at row 1"),
        ([[0.0], [0.0]], "two times or more; sample 0 has 1"),
    ],
)
def test_times_that_no_series_has_are_refused_naming_the_sample(times, message):
    times = torch.tensor(times)
    with pytest.raises(InvalidArgument, match=message):
        LatentODE(1, 2, 4)(times, torch.zeros(*times.shape, 1))


def test_times_of_rows_that_do_not_count_may_lie_anywhere():
    times = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, 1.0]])
    assert LatentODE(1, 2, 4)(times, torch.zeros(2, 3, 1), torch.tensor([3, 2])).isfinite().all()
