"""The regression of the width studio, as settings of the experiment `ntk_circle`.

    x = (cos theta, sin theta),    y = target(theta),    eta = rate/(largest eigenvalue of the limit's kernel)

A value: equal settings give the same numbers, whichever thread asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab import experiments
from limitlab.errors import check_number, one_of
from limitlab.experiments.infinite_width.ntk_circle import ACTIVATIONS, CircleSettings
from limitlab.infinite_width import CircleRegression, circle_regression, kernels, max_learning_rate, mlp
from limitlab.infinite_width.circle import TARGETS, TWO_WAVES

EXPERIMENT = experiments.get("ntk_circle")
NONLINEARITIES = ACTIVATIONS
WIDTHS = tuple(2**k for k in range(4, 13))
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
RECORDS = 39


@dataclass(frozen=True)
class Regression:
    """depth: hidden layers. bias_scale: s_b. rate: eta in units of 1/(largest eigenvalue). steps: of the training.

    Raises InvalidArgument for what lies outside of ENDS, UnknownName for a target or an activation.
    """

    depth: int = 2
    activation: str = "relu"
    weight_variance: float = 2.0
    bias_scale: float = 0.1
    target: str = TWO_WAVES
    points: int = 12
    rate: float = 1.0
    steps: int = 400

    def __post_init__(self) -> None:
        for name, (low, high) in ENDS.items():
            value = check_number(name, getattr(self, name), low=low, high=high, integer=name in WHOLE)
            # a frozen dataclass; numbers of an array may be NumPy's
            object.__setattr__(self, name, value)
        one_of("activation", self.activation, NONLINEARITIES)
        one_of("target", self.target, TARGETS)

    @property
    def task(self) -> CircleRegression:
        """The points on the circle, and the target at them."""
        return circle_regression(self.points, ANGLES, self.target)

    @property
    def angles(self) -> Float[Tensor, " point"]:
        """Of the training points, equally spaced."""
        return self.task.angles

    @property
    def values(self) -> Float[Tensor, " point"]:
        """The target at the training points."""
        return self.task.y

    @property
    def all_angles(self) -> Float[Tensor, " x"]:
        """Where functions are looked at: once around the circle, both ends included."""
        # the end again: a curve once around must close
        return torch.cat([self.task.test_angles, torch.tensor([2 * math.pi], dtype=torch.float64)])

    @property
    def settings(self) -> CircleSettings:
        """Of the experiment, one seed at a time."""
        architecture = mlp(self.depth, self.activation, self.weight_variance, self.bias_scale**2)
        return CircleSettings(
            hidden=self.depth,
            activation=self.activation,
            weight_variance=self.weight_variance,
            bias_variance=self.bias_scale**2,
            target=self.target,
            points=self.points,
            test_points=ANGLES,
            widths=WIDTHS,
            rate=self.rate / 2 * max_learning_rate(kernels(architecture, self.task.x).ntk),
            steps=self.steps,
            modes=1,
            records=RECORDS,
            seeds=1,
            device="cpu",
        )
