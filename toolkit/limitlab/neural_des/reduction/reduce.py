"""A trained block made small, without training it again: POD-DEIM, and what it must beat.

With V the modes of the states (and v their centre), U those of the units f(A x + b), P the rows of interpolation:

    pod_deim      xr' = N f(A_m xr + b_m),   N = V^T U (P^T U)^+,  A_m = P^T A V,  b_m = P^T (A v + b)
    oversampled   the same with twice as many rows as modes
    pod           xr' = V^T f(A V xr + A v + b): all n units, however few the modes
    svd           A ~ L R of a lower rank: the states stay, and all n units
    prune         the units that are least active are left out, rows and columns

-leak x and Z u are linear and reduce exactly. All maps are computed in double precision and rounded once; they are
copies, since a slice of a large array would hold it in memory and be slow.

Source: Lehtimäki, Paunonen & Linne, Accelerating neural ODEs using model order reduction (2022), sections III and IV.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.neural_des.reduction.basis import Basis, pod
from limitlab.neural_des.reduction.field import ElementwiseField, ElementwiseODE
from limitlab.neural_des.reduction.rows import Rows, deim_rows, interpolation, qdeim_rows

COLUMNS_A_STATE = 10


@dataclass(frozen=True, eq=False)
class Snapshots:
    """What a trained block went through: states (state, column), and its units f(A x + b) there, in double precision.

    `collect` makes them.

    >>> snapshots = ll.neural_des.reduction.Snapshots(torch.eye(3).double(), torch.eye(3).double())
    >>> snapshots.state_modes.size
    3
    """

    states: Float[Tensor, "state column"]
    units: Float[Tensor, "state column"]

    @cached_property
    def state_modes(self) -> Basis:
        """Modes of the states, about zero."""
        return pod(self.states)

    @cached_property
    def unit_modes(self) -> Basis:
        """Modes of the units."""
        return pod(self.units)

    @property
    def bases(self) -> tuple[Basis, Basis]:
        """Modes of the states and of the units."""
        return self.state_modes, self.unit_modes


@torch.no_grad()
def collect(
    model: ElementwiseODE,
    data: Tensor,
    inputs: Float[Tensor, "batch segment input"] | None = None,
    *,
    seed: int = 0,
    apart: float = 0.0,
) -> Snapshots:
    """Snapshots along the model's own trajectories, the start included: at most 10 columns a state, drawn by the seed.

    apart: leave out what is nearer to the state before it, along a trajectory, than this distance a dimension (the
    root mean square over the entries).

    >>> reduction = ll.neural_des.reduction
    >>> field = reduction.ElementwiseField(torch.nn.Linear(6, 6), torch.nn.Tanh())
    >>> block = reduction.ElementwiseODE(torch.nn.Identity(), field, torch.nn.Linear(6, 2))
    >>> reduction.collect(block, torch.randn(2, 6)).states.shape
    torch.Size([6, 22])
    """
    _require_square(model.field)
    path = model.states(data, inputs)
    far = torch.ones(path.shape[:2], dtype=torch.bool, device=path.device)
    if apart:
        apart, anchor = float(check_number("apart", apart, low=0.0)), path[:, 0]
        for step in range(1, path.shape[1]):
            far[:, step] = (path[:, step] - anchor).square().mean(-1).sqrt() >= apart
            anchor = torch.where(far[:, step, None], path[:, step], anchor)
    states = path[far]
    most = COLUMNS_A_STATE * states.shape[1]
    if len(states) > most:
        chosen = torch.randperm(len(states), generator=torch.Generator().manual_seed(seed))[:most]
        states = states[chosen.sort().values.to(states.device)]
    return Snapshots(states.T.double(), model.field.units(states).T.double())


@torch.no_grad()
def reduced_by_interpolation(
    model: ElementwiseODE,
    states: Basis,
    units: Basis,
    rows: Rows | None = None,
) -> ElementwiseODE:
    """POD-DEIM: as many states as `states` has modes, as many units as `rows`, those of `deim_rows` if left out.

    >>> reduction = ll.neural_des.reduction
    >>> field = reduction.ElementwiseField(torch.nn.Linear(6, 6), torch.nn.Tanh())
    >>> block = reduction.ElementwiseODE(torch.nn.Identity(), field, torch.nn.Linear(6, 2))
    >>> states, units = reduction.collect(block, torch.randn(20, 6)).bases
    >>> reduction.reduced_by_interpolation(block, states.truncated(3), units.truncated(4)).field.inner
    Linear(in_features=3, out_features=4, bias=True)
    """
    rows = deim_rows(units.modes) if rows is None else rows
    rows = rows.to(states.modes.device)
    back = states.modes.T @ interpolation(units.modes, rows).to(states.modes)
    matrix, offset = _through(model.field.inner, states)
    inner = _linear(matrix[rows], offset[rows], like=model)
    return _projected(model, states, inner, _linear(back, None, like=model))


@torch.no_grad()
def reduced_by_projection(model: ElementwiseODE, states: Basis) -> ElementwiseODE:
    """POD alone: few states, all units.

    >>> reduction = ll.neural_des.reduction
    >>> field = reduction.ElementwiseField(torch.nn.Linear(6, 6), torch.nn.Tanh())
    >>> block = reduction.ElementwiseODE(torch.nn.Identity(), field, torch.nn.Linear(6, 2))
    >>> snapshots = reduction.collect(block, torch.randn(20, 6))
    >>> reduction.reduced_by_projection(block, snapshots.state_modes.truncated(2)).field.inner
    Linear(in_features=2, out_features=6, bias=True)
    """
    matrix, offset = _through(model.field.inner, states)
    inner = _linear(matrix, offset, like=model)
    return _projected(model, states, inner, _linear(states.modes.T, None, like=model))


@torch.no_grad()
def truncated_weights(model: ElementwiseODE, rank: int) -> ElementwiseODE:
    """SVD truncation: A of a lower rank as two maps; states, units, encoder and read-out stay.

    >>> reduction = ll.neural_des.reduction
    >>> field = reduction.ElementwiseField(torch.nn.Linear(6, 6), torch.nn.Tanh())
    >>> block = reduction.ElementwiseODE(torch.nn.Identity(), field, torch.nn.Linear(6, 2))
    >>> [part.out_features for part in reduction.truncated_weights(block, 2).field.inner]
    [2, 6]
    """
    matrix, offset = affine_of(model.field.inner, _width(model))
    rank = int(check_number("rank", rank, low=1, high=min(matrix.shape), integer=True))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = nn.Sequential(
        _linear(values[:rank, None] * right[:rank], None, like=model), _linear(left[:, :rank], offset, like=model)
    )
    small = copy.deepcopy(model)
    small.field.inner = inner
    return small


@torch.no_grad()
def pruned(model: ElementwiseODE, snapshots: Snapshots, size: int) -> ElementwiseODE:
    """Pruning by activity: the `size` units of the largest mean |f| stay; for ReLU those seldom zero (APoZ).

    >>> reduction = ll.neural_des.reduction
    >>> field = reduction.ElementwiseField(torch.nn.Linear(6, 6), torch.nn.Tanh())
    >>> block = reduction.ElementwiseODE(torch.nn.Identity(), field, torch.nn.Linear(6, 2))
    >>> snapshots = reduction.collect(block, torch.randn(20, 6))
    >>> reduction.pruned(block, snapshots, 4).field.inner
    Linear(in_features=4, out_features=4, bias=True)
    """
    _require_square(model.field)
    size = int(check_number("size", size, low=1, high=len(snapshots.units), integer=True))
    active = snapshots.units.abs().mean(1)
    if isinstance(model.field.activation, nn.ReLU):
        active = (snapshots.units > 0).double().mean(1)
    units = active.argsort(descending=True)[:size].sort().values
    matrix, offset = affine_of(model.field.inner, _width(model))
    modes = torch.eye(len(matrix), dtype=torch.float64, device=matrix.device)[:, units]
    states = Basis(modes, torch.ones(size).to(modes), modes.new_zeros(len(matrix)))
    return _projected(model, states, _linear(matrix[units][:, units], offset[units], like=model), None)


Method = Callable[[ElementwiseODE, Snapshots, int], ElementwiseODE]


def _by_pod_deim(model: ElementwiseODE, snapshots: Snapshots, size: int) -> ElementwiseODE:
    states, units = snapshots.bases
    return reduced_by_interpolation(
        model, states.truncated(min(size, states.size)), units.truncated(min(size, units.size))
    )


def _by_oversampling(model: ElementwiseODE, snapshots: Snapshots, size: int) -> ElementwiseODE:
    """Twice as many rows as modes, by Q-DEIM: the units are fitted by least squares."""
    states, units = (basis.truncated(min(size, basis.size)) for basis in snapshots.bases)
    rows = qdeim_rows(units.modes, max(units.size, min(2 * size, len(units.modes))))
    return reduced_by_interpolation(model, states, units, rows)


def _by_pod(model: ElementwiseODE, snapshots: Snapshots, size: int) -> ElementwiseODE:
    states = snapshots.state_modes
    return reduced_by_projection(model, states.truncated(min(size, states.size)))


METHODS: dict[str, Method] = {
    "pod_deim": _by_pod_deim,
    "oversampled": _by_oversampling,
    "pod": _by_pod,
    "svd": lambda model, snapshots, size: truncated_weights(model, size),
    "prune": pruned,
}
"""Ways to make a block small, by name: (model, snapshots, size) to a model; size is modes and rows, rank, or units."""


def reduce(model: ElementwiseODE, snapshots: Snapshots, size: int, method: str = "pod_deim") -> ElementwiseODE:
    """The model made small by a method of METHODS, at this size; raises UnknownName and InvalidArgument.

    >>> reduction = ll.neural_des.reduction
    >>> field = reduction.ElementwiseField(torch.nn.Linear(6, 6), torch.nn.Tanh())
    >>> block = reduction.ElementwiseODE(torch.nn.Identity(), field, torch.nn.Linear(6, 2))
    >>> snapshots = reduction.collect(block, torch.randn(20, 6))
    >>> reduction.reduce(block, snapshots, 3).field.outer
    Linear(in_features=3, out_features=3, bias=False)
    """
    return METHODS[one_of("method", method, METHODS)](model, snapshots, size)


@torch.no_grad()
def affine_of(inner: nn.Module, width: int) -> tuple[Float[Tensor, "unit state"], Float[Tensor, " unit"]]:
    """A and b of an affine map, in double precision: by weights, or by what it makes of the unit vectors.

    Raises InvalidArgument where it is not affine.

    >>> matrix, offset = ll.neural_des.reduction.affine_of(ll.neural_des.reduction.FlatConvolution((1, 2, 2)), 4)
    >>> matrix.shape, offset.shape
    (torch.Size([4, 4]), torch.Size([4]))
    """
    if isinstance(inner, nn.Linear):
        weight = inner.weight.double()
        return weight, weight.new_zeros(len(weight)) if inner.bias is None else inner.bias.double()
    return _images(inner, torch.eye(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64))


def _through(inner: nn.Module, states: Basis) -> tuple[Tensor, Tensor]:
    """A V and A v + b; of a convolution without its matrix, by what it makes of the modes."""
    if isinstance(inner, nn.Linear):
        matrix, offset = affine_of(inner, inner.in_features)
        return matrix @ states.modes, matrix @ states.centre + offset
    return _images(inner, states.modes, states.centre)


def _images(
    inner: nn.Module, vectors: Float[Tensor, "state vector"], centre: Float[Tensor, " state"]
) -> tuple[Float[Tensor, "unit vector"], Float[Tensor, " unit"]]:
    """A times the vectors, and A centre + b, of a module that is proved affine on them."""
    exact = copy.deepcopy(inner).double().eval()
    device = next((parameter.device for parameter in exact.parameters()), vectors.device)
    vectors, centre = vectors.to(device), centre.to(device)
    zero, offset = exact(torch.zeros_like(centre)[None])[0], exact(centre[None])[0]
    images = exact(vectors.T).T - zero[:, None]
    twice = exact(2 * vectors.sum(1)[None])[0] - zero
    if not torch.allclose(twice, 2 * images.sum(1), rtol=1e-8, atol=1e-8 * float(images.abs().max())):
        raise InvalidArgument(f"inner must be affine, so that it can be projected; {type(inner).__name__} is not")
    return images, offset


def _projected(model: ElementwiseODE, states: Basis, inner: nn.Module, outer: nn.Linear | None) -> ElementwiseODE:
    """The model in the coordinates of the modes, around these maps."""
    field, modes = model.field, states.modes
    if field.leak and bool(states.centre.any()):
        # - leak (v + V xr) has a constant part
        assert outer is not None
        outer = _linear(outer.weight.double(), -field.leak * (modes.T @ states.centre), like=model)
    drive = None if field.inputs is None else _linear(modes.T @ field.inputs.weight.double(), None, like=model)
    small = ElementwiseField(inner, field.activation, outer, leak=field.leak, inputs=drive)
    encode = nn.Sequential(model.encode, _linear(modes.T, -(modes.T @ states.centre), like=model))
    weight, bias = affine_of(model.read_out, len(modes))
    read_out = _linear(weight @ modes, weight @ states.centre + bias, like=model)
    return ElementwiseODE(encode, small, read_out, steps=model.steps, basis=states)


def _linear(weight: Float[Tensor, "to from"], bias: Tensor | None, *, like: nn.Module) -> nn.Linear:
    """A linear map with these numbers, rounded to the precision of a module, on its device."""
    target = next(like.parameters())
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.to(target).contiguous().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(target).contiguous().clone())
    return layer


def _width(model: ElementwiseODE) -> int:
    read_out = model.read_out
    if not isinstance(read_out, nn.Linear):
        raise InvalidArgument(f"read_out must be a Linear map, to be projected; got {type(read_out).__name__}")
    return read_out.in_features


def _require_square(field: ElementwiseField) -> None:
    if field.outer is not None:
        raise InvalidArgument("the block is reduced already: reduce the full one, which has a unit for every state")
