"""Losses without solutions: what their gradients are, and what they have to do with the error."""

import math

import pytest
import torch

from limitlab import operators, problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers.linear import box_eigenvalues, diffusion, solve_box
from limitlab.training import Recipe, fit, fixed, residual_loss

N = 15
LAPLACIAN = diffusion((N, N), spacing=1 / (N + 1))


class Free(torch.nn.Module):
    """A model that answers its own numbers, whatever it is asked."""

    def __init__(self, u):
        super().__init__()
        self.u = torch.nn.Parameter(u)

    def forward(self, _f):
        return self.u


def poisson(u, f):
    return LAPLACIAN(u[:, 0])[:, None] - f


def inverse(r):
    return solve_box(r[:, 0], spacing=1 / (N + 1))[:, None]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(loss, u, **batch):
    model = Free(u)
    (value,) = loss(model, batch).values()
    value.backward()
    return value.detach(), model.u.grad


def test_the_gradient_of_the_mean_squared_residual_is_a_transpose_times_the_residual():
    u, f = random(2, 3, 1, N, N)
    _, slope = gradient(residual_loss("msr", poisson), u, input=f)
    (matrix,) = LAPLACIAN.dense()
    r = u.flatten(1) @ matrix.T - f.flatten(1)
    assert torch.allclose(slope.flatten(1), 2 * r @ matrix / u.numel(), rtol=1e-6)


def test_the_solution_has_no_residual_and_the_sparse_solve_agrees_with_the_fast_one():
    from scipy.fft import dstn, idstn
    from scipy.sparse.linalg import spsolve

    f = random(1, 1, N, N)
    u = inverse(f)
    assert poisson(u, f).norm() < 1e-12 * f.norm() * 100
    assert torch.allclose(u.flatten(), torch.as_tensor(spsolve(LAPLACIAN.to_scipy(), f.flatten().numpy())), atol=1e-12)
    values = box_eigenvalues((N, N), spacing=1 / (N + 1)).numpy()
    by_sines = idstn(dstn(f[0, 0].numpy(), type=1) / values, type=1)
    assert torch.allclose(u[0, 0], torch.as_tensor(by_sines), atol=1e-12)


def test_a_manufactured_solution_has_a_residual_of_order_two():
    sizes = []
    for n in (15, 31):
        points = torch.arange(1, n + 1, dtype=torch.float64) / (n + 1)
        u = torch.sin(math.pi * points)[:, None] * torch.sin(2 * math.pi * points)
        r = diffusion((n, n), spacing=1 / (n + 1))(u[None]) - 5 * math.pi**2 * u
        sizes.append(float(r.square().mean().sqrt()))
    assert math.log2(sizes[0] / sizes[1]) == pytest.approx(2, abs=0.1)


def test_the_condition_number_at_31_nodes_is_that_of_the_card():
    values = box_eigenvalues((31, 31))
    assert float(values.max() / values.min()) == pytest.approx(414.3, abs=0.1)


def sine(p):
    points = torch.arange(1, N + 1, dtype=torch.float64) / (N + 1)
    return (torch.sin(p * math.pi * points)[:, None] * torch.sin(p * math.pi * points))[None, None]


@pytest.mark.parametrize(("kind", "power"), [("msr", 2), ("energy", 1), ("preconditioned", 0), ("supervised", 0)])
def test_errors_of_two_modes_weigh_as_a_power_of_the_ratio_of_their_eigenvalues(kind, power):
    f = random(1, 1, N, N)
    exact, options = inverse(f), {"inverse": inverse} if kind == "preconditioned" else {}

    def excess(p):
        loss = residual_loss(kind, poisson, **options)
        values = [loss(Free(u), {"input": f, "target": exact})[kind] for u in (exact + sine(p), exact)]
        return float((values[0] - values[1]).detach())

    values = box_eigenvalues((N, N)).diagonal()
    assert excess(N) / excess(1) == pytest.approx(float(values[-1] / values[0]) ** power, rel=1e-6)


def test_residuals_on_all_grids_weigh_errors_nearly_as_the_energy_does():
    def ratio(kind):
        loss = residual_loss(kind, poisson)
        zero = torch.zeros(1, 1, N, N, dtype=torch.float64)
        rough, even = (float(loss(Free(sine(p)), {"input": zero})[kind].detach()) for p in (N, 1))
        return rough / even

    assert ratio("multilevel") < 3 * ratio("energy") < ratio("msr") / 30


@pytest.mark.parametrize("kind", ["msr", "preconditioned", "multilevel", "energy"])
def test_every_loss_without_solutions_is_least_at_the_solution(kind):
    options = {"inverse": inverse} if kind == "preconditioned" else {}
    loss, f = residual_loss(kind, poisson, **options), random(2, 1, N, N)
    value, slope = gradient(loss, inverse(f), input=f)
    assert slope.abs().max() < 1e-10
    for seed in (1, 2):
        off = inverse(f) + 1e-3 * random(2, 1, N, N, seed=seed)
        assert float(loss(Free(off), {"input": f})[kind].detach()) > float(value)


@pytest.mark.parametrize("name", ["fno", "unet", "lordnet"])
def test_any_operator_trains_on_the_residual_of_a_problem(name):
    """Darcy's equation of the catalogue: the loss at the discrete solution is nought, and training goes down to it."""
    darcy, n = problems.get("darcy_lognormal"), 16
    grid = darcy.grid(n)
    a = darcy.sample_input(grid, 4, 0, 0).float()

    def residual(u, a):
        return darcy.residual_of(grid, u=u[:, 0], a=a[:, 0])[:, None]

    loss = residual_loss("msr", residual)
    assert float(loss(Free(darcy.solve(a.double())[:, None]), {"input": a[:, None].double()})["msr"].detach()) < 1e-16
    torch.manual_seed(0)
    options = {"points": (n, n)} if name == "lordnet" else {"modes": 4} if name == "fno" else {"dimension": 2}
    model = {"fno": operators.FNO, "unet": operators.UNet, "lordnet": operators.LordNet}[name](
        1, 1, width=8, **(options | {"dimension": 2} if name == "fno" else options)
    )
    recipe = Recipe(loss, fixed(input=a[:, None]), 10, 1e-3)
    losses = [step.loss for step in fit(model, recipe, device="cpu")]
    assert losses[-1] < losses[0]


def test_what_cannot_be_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'energy'"):
        residual_loss("enrgy", poisson)
    for kind, options in (("msr", {"inverse": inverse}), ("preconditioned", {})):
        with pytest.raises(InvalidArgument, match="belong together"):
            residual_loss(kind, poisson, **options)
    with pytest.raises(InvalidArgument, match="shape of u"):
        residual_loss("msr", lambda u, f: u[:, 0])(torch.nn.Identity(), {"input": torch.zeros(1, 1, 4)})
