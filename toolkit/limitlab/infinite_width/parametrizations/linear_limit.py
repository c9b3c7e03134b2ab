"""The linear network with one hidden layer that learns features, at finite and, exactly, at infinite width.

    f(x) = V (U x + alpha b),    U (n, inputs) ~ N(0, sigma_1^2/n),  V (outputs, n) ~ N(0, sigma_2^2/n),  b = 0

with a learning rate that does not depend on n is the maximal update parametrisation. Training adds to U, V' and b only
multiples of the columns of U_0 and V_0', so it stays in their span, of dimension inputs + outputs. The Gram matrix of
those columns tends to the identity times sigma^2; so the network of infinite width is exactly the finite one

    U_0 = [sigma_1 I; 0],    V_0 = [0, sigma_2 I],    b_0 = 0,    of width inputs + outputs,

and of width inputs where V_0 = 0. Whatever is linear in (U, V, b), such as SGD, momentum, weight decay, clipping by
the joint norm, or MAML, does the same there. Source: Yang, Hu, Feature learning in infinite-width neural networks,
arXiv 2011.14522, sections 6 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.infinite_width.finite.linearization import descend
from limitlab.labels import labelled
from limitlab.layers.precision import require_dtype
from limitlab.saved import Saved

if TYPE_CHECKING:
    import xarray


class LinearNetwork(Saved):
    """x (..., inputs) -> V (U x + alpha b) (..., outputs) at a finite width, drawn from the seed.

    bias: alpha, the weight of the hidden layer's bias; 0 for none. Raises InvalidArgument.

    >>> ll.infinite_width.LinearNetwork(6, 3, width=512)(torch.zeros(5, 6)).shape
    torch.Size([5, 3])
    """

    b: nn.Parameter | None
    width: float

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        *,
        sigma_1: float = 1.0,
        sigma_2: float = 1.0,
        bias: float = 0.0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.inputs = int(check_number("inputs", inputs, low=1, integer=True))
        self.outputs = int(check_number("outputs", outputs, low=1, integer=True))
        self.width = n = int(check_number("width", width, low=1, integer=True))
        self.sigma_1 = check_number("sigma_1", sigma_1, low=0)
        self.sigma_2 = check_number("sigma_2", sigma_2, low=0)
        self.alpha = check_number("bias", bias, low=0)
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        # in float64 and then rounded: the same network in every precision
        u = torch.randn(n, self.inputs, generator=generator, dtype=torch.float64) * (self.sigma_1 / math.sqrt(n))
        v = torch.randn(self.outputs, n, generator=generator, dtype=torch.float64) * (self.sigma_2 / math.sqrt(n))
        self.u, self.v = nn.Parameter(u.to(dtype)), nn.Parameter(v.to(dtype))
        self.b = nn.Parameter(torch.zeros(n, dtype=dtype)) if self.alpha > 0 else None

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        if x.shape[-1] != self.inputs:
            raise InvalidArgument(f"x must have shape (..., {self.inputs}); got {tuple(x.shape)}")
        require_dtype("x", x, self.v)
        hidden = x @ self.u.T
        if self.b is not None:
            hidden = hidden + self.alpha * self.b
        return hidden @ self.v.T

    def extra_repr(self) -> str:
        return f"{self.inputs} -> {self.outputs}, width {self.width:g}, held in {len(self.u)}, bias {self.alpha:g}"


class LinearLimit(LinearNetwork):
    """The same network at infinite width, exactly: one of width inputs + outputs, or inputs where sigma_2 = 0.

    `u`, `v`, `b` are the coordinates in the span of the initial columns, and are trained as any network's weights.

    >>> limit = ll.infinite_width.LinearLimit(6, 3)
    >>> limit.width, len(limit.u)
    (inf, 9)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        sigma_1: float = 1.0,
        sigma_2: float = 1.0,
        bias: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        d = int(check_number("inputs", inputs, low=1, integer=True))
        o = int(check_number("outputs", outputs, low=1, integer=True))
        # columns of V_0 = 0 span nothing
        width = d + o if check_number("sigma_2", sigma_2, low=0) > 0 else d
        super().__init__(d, o, width, sigma_1=sigma_1, sigma_2=sigma_2, bias=bias, dtype=dtype)
        self.width = math.inf
        with torch.no_grad():
            self.u.copy_(self.sigma_1 * torch.eye(width, d))
            self.v.copy_(self.sigma_2 * torch.eye(width, o).flip(0, 1).T)

    @torch.no_grad()
    def sample(self, width: int, seed: int = 0) -> LinearNetwork:
        """A finite network drawn from the law of this one, trained or not: omega U, V omega', omega b.

        omega (width, inputs + outputs) ~ N(0, 1/width). Its outputs tend to the limit's like width^(-1/2).
        """
        spreads: dict[str, Any] = {"sigma_1": self.sigma_1, "sigma_2": self.sigma_2, "bias": self.alpha}
        drawn = LinearNetwork(self.inputs, self.outputs, width, dtype=self.u.dtype, **spreads).to(self.u.device)
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        omega = torch.randn(width, len(self.u), generator=generator, dtype=torch.float64) / math.sqrt(width)
        omega = omega.to(self.u)
        drawn.u.copy_(omega @ self.u)
        drawn.v.copy_(self.v @ omega.T)
        if self.b is not None and drawn.b is not None:
            drawn.b.copy_(omega @ self.b)
        return drawn


@torch.no_grad()
def relative_distance(network: LinearNetwork, limit: LinearNetwork, x: Float[Tensor, "n inputs"]) -> float:
    """|f - f_limit| / |f_limit| over the points x, in float64.

    >>> network = ll.infinite_width.LinearNetwork(2, 2, width=16)
    >>> ll.infinite_width.relative_distance(network, network, torch.eye(2))
    0.0
    """
    outputs, expected = network(x).double(), limit(x).double()
    size = float(expected.norm())
    if size == 0:
        raise InvalidArgument("the limit's outputs are zero at all x: a relative distance needs one that is not")
    return float((outputs - expected).norm()) / size


def linear_convergence(
    x: Float[Tensor, "n inputs"],
    y: Float[Tensor, "n outputs"],
    widths: Sequence[int],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    steps: int = 40,
    rate: float = 0.05,
    sigma_1: float = 1.0,
    sigma_2: float = 1.0,
) -> xarray.Dataset:
    """`distance` (width, seed) of trained finite networks from the trained limit: |f - f_limit|/|f_limit| over x.

    seeds: those of the networks. All take `steps` full-batch steps of `rate` on half the mean over the points of
    |f - y|^2, in float64.
    Raises InvalidArgument; TrainingDiverged where the rate is too high.

    >>> x = torch.eye(4)
    >>> ll.infinite_width.linear_convergence(x, x, [16, 64], seeds=(0, 1), steps=5)["distance"].dims
    ('width', 'seed')
    """
    if not widths or not seeds:
        raise InvalidArgument("widths and seeds must not be empty")
    x, y = x.double(), y.double()
    shape = (x.shape[1], y.shape[1])
    spreads: dict[str, Any] = {"sigma_1": sigma_1, "sigma_2": sigma_2}

    def trained(network: LinearNetwork) -> LinearNetwork:
        # descend's mean is over the outputs too
        for _ in descend(network, x, y, rate=rate * y.shape[1], steps=steps, loss="mean"):
            pass
        return network

    limit = trained(LinearLimit(*shape, dtype=torch.float64, **spreads))
    networks = [[LinearNetwork(*shape, n, seed=s, **spreads).double() for s in seeds] for n in widths]
    distances = [[relative_distance(trained(network), limit, x) for network in row] for row in networks]
    return labelled(
        distance=("width seed", distances, "relative distance from the limit"),
        width=("width", list(widths), "width"),
        seed=("seed", list(seeds), "seed"),
    )
