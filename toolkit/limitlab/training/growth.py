"""Training that begins small: few Fourier modes, more where a criterion asks for them; coarse grids, then finer ones.

    loss gap     |mean loss of an epoch - that of the epoch before| <= gap:                        one mode more
    explained    sum_{m <= K-b} s_m / sum_{m <= K} s_m < threshold, after so many steps:           one mode more

K counts the modes in use along every axis of every layer, as a spectral convolution counts them, and s_m is the squared
norm of what the m-th mode has brought, over all layers: of the weights R(k) themselves, or of their gradient, added
over the steps. The weights are allocated for all modes; the block in their centre is used.
Source: George et al., Incremental Spatial and Spectral Learning of Neural Operators (2024), arXiv 2211.15188, which
looks at the weights; the criterion on gradients is a variant. A published code looks at one layer alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.layers.spectral_convolution import SpectralConv
from limitlab.saved import Saved
from limitlab.training.batches import Batches
from limitlab.training.progress import Progress

QUANTITIES = ("weights", "gradients")


class GrowingModes(Saved):
    """A model whose spectral layers begin with `first` modes along every axis; `modes` are those in use.

    What it uses and what a criterion remembers are buffers, so that a resumed training grows as an uninterrupted one.
    Raises InvalidArgument for a model without spectral convolutions.

    >>> model = ll.training.growth.GrowingModes(ll.operators.FNO(1, 1, (12, 12), width=4), first=4)
    >>> model.modes, model.grow(), model.modes
    (4, None, 5)
    """

    used: Tensor
    previous: Tensor
    running: Tensor
    strength: Tensor

    def __init__(self, model: nn.Module, first: int = 4) -> None:
        super().__init__()
        self.model = model
        if not self.layers:
            raise InvalidArgument("model must have spectral convolutions, whose modes can grow")
        self.most = max(max(layer.modes) for layer in self.layers)
        first = int(check_number("first", first, low=1, high=self.most, integer=True))
        self.register_buffer("used", torch.tensor(first))
        # no epoch has been: its loss is as far from that of the first as can be
        self.register_buffer("previous", torch.tensor(torch.inf))
        self.register_buffer("running", torch.tensor(0.0))
        self.register_buffer("strength", torch.zeros(self.most))
        self.register_load_state_dict_post_hook(_use_loaded)
        self.use(first)

    @property
    def layers(self) -> list[SpectralConv]:
        """The spectral layers of the model."""
        return [module for module in self.model.modules() if isinstance(module, SpectralConv)]

    def use(self, modes: int) -> None:
        """Use so many along every axis, as far as a layer has them."""
        self.modes = modes
        self.used.fill_(modes)
        for layer in self.layers:
            layer.use([min(modes, most) for most in layer.modes])

    def grow(self) -> None:
        """One mode more, where there is one."""
        self.use(min(self.modes + 1, self.most))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(*inputs)


@dataclass(frozen=True)
class LossGap:
    """`adapt` of a recipe: one mode more after an epoch, of so many steps, that changes the mean loss by at most `gap`.

    >>> ll.training.growth.LossGap(epoch=25)
    LossGap(epoch=25, gap=0.001)
    """

    epoch: int
    gap: float = 1e-3

    def __post_init__(self) -> None:
        # a frozen dataclass, known by its text when a training is resumed: numbers of NumPy have another
        object.__setattr__(self, "epoch", int(check_number("epoch", self.epoch, low=1, integer=True)))
        object.__setattr__(self, "gap", float(check_number("gap", self.gap, low=0.0)))

    def __call__(self, model: nn.Module, progress: Progress) -> None:
        for growing in _growing(model):
            growing.running += progress.total
            if progress.step % self.epoch == 0:
                mean = growing.running / self.epoch
                if bool((mean - growing.previous).abs() <= self.gap):
                    growing.grow()
                growing.previous.copy_(mean)
                growing.running.zero_()


@dataclass(frozen=True)
class Explained:
    """`adapt` of a recipe: one mode more where, after so many steps, the inner modes have too little of the strength.

    of: "weights" or "gradients"; threshold: the part of it that all but the last `buffer` modes in use must have.
    Gradients are those of dense weights: of a weight held as factors there is none.

    >>> ll.training.growth.Explained("gradients", threshold=0.9)
    Explained(of='gradients', threshold=0.9, every=10, buffer=5)
    """

    of: str = "weights"
    threshold: float = 0.99
    every: int = 10
    buffer: int = 5

    def __post_init__(self) -> None:
        one_of("of", self.of, QUANTITIES)
        object.__setattr__(self, "threshold", float(check_number("threshold", self.threshold, low=0.0, high=1.0)))
        for name in ("every", "buffer"):
            object.__setattr__(self, name, int(check_number(name, getattr(self, name), low=1, integer=True)))

    @torch.no_grad()
    def __call__(self, model: nn.Module, progress: Progress) -> None:
        due = progress.step % self.every == 0
        for growing in _growing(model):
            if self.of == "gradients":
                growing.strength += _strength(growing, [_gradient(layer) for layer in growing.layers])
            elif due:
                growing.strength.copy_(_strength(growing, [layer.weight for layer in growing.layers]))
            if due:
                within = growing.strength[: growing.modes]
                if bool(within[: max(0, growing.modes - self.buffer)].sum() < self.threshold * within.sum()):
                    growing.grow()
                growing.strength.zero_()


def coarse_to_fine(stages: Sequence[Batches], every: int) -> Batches:
    """Batches of the first of the stages for `every` steps, then of the next, and of the last from there on.

    As a function of the step alone, it is resumed like any other. Raises InvalidArgument.

    >>> coarse, fine = (ll.training.fixed(input=torch.zeros(4, 1, n)) for n in (8, 16))
    >>> stages = ll.training.growth.coarse_to_fine([coarse, fine], every=10)
    >>> [stages.batch(step)["input"].shape[-1] for step in (0, 9, 10, 99)]
    [8, 8, 16, 16]
    """
    if not stages:
        raise InvalidArgument("stages must hold batches, the coarsest first; got none")
    return _Stages(tuple(stages), int(check_number("every", every, low=1, integer=True)))


@dataclass(frozen=True)
class _Stages:
    stages: tuple[Batches, ...]
    every: int

    def batch(self, step: int) -> Mapping[str, Any]:
        return self.stages[min(step // self.every, len(self.stages) - 1)].batch(step)

    def shard(self, rank: int, world: int) -> Batches:
        return _Stages(tuple(stage.shard(rank, world) for stage in self.stages), self.every)


def _use_loaded(growing: nn.Module, _missing: object) -> None:
    assert isinstance(growing, GrowingModes)
    growing.use(int(growing.used))


def _growing(model: nn.Module) -> list[GrowingModes]:
    growing = [module for module in model.modules() if isinstance(module, GrowingModes)]
    if not growing:
        raise InvalidArgument("the model must be or hold a GrowingModes, whose modes are to grow")
    return growing


def _gradient(layer: SpectralConv) -> Tensor:
    if layer.weight_parts is None:
        raise InvalidArgument("of must be 'weights' for weights held as factors, which have no gradient of their own")
    assert layer.weight_parts.grad is not None
    return torch.view_as_complex(layer.weight_parts.grad)


def _strength(growing: GrowingModes, values: Sequence[Tensor]) -> Float[Tensor, "modes"]:
    """The squared norm of values on the kept wavenumbers of each layer, by the mode with which they come into use."""
    total = torch.zeros_like(growing.strength)
    for layer, each in zip(growing.layers, values, strict=True):
        squares = each.abs().square().sum(tuple(range(each.ndim - len(layer.modes))))
        total.index_add_(0, _first_modes(layer, each.device).flatten() - 1, squares.flatten().to(total.dtype))
    return total


def _first_modes(layer: SpectralConv, device: torch.device) -> Int[Tensor, "*kept"]:
    """How many modes along every axis must be in use for each kept wavenumber to be among them."""
    counts = torch.ones((), dtype=torch.long, device=device)
    for axis, (first, last) in enumerate(layer.wavenumbers):
        k, after = torch.arange(first, last + 1, device=device), len(layer.modes) - axis - 1
        # -k comes before +k, but along the last axis, which has no -k
        least = torch.where(k < 0, -2 * k, 2 * k + (1 if after else 0))
        counts = torch.maximum(counts, least.reshape(-1, *[1] * after))
    return counts
