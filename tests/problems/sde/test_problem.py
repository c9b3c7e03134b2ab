"""Stochastic problems as a class: paths along their noise, calculus, kinds of noise, LaTeX, what is not known."""

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument

SDES = problems.catalogue("sde")
SOLVED = [problem.name for problem in SDES if problem.solution is not None]


@pytest.mark.parametrize("name", SOLVED)
def test_simulated_paths_follow_the_solution_along_their_brownian_motion(name):
    """With a step of 1/1000, mean square errors are below 3e-2: strong order one half would give about that."""
    problem = problems.get(name)
    problem = problem.with_domain(span=min(problem.span, 2.0), frames=5)
    paths, exact = problem.simulate(50, seed=2, step_size=1e-3), problem.exact(50, seed=2)
    error = np.sqrt(((paths["y"] - exact["y"]) ** 2).mean(["sample", "state"]))
    assert float(error.isel(time=0)) == pytest.approx(0.0, abs=1e-14)
    assert float(error.max()) < 3e-2


@pytest.mark.parametrize(("method", "order"), [("euler_maruyama", 0.5), ("milstein", 1.0)])
def test_geometric_brownian_motion_shows_the_strong_order(method, order):
    problem = problems.get("geometric_brownian", sigma=0.8).with_domain(frames=2)
    exact = problem.exact(400, seed=1)["y"].values[:, -1]
    steps = [0.1, 0.05, 0.02, 0.01]
    errors = [
        np.sqrt(((problem.simulate(400, seed=1, method=method, step_size=h)["y"].values[:, -1] - exact) ** 2).mean())
        for h in steps
    ]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(order, abs=0.2)


def test_calculus_conversions_are_inverse_and_right_for_geometric_motion():
    problem = problems.get("geometric_brownian", sigma=0.5)
    y = torch.tensor([[2.0]], dtype=torch.float64)
    time = torch.zeros(1, 1, dtype=torch.float64)
    ito, stratonovich = (problem.drift(calculus=c)(time, y) for c in ("ito", "stratonovich"))
    assert float(ito - stratonovich) == pytest.approx(0.5 * 0.5**2 * 2.0)
    basket = problems.get("black_scholes_basket", sigma=0.5, sites=3)
    prices = torch.ones(1, 3, dtype=torch.float64)
    gap = basket.drift()(time, prices) - basket.drift(calculus="stratonovich")(time, prices)
    assert torch.allclose(gap, torch.full_like(gap, 0.125))


@pytest.mark.parametrize(
    ("text", "noise"),
    [
        ("dx = -x*dt + dW1; dy = -y*dt + t*dW2", "additive"),
        ("dx = x*dW1; dy = y*dW2", "diagonal"),
        ("dx = x*dW; dy = x*dW", "scalar"),
        ("dx = x*dW1 + x*dW2; dy = y*dW1 - y*dW2", "commutative"),
        ("dx = dW1; dy = x*dW2", "general"),
        ("dx = y*dW1; dy = x*dW2", "general"),
        ("dx = x*dW2", "diagonal"),
    ],
)
def test_the_kind_of_noise_is_read_from_the_equations(text, noise):
    assert problems.parse(text).noise == noise


def test_every_stochastic_problem_has_latex_and_finite_paths():
    for problem in SDES:
        latex = problem.latex()
        assert latex.count("{") == latex.count("}")
        assert r"\mathrm{d}W" in latex
        span = min(problem.span, 20 * problem.step_size)
        data = problem.with_domain(span=span, frames=3).simulate(4, seed=0)
        assert data.sizes == {"sample": 4, "time": 3, "state": problem.dimension}
        assert bool(np.isfinite(data["y"]).all())
    assert r"\circ \mathrm{d}W" in problems.get("kubo").latex()


def test_a_noisy_sample_depends_only_on_seed_and_its_number():
    problem = problems.get("stochastic_lotka_volterra").with_domain(span=1.0, frames=3)
    together = problem.simulate(4, seed=5)["y"].values
    assert np.array_equal(together[2], problem.simulate(1, seed=5, first=2)["y"].values[0])
    assert not np.array_equal(together[0], problem.simulate(1, seed=6)["y"].values[0])


def test_finer_steps_follow_the_same_brownian_motion():
    problem = problems.get("ornstein_uhlenbeck").with_domain(span=1.0, frames=3)
    coarse, fine = (problem.simulate(20, seed=1, step_size=h)["y"].values for h in (0.02, 0.002))
    assert np.abs(coarse - fine).max() < 1e-2


def test_what_is_not_known_of_a_stochastic_problem_is_said():
    problem = problems.get("stochastic_lorenz")
    for ask in (problem.moments, lambda: problem.stationary_density(torch.zeros(1)), lambda: problem.exact(1)):
        with pytest.raises(InvalidArgument, match="stochastic_lorenz"):
            ask()
