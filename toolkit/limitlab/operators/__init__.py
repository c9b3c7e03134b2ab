"""Infinite resolution: operators between functions, and the baselines that they must beat.

A model maps (batch, channel, *grid) to (batch, channel, *grid). `build` makes one from settings; the
classes can be used directly.
"""

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.layers.spectral_convolution import SpectralConv
from limitlab.operators.baselines import MeanPredictor, Persistence
from limitlab.operators.fno import FNO
from limitlab.operators.normalization import Normalized
from limitlab.operators.unet import UNet, unet_with_parameters

__all__ = [
    "FNO",
    "MeanPredictor",
    "Normalized",
    "Persistence",
    "SpectralConv",
    "UNet",
    "build",
    "count_parameters",
    "get",
    "names",
    "unet_with_parameters",
]

MODELS: dict[str, type[nn.Module]] = {"fno": FNO, "mean": MeanPredictor, "persistence": Persistence, "unet": UNet}


def names() -> tuple[str, ...]:
    """Names that `get` and `build` know."""
    return tuple(sorted(MODELS))


def get(name: str) -> type[nn.Module]:
    """The class behind a name; raises UnknownName."""
    if name not in MODELS:
        raise unknown_name("operator", name, MODELS)
    return MODELS[name]


def build(name: str, in_channels: int, out_channels: int, dimension: int, **options: Any) -> nn.Module:
    """A model from its name and options (those of its class): build("fno", 1, 1, 2, modes=12, width=32).

    `modes` of an FNO may be one number for all axes (default 12). A mean predictor needs `mean_field`.
    Raises UnknownName (for a name or an option), InvalidArgument.
    """
    model = get(name)
    axes = int(check_number("dimension", dimension, low=1, high=3, integer=True))
    given = {"in_channels": in_channels, "out_channels": out_channels, "dimension": axes}
    accepted = inspect.signature(model).parameters
    known = set(accepted) - set(given)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    if model is FNO:
        modes = options.get("modes", 12)
        options["modes"] = (modes,) * axes if isinstance(modes, int) else modes
        if not isinstance(options["modes"], Sequence) or len(options["modes"]) != axes:
            raise InvalidArgument(f"modes must hold {axes} numbers, one per axis; got {modes!r:.80}")
    required = [key for key, each in accepted.items() if each.default is inspect.Parameter.empty and key in known]
    for option in required:
        if option not in options:
            raise InvalidArgument(f"{name} needs the option {option}")
    return model(**{key: value for key, value in given.items() if key in accepted}, **options)


def count_parameters(model: nn.Module) -> int:
    """Trainable real degrees of freedom; a complex number counts as two."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters() if p.requires_grad)
