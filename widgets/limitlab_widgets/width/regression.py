"""The regression of the width studio: points on the unit circle, a target, a network without a width, a rate.

    x = (cos theta, sin theta),    y = target(theta),    eta = rate/(largest eigenvalue of the limit's kernel)

A value: equal settings give the same numbers, whichever thread asks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number, unknown_name
from limitlab.infinite_width import WidthStudy, activation, kernels, max_learning_rate, mlp

TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin 2θ + ½ cos θ": lambda angle: torch.sin(2 * angle) + torch.cos(angle) / 2,
    "cos θ": torch.cos,
    "sin 3θ": lambda angle: torch.sin(3 * angle),
    "a step": lambda angle: torch.where(torch.sin(angle) >= -1e-9, 1.0, -1.0).to(angle),
    "a peak": lambda angle: torch.exp(4 * (torch.cos(angle - 1) - 1)),
}
NONLINEARITIES = (
    *("relu", "leaky_relu", "abs", "erf", "tanh", "sigmoid", "sin", "cos", "gelu", "silu", "softplus", "linear"),
)
ENDS: dict[str, tuple[float, float]] = {
    "depth": (1, 6),
    "weight_variance": (0.5, 4.0),
    "bias_scale": (0.0, 1.0),
    "points": (4, 40),
    "rate": (0.1, 2.5),
    "steps": (10, 5000),
}
WHOLE = ("depth", "points", "steps")
ANGLES = 96
RECORDS = 40


@dataclass(frozen=True)
class Regression:
    """depth: hidden layers. bias_scale: s_b. rate: eta in units of 1/(largest eigenvalue). steps: of the training.

    Raises InvalidArgument for what lies outside of ENDS, UnknownName for a target or an activation.
    """

    depth: int = 2
    activation: str = "relu"
    weight_variance: float = 2.0
    bias_scale: float = 0.1
    target: str = next(iter(TARGETS))
    points: int = 12
    rate: float = 1.0
    steps: int = 400

    def __post_init__(self) -> None:
        for name, (low, high) in ENDS.items():
            check_number(name, getattr(self, name), low=low, high=high, integer=name in WHOLE)
        for name, known in (("activation", NONLINEARITIES), ("target", TARGETS)):
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)

    @property
    def angles(self) -> Float[Tensor, " point"]:
        """Of the training points, equally spaced."""
        return 2 * math.pi * torch.arange(self.points, dtype=torch.float64) / self.points

    @property
    def values(self) -> Float[Tensor, " point"]:
        """The target at the training points."""
        return TARGETS[self.target](self.angles)

    @property
    def all_angles(self) -> Float[Tensor, " x"]:
        """Where functions are looked at: once around the circle, both ends included."""
        return torch.linspace(0, 2 * math.pi, ANGLES + 1, dtype=torch.float64)

    def study(self, watch: Callable[[], None] = lambda: None) -> WidthStudy:
        """The limit, and networks of any width; `watch` is called wherever a network passes an activation."""
        nonlinearity = activation(self.activation)

        def watched(values: Tensor) -> Tensor:
            watch()
            return nonlinearity.function(values)

        seen = dataclasses.replace(nonlinearity, function=watched)
        architecture = mlp(self.depth, seen, self.weight_variance, self.bias_scale**2)
        x, x_all = on_circle(self.angles), on_circle(self.all_angles)
        eta = self.rate / 2 * max_learning_rate(kernels(architecture, x).ntk)
        return WidthStudy(architecture, x, self.values, x_all, steps=self.steps, rate=eta, records=RECORDS)


def on_circle(angles: Float[Tensor, " point"]) -> Float[Tensor, "point 2"]:
    """The points of the unit circle at these angles."""
    return torch.stack([torch.cos(angles), torch.sin(angles)], 1)
