"""Networks that have seen no solution of an elliptic equation: the equation, its rivals, and what training reaches."""

import math

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import UnknownName
from limitlab.experiments.operators.lordnet.poisson_lordnet import EQUATIONS, NETWORKS, BoxEquation
from limitlab.training.losses.residuals import KINDS

EXPERIMENT = experiments.get("poisson_lordnet")


@pytest.fixture(scope="module")
def result():
    settings = EXPERIMENT.configure("smoke", device="cpu", networks=tuple(NETWORKS))
    return EXPERIMENT.train(settings).finish()


def test_every_network_is_trained_measured_and_drawn(result):
    assert [str(name).partition("/")[0] for name in result.metrics["model"].values] == list(NETWORKS)
    for variable in ("error", "residual", "error_of_mode", "residual_of_mode", "green"):
        assert bool(np.isfinite(result.metrics[variable]).all())
    assert set(result.figures()) == {"error", "residual", "error_of_mode", "residual_of_mode", "green"}


def test_every_loss_trains_on_the_same_sources():
    settings = EXPERIMENT.configure("smoke", device="cpu", losses=KINDS, steps=2, networks=("lordnet",))
    trained = EXPERIMENT.train(settings).finish()
    assert trained.grid("network", "loss").sizes["loss"] == len(KINDS)
    first = [trial.recipe.batches.batch(3)["input"] for trial in trained.prepared.trials]
    assert all(torch.equal(batch, first[0]) for batch in first)


def test_nothing_that_trains_without_solutions_is_given_any():
    settings = EXPERIMENT.configure("smoke", losses=KINDS, networks=("lordnet",))
    given = {trial.at["loss"]: set(trial.recipe.batches.batch(0)) for trial in EXPERIMENT.prepare(settings).trials}
    assert given.pop("supervised") == {"input", "target"}
    assert set(map(frozenset, given.values())) == {frozenset({"input"})}


@pytest.mark.parametrize("name", sorted(EQUATIONS.keys() - {"body"}))
def test_the_sine_series_solves_the_difference_equations(name):
    equation = BoxEquation(15, *EQUATIONS[name])
    f = equation.sources(3, 0).double()
    u = equation.solve(f)
    assert (equation.product(u) - f).norm() < 1e-12 * f.norm()
    assert float(equation.eigenvalues.min()) > 0
    units = torch.eye(15**2, dtype=torch.float64).reshape(-1, 1, 15, 15)
    values = torch.linalg.eigvalsh(equation.product(units).reshape(15**2, -1))
    assert torch.allclose(values, equation.eigenvalues.flatten().sort().values, rtol=1e-9)


def test_around_a_body_the_equations_are_those_of_the_free_nodes():
    equation = BoxEquation(15, *EQUATIONS["body"])
    f, free = equation.sources(3, 0).double(), equation.fluid.bool()
    u = equation.solve(f)
    assert (equation.product(u) - f).norm() < 1e-12 * f.norm()
    assert float(u[..., ~free].abs().max()) == 0.0
    assert 10 < int((~free).sum()) < 60
    # the matrix of the empty square without the rows and columns of the body
    units = torch.eye(15**2, dtype=torch.float64).reshape(-1, 1, 15, 15)
    whole = BoxEquation(15).product(units).reshape(15**2, -1)
    kept = free.flatten()
    exact = torch.linalg.solve(whole[kept][:, kept], f.reshape(3, -1)[:, kept].T).T
    assert torch.allclose(u[..., free].reshape(3, -1), exact, atol=1e-12)


def test_training_without_solutions_finds_them_around_a_body():
    options = {"networks": ("lordnet",), "losses": ("energy",), "steps": 100, "width": 8, "batch_size": 8, "rate": 3.0}
    settings = EXPERIMENT.configure("smoke", optimizer="adam", device="cpu", equation="body", **options)
    trained = EXPERIMENT.train(settings).finish()
    assert float(trained.metrics["error"].mean()) < 0.2
    equation, (model,) = trained.prepared.data.equation, trained.models.values()
    with torch.no_grad():
        u = model(equation.sources(2, 9))
    assert float(u[..., equation.fluid == 0].abs().max()) == 0.0


@pytest.mark.parametrize("ratio", [1.0, 0.25])
def test_a_manufactured_solution_is_met_to_order_two(ratio):
    errors = []
    for n in (15, 31):
        points = torch.arange(1, n + 1, dtype=torch.float64) / (n + 1)
        u = torch.sin(math.pi * points)[:, None] * torch.sin(2 * math.pi * points)
        f = (math.pi**2 * (1 + 4 * ratio) + 7.0) * u
        errors.append(float((BoxEquation(n, ratio, 7.0).solve(f[None]) - u).norm() / u.norm()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


def test_sources_have_a_mean_square_of_one_and_are_drawn_anew():
    equation = BoxEquation(31)
    f = equation.sources(2000, 0)
    assert float(f.square().mean()) == pytest.approx(1.0, rel=0.1)
    assert not torch.allclose(equation.sources(4, 1), equation.sources(4, 2))


def test_a_source_in_a_corner_has_the_integral_one():
    f = BoxEquation(31).corner_source()
    assert float(f.sum()) / 32**2 == pytest.approx(1.0)


def test_a_linear_network_answers_a_sum_of_sources_with_the_sum_of_answers(result):
    linear = {"lordnet", "random", "cnn_linear"}
    f, g = BoxEquation(15).sources(2, 5).split(1)
    for trial in result.prepared.trials:
        model = result.models[trial.name, 0]
        with torch.no_grad():
            same = torch.allclose(model(f + g), model(f) + model(g), atol=1e-6)
        assert same == (trial.at["network"] in linear)


@pytest.mark.parametrize(("loss", "least"), [("energy", 0.15), ("multilevel", 0.4)])
def test_training_without_solutions_finds_them(loss, least):
    options = {"networks": ("lordnet",), "losses": (loss,), "steps": 100, "width": 8, "batch_size": 8, "rate": 3.0}
    settings = EXPERIMENT.configure("smoke", optimizer="adam", device="cpu", **options)
    error = EXPERIMENT.train(settings).finish().metrics["error"]
    assert float(error.mean()) < least


def test_from_random_matrices_the_residual_leads_to_nothing():
    settings = EXPERIMENT.configure("smoke", networks=("random", "lordnet"), steps=120, width=8, device="cpu")
    error = EXPERIMENT.train(settings).finish().grid("network")["error"].mean(("seed", "sample"))
    assert float(error.sel(network="random")) > 0.8 > float(error.sel(network="lordnet"))


def test_unknown_networks_are_named():
    with pytest.raises(UnknownName, match="did you mean 'lordnet'"):
        EXPERIMENT.configure("smoke", networks=("lordnett",))
