"""The two phases of a training, and points that are drawn between them."""

from itertools import pairwise

import pytest
import torch

import limitlab as ll
from limitlab.discovery import pinn
from limitlab.errors import InvalidArgument
from limitlab.training import fit


def logistic(**options):
    problem = ll.problems.get("logistic", span=4.0)
    architecture = pinn.Architecture(width=12, layers=2)
    return problem, pinn.PINN(pinn.equations_of(problem), architecture=architecture, seed=0, **options)


def trained(model, recipe):
    return list(fit(model, recipe, device="cpu", seed=0))


def test_second_phase_gets_far_below_the_first():
    problem, model = logistic()
    points = pinn.collocation(problem, 48)
    steps = trained(model, pinn.two_phases(points, steps=(60, 150)))
    assert steps[-1].loss < 1e-4 * steps[59].loss
    exact = problem.solution_at(points[:, 0])[0]
    assert (model(points) - exact).norm() / exact.norm() < 1e-3
    assert (model(points[:1])[0] - problem.initial_value).abs().max() < 1e-14


def test_weights_move_in_the_first_phase_alone():
    problem, model = logistic(weighting=pinn.Weighting("residual_attention", points=24))
    points = pinn.collocation(problem, 24)
    training = fit(model, pinn.two_phases(points, steps=(10, 10)), device="cpu")
    seen = [model.weighting.attention.clone() for _ in training]
    moves = [not torch.equal(before, after) for before, after in pairwise(seen)]
    assert moves == [True] * 9 + [False] * 10


def test_second_phase_asks_where_the_residual_is_large():
    problem, model = logistic()
    line = torch.linspace(0, 4, 2000, dtype=torch.float64)[:, None]
    with torch.no_grad():
        size = model.residuals(line)[0].abs()
        drawn = pinn.redrawn(line, 500, seed=0)(model).batch(0)["points"][0]
        # shares |r|/mean |r| + 1 of the candidates, each at its |r|
        expected = (size * (size / size.mean() + 1)).sum() / (2 * len(line))
        assert model.residuals(drawn)[0].abs().mean().item() == pytest.approx(expected.item(), rel=0.02)
    assert expected > 1.02 * size.mean()
    recipe = pinn.two_phases(pinn.collocation(problem, 24), steps=(5, 5), candidates=line)
    assert len(trained(model, recipe)) == 10


def test_first_phase_alone_is_a_recipe_of_one():
    problem, _ = logistic()
    recipe = pinn.two_phases(pinn.collocation(problem, 8), steps=(7, 0))
    assert recipe.steps == 7
    assert len(recipe.phases) == 1


def test_moving_weights_are_refused_in_a_quasi_newton_phase():
    problem, model = logistic(weighting=pinn.Weighting("residual_attention", points=24))
    points = pinn.collocation(problem, 24)
    wrong = pinn.two_phases(points, steps=(2, 0)).then(
        3, optimizer="lbfgs", batches=pinn.batches(points, adapting=True)
    )
    with pytest.raises(InvalidArgument, match="must be fixed"):
        trained(model, wrong)


def test_bad_steps_are_named():
    with pytest.raises(InvalidArgument, match="steps"):
        pinn.two_phases(torch.zeros(3, 1), steps=(0, 5))


def test_gram_is_twice_the_sum_of_the_weighted_squares_of_the_jacobian(upinn, seen, predators):
    upinn.weighting = pinn.Weighting(weights={"data": 5.0})
    batch = pinn.batches(pinn.collocation(predators, 40), seen).batch(0)
    weights = [p for p in upinn.parameters() if p.requires_grad]
    expected = 0
    for name, values in upinn.rows(batch).items():
        rows = values.flatten()
        gradients = [torch.autograd.grad(row, weights, retain_graph=True, materialize_grads=True) for row in rows]
        jacobian = torch.stack([torch.cat([g.flatten() for g in of_row]) for of_row in gradients])
        expected = expected + 2 * upinn.weighting.weight(name) / len(rows) * jacobian.T @ jacobian
    torch.testing.assert_close(pinn.gram(upinn, batch), expected, rtol=1e-9, atol=1e-12)


def test_natural_gradients_solve_an_equation_in_a_few_steps():
    problem, model = logistic()
    points = pinn.collocation(problem, 48)
    trained(model, pinn.two_phases(points, steps=(60, 25), optimizers=("adam", "natural_gradient")))
    exact = problem.solution_at(points[:, 0])[0]
    assert (model(points) - exact).norm() / exact.norm() < 1e-3


def test_soft_conditions_and_weighted_points_are_in_the_gram():
    problem, equations = (logistic()[0], pinn.equations_of(logistic()[0]))
    condition = pinn.Soft(torch.zeros(1, 1), problem.initial_value[None])
    weighting = pinn.Weighting("residual_attention", points=8)
    weighting.attention *= 3
    small = pinn.Architecture(width=4, layers=1)
    batch = pinn.batches(pinn.collocation(problem, 8)).batch(0)
    model = pinn.PINN(equations, pinn.free([1.0], [0.0]), architecture=small, soft=(condition,), weighting=weighting)
    rows = model.rows(batch)
    weights = list(model.parameters())
    expected = 0
    for values, weight in ((rows["residual"].flatten(), 3 / 4), (rows["condition"], 2.0)):
        for row in values:
            gradient = torch.cat([g.flatten() for g in torch.autograd.grad(row, weights, retain_graph=True)])
            expected = expected + weight * gradient.outer(gradient)
    torch.testing.assert_close(pinn.gram(model, batch), expected, rtol=1e-9, atol=1e-12)


def by_natural_gradients(model, points):
    trained(model, pinn.two_phases(points, steps=(100, 40), optimizers=("adam", "natural_gradient")))
    return model


def test_lotka_and_volterra_are_solved_forwards():
    problem = ll.problems.get("lotka_volterra", span=3.0)
    model = pinn.PINN(pinn.equations_of(problem), architecture=pinn.Architecture(width=14, layers=2), seed=0)
    model = by_natural_gradients(model, pinn.collocation(problem, 100))
    times = torch.linspace(0, 3, 101, dtype=torch.float64)
    exact = problem.solve(times=times.tolist(), rtol=1e-10).y[0]
    assert (model(times[:, None]) - exact).norm() / exact.norm() < 1e-3


def test_burgers_equation_is_solved_forwards_as_by_cole_and_hopf():
    problem = pinn.burgers_from_sine(0.05)
    form = pinn.evolution(problem, "-sin(pi*x)", "zero")
    architecture = pinn.Architecture(width=14, layers=2)
    model = pinn.PINN(pinn.equations_of(problem), form, architecture=architecture, seed=0)
    model = by_natural_gradients(model, pinn.collocation(problem, 300, seed=0))
    grid = pinn.collocation(problem, 500, seed=9)
    exact = pinn.burgers_solution(grid, 0.05)
    assert (model(grid)[:, 0] - exact).norm() / exact.norm() < 3e-3
    walls = torch.tensor([[0.3, -1.0], [0.9, 1.0]], dtype=torch.float64)
    assert model(walls).abs().max() < 1e-14
