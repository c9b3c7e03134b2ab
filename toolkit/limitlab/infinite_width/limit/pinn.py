"""The tangent kernel of a physics-informed network: which of its conditions is learned fast, and which hardly.

For a differential operator L on interior points r and a condition B on boundary points b, the least-squares loss
1/2 |B u - g|^2 + 1/2 |L u - f|^2 trains by

    d/dt [B u(b); L u(r)] = -K [B u(b) - g; L u(r) - f],    K = [[K_uu, K_ur], [K_ur', K_rr]],
    K_uu = J_B J_B',   K_ur = J_B J_L',   K_rr = J_L J_L'   (J: derivatives in the parameters),

and at infinite width K_rr(x, x') = L_x L_x' k(x, x'), K_ur = B_x L_x' k of the scalar tangent kernel k. A condition
with the larger trace is learned first; the weights tr K/tr K_uu and tr K/tr K_rr on the two terms of the loss even
them out.

An operator is a function (u, x) -> scalar of a function u of one point (features,), made with torch.func: `laplacian`
is torch.func.hessian(u)(x).trace().

Source: Wang, Yu, Perdikaris, When and why PINNs fail to train, arXiv 2007.14527.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.infinite_width.finite.factors import Factor, Part, assemble
from limitlab.infinite_width.limit.architecture import Chain
from limitlab.infinite_width.limit.kernels import kernel_function
from limitlab.memory import require_memory
from limitlab.saved import Saved

Function = Callable[[Tensor], Tensor]
Operator = Callable[[Function, Tensor], Tensor]


def identity(u: Function, x: Float[Tensor, " features"]) -> Float[Tensor, ""]:
    """u(x).

    >>> ll.infinite_width.identity(torch.sum, torch.tensor([1.0, 2.0]))
    tensor(3.)
    """
    return u(x)


def laplacian(u: Function, x: Float[Tensor, " features"]) -> Float[Tensor, ""]:
    """The sum of second derivatives of u at x.

    >>> ll.infinite_width.laplacian(lambda x: x.square().sum(), torch.tensor([1.0, 2.0]))
    tensor(4.)
    """
    return torch.func.hessian(u)(x).trace()


@dataclass(frozen=True)
class PinnKernel:
    """The blocks of K: boundary K_uu, mixed K_ur, interior K_rr."""

    boundary: Float[Tensor, "b b"]
    mixed: Float[Tensor, "b r"]
    interior: Float[Tensor, "r r"]

    def matrix(self) -> Float[Tensor, "b+r b+r"]:
        """K itself, boundary conditions first."""
        above = torch.cat([self.boundary, self.mixed], 1)
        return torch.cat([above, torch.cat([self.mixed.T, self.interior], 1)])

    def weights(self) -> tuple[float, float]:
        """Factors tr K/tr K_uu and tr K/tr K_rr on the two terms of the loss, which even out their speeds.

        Renewed every few hundred steps, since at a finite width the kernel moves.
        """
        boundary, interior = float(self.boundary.trace()), float(self.interior.trace())
        return (boundary + interior) / boundary, (boundary + interior) / interior

    def weighted(self, boundary: float, interior: float) -> PinnKernel:
        """The kernel of the training with these factors, symmetrised: W^(1/2) K W^(1/2), which has its eigenvalues."""
        return PinnKernel(boundary * self.boundary, (boundary * interior) ** 0.5 * self.mixed, interior * self.interior)


def limit_pinn_kernel(
    architecture: Chain,
    interior: Float[Tensor, "r features"],
    boundary: Float[Tensor, "b features"],
    operator: Operator = laplacian,
    boundary_operator: Operator = identity,
) -> PinnKernel:
    """The blocks at infinite width, by nested automatic differentiation of the scalar kernel.

    Raises InvalidArgument for activations with kinks, whose kernel lacks the derivatives.

    >>> x, ends = torch.tensor([[0.5]]), torch.tensor([[0.0], [1.0]])
    >>> kernel = ll.infinite_width.limit_pinn_kernel(ll.infinite_width.mlp(1, "sin", 1.0, 1.0), x, ends)
    >>> kernel.matrix().shape
    torch.Size([3, 3])
    """
    kernel = kernel_function(architecture)

    def block(left: Operator, right: Operator, x1: Tensor, x2: Tensor) -> Tensor:
        def entry(a: Tensor, b: Tensor) -> Tensor:
            return left(lambda p: right(lambda q: kernel(p, q), b), a)

        # in chunks: nested derivatives hold dozens of tensors for every pair
        pairs = torch.func.vmap(torch.func.vmap(entry, (None, 0)), (0, None), chunk_size=64)
        return pairs(x1.double(), x2.double())

    return PinnKernel(
        block(boundary_operator, boundary_operator, boundary, boundary),
        block(boundary_operator, operator, boundary, interior),
        block(operator, operator, interior, interior),
    )


def empirical_pinn_kernel(
    network: nn.Module,
    interior: Float[Tensor, "r features"],
    boundary: Float[Tensor, "b features"],
    operator: Operator = laplacian,
    boundary_operator: Operator = identity,
    *,
    chunk: int = 64,
    memory_limit: int | None = None,
) -> PinnKernel:
    """The blocks of a network with one output at its present weights; chunk: points whose Jacobians are held at once.

    Raises InvalidArgument for more memory than is free (`memory_limit` bytes, where given), or several outputs.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "sin", 1.0, 1.0), inputs=1, width=16)
    >>> x, ends = torch.tensor([[0.5]]).double(), torch.tensor([[0.0], [1.0]]).double()
    >>> ll.infinite_width.empirical_pinn_kernel(network, x, ends).boundary.shape
    torch.Size([2, 2])
    """
    size = int(check_number("chunk", chunk, low=1, integer=True))
    with torch.no_grad():
        output = network(interior[:1])
    if output.numel() != 1:
        raise InvalidArgument(f"network must have one output; it has {output.numel()}")
    points = len(interior) + len(boundary)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    needed = output.element_size() * (points**2 + 2 * min(size, points) * trained)
    require_memory(needed, f"a kernel of {points} conditions on {trained} parameters", output.device, memory_limit)

    def parts(x: Tensor, condition: Operator) -> list[Part]:
        return [partial(_jacobians, network, condition, some) for some in x.detach().split(size)]

    matrix = assemble(parts(boundary, boundary_operator) + parts(interior, operator), None, "trace")
    b = len(boundary)
    return PinnKernel(matrix[:b, :b], matrix[:b, b:], matrix[b:, b:])


def _jacobians(network: nn.Module, operator: Operator, x: Float[Tensor, "n features"]) -> list[Factor]:
    """Derivatives of (operator u)(x) in every trained parameter."""
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    moving = {name: parameters.pop(name) for name, p in network.named_parameters() if p.requires_grad}

    def condition(changed: dict[str, Tensor], point: Tensor) -> Tensor:
        weights = {**parameters, **changed}
        return operator(lambda z: torch.func.functional_call(network, weights, (z[None],)).reshape(()), point)

    gradients = torch.func.vmap(torch.func.grad(condition), (None, 0))(moving, x)
    return [Factor(None, g.flatten(1)[:, None, :, None], 0.0, 1.0) for g in gradients.values()]


class Pinn(Saved):
    """u (batch, 1) -> (batch, 1) for u'' = -(a pi)^2 sin(a pi x) on (0, 1), u(0) = u(1) = 0, a the frequency.

    The weights of the two terms of its loss, `boundary_weight` and `interior_weight`, are buffers, one at first.
    """

    boundary_weight: Tensor
    interior_weight: Tensor

    def __init__(self, network: nn.Module, frequency: int) -> None:
        super().__init__()
        self.network, self.frequency = network, frequency
        one = torch.ones((), dtype=next(network.parameters()).dtype)
        self.register_buffer("boundary_weight", one)
        self.register_buffer("interior_weight", one.clone())

    def forward(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        return self.network(x)

    def exact(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The solution sin(a pi x)."""
        return torch.sin(self.frequency * math.pi * x)

    def second_derivative(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        """u''."""
        # reverse mode twice: for a handful of points ten times cheaper than nested forward mode
        with torch.enable_grad():
            points = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.network(points).sum(), points, create_graph=True)
            return torch.autograd.grad(slope.sum(), points, create_graph=True)[0]

    def losses(self, interior: Float[Tensor, "r 1"], boundary: Float[Tensor, "b 1"]) -> dict[str, Tensor]:
        """The weighted terms w_b/2 sum |u(b)|^2 and w_r/2 sum |u''(r) - f(r)|^2."""
        equation = self.second_derivative(interior) + (self.frequency * math.pi) ** 2 * self.exact(interior)
        return {
            "boundary": self.boundary_weight / 2 * self(boundary).square().sum(),
            "equation": self.interior_weight / 2 * equation.square().sum(),
        }

    def balance(self, interior: Float[Tensor, "r 1"], boundary: Float[Tensor, "b 1"]) -> None:
        """Set the weights to those that the kernel at the present parameters asks for."""
        weights = empirical_pinn_kernel(self.network, interior, boundary).weights()
        for buffer, value in zip((self.boundary_weight, self.interior_weight), weights, strict=True):
            buffer.fill_(value)
