"""How a series becomes the path that drives a model: its interpolation, its channels, its clock, its windows.

The solution of dz = f(z) dX does not depend on how fast X is run through. So every piece of the path takes the time
one, whatever the times of its sample were: samples with times of their own are solved together, one step a piece is a
step at every measurement, and no step is longer than the smallest gap. What the model sees of time is a channel of X.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.spaces import control_path, log_signature_path, log_signature_size
from limitlab.spaces.paths.control import ControlPath, Interpolation


@dataclass(frozen=True)
class Control:
    """The path of a series: time in front (`include_time`), the values, and their running counts (`intensity`).

    interpolation: "linear", "rectilinear", "hermite" or "natural", see `limitlab.spaces.control_path`. A channel is 0
    before its first value: the mean, for standardised series. intensity: add for every channel the number of its
    measurements so far, divided by this number; None leaves them out. window: pieces of the path to a log-signature of
    depth `log_depth`, 1 or 2; None drives by the path itself. Raises InvalidArgument and UnknownName.
    Sources: Kidger, Morrill, Foster & Lyons 2020, 3.1 and appendix (observational intensity); Morrill et al. 2021.

    >>> control = ll.neural_des.cde.Control(intensity=3)
    >>> control.path(torch.arange(3.0), torch.tensor([[[1.0], [float("nan")], [2.0]]])).coefficients[0, :, 0].tolist()
    [[0.0, 1.0, 0.3333333432674408], [1.0, 1.5, 0.3333333432674408], [2.0, 2.0, 0.6666666865348816]]
    """

    interpolation: Interpolation = "linear"
    include_time: bool = True
    intensity: float | None = None
    window: int | None = None
    log_depth: int = 2

    def __post_init__(self) -> None:
        one_of("interpolation", self.interpolation, get_args(Interpolation))
        if self.interpolation == "rectilinear" and not self.include_time:
            raise InvalidArgument("include_time must be True for a rectilinear path: it advances time and values apart")
        if self.intensity is not None:
            check_number("intensity", self.intensity, low=1)
        check_number("log_depth", self.log_depth, low=1, high=2, integer=True)
        if self.window is not None:
            check_number("window", self.window, low=1, integer=True)
            if self.interpolation not in ("linear", "rectilinear"):
                raise InvalidArgument(
                    f"window needs a piecewise linear path (linear, rectilinear); got {self.interpolation!r}"
                )

    def start_size(self, channels: int) -> int:
        """Channels of X, for data of so many."""
        channels = int(check_number("channels", channels, low=1, integer=True))
        return self.include_time + channels * (1 if self.intensity is None else 2)

    def size(self, channels: int) -> int:
        """Channels of what drives the model: of X, or entries of its log-signature."""
        start = self.start_size(channels)
        return start if self.window is None else log_signature_size(start, self.log_depth)

    def path(
        self,
        times: Float[Tensor, "*batch time"],
        values: Float[Tensor, "batch time channel"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ControlPath:
        """The path of every sample, with knots at 0, 1, 2, ... ; NaN are missing values."""
        if self.intensity is not None:
            counts = (~values.isnan()).cumsum(dim=1).to(values) / self.intensity
            values = torch.cat([values, counts], dim=-1)
        if lengths is None:
            # rows without a value at the end still count: time goes on there
            lengths = torch.full((len(values),), values.shape[1], device=values.device)
        path = control_path(
            times, values, self.interpolation, include_time=self.include_time, before=0.0, lengths=lengths
        )
        if self.window is not None:
            path = log_signature_path(path, self.window, self.log_depth)
        return with_unit_knots(path)

    def rows(self, path: ControlPath) -> Float[Tensor, " row"]:
        """Parameters of the path at which its rows of data, or its windows, end."""
        return path.knots[::2] if self.interpolation == "rectilinear" and self.window is None else path.knots


def with_unit_knots(path: ControlPath) -> ControlPath:
    """The same path run through at another speed: its knots are at 0, 1, 2, ..., for all samples alike.

    >>> path = ll.spaces.control_path([0.0, 1.0, 4.0], torch.tensor([[[0.0], [1.0], [2.0]]]), "hermite")
    >>> unit = ll.neural_des.cde.with_unit_knots(path)
    >>> bool(torch.isclose(unit.evaluate(1.5), path.evaluate(2.5)).all())
    True
    """
    knots = path.knots
    # the piece of the last knot is constant, whatever its length
    spans = torch.cat([knots.diff(dim=-1), torch.ones_like(knots[..., :1])], dim=-1)
    powers = torch.arange(path.coefficients.shape[2], device=knots.device)
    scales = spans.reshape(-1, knots.shape[-1])[..., None] ** powers
    unit = torch.arange(knots.shape[-1], dtype=knots.dtype, device=knots.device)
    return ControlPath(path.interpolation, unit, path.coefficients * scales[..., None])
