"""A neural controlled differential equation, for series with gaps, lengths and times of their own.

    z(t_0) = initial(X(t_0)),      dz = f(z) dX,      output = read-out of z(T), or of z at every row of the series.

X holds the time, so that the model sees speed, and z begins with X(t_0), so that it sees where the path begins.

Source: Kidger, Morrill, Foster & Lyons, Neural controlled differential equations for irregular time series (2020).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limitlab.data.series import require_measured
from limitlab.errors import InvalidArgument, check_number
from limitlab.layers.perceptron import perceptron
from limitlab.neural_des.cde.control import Control
from limitlab.neural_des.solved import Solved
from limitlab.saved import Saved
from limitlab.solvers import solve_cde
from limitlab.spaces.paths.control import ControlPath
from limitlab.training.streams import seeded


class MatrixField(Saved):
    """f(s, z) = tanh(MLP(z)), a (hidden, channels) matrix of every sample: bounded, and smooth by its softplus.

    hidden layers: `depth` of `width` units. Source: Kidger et al. 2020, appendix.

    >>> ll.neural_des.cde.MatrixField(8, 3)(torch.zeros(5, 1), torch.zeros(5, 8)).shape
    torch.Size([5, 8, 3])
    """

    def __init__(self, hidden: int, channels: int, width: int = 128, depth: int = 1, *, seed: int = 0) -> None:
        super().__init__()
        hidden = int(check_number("hidden", hidden, low=1, integer=True))
        channels = int(check_number("channels", channels, low=1, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        depth = int(check_number("depth", depth, low=1, integer=True))
        self.channels = channels
        with seeded(seed):
            self.layers = perceptron([hidden, *[width] * depth, hidden * channels], "softplus", "tanh")

    def forward(
        self, s: Float[Tensor, "batch 1"], z: Float[Tensor, "batch hidden"]
    ) -> Float[Tensor, "batch hidden channels"]:
        # einops takes a tenth of such a call's time
        return self.layers(z).unflatten(-1, (-1, self.channels))


class NeuralCDE(Solved):
    """Outputs of series of so many channels: (batch, outputs) at their ends, or at every row by `evolve`.

    width, depth: of the field and of the map from X(t_0) to the hidden state. control: how a series becomes a path.
    The further options, and the errors, are those of `limitlab.solvers.solve_cde`; left out, one midpoint step a piece
    of the path, or a window. `step_size=None` steps by the error, and ends steps at the knots. `last` is the Solution
    of the last call. Shapes that do not fit are refused by name.
    Source: Kidger et al. 2020; with a window Morrill et al. 2021 (neural rough differential equations).

    >>> model = ll.neural_des.cde.NeuralCDE(channels=2, outputs=3)
    >>> times, values = torch.linspace(0, 1, 20), torch.randn(5, 20, 2)
    >>> model(times, values).shape, model.evolve(times, values).shape
    (torch.Size([5, 3]), torch.Size([5, 20, 3]))
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        hidden: int = 8,
        *,
        width: int = 128,
        depth: int = 1,
        control: Control | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.control = Control() if control is None else control
        self.channels = channels = int(check_number("channels", channels, low=1, integer=True))
        outputs = int(check_number("outputs", outputs, low=1, integer=True))
        self.options: dict[str, Any] = {"method": "midpoint", "step_size": 1.0} | options
        hidden, width, depth = (
            int(check_number(n, v, low=1, integer=True))
            for n, v in (("hidden", hidden), ("width", width), ("depth", depth))
        )
        sizes = [self.control.start_size(channels), *[width] * depth, hidden]
        with seeded(seed):
            self.initial = perceptron(sizes, "softplus")
            self.readout = nn.Linear(hidden, outputs)
            # another seed than this one, from which the field's first layer would be that of `initial`
            field_seed = int(torch.randint(2**31, ()))
        self.field = MatrixField(hidden, self.control.size(channels), width, depth, seed=field_seed)

    def forward(
        self,
        times: Float[Tensor, "*batch time"],
        values: Float[Tensor, "batch time channel"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch outputs"]:
        """The output at the end of each series."""
        path = self._path(times, values, lengths)
        return self.readout(self._solve(path, path.knots[[0, -1]])[:, -1])

    def evolve(
        self,
        times: Float[Tensor, "*batch time"],
        values: Float[Tensor, "batch time channel"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch row outputs"]:
        """The output at every row of each series, or at the ends of all windows; constant after the last that counts.

        What it is at a row knows of later ones in all but the rectilinear path.
        """
        path = self._path(times, values, lengths)
        return self.readout(self._solve(path, self.control.rows(path)))

    def _path(self, times: Tensor, values: Tensor, lengths: Tensor | None) -> ControlPath:
        if not isinstance(values, Tensor) or values.dim() != 3 or values.shape[-1] != self.channels:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InvalidArgument(f"values must be a tensor (batch, time, {self.channels}); got {got}")
        require_measured(values)
        return self.control.path(times, values, lengths)

    def _solve(self, path: ControlPath, rows: Float[Tensor, " row"]) -> Float[Tensor, "batch row hidden"]:
        start = path.coefficients[:, 0, 0, : self.control.start_size(self.channels)]
        self._last = solve_cde(self.field, self.initial(start), path, rows, **self.options)
        return self._last.y
