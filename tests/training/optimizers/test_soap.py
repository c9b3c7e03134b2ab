import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.training.optimizers.soap import SOAP


def steps_to(make, rate, limit=600, level=1e-4):
    """Steps until a matrix regression, ill-conditioned in rotated axes on both sides, is down to `level`."""
    generator = torch.Generator().manual_seed(0)

    def side(size):
        basis = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
        return (basis * torch.logspace(0, -1.5, size)) @ basis.T

    left, right, target = side(24), side(16), torch.randn(24, 16, generator=generator)
    weight = torch.zeros(24, 16, requires_grad=True)
    optimizer = make([weight], lr=rate)
    for step in range(limit):
        optimizer.zero_grad()
        loss = (left @ (weight - target) @ right).square().sum()
        if loss < level:
            return step
        loss.backward()
        optimizer.step()
    return limit


def test_soap_needs_half_of_the_steps_of_adam_in_rotated_axes():
    """Each at the best of its rates, and Adam with both of its usual pairs of betas."""
    rates = (3e-2, 5e-2, 1e-1)
    adams = [
        steps_to(lambda params, lr, betas=betas: torch.optim.Adam(params, lr=lr, betas=betas), rate)
        for rate in rates
        for betas in ((0.95, 0.95), (0.9, 0.999))
    ]
    assert 2 * min(steps_to(SOAP, rate) for rate in rates) < min(adams)


def test_vectors_move_as_under_adam():
    ours, theirs = (torch.linspace(-1, 1, 5).requires_grad_() for _ in range(2))
    optimizers = SOAP([ours], lr=0.1), torch.optim.Adam([theirs], lr=0.1, betas=(0.95, 0.95))
    for _ in range(12):
        for x, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (x**4 + x).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_matrix_moves_as_the_algorithm_written_out():
    """Algorithm 3 of the paper with NumPy's eigenvectors; the bases are refreshed at steps 3 and 6."""
    generator = torch.Generator().manual_seed(3)
    gradients = [torch.randn(4, 3, dtype=torch.float64, generator=generator) for _ in range(8)]
    weight = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    optimizer = SOAP([weight], lr=0.1, betas=(0.9, 0.8), refresh_every=3)
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()

    first, *rest = gradients
    left, right = 0.2 * first @ first.T, 0.2 * first.T @ first
    bases = [torch.linalg.eigh(side)[1].flip(1) for side in (left, right)]
    mean, square, expected = torch.zeros(4, 3).double(), torch.zeros(4, 3).double(), torch.zeros(4, 3).double()
    for t, g in enumerate(rest, start=1):
        mean = 0.9 * mean + 0.1 * g
        square = 0.8 * square + 0.2 * (bases[0].T @ g @ bases[1]) ** 2
        rotated = bases[0].T @ (mean / (1 - 0.9**t)) @ bases[1]
        expected -= 0.1 * bases[0] @ (rotated / ((square / (1 - 0.8**t)).sqrt() + 1e-8)) @ bases[1].T
        left, right = 0.8 * left + 0.2 * g @ g.T, 0.8 * right + 0.2 * g.T @ g
        if t % 3 == 0:
            orders = [
                torch.argsort((q.T @ side @ q).diagonal(), descending=True)
                for q, side in zip(bases, (left, right), strict=True)
            ]
            square = square[orders[0]][:, orders[1]]
            bases = [
                torch.linalg.qr(side @ q[:, o])[0] for q, side, o in zip(bases, (left, right), orders, strict=True)
            ]
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-6)


def test_state_dict_carries_a_training_over_exactly():
    def trained(interrupted):
        torch.manual_seed(0)
        weight = torch.randn(5, 4).requires_grad_()
        optimizer = SOAP([weight], lr=0.05)
        for step in range(30):
            if step == interrupted:
                state, optimizer = optimizer.state_dict(), SOAP([weight], lr=0.05)
                # as a file gives it back: tensors of their own memory
                copied = {k: {n: v.clone() for n, v in values.items()} for k, values in state["state"].items()}
                optimizer.load_state_dict({**state, "state": copied})
            optimizer.zero_grad()
            (weight @ torch.ones(4, 4).triu() - 1).square().sum().backward()
            optimizer.step()
        return weight.detach()

    assert all(torch.equal(trained(None), trained(step)) for step in (1, 7, 10, 23))


def test_weight_decay_is_that_of_adamw():
    weight = torch.ones(2, 2, requires_grad=True)
    optimizer = SOAP([weight], lr=0.1, weight_decay=0.5)
    for _ in range(3):
        weight.grad = torch.zeros(2, 2)
        optimizer.step()
    # the first step sets the bases
    torch.testing.assert_close(weight.detach(), torch.full((2, 2), 0.95**2))


@pytest.mark.parametrize("options", [{"lr": -1}, {"betas": (0.9, 2)}, {"refresh_every": 0}, {"weight_decay": "much"}])
def test_bad_settings_are_refused(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        SOAP([torch.zeros(2, 2, requires_grad=True)], **options)
