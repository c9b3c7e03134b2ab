"""An equation on many sites made small: a few modes, and the slope at a few sites.

    y ~ v + V yr,      yr' = V^T L y + V^T U (P^T U)^+ P^T (f(t, y) - L y)

with V the modes of trajectories, L = df/dy at their mean, and U the modes of f - L y along them. What is linear
reduces exactly, and only the rest is interpolated: a slope has more directions than the states, the fast ones most of
all, and those are the linear part's. P^T f needs the sites of its rows and their neighbours alone, so that a call costs
nothing that grows with the number of sites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.reduction.basis import Basis, pod
from limitlab.neural_des.reduction.rows import Rows, interpolation, qdeim_rows
from limitlab.problems.compiled.components import Components, components
from limitlab.solvers import Solution, solve_ode

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.problems.ode.problem import ODEProblem

LINEAR = 1e-10
"""A slope is linear where less than this share of it is left without its linear part."""


@dataclass(frozen=True, eq=False)
class ReducedProblem:
    """A problem in the coordinates of a few modes; made by `reduce_problem`.

    `components` says which sites its slope needs: `solve` reads and writes no others until the states are lifted.

    >>> problem = ll.problems.get("heat_lines", sites=16)
    >>> trajectories = problem.dataset(4, seed=0)
    >>> small = ll.neural_des.reduction.reduce_problem(problem, trajectories, modes=3)
    >>> y = torch.tensor(trajectories["y"].values[:, 0])
    >>> bool((small.lift(small.project(y)) - y).abs().max() < 1e-8)
    True
    """

    problem: ODEProblem
    states: Basis
    components: Components
    linear: Float[Tensor, "mode mode"]
    constant: Float[Tensor, " mode"]
    back: Float[Tensor, "mode row"]
    lift_needed: Float[Tensor, "needed mode"]
    centre_needed: Float[Tensor, " needed"]

    def project(self, y: Float[Tensor, "*batch state"]) -> Float[Tensor, "*batch mode"]:
        """Coordinates of the nearest point of the subspace."""
        return (y.double() - self.states.centre) @ self.states.modes

    def lift(self, reduced: Float[Tensor, "*batch mode"]) -> Float[Tensor, "*batch state"]:
        """All states, from the coordinates."""
        return self.states.centre + reduced.double() @ self.states.modes.T

    def field(self, t: Tensor, reduced: Float[Tensor, "batch mode"]) -> Float[Tensor, "batch mode"]:
        """The slope of the coordinates."""
        needed = self.centre_needed + reduced @ self.lift_needed.T
        return self.constant + reduced @ self.linear.T + self.components.slope(t, needed) @ self.back.T

    def with_parameters(self, **values: float) -> ReducedProblem:
        """The same modes and rows at other parameters."""
        drift, layout = self.problem.dynamics().drift, self.problem.layout()
        return replace(self, components=components(drift, layout, self.problem.merged(values), self.components.rows))

    def solve(self, y0: Float[Tensor, "batch state"], t: Tensor | Sequence[float], **options: Any) -> Solution:
        """The coordinates at times t from starts in full; options of `solve_ode`. `lift` makes states of its y."""
        return solve_ode(self.field, self.project(y0), t, **options)


def reduce_problem(
    problem: ODEProblem,
    trajectories: xr.Dataset,
    modes: int,
    rows: int | None = None,
    *,
    centred: bool = True,
) -> ReducedProblem:
    """The problem on `modes` modes of trajectories (`problem.dataset` or `problem.simulate`) with `rows` of its slopes.

    rows: as many as modes if left out; more are safer. centred: modes about the mean state. The trajectories may have
    parameters of their own (`spread`); the reduced problem has those of the problem, `with_parameters` others.
    Raises InvalidArgument for a problem without sites, one whose sites are coupled by a mean, and too few snapshots.

    >>> problem = ll.problems.get("heat_lines", sites=32)
    >>> trajectories = problem.dataset(4, seed=0)
    >>> small = ll.neural_des.reduction.reduce_problem(problem, trajectories, modes=3)
    >>> len(small.components.rows), len(small.components.needed) < 32
    (3, True)
    """
    modes = int(check_number("modes", modes, low=1, integer=True))
    rows = modes if rows is None else int(check_number("rows", rows, low=modes, integer=True))
    snapshots, slopes = _snapshots(problem, trajectories)
    linear, rest = _separated(problem, trajectories, snapshots, slopes)
    states, units = pod(snapshots, centred=centred), pod(rest)
    if states.size < modes or len(snapshots) < rows:
        raise InvalidArgument(
            f"{modes} modes and {rows} rows are too many: the trajectories span {states.size} directions of"
            f" {len(snapshots)} states"
        )
    # a nonlinearity at a few sites has fewer directions than the states
    states, units = states.truncated(modes), units.truncated(min(modes, units.size))
    places: Rows = qdeim_rows(units.modes, rows).sort().values
    some = components(problem.dynamics().drift, problem.layout(), problem.merged(None), places)
    back = states.modes.T @ interpolation(units.modes, places)
    # V^T L y less what the rows make of L y, which components.slope brings along
    exact = states.modes.T @ linear - back @ linear[places]
    return ReducedProblem(
        problem=problem,
        states=states,
        components=some,
        linear=exact @ states.modes,
        constant=exact @ states.centre,
        back=back,
        lift_needed=states.modes[some.needed].contiguous(),
        centre_needed=states.centre[some.needed],
    )


def _separated(
    problem: ODEProblem,
    trajectories: xr.Dataset,
    snapshots: Float[Tensor, "state column"],
    slopes: Float[Tensor, "state column"],
) -> tuple[Float[Tensor, "state state"], Float[Tensor, "state column"]]:
    """The derivative L of the slope at the mean state, and what is left of the slopes without L y."""
    start = torch.tensor(float(trajectories["time"][0]), dtype=torch.float64)
    linear = problem.jacobian()(start, snapshots.mean(1))
    rest = slopes - linear @ snapshots
    if rest.norm() <= LINEAR * slopes.norm():
        # a linear slope leaves nothing but rounding to interpolate; its own modes are exact
        return torch.zeros_like(linear), slopes
    return linear, rest


def _snapshots(problem: ODEProblem, trajectories: xr.Dataset) -> tuple[Tensor, Tensor]:
    """States (state, column) of the trajectories, and the slopes there, each sample with parameters of its own."""
    if "y" not in trajectories:
        raise InvalidArgument("trajectories must be what problem.dataset or problem.simulate gives, with y")
    y = torch.tensor(trajectories["y"].transpose("sample", "time", "state").values).double()
    times = torch.tensor(trajectories["time"].values).double().expand(len(y), -1)
    count = y.shape[1]
    values: dict[str, float | Tensor] = {
        name: torch.tensor(trajectories[name].values).double().repeat_interleave(count) for name in problem.values
    }
    flat = y.flatten(0, 1)
    return flat.T, problem.field(values)(times.reshape(-1, 1), flat).T
