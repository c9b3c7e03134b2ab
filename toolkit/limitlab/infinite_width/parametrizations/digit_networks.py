"""The task on which parametrisations are compared: which digit an 8 x 8 image shows, told by a network of two layers.

    h1 = W1 x + b1,    h2 = W2 relu(h1) + b2,    output = W3 relu(h2) + b3,    W ~ N(0, 1/fan_in),    b = 0

is the standard parametrisation (SP) in torch's own layers; `mup_init` and `mup_groups` make the maximal update of it.
Images have mean zero and variance one over all pixels; the loss is the cross entropy.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab import data
from limitlab.data import Batches
from limitlab.errors import check_number, unknown_name
from limitlab.infinite_width.parametrizations.coordinate_check import MakeModel
from limitlab.infinite_width.parametrizations.mup import mup_groups, mup_init
from limitlab.spaces import Grid
from limitlab.training.recipe import Groups

CLASSES = 10


@dataclass(frozen=True)
class DigitTask:
    """Images (sample, 64), their classes as unit vectors (sample, 10), and batches of both as `fit` takes them."""

    images: Float[Tensor, "sample pixels"]
    targets: Float[Tensor, "sample classes"]
    batches: Batches


@cache
def digit_task(batch_size: int = 64, seed: int = 0) -> DigitTask:
    """All 1797 digits; the order of the batches is that of the seed."""
    digits = data.digits()
    raw = torch.tensor(digits["image"].transpose("sample", "y", "x").values, dtype=torch.float64).flatten(1)
    images = ((raw - raw.mean()) / raw.std()).float()
    targets = functional.one_hot(torch.tensor(digits["label"].values).long(), CLASSES).float()
    grid = Grid.uniform((digits.sizes["y"], digits.sizes["x"]), dimension=2)
    return DigitTask(images, targets, Batches({"input": images, "target": targets}, grid, size=batch_size, seed=seed))


def cross_entropy(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of `fit`: mean over the batch of -log softmax(output)[class]."""
    return {"cross_entropy": functional.cross_entropy(model(batch["input"]), batch["target"])}


def standard_network(width: int, seed: int = 0, inputs: int = 64, outputs: int = CLASSES) -> nn.Sequential:
    """The network above in SP, two hidden layers h1 and h2 of that width, every weight drawn from the seed."""
    for name, value in (("width", width), ("inputs", inputs), ("outputs", outputs)):
        check_number(name, value, low=1, integer=True)
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
                layer.weight.normal_(0, layer.in_features**-0.5, generator=generator)
                layer.bias.zero_()
    return nn.Sequential(layers)


def digit_networks(
    parametrization: str, *, base_width: int = 64, optimizer: str = "adam", **common: Any
) -> tuple[MakeModel, Groups]:
    """make_model(width, seed) and groups(model) of that network under "sp" or "mup", the same at the base width.

    common: what every group shares, such as betas. Raises UnknownName.
    """
    if parametrization == "sp":
        return standard_network, lambda model: [{**common, "params": list(model.parameters())}]
    if parametrization != "mup":
        raise unknown_name("parametrization of digit_networks", parametrization, ("sp", "mup"))
    base, delta = standard_network(base_width), standard_network(2 * base_width)

    def make_model(width: int, seed: int) -> nn.Module:
        return mup_init(standard_network(width, seed), base, delta)

    return make_model, lambda model: mup_groups(model, base, delta, optimizer=optimizer, **common)
