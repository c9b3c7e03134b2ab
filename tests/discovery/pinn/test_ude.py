"""The rival: a hidden term in the field of a solver."""

import pytest
import torch

from limitlab.discovery import pinn
from limitlab.errors import InvalidArgument


@pytest.fixture
def rival(predators, seen, hidden):
    initial = predators.initial_value[None]
    return pinn.UniversalODE(pinn.equations_of(predators), hidden, seen, initial, seed=0)


def test_field_is_the_known_part_and_the_network(rival, predators):
    y = torch.rand(4, 2, dtype=torch.float64) + 0.5
    known = torch.stack([1.3 * y[:, 0], -1.8 * y[:, 1]], -1)
    assert torch.allclose(rival.field(torch.zeros(4, 1), y), known + rival.hidden_term(y), atol=1e-12)


def test_network_is_that_of_the_surrogate_model(rival, upinn):
    for name, value in upinn.term.state_dict().items():
        assert torch.equal(value, rival.term.state_dict()[name]), name
    features = torch.rand(3, 2, dtype=torch.float64)
    assert torch.allclose(rival.hidden_term(features), upinn.hidden_term(features))


def test_gradient_goes_through_the_solver(rival, seen, slopes):
    batch = {"data_points": seen.points, "data_values": seen.values}
    by_gradient, by_differences = slopes(lambda: pinn.ude_loss(rival, batch)["data"], rival.parameters(), step=1e-4)
    assert by_differences == pytest.approx(by_gradient, rel=1e-3)


def test_true_field_has_no_loss(rival, seen, predators):
    rival.hidden_term = lambda y: torch.stack([-0.9 * y[:, 0] * y[:, 1], 0.8 * y[:, 0] * y[:, 1]], -1)
    loss = rival.losses({"data_points": seen.points, "data_values": seen.values})["data"]
    assert loss.item() < 1e-9
    assert torch.allclose(rival(seen.points[0, :, 0]), seen.values, atol=1e-4)


def test_fields_and_derivatives_are_refused_by_name(predators, seen):
    problem = pinn.burgers_from_sine(0.05)
    with pytest.raises(InvalidArgument, match="ordinary"):
        pinn.UniversalODE(pinn.equations_of(problem), pinn.HiddenTerms({"u": None}, ("u",)), seen, seen.values[:, 0])
    with pytest.raises(InvalidArgument, match="must be states"):
        pinn.UniversalODE(
            pinn.equations_of(predators), pinn.HiddenTerms({"x": None}, ("x_t",)), seen, seen.values[:, 0]
        )


def test_sums_of_equations_are_refused(predators, seen, hidden):
    sums = pinn.equations_of(predators).summed({"x": ("y",)})
    with pytest.raises(InvalidArgument, match="one rate each"):
        pinn.UniversalODE(sums, hidden, seen, seen.values[:, 0])


def test_another_term_stands_in_units_of_the_equations(predators, seen, hidden):
    class Products(torch.nn.Module):
        def forward(self, features):
            return features.prod(-1, keepdim=True) * torch.tensor([-0.9, 0.8], dtype=torch.float64)

    initial = predators.initial_value[None]
    model = pinn.UniversalODE(pinn.equations_of(predators), hidden, seen, initial, term=Products())
    assert torch.allclose(model(seen.points[0, :, 0]), seen.values, atol=1e-4)


def test_a_field_that_blows_up_has_an_infinite_loss_which_a_line_search_leaves(predators, seen, hidden):
    class Explosive(torch.nn.Module):
        """w y^2 in both equations: a singularity before the end for w above a few tenths."""

        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(50.0, dtype=torch.float64))

        def forward(self, y):
            return self.w * y.square()

    model = pinn.UniversalODE(pinn.equations_of(predators), hidden, seen, seen.values[:, 0], term=Explosive())
    (loss,) = pinn.ude_loss(model, pinn.batches(torch.zeros(1, 1), seen).batch(0)).values()
    loss.backward()
    assert loss == float("inf")
    assert model.term.w.grad == 0
