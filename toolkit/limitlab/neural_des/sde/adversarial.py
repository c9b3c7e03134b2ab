"""An SDE as the generator of a GAN, judged by a CDE that its paths drive.

    generator       z(0) = zeta(V),  dz = mu(t, z) dt + sigma(t, z) o dW,   Y = C z + b
    discriminator   h(0) = xi(0, Y(0)),  dh = g(h) d(t, Y),   score D(Y) = m . h(T) + m_0 . h(0)

    min over D of E D(fake) - E D(real) = max over the generator,    where D is nearly Lipschitz.

Both are trained in one step of one optimiser: what the discriminator sends back to the fake paths changes its sign on
the way. Its Lipschitz constant is held by LipSwish and by clipping the entries of every linear map to 1/outputs after
each step, so that no layer increases the sum of absolute values; or by a penalty on the gradient, which costs a
second backward pass.

Sources: Kidger, Foster, Li, Oberhauser & Lyons, Neural SDEs as infinite-dimensional GANs (2021); Kidger, Foster, Li &
Lyons, Efficient and accurate gradients for neural SDEs (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.layers.perceptron import perceptron
from limitlab.neural_des.cde import Control
from limitlab.neural_des.sde.model import NeuralSDE, standard_normals, step_between
from limitlab.neural_des.sde.networks import TimeField
from limitlab.saved import Saved
from limitlab.solvers import solve_cde
from limitlab.training.streams import seeded

FIELD_SCALE = 0.5
"""Factor of the initial weights of drift and diffusion: paths move slowly."""


class SDEGAN(Saved):
    """Generator and discriminator of series of so many channels, all at the same times.

    width: of all networks, which have one hidden layer. noise, initial_noise: dimensions of W and of V. spread: factor
    of the initial weights of zeta. penalty: weight of the gradient penalty; 0 clips instead, see `clipped`. The
    generator takes a step of reversible Heun from each time to the next.

    >>> model = ll.neural_des.sde.SDEGAN(1)
    >>> paths = model.sample(4, torch.linspace(0, 1, 6), seed=0)
    >>> paths.shape, model.score(torch.linspace(0, 1, 6), paths).shape
    (torch.Size([4, 6, 1]), torch.Size([4]))
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 16,
        *,
        width: int = 16,
        noise: int = 3,
        initial_noise: int = 5,
        spread: float = 3.0,
        penalty: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.channels = channels = int(check_number("channels", channels, low=1, integer=True))
        hidden, width, noise, self.initial_noise = (
            int(check_number(name, value, low=1, integer=True))
            for name, value in (
                ("hidden", hidden), ("width", width), ("noise", noise), ("initial_noise", initial_noise),
            )
        )  # fmt: skip
        self.penalty = float(check_number("penalty", penalty, low=0.0))
        spread = float(check_number("spread", spread, low=0.0))
        with seeded(seed):
            zeta = perceptron([self.initial_noise, width, hidden], "lipswish")
            readout = nn.Linear(hidden, channels)
            xi = perceptron([1 + channels, width, hidden], "lipswish")
            field = perceptron([hidden, width, hidden * (1 + channels)], "lipswish", "tanh")
            score = nn.Linear(2 * hidden, 1)
            seeds = torch.randint(2**31, (2,)).tolist()
        drift = TimeField(hidden, (hidden,), width, seed=seeds[0])
        diffusion = TimeField(hidden, (hidden, noise), width, seed=seeds[1])
        self.generator = nn.ModuleDict({"zeta": zeta, "drift": drift, "diffusion": diffusion, "readout": readout})
        self.discriminator = nn.ModuleDict({"xi": xi, "field": field, "score": score})
        with torch.no_grad():
            for module, factor in ((zeta, spread), (drift, FIELD_SCALE), (diffusion, FIELD_SCALE)):
                for parameter in module.parameters():
                    parameter.mul_(factor)
        if not self.penalty:
            clip(self.discriminator)

    def sample(
        self, count: int, times: Float[Tensor, " time"] | Sequence[float], seed: int
    ) -> Float[Tensor, "sample time channel"]:
        """Paths of the generator."""
        count = int(check_number("count", count, low=1, integer=True))
        weight = next(self.parameters())
        moments = torch.as_tensor(times, dtype=weight.dtype, device=weight.device)
        z0 = self.generator["zeta"](standard_normals(seed, count, self.initial_noise, like=weight))
        sde = NeuralSDE(
            self.generator["drift"], self.generator["diffusion"], noise="general", calculus="stratonovich",
            method="reversible_heun", step_size=step_between(moments),
        )  # fmt: skip
        return self.generator["readout"](sde(z0, moments, seed + 1))

    def score(
        self, times: Float[Tensor, "*batch time"], paths: Float[Tensor, "batch time channel"]
    ) -> Float[Tensor, " batch"]:
        """The discriminator's number for each path, NaN being missing values; large for what it takes to be real."""
        if paths.dim() != 3 or paths.shape[-1] != self.channels:
            raise InvalidArgument(f"paths must be (batch, time, {self.channels}); got {tuple(paths.shape)}")
        path = Control().path(times, paths)
        network = self.discriminator["field"]

        def field(s: Tensor, h: Tensor) -> Tensor:
            return rearrange(network(h), "batch (hidden channels) -> batch hidden channels", channels=path.channels)

        start = self.discriminator["xi"](path.coefficients[:, 0, 0])
        end = solve_cde(field, start, path, method="reversible_heun", step_size=1.0).y[:, -1]
        return self.discriminator["score"](torch.cat([start, end], dim=-1))[:, 0]


def gan_loss(model: Any, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """E D(fake) - E D(real), whose gradient in the generator has the other sign; with the penalty where it has one.

    Fake paths have the gaps of the real ones.

    >>> batch = {"times": torch.linspace(0, 1, 6), "values": torch.zeros(4, 6, 1), "noise_seed": 0}
    >>> ll.neural_des.sde.gan_loss(ll.neural_des.sde.SDEGAN(1), batch).keys()
    dict_keys(['fake', 'real'])
    """
    real, times = batch["values"], batch["times"]
    shared = times if times.dim() == 1 else times[0]
    fake = _Reversed.apply(model.sample(len(real), shared, batch["noise_seed"]))
    fake = torch.where(real.isnan(), torch.nan, fake)
    scores = model.score(shared, torch.cat([fake, real]))
    terms = {"fake": scores[: len(real)].mean(), "real": -scores[len(real) :].mean()}
    if model.penalty:
        terms["penalty"] = model.penalty * _gradient_penalty(model, shared, real, fake.detach(), batch["noise_seed"])
    return terms


def gan_groups(
    generator: float = 1.0, discriminator: float = 1.0, start: float = 1.0
) -> Callable[[nn.Module], list[dict[str, Any]]]:
    """The optimiser's groups of an SDEGAN: a rate for each side, `start` times as much for the maps to z(0) and h(0).

    >>> groups = ll.neural_des.sde.gan_groups(generator=1.0, discriminator=5.0)(ll.neural_des.sde.SDEGAN(1))
    >>> sorted({group["rate"] for group in groups})
    [1.0, 5.0]
    """
    named = {"generator": generator, "discriminator": discriminator, "start": start}
    generator, discriminator, start = (float(check_number(name, rate, low=0.0)) for name, rate in named.items())
    rates = {"generator": generator, "discriminator": discriminator}

    def groups(model: nn.Module) -> list[dict[str, Any]]:
        made = []
        for side, rate in rates.items():
            for name, module in getattr(model, side).items():
                factor = start if name in ("zeta", "xi") else 1.0
                clipping = side == "discriminator" and not model.penalty
                made.append(
                    {"params": list(module.parameters()), "rate": rate * factor, "maps": [module] if clipping else []}
                )
        return made

    return groups


def clipped(optimizer: type[torch.optim.Optimizer], **options: Any) -> Callable[..., torch.optim.Optimizer]:
    """A maker of that optimiser, for `Recipe`, that clips after every step the maps which the groups name.

    >>> make = ll.neural_des.sde.clipped(torch.optim.RMSprop)
    >>> model = ll.neural_des.sde.SDEGAN(1)
    >>> type(make(ll.neural_des.sde.gan_groups()(model), lr=1e-3)).__name__
    'RMSprop'
    """

    def make(groups: Sequence[Mapping[str, Any]], lr: float) -> torch.optim.Optimizer:
        plain = [{name: value for name, value in group.items() if name != "maps"} for group in groups]
        maps = [module for group in groups for module in group.get("maps", ())]
        made = optimizer(plain, **{"lr": lr, **options})

        def clip_all(*_: Any) -> None:
            for module in maps:
                clip(module)

        made.register_step_post_hook(clip_all)
        return made

    make.__qualname__ = f"clipped {optimizer.__name__} {options}"
    return make


@torch.no_grad()
def clip(module: nn.Module) -> None:
    """Entries of every linear map into [-1/outputs, 1/outputs]."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.clamp_(-1 / layer.out_features, 1 / layer.out_features)


class _Reversed(torch.autograd.Function):
    """The identity, through which a gradient comes back with the other sign."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


def _gradient_penalty(model: SDEGAN, times: Tensor, real: Tensor, fake: Tensor, seed: int) -> Tensor:
    """Mean of (|dD/dY| - 1)^2 between real and fake paths: Gulrajani et al. 2017."""
    generator = torch.Generator().manual_seed(int(seed))
    share = torch.rand(len(real), 1, 1, generator=generator).to(real)
    between = torch.lerp(real, fake, share).requires_grad_()
    slopes = torch.autograd.grad(model.score(times, between).sum(), between, create_graph=True)[0]
    return (slopes.nan_to_num().flatten(1).norm(dim=1) - 1).square().mean()
