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
