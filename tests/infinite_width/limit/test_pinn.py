"""The tangent kernel of physics-informed networks: published traces, finite differences, finite networks."""

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import (
    Dense,
    Network,
    chain,
    empirical_pinn_kernel,
    kernels,
    laplacian,
    limit_pinn_kernel,
    mlp,
)
from limitlab.infinite_width.limit.pinn import Pinn

ONE_LAYER = chain(Dense(4.0, 1.0), "erf", Dense(1.0))
INTERIOR = torch.linspace(0.02, 0.98, 20, dtype=torch.float64)[:, None]
BOUNDARY = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


@pytest.fixture(scope="module")
def limit():
    return limit_pinn_kernel(ONE_LAYER, INTERIOR, BOUNDARY)


def test_interior_of_a_poisson_problem_is_learned_forty_times_faster_than_its_boundary(limit):
    """Traces per point 65.05 and 1.575, for u'' with one hidden layer of erf."""
    assert float(limit.interior.trace()) / 20 == pytest.approx(65.05, abs=0.01)
    assert float(limit.boundary.trace()) / 2 == pytest.approx(1.575, abs=0.001)


@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_nested_differentiation_is_what_finite_differences_say(name):
    """K_rr and K_ur of u'' from fourth-order differences of the kernel itself, to 1e-4."""
    architecture = chain(Dense(4.0, 1.0), name, Dense(2.0, 0.5), name, Dense(1.0))
    x = torch.tensor([[0.1], [0.45], [0.8]], dtype=torch.float64)
    ours = limit_pinn_kernel(architecture, x, BOUNDARY)
    h = 0.01
    stencil = torch.tensor([-1.0, 16.0, -30.0, 16.0, -1.0], dtype=torch.float64) / (12 * h**2)
    spread = (x + h * torch.arange(-2, 3, dtype=torch.float64)).reshape(-1, 1)
    interior = torch.einsum(
        "iajb,a,b->ij", kernels(architecture, spread, spread).ntk.reshape(3, 5, 3, 5), stencil, stencil
    )
    mixed = kernels(architecture, BOUNDARY, spread).ntk.reshape(2, 3, 5) @ stencil
    assert (ours.interior - interior).abs().max() < 1e-4 * interior.abs().max()
    assert (ours.mixed - mixed).abs().max() < 1e-4 * mixed.abs().max()


def test_block_kernel_is_positive_semidefinite_before_and_after_weighting(limit):
    for kernel in (limit, limit.weighted(*limit.weights())):
        matrix = kernel.matrix()
        eigenvalues = torch.linalg.eigvalsh(matrix)
        assert (matrix - matrix.T).abs().max() < 1e-10 * eigenvalues[-1]
        assert eigenvalues[0] > -1e-10 * eigenvalues[-1]


def test_weights_even_out_the_traces(limit):
    boundary, interior = limit.weights()
    total = float(limit.matrix().trace())
    evened = limit.weighted(boundary, interior)
    assert float(evened.boundary.trace()) == pytest.approx(total)
    assert float(evened.interior.trace()) == pytest.approx(total)


def test_weighted_kernel_has_the_eigenvalues_of_weighted_training(limit):
    boundary, interior = 3.0, 0.5
    weights = torch.cat([torch.full((2,), boundary), torch.full((20,), interior)]).double()
    training = torch.linalg.eigvals(weights[:, None] * limit.matrix()).real.sort().values
    assert (
        torch.linalg.eigvalsh(limit.weighted(boundary, interior).matrix()) - training
    ).abs().max() < 1e-8 * training[-1]


def test_finite_networks_tend_to_the_limit_like_one_over_root_width(limit):
    """Relative error of K_rr over widths 100 to 6400, the mean of 5 seeds: an exponent of -1/2 +- 0.2."""
    widths = (100, 800, 6400)
    errors = []
    for width in widths:
        own = [
            empirical_pinn_kernel(Network(ONE_LAYER, 1, width, seed=s), INTERIOR, BOUNDARY).interior for s in range(5)
        ]
        errors.append(np.mean([float((k - limit.interior).norm() / limit.interior.norm()) for k in own]))
    assert np.polyfit(np.log(widths), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.2)


def test_network_obeys_its_block_kernel():
    """One small step of gradient descent moves (u(b), u''(r)) by -rate K times the residuals; to first order."""
    network = Network(mlp(2, "tanh", 2.0, 0.5), 1, 20)
    kernel = empirical_pinn_kernel(network, INTERIOR, BOUNDARY, chunk=7).matrix()

    def conditions():
        second = torch.func.vmap(lambda p: laplacian(lambda q: network(q[None])[0, 0], p))
        return torch.cat([network(BOUNDARY)[:, 0], second(INTERIOR)])

    target = torch.linspace(-1, 1, 22, dtype=torch.float64)
    before = conditions()
    (0.5 * (before - target).square().sum()).backward()
    rate = 1e-8
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= rate * parameter.grad
        change = (conditions() - before.detach()) / rate
    expected = -kernel @ (before.detach() - target)
    assert (change - expected).abs().max() < 1e-4 * expected.abs().max()


def test_operators_are_functions_of_the_reader():
    """u' + 3 u of a linear network in one dimension, u = w x + b: K_rr = (1 + 3x)(1 + 3x') s_w^2 + 9 s_b^2."""
    x = torch.tensor([[0.2], [0.7]], dtype=torch.float64)

    def operator(u, point):
        return torch.func.grad(u)(point)[0] + 3 * u(point)

    expected = 2.0 * (1 + 3 * x) @ (1 + 3 * x).T + 9 * 0.5
    limit = limit_pinn_kernel(chain(Dense(2.0, 0.5)), x, BOUNDARY, operator)
    own = empirical_pinn_kernel(Network(chain(Dense(2.0, 0.5)), 1, 3), x, BOUNDARY, operator)
    for kernel in (limit, own):
        assert (kernel.interior - expected).abs().max() < 1e-12


BAD_CALLS = {
    "the kernel of relu has no second derivatives; take erf": lambda: limit_pinn_kernel(mlp(1), INTERIOR, BOUNDARY),
    "network must have one output; it has 2": lambda: empirical_pinn_kernel(
        Network(mlp(1), 1, 4, 2), INTERIOR, BOUNDARY
    ),
    "a kernel of 22 conditions on 13 parameters needs": lambda: empirical_pinn_kernel(
        Network(mlp(1, "erf", 1.0, 1.0), 1, 4), INTERIOR, BOUNDARY, memory_limit=100
    ),
    "chunk must be a whole number >= 1": lambda: empirical_pinn_kernel(
        Network(mlp(1), 1, 4), INTERIOR, BOUNDARY, chunk=0
    ),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()


def test_second_derivative_is_that_of_nested_forward_mode():
    model, x = Pinn(Network(ONE_LAYER, 1, 32, seed=0), 1), torch.tensor([[0.2], [0.7]], dtype=torch.float64)
    nested = [torch.func.hessian(lambda z: model(z[None])[0, 0])(point)[0, 0] for point in x]
    assert torch.allclose(model.second_derivative(x)[:, 0], torch.stack(nested), atol=1e-10)


def test_the_exact_solution_has_no_loss():
    """A network that is b sin(a pi x) with a = 4 has the equation's loss for b = 2, and none for b = 1: to 1e-20."""

    class Wave(torch.nn.Module):
        def __init__(self, height):
            super().__init__()
            self.height = torch.nn.Parameter(torch.tensor(height, dtype=torch.float64))

        def forward(self, x):
            return self.height * torch.sin(4 * torch.pi * x)

    losses = {height: Pinn(Wave(height), 4).losses(INTERIOR, BOUNDARY) for height in (1.0, 2.0)}
    assert all(float(loss.detach()) < 1e-20 for loss in losses[1.0].values())
    assert float(losses[2.0]["equation"].detach()) > 1.0


def test_a_balanced_loss_has_the_weights_of_the_kernel():
    model = Pinn(Network(ONE_LAYER, 1, 32, seed=0), 1)
    plain = model.losses(INTERIOR, BOUNDARY)
    model.balance(INTERIOR, BOUNDARY)
    weights = empirical_pinn_kernel(model.network, INTERIOR, BOUNDARY).weights()
    for term, weight in zip(("boundary", "equation"), weights, strict=True):
        assert float(model.losses(INTERIOR, BOUNDARY)[term].detach()) == pytest.approx(
            weight * float(plain[term].detach()), rel=1e-12
        )
