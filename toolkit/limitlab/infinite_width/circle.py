"""Regression on the unit circle: equally spaced points, and a function of the angle that is learned from them.

    x = (cos theta, sin theta),    y = target(theta),    theta = 2 pi k/points

On such points the eigenvectors of a kernel that knows only angles are waves, so each target has a spectrum that says
how fast it is learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import check_number, one_of

TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin 2θ + ½ cos θ": lambda angle: torch.sin(2 * angle) + torch.cos(angle) / 2,
    "cos θ": torch.cos,
    "sin 3θ": lambda angle: torch.sin(3 * angle),
    # rounding puts the angle pi on either side of zero
    "a step": lambda angle: torch.where(torch.sin(angle) >= -1e-9, 1.0, -1.0).to(angle),
    "a peak": lambda angle: torch.exp(4 * (torch.cos(angle - 1) - 1)),
}
TWO_WAVES = "sin 2θ + ½ cos θ"


@dataclass(frozen=True)
class CircleRegression:
    """Training points x with values y and test points x_test with values y_test, at `angles` and `test_angles`."""

    target: str
    angles: Float[Tensor, " point"]
    test_angles: Float[Tensor, " x"]

    @property
    def x(self) -> Float[Tensor, "point 2"]:
        return on_circle(self.angles)

    @property
    def y(self) -> Float[Tensor, " point"]:
        return TARGETS[self.target](self.angles)

    @property
    def x_test(self) -> Float[Tensor, "x 2"]:
        return on_circle(self.test_angles)

    @property
    def y_test(self) -> Float[Tensor, " x"]:
        return TARGETS[self.target](self.test_angles)

    def test_error(self, outputs: Float[Tensor, " x"]) -> Float[Tensor, ""]:
        """Mean squared error at the test points."""
        return (outputs - self.y_test).square().mean()


def circle_regression(points: int = 12, test_points: int = 64, target: str = TWO_WAVES) -> CircleRegression:
    """So many training and test points, equally spaced from the angle 0 on. Raises InvalidArgument, UnknownName.

    >>> ll.infinite_width.circle_regression(points=4).y.round(decimals=2).abs()
    tensor([0.5000, 0.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    one_of("target", target, TARGETS)
    return CircleRegression(target, _equally_spaced("points", points), _equally_spaced("test_points", test_points))


def on_circle(angles: Float[Tensor, " point"]) -> Float[Tensor, "point 2"]:
    """The points of the unit circle at these angles."""
    return torch.stack([torch.cos(angles), torch.sin(angles)], -1)


class ClosedForm(nn.Module):
    """What a limit predicts at the test points: a model with nothing to learn."""

    values: Tensor

    def __init__(self, values: Float[Tensor, " x"]) -> None:
        super().__init__()
        self.register_buffer("values", values)


def closed_form(values: Float[Tensor, " x"]) -> Callable[[int], ClosedForm]:
    """Makes the model that has these values at the test points, whatever the seed."""
    return lambda seed: ClosedForm(values)


def _equally_spaced(name: str, count: int) -> Float[Tensor, " point"]:
    number = int(check_number(name, count, low=1, integer=True))
    # without the end, which is the angle 0 again
    return 2 * torch.pi / number * torch.arange(number, dtype=torch.float64)
