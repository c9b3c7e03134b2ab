import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.discovery.terms import first_hidden
from limitlab_widgets.discovery.figures import forecast, hidden_term, losses, residuals, trajectories
from limitlab_widgets.discovery.forecast import Forecasts
from limitlab_widgets.discovery.learned import Learned, Plan, Settings
from limitlab_widgets.discovery.sampling import Sampling

TINY = Settings(adam=1, quasi_newton=0, width=4, collocation=8)


@pytest.fixture
def learned():
    def made(name, trajectories=1, span=0.5):
        problem = problems.get(name).with_domain(span=span)
        plan = Plan(Sampling(problem, 6, 0.0, trajectories, 0), first_hidden(problem), problem.components, TINY)
        measured = plan.sampling.measured()
        return Learned.of(plan, measured, plan.model(measured), {"data": [1.0, 0.5]})

    return made


def test_two_states_are_maps_with_every_visited_curve_on_both(learned):
    seen = learned("lotka_volterra", trajectories=2)
    values = seen.plan.sampling.problem.values
    figure = hidden_term(seen, 1)
    maps = {trace.name: trace for trace in figure.data if trace.type == "heatmap"}
    x, y = np.meshgrid(*seen.map.axes)
    np.testing.assert_allclose(maps["truth"].z, values["delta"] * x * y, atol=1e-12)
    np.testing.assert_allclose(maps["network"].z.T, seen.map.values[1])
    curves = [trace for trace in figure.data if trace.name == "visited"]
    assert len(curves) == 4
    # both maps have the colours of the truth
    assert figure.layout.coloraxis.cmax >= maps["truth"].z.max()


def test_one_state_is_a_curve_beside_the_truth(learned):
    seen = learned("logistic")
    figure = hidden_term(seen, 0)
    values = seen.plan.sampling.problem.values
    truth = next(trace for trace in figure.data if trace.name == "truth")
    np.testing.assert_allclose(truth.y, -values["r"] / values["K"] * truth.x**2)
    visited = next(trace for trace in figure.data if trace.name == "visited")
    assert np.all(np.diff(visited.x) >= 0)


def test_three_states_are_drawn_along_the_visited_set(learned):
    seen = learned("lorenz", span=0.2)
    figure = hidden_term(seen, 0)
    features = seen.samples["features"].values
    truth = next(trace for trace in figure.data if trace.name == "truth")
    np.testing.assert_allclose(truth.y, -features[:, 0] * features[:, 2])


def test_the_figure_of_a_trajectory_is_of_that_trajectory(learned):
    seen = learned("lotka_volterra", trajectories=2)
    figure = trajectories(seen.plan.sampling.problem, seen.measured, seen, 1)
    (measured,) = [trace for trace in figure.data if trace.name == "y"]
    np.testing.assert_allclose(measured.y, seen.measured.seen.values[1, :, 1].numpy())


def test_the_residual_is_the_rate_less_the_right_side_in_units_of_the_loss(learned):
    seen = learned("logistic")
    model, problem = seen.model, seen.plan.sampling.problem
    t = seen.measured.times[:, None].clone().requires_grad_()
    u = model(t)
    (rate,) = torch.autograd.grad(u.sum(), t)
    right = problem.values["r"] * u + model.hidden_term(u)
    expected = (rate - right) * problem.span / seen.measured.seen.scale
    (line,) = residuals(seen, 0).data
    np.testing.assert_allclose(line.y, expected[:, 0].detach(), rtol=1e-8, atol=1e-10)


def test_losses_are_lines_by_term():
    figure = losses({"residual": [3.0, 2.0], "data": [1.0, 0.5]})
    assert [(trace.name, list(trace.y)) for trace in figure.data] == [("data", [1.0, 0.5]), ("residual", [3.0, 2.0])]


def test_a_forecast_that_leaves_is_cut_and_the_truth_is_not():
    times = np.linspace(0, 1, 3)
    states = {"truth": np.array([[1.0], [2.0], [1.0]]), "formula": np.array([[1.0], [5.0], [1e9]])}
    figure = forecast(problems.get("logistic"), Forecasts(("u",), times, states), 0.5)
    drawn = {trace.name: trace.y for trace in figure.data}
    np.testing.assert_array_equal(drawn["truth"], [1, 2, 1])
    np.testing.assert_array_equal(drawn["formula"], [1, 5, np.nan])
    assert Forecasts(("u",), times, states).error("formula") > 1e8
