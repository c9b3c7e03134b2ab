"""The networks on which parametrisations are compared: two hidden layers that tell which digit an image shows.

    h1 = W1 x + b1,    h2 = W2 relu(h1) + b2,    output = W3 relu(h2) + b3,    W ~ N(0, 1/fan_in),    b = 0

is the standard parametrisation (SP) in torch's own layers; `mup_init` and `mup_groups` make the maximal update of it.
Task and loss are those of `data.sources.digit_task`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from limitlab.data.sources.digit_task import CLASSES
from limitlab.errors import check_number, unknown_name
from limitlab.infinite_width.parametrizations.coordinate_check import MakeModel
from limitlab.infinite_width.parametrizations.mup import mup_groups, mup_init
from limitlab.saved import Saved
from limitlab.training.recipe import Groups


def standard_network(width: int, seed: int = 0, inputs: int = 64, outputs: int = CLASSES) -> nn.Sequential:
    """The network above in SP, two hidden layers h1 and h2 of that width, every weight drawn from the seed.

    >>> ll.infinite_width.standard_network(32)(torch.zeros(5, 64)).shape
    torch.Size([5, 10])
    """
    width, inputs, outputs = (
        int(check_number(name, value, low=1, integer=True))
        for name, value in (("width", width), ("inputs", inputs), ("outputs", outputs))
    )
    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    layers = OrderedDict(
        h1=nn.Linear(inputs, width),
        x1=nn.ReLU(),
        h2=nn.Linear(width, width),
        x2=nn.ReLU(),
        output=nn.Linear(width, outputs),
    )
    with torch.no_grad():
        for layer in layers.values():
            if isinstance(layer, nn.Linear):
                # torch's own start has another law, and draws from the global generator
                layer.weight.normal_(0, layer.in_features**-0.5, generator=generator)
                layer.bias.zero_()
    return nn.Sequential(layers)


def digit_networks(
    parametrization: str, *, base_width: int = 64, optimizer: str = "adam", **common: Any
) -> tuple[MakeModel, Groups]:
    """make_model(width, seed) and groups(model) of that network under "sp" or "mup", the same at the base width.

    common: what every group shares, such as betas. Raises UnknownName.

    >>> make_model, groups = ll.infinite_width.digit_networks("mup")
    >>> sorted(group["rate"] for group in groups(make_model(256, 0)))
    [0.25, 1.0]
    """
    if parametrization == "sp":
        return standard_network, lambda model: [{**common, "params": list(model.parameters())}]
    if parametrization != "mup":
        raise unknown_name("parametrization of digit_networks", parametrization, ("sp", "mup"))
    base, delta = widened(base_width)

    def make_model(width: int, seed: int) -> nn.Module:
        return MupNetwork(width, base_width, seed)

    return make_model, lambda model: mup_groups(model, base, delta, optimizer=optimizer, **common)


class MupNetwork(Saved, nn.Sequential):
    """The network of that width in the maximal update parametrisation, which is SP at the base width."""

    def __init__(self, width: int, base_width: int = 64, seed: int = 0) -> None:
        super().__init__(OrderedDict(standard_network(width, seed).named_children()))
        mup_init(self, *widened(base_width))


def widened(base_width: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Two networks of other widths: which dimensions differ are those that grow."""
    return standard_network(base_width), standard_network(2 * base_width)
