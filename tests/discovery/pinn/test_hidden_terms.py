"""Hidden terms: what is taken out of an equation, how its error is measured, what the samples hold."""

import pytest
import torch

import limitlab as ll
from limitlab.discovery import pinn
from limitlab.errors import InvalidArgument, UnknownName


def grid(predators, count=21):
    return pinn.collocation(predators, count)


def test_residual_is_the_whole_one_with_the_network_in_place_of_the_terms(upinn, predators):
    points = grid(predators)
    fields = upinn.surrogate(0).fields(points)
    whole = pinn.equations_of(predators).evaluate(points, fields, predators.values)
    truth = upinn.truth(points, fields)
    assert torch.allclose(truth[:, 0], -0.9 * fields["x"] * fields["y"])
    assert torch.allclose(truth[:, 1], 0.8 * fields["x"] * fields["y"])
    term = upinn.hidden_term(upinn.features(points, fields))
    assert torch.allclose(upinn.residuals(points), whole + (truth - term).T, atol=1e-12)


def test_error_is_the_distance_on_the_visited_set(upinn, predators):
    points = grid(predators)
    fields = upinn.surrogate(0).fields(points)
    truth, term = upinn.truth(points, fields), upinn.hidden_term(upinn.features(points, fields))
    error = upinn.term_error(points)
    assert error["error"].item() == pytest.approx(((term - truth).norm() / truth.norm()).item())
    assert error["term_error"].sel(term="y").item() == pytest.approx(
        ((term - truth)[:, 1].norm() / truth[:, 1].norm()).item()
    )


def test_samples_leave_out_the_ends(upinn, predators):
    samples = upinn.samples(grid(predators, 101))
    assert dict(samples.sizes) == {"sample": 91, "feature": 2, "term": 2}
    assert samples["feature"].values.tolist() == ["x", "y"]
    assert samples["term"].values.tolist() == ["x", "y"]
    inside = grid(predators, 101)[5:-5]
    assert torch.allclose(torch.tensor(samples["features"].values), upinn(inside).detach())
    assert dict(upinn.samples(grid(predators, 101), excluded=0.0).sizes)["sample"] == 101


def test_trajectories_share_the_term(predators, hidden, small):
    y0 = torch.tensor([[0.5, 4.0], [2.0, 1.0]], dtype=torch.float64)
    times = torch.linspace(0, 3, 5, dtype=torch.float64)
    y = predators.solve(y0, times=times.numpy()).y
    seen = pinn.Measurements(times[:, None].expand(2, -1, 1), y)
    forms = [pinn.initial_value(predators, seen.scale.tolist(), start.tolist()) for start in y0]
    model = pinn.UPINN(pinn.equations_of(predators), hidden, seen, forms, architecture=small, seed=0)
    assert len(model.surrogates) == 2
    start = torch.zeros(1, 1, dtype=torch.float64)
    assert torch.allclose(torch.cat([model(start, k) for k in range(2)]), y0)
    assert set(model.samples(grid(predators))["trajectory"].values.tolist()) == {0, 1}
    rows = model.rows(pinn.batches(grid(predators), seen).batch(0))
    assert rows["residual"].shape == (2, 2, 21)
    assert rows["data"].shape == (20,)


def test_features_are_standardised_by_the_data(upinn, seen):
    term = upinn.term.features
    middle = term(seen.mean[None], torch.zeros(0, 2, dtype=torch.float64), 0)
    above = term((seen.mean + seen.scale)[None], torch.zeros(0, 2, dtype=torch.float64), 0)
    assert middle.abs().max() < 1e-12
    assert torch.allclose(above, torch.ones_like(above))


def test_derivatives_may_be_inputs_of_a_field(small):
    problem = pinn.burgers_from_sine(0.05)
    points = pinn.collocation(problem, 32, seed=0)
    seen = pinn.Measurements(points[None], pinn.burgers_solution(points, 0.05)[None, :, None])
    hidden = pinn.HiddenTerms({"u": "-u*u_x"}, inputs=("u", "u_x"), architecture=small, scales=(0.5, 3.0))
    form = pinn.evolution(problem, "-sin(pi*x)", "zero")
    model = pinn.UPINN(pinn.equations_of(problem), hidden, seen, form, architecture=small, seed=0)
    fields = model.surrogate(0).fields(points)
    assert torch.allclose(model.truth(points, fields)[:, 0], -fields["u"] * fields["u_x"])
    assert model.samples(points)["feature"].values.tolist() == ["u", "u_x"]


@pytest.fixture
def whole_loss(small):
    """Scattered values, walls, and the residual of Burgers' equation with a hidden term and an unknown nu."""
    problem = pinn.burgers_from_sine(0.05)
    points = pinn.collocation(problem, 24, seed=0)
    seen = pinn.Measurements(points[None, ::2], pinn.burgers_solution(points[::2], 0.05)[None, :, None])
    hidden = pinn.HiddenTerms({"u": "-u*u_x"}, inputs=("u", "u_x"), architecture=small, scales=(0.5, 3.0))
    walls = pinn.Soft(torch.tensor([[0.3, -1.0], [0.6, 1.0]], dtype=torch.float64), torch.zeros(2, 1))
    model = pinn.UPINN(
        pinn.equations_of(problem), hidden, seen, pinn.free([1.0], [0.0]), architecture=small, unknown={"nu": 0.08},
        soft=(walls,), seed=0,
    )  # fmt: skip
    batch = pinn.batches(points, seen).batch(0)
    return model, lambda: sum(pinn.loss(model, batch).values())


@pytest.mark.parametrize("part", ["surrogates", "term", "raw"])
def test_gradient_of_the_whole_loss_in_each_network_and_in_the_unknown_is_that_of_central_differences(
    whole_loss, part, slopes
):
    """In phi, in psi and in theta alone, each along a direction of its own: to 1e-6."""
    model, loss = whole_loss
    by_gradient, by_differences = slopes(loss, getattr(model, part).parameters())
    assert by_differences == pytest.approx(by_gradient, rel=1e-6)


def test_unknown_term_has_no_error_but_samples(predators, seen, small):
    hidden = pinn.HiddenTerms({"x": None}, inputs=("x", "y"), architecture=small)
    forms = pinn.initial_value(predators, 1.0)
    model = pinn.UPINN(pinn.equations_of(predators), hidden, seen, forms, architecture=small)
    assert "truth" not in model.samples(grid(predators))
    with pytest.raises(InvalidArgument, match="no text to be compared with"):
        model.term_error(grid(predators))


@pytest.mark.parametrize(
    ("terms", "inputs", "error", "message"),
    [
        ({"x": None}, ("t",), InvalidArgument, "forcing=True"),
        ({"z": None}, ("x",), UnknownName, "equation"),
        ({"x": "-beta*x"}, ("x",), InvalidArgument, "must hold the term"),
        ({"x": None}, ("z",), UnknownName, "unknown of the equation"),
    ],
)
def test_bad_terms_are_named(terms, inputs, error, message, predators, seen):
    hidden = pinn.HiddenTerms(terms, inputs=inputs)
    with pytest.raises(error, match=message):
        pinn.UPINN(pinn.equations_of(predators), hidden, seen, pinn.initial_value(predators, 1.0))


def test_forcing_is_taken_where_it_is_said(predators, seen, small):
    hidden = pinn.HiddenTerms({"x": None}, inputs=("t",), architecture=small, forcing=True)
    model = pinn.UPINN(pinn.equations_of(predators), hidden, seen, pinn.initial_value(predators, 1.0))
    assert model.samples(grid(predators))["feature"].values.tolist() == ["t"]


def test_one_form_for_each_trajectory(predators, seen, hidden):
    forms = [pinn.initial_value(predators, 1.0)] * 2
    with pytest.raises(InvalidArgument, match="each of 1 trajectories"):
        pinn.UPINN(pinn.equations_of(predators), hidden, seen, forms)


def test_hidden_terms_need_an_equation():
    with pytest.raises(InvalidArgument, match="need an equation"):
        pinn.HiddenTerms({}, inputs=("x",))
    assert ll.discovery.pinn.HiddenTerms({"x": None}, ("x",)).equations == ("x",)
