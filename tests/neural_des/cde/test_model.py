"""Neural CDEs: the exponential on linear fields, one with torchcde, alone as in a batch, and blind without time."""

import pytest
import torch
from torch import nn

from limitlab import data
from limitlab.errors import InvalidArgument
from limitlab.neural_des.cde import Control, MatrixField, NeuralCDE

UNSEEN = torch.stack([torch.zeros(3, 2), torch.full((3, 2), torch.nan)])


def rows(series):
    return series.times, series.values, series.lengths


@pytest.fixture
def spirals():
    return data.spirals(samples=8, times=16).rescaled()


class LinearField(nn.Module):
    """f(z) = A z for a scalar path."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, s, z):
        return (z @ self.matrix.T)[..., None]


def test_a_linear_field_and_a_scalar_path_give_the_exponential():
    """Card 02, (C): z(T) = expm(A (X(T) - X(0))) z0 to 1e-5."""
    torch.manual_seed(0)
    control = Control("hermite", include_time=False)
    model = NeuralCDE(1, 3, hidden=3, control=control, method="tsit5", step_size=None, rtol=1e-8, atol=1e-8).double()
    matrix = 0.5 * torch.randn(3, 3, dtype=torch.float64)
    model.field, model.readout = LinearField(matrix), nn.Identity()
    times, values = torch.linspace(0, 1, 9, dtype=torch.float64), torch.randn(6, 9, 1, dtype=torch.float64)
    moved = torch.linalg.matrix_exp((values[:, -1] - values[:, 0])[..., None] * matrix)
    expected = torch.einsum("bij,bj->bi", moved, model.initial(values[:, 0]))
    assert torch.allclose(model(times, values), expected, atol=1e-5)


@pytest.mark.parametrize("interpolation", ["linear", "rectilinear", "hermite"])
def test_outputs_and_gradients_are_those_of_torchcde(interpolation, spirals):
    torchcde = pytest.importorskip("torchcde")
    times, values = spirals.times[0, :8].double(), spirals.values[:, :8].double()
    tight = {"rtol": 1e-9, "atol": 1e-9}
    model = NeuralCDE(2, 3, width=16, control=Control(interpolation), method="tsit5", step_size=None, **tight).double()
    stacked = torch.cat([times.expand(8, -1)[..., None], values], dim=-1)
    if interpolation == "hermite":
        coefficients = torchcde.hermite_cubic_coefficients_with_backward_differences(stacked, times)
        path = torchcde.CubicSpline(coefficients, times)
    else:
        rectilinear = 0 if interpolation == "rectilinear" else None
        path = torchcde.LinearInterpolation(torchcde.linear_interpolation_coeffs(stacked, rectilinear=rectilinear))
    field = model.field

    class Field(nn.Module):
        def forward(self, t, z):
            return field(t.expand(len(z), 1), z)

    # steps end at the knots, where the derivative of theirs jumps too
    options = {"method": "dopri5", "options": {"jump_t": path.grid_points}, "adjoint": False, **tight}
    z = torchcde.cdeint(path, Field(), model.initial(stacked[:, 0]), path.interval, **options)
    theirs, ours = model.readout(z[:, -1]), model(times, values)
    assert torch.allclose(ours, theirs, atol=1e-6)
    gradients = [torch.autograd.grad(y.square().sum(), [*field.parameters()]) for y in (ours, theirs)]
    for mine, other in zip(*gradients, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


def test_hermite_coefficients_are_those_of_torchcde(spirals):
    torchcde = pytest.importorskip("torchcde")
    times, values = spirals.times[0].double(), spirals.values.double()
    stacked = torch.cat([times.expand(8, -1)[..., None], values], dim=-1)
    theirs = torchcde.CubicSpline(torchcde.hermite_cubic_coefficients_with_backward_differences(stacked, times), times)
    ours = Control("hermite").path(times, values)
    places = torch.linspace(0, 15, 200, dtype=torch.float64)
    values_there = torch.stack([theirs.evaluate(s * times[-1] / 15) for s in places], dim=1)
    assert torch.allclose(ours.evaluate(places), values_there, atol=1e-6)


def test_depth_one_with_a_window_of_one_row_is_the_plain_model(spirals):
    plain = NeuralCDE(2, 2, seed=3)
    windowed = NeuralCDE(2, 2, seed=3, control=Control(window=1, log_depth=1))
    assert torch.allclose(plain(*rows(spirals)), windowed(*rows(spirals)), atol=1e-6)


def test_a_window_shortens_the_solve(spirals):
    model = NeuralCDE(2, 2, control=Control(window=5, log_depth=2))
    assert model(*rows(spirals)).shape == (8, 2)
    assert model.last.log.steps.tolist() == [3] * 8
    assert model.evolve(*rows(spirals)).shape == (8, 4, 2)


def test_a_series_does_not_depend_on_its_batch_nor_on_rows_that_do_not_count():
    generator = torch.Generator().manual_seed(1)
    times = torch.rand(4, 10, generator=generator).add(0.1).cumsum(1)
    values = torch.randn(4, 10, 2, generator=generator)
    whole = data.series(times, values, lengths=[10, 7, 3, 2])
    model = NeuralCDE(2, 3)
    together = model(*rows(whole))
    for sample, length in enumerate([10, 7, 3, 2]):
        alone = data.series(times[sample : sample + 1, :length], values[sample : sample + 1, :length])
        assert torch.allclose(model(*rows(alone))[0], together[sample], atol=1e-6)


def test_without_time_the_speed_cannot_be_seen():
    paced = data.paced_spirals(samples=6, times=20).rescaled()
    values = paced.values[:1].expand(6, -1, -1)
    blind, seeing = (NeuralCDE(2, 2, control=Control(include_time=flag)) for flag in (False, True))
    assert torch.allclose(blind(paced.times, values)[0], blind(paced.times, values)[1], atol=1e-6)
    assert not torch.allclose(seeing(paced.times, values)[0], seeing(paced.times, values)[1], atol=1e-4)


def test_the_last_output_in_time_is_the_output_of_the_series(spirals):
    for control in (Control(), Control("rectilinear"), Control("natural")):
        model = NeuralCDE(2, 2, control=control)
        assert model.evolve(*rows(spirals)).shape == (8, 16, 2)
        assert torch.allclose(model.evolve(*rows(spirals))[:, -1], model(*rows(spirals)), atol=1e-6)


def test_steps_by_the_error_end_at_the_knots_and_agree_with_small_uniform_ones(spirals):
    fine = NeuralCDE(2, 2, method="rk4", step_size=0.1)
    adaptive = NeuralCDE(2, 2, method="tsit5", step_size=None, rtol=1e-6, atol=1e-6)
    assert torch.allclose(fine(*rows(spirals)), adaptive(*rows(spirals)), atol=1e-4)
    log = adaptive.last.log
    ends = (log.time + log.size)[log.accepted]
    assert set(range(1, 16)) <= set(ends.round(decimals=9).tolist())


@pytest.mark.parametrize("gradient", ["checkpoint", "adjoint"])
def test_every_gradient_is_that_of_the_tape(gradient, spirals):
    gradients = []
    for way in ("direct", gradient):
        model = NeuralCDE(2, 2, hidden=3, width=8, method="rk4", step_size=0.5, gradient=way, seed=1).double()
        model(spirals.times[:, :8].double(), spirals.values[:, :8].double()).square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-5)


def test_the_same_seed_is_the_same_model_and_the_field_is_not_the_start():
    first, second = NeuralCDE(2, 2, hidden=3, seed=4), NeuralCDE(2, 2, hidden=3, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.allclose(first.field.layers[0].weight, first.initial[0].weight)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model(torch.arange(4.0), torch.zeros(3, 4, 5)), r"values must be a tensor \(batch, time, 2\)"),
        (lambda model: model(torch.arange(4.0), torch.zeros(4, 2)), "values must be a tensor"),
        (lambda model: model(torch.tensor([0.0, 2.0, 1.0]), torch.zeros(3, 3, 2)), "sample 0 has 2 then 1"),
        (lambda model: model(torch.tensor([[0.0, 1, 2], [0, 1, 1]]), torch.zeros(2, 3, 2)), "sample 1 has 1 then 1"),
        (lambda model: model(torch.zeros(1), torch.zeros(3, 1, 2)), "two times"),
        (lambda model: model(torch.arange(3.0), UNSEEN), "sample 1 has no measurement"),
        (lambda model: model.last, "not called yet"),
    ],
)
def test_bad_series_get_one_clear_error(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call(NeuralCDE(2, 2, width=8))


def test_a_field_of_another_shape_is_refused(spirals):
    model = NeuralCDE(2, 2)
    model.field = MatrixField(8, 5)
    with pytest.raises(InvalidArgument, match=r"field must return \(batch, hidden, channels\)"):
        model(*rows(spirals))
