"""Networks that solve equations: their rows, their gradients, their conditions, and unknown parameters."""

import math

import pytest
import torch

import limitlab as ll
from limitlab.discovery import pinn
from limitlab.errors import InvalidArgument, UnknownName


def polished(model, batch, steps):
    """L-BFGS, its own loop: an oracle for what a recipe does."""
    trained = list(model.parameters())
    optimizer = torch.optim.LBFGS(trained, max_iter=steps, history_size=50, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-12, tolerance_change=1e-15)  # fmt: skip

    def closure():
        optimizer.zero_grad()
        total = sum(pinn.loss(model, batch).values())
        total.backward()
        return total

    optimizer.step(closure)
    return model


def test_forward_solution_and_its_start_are_exact_after_training():
    problem = ll.problems.get("logistic", span=4.0)
    model = pinn.PINN(pinn.equations_of(problem), architecture=pinn.Architecture(width=12, layers=2), seed=0)
    points = pinn.collocation(problem, 48)
    polished(model, pinn.batches(points).batch(0), 200)
    exact = problem.solution_at(points[:, 0])[0]
    assert (model(points) - exact).norm() / exact.norm() < 1e-4
    assert (model(points[:1])[0] - problem.initial_value).abs().max() < 1e-14


def test_unknown_parameter_is_found_from_clean_data():
    problem = ll.problems.get("logistic", span=4.0)
    (first, *_) = problem.values
    exact = problem.values[first]
    points = pinn.collocation(problem, 48)
    seen = pinn.Measurements(points[None, ::6], problem.solution_at(points[::6, 0]))
    model = pinn.PINN(pinn.equations_of(problem), architecture=pinn.Architecture(width=12, layers=2),
                      scale=seen.scale.tolist(), unknown={first: 3 * exact}, seed=0)  # fmt: skip
    assert model.parameters_of_equation[first].item() == pytest.approx(3 * exact)
    polished(model, pinn.batches(points, seen).batch(0), 250)
    assert model.parameters_of_equation[first].item() == pytest.approx(exact, rel=1e-3)


def test_rows_are_scaled_by_the_size_of_the_unknowns_and_the_span(predators, seen, small):
    equations = pinn.equations_of(predators)
    model = pinn.PINN(equations, architecture=small, scale=[2.0, 5.0], seed=0)
    points = pinn.collocation(predators, 9)
    rows = model.rows(pinn.batches(points, seen).batch(0))
    expected = model.residuals(points) * 3.0 / torch.tensor([[2.0], [5.0]])
    assert torch.allclose(rows["residual"][0], expected)
    difference = (model(seen.points[0]) - seen.values[0]) / torch.tensor([2.0, 5.0])
    assert torch.allclose(rows["data"], difference.flatten())


def test_values_that_were_not_observed_count_for_nothing(predators, seen, small):
    values = seen.values.clone()
    values[0, 3:, 1] = float("nan")
    model = pinn.PINN(pinn.equations_of(predators), architecture=small, seed=0)
    batch = pinn.batches(pinn.collocation(predators, 9), pinn.Measurements(seen.points, values)).batch(0)
    assert model.rows(batch)["data"].shape == (12 + 3,)
    total = sum(pinn.loss(model, batch).values())
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_soft_conditions_are_terms_of_the_loss(predators, small):
    start = torch.zeros(1, 1, dtype=torch.float64)
    rest = pinn.Soft(start, torch.tensor([[1.0, math.nan]]), axes="t")
    place = pinn.Soft(start, torch.tensor([[0.5, 2.0]]))
    form = pinn.free([1.0, 1.0], [0.0, 0.0])
    model = pinn.PINN(
        pinn.equations_of(predators), form, architecture=small, scale=[2.0, 4.0], soft=(rest, place), seed=0
    )
    rows = model.rows(pinn.batches(pinn.collocation(predators, 5)).batch(0))["condition"]
    x, y = model(start)[0]
    t = start.clone().requires_grad_()
    slope = torch.autograd.grad(model(t)[0, 0], t)[0][0, 0]
    assert rows.tolist() == pytest.approx([(slope - 1).item() * 3 / 2, (x - 0.5).item() / 2, (y - 2).item() / 4])


def test_gradient_of_the_whole_loss_is_that_of_central_differences(upinn, seen, predators, slopes):
    batch = pinn.batches(pinn.collocation(predators, 9), seen).batch(0)
    by_gradient, by_differences = slopes(lambda: sum(pinn.loss(upinn, batch).values()), upinn.parameters())
    assert by_differences == pytest.approx(by_gradient, rel=1e-6)


@pytest.mark.parametrize("name", ["alpha", "gamma"])
def test_gradient_in_an_unknown_parameter_is_that_of_central_differences(predators, seen, small, slopes, name):
    unknown = {"alpha": pinn.Unknown(1.0), "gamma": pinn.Unknown(2.0, positive=False)}
    model = pinn.PINN(pinn.equations_of(predators), architecture=small, unknown=unknown, seed=0)
    batch = pinn.batches(pinn.collocation(predators, 9), seen).batch(0)
    by_gradient, by_differences = slopes(lambda: sum(pinn.loss(model, batch).values()), [model.raw[name]])
    assert by_differences == pytest.approx(by_gradient, rel=1e-6)


def test_positive_unknowns_keep_their_sign():
    below = torch.tensor(-50.0, dtype=torch.float64)
    assert 0 < pinn.Unknown(2.0).value(below) < 1e-10
    assert pinn.Unknown(-2.0).value(below) < 0
    assert pinn.Unknown(7.8e8).value(torch.zeros((), dtype=torch.float64)).item() == pytest.approx(7.8e8)


def test_periodic_problem_with_a_text_needs_no_form():
    problem = ll.problems.parse("u_t = D*u_xx", {"D": 0.1}, initial="sin(2*pi*x)")
    model = pinn.PINN(pinn.equations_of(problem), architecture=pinn.Architecture(width=8, layers=1), seed=0)
    z = torch.tensor([[0.4, 0.0], [0.4, 1.0], [0.0, 0.25]], dtype=torch.float64)
    u = model(z)[:, 0]
    assert (u[0] - u[1]).abs() < 1e-12
    assert u[2].item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unknown": {"alfa": 1.0}}, UnknownName, "did you mean 'alpha'"),
        ({"scale": [1.0]}, InvalidArgument, "scale"),
        ({"seed": -1}, InvalidArgument, "seed"),
    ],
)
def test_bad_arguments_are_named(options, error, message, predators):
    with pytest.raises(error, match=message):
        pinn.PINN(pinn.equations_of(predators), **options)


def test_what_a_pinn_needs_is_named(predators):
    with pytest.raises(InvalidArgument, match="forms must be an Ansatz"):
        pinn.PINN(pinn.equations_of(ll.problems.get("burgers")))
    with pytest.raises(InvalidArgument, match="no known term"):
        pinn.PINN(pinn.equations_of(predators).without({"x": "-beta*x*y"}), unknown={"beta": 1.0})
    with pytest.raises(InvalidArgument, match="must not be 0"):
        pinn.Unknown(0.0)


def test_points_and_values_of_every_trajectory_are_asked_for(predators, seen, small):
    forms = [pinn.initial_value(predators, 1.0)] * 2
    model = pinn.PINN(pinn.equations_of(predators), forms, architecture=small)
    points = pinn.collocation(predators, 5)
    # with one set of points the second network would never be trained
    with pytest.raises(InvalidArgument, match="points must hold t for each of 2 trajectories"):
        pinn.loss(model, pinn.batches(points).batch(0))
    with pytest.raises(InvalidArgument, match="each of 2 trajectories"):
        pinn.loss(model, pinn.batches(points, seen).batch(0))
    one = pinn.PINN(pinn.equations_of(predators), architecture=small)
    short = pinn.Measurements(seen.points, seen.values[..., :1])
    with pytest.raises(InvalidArgument, match="data_values must hold x, y"):
        pinn.loss(one, pinn.batches(points, short).batch(0))


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        (pinn.Soft(torch.zeros(1, 2), torch.zeros(1, 2)), InvalidArgument, "a soft condition of lotka_volterra"),
        (pinn.Soft(torch.zeros(1, 1), torch.zeros(1, 1)), InvalidArgument, "a soft condition of lotka_volterra"),
        (pinn.Soft(torch.zeros(1, 1), torch.zeros(1, 2), axes="x"), UnknownName, "axis"),
        (pinn.Soft(torch.zeros(1, 1), torch.zeros(1, 2), trajectory=1), InvalidArgument, "trajectory"),
    ],
)
def test_soft_conditions_that_do_not_fit_are_named(condition, error, message, predators):
    with pytest.raises(error, match=message):
        pinn.PINN(pinn.equations_of(predators), soft=(condition,))


def test_residuals_are_measured_by_how_fast_their_equation_is_and_by_the_logarithm_of_time():
    problem = ll.problems.get("lotka_volterra", span=2.0)
    fast = pinn.equations_of(problem).summed({}, rates={"y": 50.0}, onset=0.1)
    model = pinn.PINN(fast, scale=(2.0, 3.0), seed=0)
    points = torch.tensor([[0.0], [0.9]], dtype=torch.float64)
    expected = torch.tensor([[2 * (0.5 + 10), 2 * (0.5 + 1)], [3 * (50 + 10), 3 * (50 + 1)]], dtype=torch.float64)
    assert torch.allclose(model.residual_scale(points), expected)
    rows = model.rows({"points": points[None]})["residual"][0]
    assert torch.allclose(rows * expected, model.residuals(points))
