import torch

from limitlab.solvers.linear import Multigrid, conjugate_gradients, diffusion, solve


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_gradients_in_right_hand_side_and_coefficient():
    a = (1 + random(4, 3).square()).requires_grad_()
    b = random(2, 4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: solve(diffusion((4, 3), coefficient=a), b, tolerance=1e-12), (a, b), atol=1e-6, rtol=1e-6
    )


def test_the_value_is_that_of_the_solver():
    operator, b = diffusion((15, 15)), random(1, 15, 15)
    options = {"preconditioner": Multigrid(operator), "tolerance": 1e-10}
    assert torch.equal(solve(operator, b, **options), conjugate_gradients(operator, b, **options).x)


def test_where_constants_are_the_kernel_the_gradient_has_mean_zero():
    b = random(1, 8, 8)
    b = (b - b.mean()).requires_grad_()
    x = solve(diffusion((8, 8), "neumann"), b)
    weight = random(1, 8, 8, seed=2)
    (gradient,) = torch.autograd.grad((x * (weight - weight.mean())).sum(), b)
    assert gradient.mean().abs() < 1e-12
