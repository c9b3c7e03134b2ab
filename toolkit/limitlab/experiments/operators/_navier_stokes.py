"""The forced flow as the experiments of this folder solve it: on fewer points, with longer steps.

At a tenth of the amplitude a flow is solved in a tenth of a second on 64 x 64 points, to 1e-4 of one on 128 x 128 with
short steps. It is nonlinear enough that the best linear map of Fourier modes leaves two fifths of it.
"""

from __future__ import annotations

import dataclasses

from limitlab import problems
from limitlab.problems.pde.navier_stokes import NavierStokesProblem

_FORCED = problems.get("navier_stokes_forced")
assert isinstance(_FORCED, NavierStokesProblem)
PROBLEM = dataclasses.replace(_FORCED, minimum_resolution=64, dt=0.25)
