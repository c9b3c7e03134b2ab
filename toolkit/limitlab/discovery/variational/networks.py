"""Networks of a deep Ritz solver: values and, in one pass, gradients in the inputs, which an energy asks for.

    two layers    u = c + sum_j a_j s(w_j.x + b_j),    grad u = sum_j a_j s'(w_j.x + b_j) w_j

Boundary values are a matter of the network or of the loss: periodic inputs sin, cos(2 pi x); u = g + D(x) net with a
distance D to the walls; nothing for Neumann walls, the natural condition of an energy. D is the harmonic mean of
4 x_i (1 - x_i): a product of them has the L2 norm (8/15)^(d/2), 0.04 in ten dimensions, and would hide the network.
Source: E, Yu, The deep Ritz method (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.variational.barron import path_norm
from limitlab.discovery.variational.energies import Target
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.saved import Saved
from limitlab.training.streams import seeded

Points = Float[Tensor, "*point d"]
Pair = tuple[Float[Tensor, " *point"], Points]


def _tanh(h: Tensor) -> tuple[Tensor, Tensor]:
    s = torch.tanh(h)
    return s, 1 - s.square()


def _cubed_relu(h: Tensor) -> tuple[Tensor, Tensor]:
    r = torch.relu(h)
    return r**3, 3 * r.square()


ACTIVATIONS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "tanh": _tanh,
    "softplus": lambda h: (nn.functional.softplus(h), torch.sigmoid(h)),
    "cos": lambda h: (torch.cos(h), -torch.sin(h)),
    "relu3": _cubed_relu,
}
"""Activations with their slopes."""


class TwoLayer(Saved):
    """c + sum_j a_j s(w_j.x + b_j), w ~ 2 N(0, I/d), b ~ U(-1, 1), a ~ N(0, 1/n), drawn from the seed.

    >>> network = ll.discovery.variational.TwoLayer(3, 16, seed=1)
    >>> value, gradient = network.value_and_gradient(torch.rand(5, 3))
    >>> value.shape, gradient.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        dimension: int,
        width: int,
        activation: str = "tanh",
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        d = int(check_number("dimension", dimension, low=1, integer=True))
        n = int(check_number("width", width, low=1, integer=True))
        self.activation = one_of("activation", activation, ACTIVATIONS)
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        normal = [torch.randn(shape, generator=generator, dtype=dtype) for shape in ((n, d), (n,))]
        self.inner = nn.Parameter(2 / math.sqrt(d) * normal[0])
        self.bias = nn.Parameter(2 * torch.rand(n, generator=generator, dtype=dtype) - 1)
        self.outer = nn.Parameter(normal[1] / math.sqrt(n))
        self.constant = nn.Parameter(torch.zeros((), dtype=dtype))

    def forward(self, x: Points) -> Float[Tensor, " *point"]:
        return self.constant + ACTIVATIONS[self.activation](x @ self.inner.T + self.bias)[0] @ self.outer

    def value_and_gradient(self, x: Points) -> Pair:
        """u and grad u, in closed form."""
        s, slope = ACTIVATIONS[self.activation](x @ self.inner.T + self.bias)
        return self.constant + s @ self.outer, (slope * self.outer) @ self.inner

    def path_norm(self) -> Tensor:
        """An upper bound of the ReLU norm, for activations whose slope is at most one."""
        return path_norm(self.outer, self.inner, self.bias)


class Residual(Saved):
    """An MLP with shortcuts over every layer, h <- h + s(W h + b); the gradient by one reverse pass.

    >>> ll.discovery.variational.Residual(3, 16, depth=2).value_and_gradient(torch.rand(5, 3))[1].shape
    torch.Size([5, 3])
    """

    def __init__(self, dimension: int, width: int, activation: str = "tanh", *, depth: int = 4, seed: int = 0) -> None:
        super().__init__()
        self.activation = one_of("activation", activation, ACTIVATIONS)
        depth = int(check_number("depth", depth, low=1, integer=True))
        with seeded(seed):
            self.lift, self.readout = nn.Linear(dimension, width), nn.Linear(width, 1)
            self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: Points) -> Float[Tensor, " *point"]:
        h = self.lift(x)
        for layer in self.layers:
            h = h + ACTIVATIONS[self.activation](layer(h))[0]
        return self.readout(h)[..., 0]

    def value_and_gradient(self, x: Points) -> Pair:
        """u and grad u, the latter with a tape where the caller has one."""
        taped = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = self(x)
            (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=taped)
        return (value, gradient) if taped else (value.detach(), gradient)


class Periodic(Saved):
    """A network of cos(2 pi x), sin(2 pi x): it takes 2 d inputs.

    >>> v = ll.discovery.variational
    >>> u = v.Periodic(v.TwoLayer(4, 8))
    >>> bool(torch.allclose(u(torch.zeros(1, 2)), u(torch.ones(1, 2)), atol=1e-5))
    True
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, x: Points) -> Float[Tensor, " *point"]:
        phase = 2 * math.pi * x
        return self.network(torch.cat([phase.cos(), phase.sin()], -1))

    def value_and_gradient(self, x: Points) -> Pair:
        """u and grad u, by the chain rule."""
        cosine, sine = torch.cos(2 * math.pi * x), torch.sin(2 * math.pi * x)
        value, inner = self.network.value_and_gradient(torch.cat([cosine, sine], -1))
        along_cosine, along_sine = inner.chunk(2, -1)
        return value, 2 * math.pi * (along_sine * cosine - along_cosine * sine)


class HardDirichlet(Saved):
    """g + D(x) net, which has the values of g on the walls; g is a Target, or zero.

    >>> v = ll.discovery.variational
    >>> u = v.HardDirichlet(v.TwoLayer(2, 8))
    >>> bool(u(torch.tensor([[0.0, 0.3], [0.5, 1.0]])).abs().max() < 1e-5)
    True
    """

    def __init__(self, network: Any, walls: Target | None = None) -> None:
        super().__init__()
        self.network: Any = network
        self.walls = walls

    def forward(self, x: Points) -> Float[Tensor, " *point"]:
        lifted = self.walls.value(x) if self.walls else 0.0
        return lifted + distance(x)[0] * self.network(x)

    def value_and_gradient(self, x: Points) -> Pair:
        """u and grad u, by the product rule."""
        near, slope = distance(x)
        value, gradient = self.network.value_and_gradient(x)
        value, gradient = near * value, near[..., None] * gradient + value[..., None] * slope
        if self.walls is None:
            return value, gradient
        lifted = self.walls.jet(x)
        return lifted.value + value, lifted.slope + gradient


def distance(x: Points) -> Pair:
    """The harmonic mean of 4 x_i (1 - x_i), 0 on the walls and 1 in the middle of the cube, and its gradient.

    >>> ll.discovery.variational.distance(torch.full((1, 7), 0.5))[0].item()
    1.0
    """
    # a floor below which the point is on the wall: 1/q stays finite
    q = (4 * x * (1 - x)).clamp_min(1e-12)
    mean = x.shape[-1] / (1 / q).sum(-1)
    share = (mean[..., None] / q).square() / x.shape[-1]
    return mean, share * 4 * (1 - 2 * x)


NETWORKS = {"two_layer": TwoLayer, "residual": Residual}
WALLS = ("neumann", "periodic", "dirichlet", "penalty", "nitsche")


def ansatz(
    dimension: int, width: int = 128, activation: str = "tanh", *, walls: str = "neumann", kind: str = "two_layer",
    seed: int = 0, values: Target | None = None,
) -> nn.Module:  # fmt: skip
    """A network of a kind of NETWORKS for walls of WALLS; `values` are those on Dirichlet walls, zero if left out.

    >>> type(ll.discovery.variational.ansatz(2, walls="dirichlet")).__name__
    'HardDirichlet'
    """
    one_of("walls", walls, WALLS)
    build = NETWORKS[one_of("network", kind, NETWORKS)]
    network = build(2 * dimension if walls == "periodic" else dimension, width, activation, seed=seed)
    if walls == "periodic":
        return Periodic(network)
    if walls == "dirichlet":
        return HardDirichlet(network, values)
    if values is not None and walls == "neumann":
        raise InvalidArgument("values belong to Dirichlet walls; Neumann walls are the natural ones of the energy")
    return network
