"""Incompressible flow in a box with a moving lid and solid bodies: velocities on faces, pressure in cells.

    (u' - u)/dt + (u . grad) u' + grad p' - nu Laplacian u' = 0,     div u' = 0

A state (batch, axis + 1, *cells) holds in each cell the velocities through its upper faces, one an axis, then the
pressure: for three axes and n cells each, (batch, 4, n, n, n). Faces of solid cells are closed, as those of the box
are; along a wall half a cell away the velocity is held by ghosts 2 u_wall - u. The last axis ends at the lid, which
moves along the first. Convection is half the sum of (flux through a face) x (velocity beyond it), over a volume around
the face of u: of order two, and it neither makes nor takes energy, whatever the divergence of u. As u is that of the
last step, a step is one linear system.

Source: Harlow and Welch, Numerical calculation of time-dependent viscous incompressible flow (1965).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number
from limitlab.interruption import ask_to_go_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 3
"""Cells so far apart along an axis meet in no equation: a stencil goes one cell to either side."""


@dataclass(frozen=True, eq=False)
class Enclosure:
    """What is solid and what moves. fluid: 1 in a cell of fluid, 0 in a solid one. lid: its speed.

    Raises InvalidArgument.

    >>> from limitlab.solvers.pde.staggered import Enclosure
    >>> Enclosure(torch.ones(2, 8, 8), torch.tensor([1.0, 2.0]), spacing=1 / 8).dimension
    2
    """

    fluid: Float[Tensor, "batch *cells"]
    lid: Float[Tensor, " batch"]
    spacing: float

    def __post_init__(self) -> None:
        if not 2 <= self.dimension <= 3:
            raise InvalidArgument(f"fluid must be (batch, x, y) or (batch, x, y, z); got {tuple(self.fluid.shape)}")
        if not bool(((self.fluid == 0) | (self.fluid == 1)).all()):
            raise InvalidArgument("fluid must be 0 or 1 in every cell")
        if tuple(self.lid.shape) != (len(self.fluid),) or not bool(self.lid.isfinite().all()):
            raise InvalidArgument(f"lid must be one finite speed a sample; got {tuple(self.lid.shape)}")
        check_number("spacing", self.spacing, low=1e-300)

    @property
    def dimension(self) -> int:
        """Axes of the box."""
        return self.fluid.ndim - 1

    @cached_property
    def _ringed(self) -> Tensor:
        """The cells within a ring of solid ones."""
        return _ring(self.fluid)

    @cached_property
    def open(self) -> list[Tensor]:
        """For every axis, with the ring: 1 where a cell's upper face lies between two cells of fluid."""
        return [self._ringed * _above(self._ringed, axis) for axis in range(self.dimension)]

    @cached_property
    def buried(self) -> list[Tensor]:
        """The same for faces between two solid cells, beyond which no velocity is."""
        return [(1 - self._ringed) * (1 - _above(self._ringed, axis)) for axis in range(self.dimension)]

    @cached_property
    def moved(self) -> list[Tensor]:
        """For every axis, with the ring: the velocities of what is solid."""
        still = torch.zeros_like(self._ringed)
        along = still.clone()
        along[..., -1] = self.lid.view(-1, *[1] * (self.dimension - 1))
        return [along, *[still] * (self.dimension - 1)]

    @cached_property
    def faces(self) -> Float[Tensor, "batch axis *cells"]:
        """1 for a face that is open."""
        return torch.stack([_unring(part) for part in self.open], 1)

    def imposed(self, state: Float[Tensor, "batch channel *cells"]) -> Float[Tensor, "batch channel *cells"]:
        """The state with closed faces, and a pressure of mean nought in the fluid alone."""
        axes = tuple(range(1, self.fluid.ndim))
        mean = (self.fluid * state[:, -1]).sum(axes, keepdim=True) / self.fluid.sum(axes, keepdim=True)
        return torch.cat([state[:, :-1] * self.faces, (self.fluid * (state[:, -1] - mean))[:, None]], 1)

    def to(self, like: Tensor) -> Enclosure:
        """The same in another precision and on another device."""
        return Enclosure(self.fluid.to(like), self.lid.to(like), self.spacing)


def step_residual(
    after: Float[Tensor, "batch channel *cells"],
    before: Float[Tensor, "batch channel *cells"],
    box: Enclosure,
    *,
    dt: float,
    viscosity: float,
) -> tuple[Float[Tensor, "batch axis *cells"], Float[Tensor, "batch *cells"]]:
    """Momentum on the open faces and divergence in the fluid cells, of a step from `before`; nought elsewhere.

    The pressure of `before` is not read. Raises InvalidArgument.

    >>> from limitlab.solvers.pde.staggered import Enclosure, step_residual
    >>> box, rest = Enclosure(torch.ones(1, 4, 4), torch.ones(1), spacing=0.25), torch.zeros(1, 3, 4, 4)
    >>> momentum, divergence = step_residual(rest, rest, box, dt=0.1, viscosity=0.01)
    >>> momentum[0, 0, :3, -1].tolist(), float(divergence.abs().max())  # the lid pulls: -nu 2/h^2
    ([-0.3199999928474426, -0.3199999928474426, -0.3199999928474426], 0.0)
    """
    _require(after, before, box)
    dt, viscosity = check_number("dt", dt, low=1e-300), check_number("viscosity", viscosity, low=0.0)
    h, axes = box.spacing, range(box.dimension)
    carrying = [_ring(before[:, axis]) for axis in axes]
    *velocity, pressure = (_ring(part) for part in after.unbind(1))
    momentum = []
    for axis, u in enumerate(velocity):
        total = (u - carrying[axis]) / dt + (_above(pressure, axis) - pressure) / h
        for along in axes:
            flux = (carrying[along] + _above(carrying[along], axis)) / 2
            beyond = _beyond(u, box, axis, along)
            for sign, neighbour, through in zip((1, -1), beyond, (flux, _below(flux, along)), strict=True):
                total = total + sign * through * neighbour / (2 * h) - viscosity * (neighbour - u) / h**2
        momentum.append(_unring(box.open[axis] * total))
    divergence = torch.stack([u - _below(u, axis) for axis, u in enumerate(velocity)]).sum(0) / h
    return torch.stack(momentum, 1), box.fluid * _unring(divergence)


def potential_velocity(
    potential: Float[Tensor, "batch component *cells"], box: Enclosure
) -> Float[Tensor, "batch axis *cells"]:
    """A velocity without divergence from any stream function, in the plane, or vector potential, in space.

    In the plane: one component at the upper corners of cells, (psi_y, -psi_x); nought on the walls of the box, and on
    the bodies one number, its mean there, for what flows between them and the walls. In space: three components on the
    upper edges along each axis, nought on all that is solid. Raises InvalidArgument.

    >>> from limitlab.solvers.pde.staggered import Enclosure, potential_velocity, step_residual
    >>> box = Enclosure(torch.ones(1, 6, 6, 6), torch.ones(1), spacing=1 / 6)
    >>> u = potential_velocity(torch.randn(1, 3, 6, 6, 6), box)
    >>> state = torch.cat([u, 0 * u[:, :1]], 1)
    >>> bool(step_residual(state, state, box, dt=1.0, viscosity=1.0)[1].abs().max() < 1e-4)
    True
    """
    components = 1 if box.dimension == 2 else 3
    if potential.shape != (len(box.fluid), components, *box.fluid.shape[1:]):
        raise InvalidArgument(f"potential must have {components} components on the cells; got {tuple(potential.shape)}")
    if box.dimension == 2:
        psi = _ring(_stream(potential[:, 0], box))
        parts = [psi - _below(psi, 1), _below(psi, 0) - psi]
        return torch.stack([_unring(part) for part in parts], 1) / box.spacing
    edges = [_ring(_free(potential[:, axis], box, axis)) for axis in range(3)]
    parts = []
    for axis in range(3):
        second, third = (axis + 1) % 3, (axis + 2) % 3
        turn = edges[third] - _below(edges[third], second) - edges[second] + _below(edges[second], third)
        parts.append(_unring(turn))
    return torch.stack(parts, 1) / box.spacing


def solve_step(
    before: Float[Tensor, "batch channel *cells"], box: Enclosure, *, dt: float, viscosity: float
) -> Float[Tensor, "batch channel *cells"]:
    """The state for which `step_residual` vanishes, its pressure of mean nought, by sparse LU in double precision.

    Raises InvalidArgument, also where solid cells part the fluid.

    >>> from limitlab.solvers.pde.staggered import Enclosure, solve_step
    >>> box, rest = Enclosure(torch.ones(1, 4, 4), torch.ones(1), spacing=0.25), torch.zeros(1, 3, 4, 4)
    >>> bool(solve_step(rest, box, dt=0.1, viscosity=0.1)[0, 0, 1, -1] > 0)  # the lid takes the fluid along
    True
    """
    import scipy.sparse as sparse
    from scipy.sparse.linalg import splu

    _require_connected(box)
    exact, state = box.to(before.detach().double()), before.detach().double()

    def equations(after: Tensor) -> NDArray[np.float64]:
        momentum, divergence = step_residual(after, state, exact, dt=dt, viscosity=viscosity)
        result: NDArray[np.float64] = torch.cat([momentum, divergence[:, None]], 1).flatten(1).cpu().numpy()
        return result

    loads = equations(torch.zeros_like(state))
    known = torch.cat([1 - exact.faces, 1 - exact.fluid[:, None]], 1).flatten(1).bool().cpu().numpy()
    probes = [(columns, equations(probe.expand_as(state)) - loads) for probe, columns in _probes(state)]
    solutions = []
    for sample, load in enumerate(loads):
        ask_to_go_on()
        fixed = known[sample].copy()
        # a pressure is known up to a constant, and the divergences of all cells add up to nought
        fixed[np.flatnonzero(~fixed)[-1]] = True
        blocks = [_entries(columns, answers[sample], fixed) for columns, answers in probes]
        rows, columns, values = (np.concatenate(part) for part in zip(*blocks, _identity(fixed), strict=True))
        matrix = sparse.csc_matrix((values, (rows, columns)), shape=(load.size,) * 2)
        solutions.append(torch.from_numpy(splu(matrix).solve(np.where(fixed, 0.0, -load))).reshape(state.shape[1:]))
    return box.imposed(torch.stack(solutions).to(before))


def _probes(state: Tensor) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
    """Ones in cells too far apart to meet, and for every equation the only such unknown that it may hold."""
    channels, *cells = state.shape[1:]
    number = np.arange(channels * math.prod(cells)).reshape(channels, *cells)
    places = np.meshgrid(*map(np.arange, cells), indexing="ij")
    for channel, *colour in product(range(channels), *[range(REACH)] * len(cells)):
        at = [place + (first - place + 1) % REACH - 1 for place, first in zip(places, colour, strict=True)]
        # beyond the box there is no unknown, and no equation answers
        at = [np.clip(place, 0, size - 1) for place, size in zip(at, cells, strict=True)]
        probe = torch.zeros(state.shape[1:], dtype=state.dtype, device=state.device)
        probe[channel][tuple(slice(first, None, REACH) for first in colour)] = 1.0
        yield probe, np.broadcast_to(number[channel][tuple(at)], (channels, *cells)).ravel()


def _entries(columns: NDArray[Any], answers: NDArray[Any], fixed: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    rows = np.flatnonzero((answers != 0) & ~fixed)
    return rows, columns[rows], answers[rows]


def _identity(fixed: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    rows = np.flatnonzero(fixed)
    return rows, rows, np.ones(len(rows))


def _beyond(u: Tensor, box: Enclosure, axis: int, along: int) -> tuple[Tensor, Tensor]:
    """The velocities one face above and below, ghosts where a wall lies between."""
    buried, moved = box.buried[axis], box.moved[axis]
    above, below = (
        torch.where(shift(buried, along) > 0, 2 * shift(moved, along) - u, shift(u, along))
        for shift in (_above, _below)
    )
    return above, below


def _stream(psi: Tensor, box: Enclosure) -> Tensor:
    """A stream function of one value on each: the walls, where it is nought, and the bodies."""
    inside = functional.pad(torch.ones_like(psi[:, :-1, :-1]), (0, 1, 0, 1))
    solid = inside * (1 - _around(box, (0, 1)))
    mean = (solid * psi).sum((1, 2), keepdim=True) / solid.sum((1, 2), keepdim=True).clamp_min(1.0)
    return inside * torch.where(solid > 0, mean, psi)


def _free(potential: Tensor, box: Enclosure, axis: int) -> Tensor:
    first, second = (other for other in range(3) if other != axis)
    return potential * _around(box, (first, second))


def _around(box: Enclosure, axes: tuple[int, int]) -> Tensor:
    """1 where the four cells around the upper corner along two axes are all of fluid."""
    open_along = box.open[axes[0]]
    return _unring(open_along * _above(open_along, axes[1]))


def _ring(field: Tensor) -> Tensor:
    return functional.pad(field, (1, 1) * (field.ndim - 1))


def _unring(field: Tensor) -> Tensor:
    return field[(slice(None), *[slice(1, -1)] * (field.ndim - 1))]


def _above(field: Tensor, axis: int) -> Tensor:
    return field.roll(-1, axis + 1)


def _below(field: Tensor, axis: int) -> Tensor:
    return field.roll(1, axis + 1)


def _require(after: Tensor, before: Tensor, box: Enclosure) -> None:
    shape = (len(box.fluid), box.dimension + 1, *box.fluid.shape[1:])
    for name, state in (("after", after), ("before", before)):
        if tuple(state.shape) != shape:
            raise InvalidArgument(
                f"{name} must be {shape}, velocities and pressure on the cells; got {tuple(state.shape)}"
            )


def _require_connected(box: Enclosure) -> None:
    from scipy.ndimage import label

    for sample, fluid in enumerate(box.fluid.cpu().numpy()):
        parts = label(fluid)[1]
        if parts != 1:
            raise InvalidArgument(f"the fluid of sample {sample} must be one piece; got {parts}")
