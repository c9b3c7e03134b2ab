"""Steps of a field that jumps between them: all times strictly inside, as in `limitlab.solvers.ode.jumps`."""

from __future__ import annotations

import sys

from llvmlite import ir

from limitlab.solvers.native.arithmetic import Lanes
from limitlab.solvers.native.stages import Slope
from limitlab.solvers.ode.jumps import UNITS


class Inside:
    """Times of a step from t of size h, drawn towards its middle by some units in the last place."""

    def __init__(self, lanes: Lanes, t: ir.Value, h: ir.Value) -> None:
        self._lanes, half = lanes, lanes.scaled(h, 0.5)
        self._middle, radius = lanes.add(t, half), lanes.absolute(half)
        margin = lanes.scaled(lanes.add(lanes.absolute(self._middle), radius), UNITS * sys.float_info.epsilon)
        # a step of size zero, or of a few units, has nothing but its middle
        share = lanes.divide(margin, lanes.maximum(radius, lanes.number(sys.float_info.min)))
        self._share = lanes.minimum(share, lanes.number(1.0))

    def drawn(self, t: ir.Value) -> ir.Value:
        """The time inside that stands for t."""
        lanes = self._lanes
        return lanes.add(t, lanes.multiply(self._share, lanes.subtract(self._middle, t)))

    def of(self, slope_at: Slope) -> Slope:
        """The slope, asked for inside alone."""
        return lambda t, y: slope_at(self.drawn(t), y)
