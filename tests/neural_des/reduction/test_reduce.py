"""A block made small: exact at full size, exact in an invariant subspace, and its rivals at theirs."""

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.reduction import (
    METHODS,
    Basis,
    ElementwiseField,
    ElementwiseODE,
    FlatConvolution,
    affine_of,
    collect,
    operations,
    pod,
    reduce,
    reduced_by_interpolation,
    reduced_by_projection,
    truncated_weights,
)

STATES = 12


def block(*, inputs=None, leak=0.0, activation=None, inner=None, seed=0):
    torch.manual_seed(seed)
    drive = None if inputs is None else nn.Linear(inputs, STATES, bias=False)
    field = ElementwiseField(inner or nn.Linear(STATES, STATES), activation or nn.Tanh(), leak=leak, inputs=drive)
    return ElementwiseODE(nn.Linear(5, STATES), field, nn.Linear(STATES, 3), steps=8).double()


def whole_basis(centre=0.0):
    """All of the space, in directions of no meaning."""
    modes = torch.linalg.qr(torch.randn(STATES, STATES).double()).Q
    return Basis(modes, torch.ones(STATES).double(), torch.full((STATES,), centre).double())


@pytest.mark.parametrize("centre", [0.0, 0.3])
@pytest.mark.parametrize("leak", [0.0, 1.0])
def test_all_modes_and_all_rows_are_the_full_block(centre, leak):
    model, data, u = block(inputs=2, leak=leak), torch.randn(20, 5).double(), torch.randn(20, 3, 2).double()
    states, units = whole_basis(centre), whole_basis()
    small = reduced_by_interpolation(model, states, units)
    coordinates = torch.randn(7, STATES).double()
    lifted = states.centre + coordinates @ states.modes.T
    assert torch.allclose(small.field(coordinates), model.field(lifted) @ states.modes, atol=1e-10)
    assert torch.allclose(small(data, u), model(data, u), atol=1e-8)
    assert torch.allclose(reduced_by_projection(model, states)(data, u), model(data, u), atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_at_full_size_is_the_full_block(method):
    model, data = block(), torch.randn(40, 5).double()
    small = reduce(model, collect(model, data), STATES, method)
    assert torch.allclose(small(data), model(data), atol=1e-6)


def test_a_linear_block_is_exact_in_an_invariant_subspace():
    torch.manual_seed(4)
    directions = torch.linalg.qr(torch.randn(STATES, 3).double()).Q
    inner = nn.Linear(STATES, STATES, bias=False)
    inner.weight = nn.Parameter(directions @ torch.randn(3, 3).double() @ directions.T)
    model = block(inner=inner, activation=nn.Identity())
    model.encode = nn.Linear(5, STATES, bias=False)
    model.encode.weight = nn.Parameter(directions @ torch.randn(3, 5).double())
    data = torch.randn(30, 5).double()
    snapshots = collect(model, data)
    small = reduced_by_interpolation(model, *(basis.truncated(3) for basis in snapshots.bases))
    assert torch.allclose(small(data), model(data), atol=1e-10)


def test_the_error_falls_with_the_modes_on_average():
    model, data = block(seed=3), torch.randn(200, 5).double()
    snapshots = collect(model, data)
    full = model.states(data).detach()
    errors = []
    for size in (2, 5, 8, STATES):
        small = reduce(model, snapshots, size)
        path = small.lift(small.states(data)).detach()
        errors.append(float((path - full).norm() / full.norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-8


def test_a_reduced_block_holds_as_many_numbers_as_it_should_in_arrays_of_their_own():
    small = reduce(
        block(inputs=2), collect(block(inputs=2), torch.randn(40, 5).double(), torch.randn(40, 2, 2).double()), 4
    )
    count = sum(parameter.numel() for parameter in small.field.parameters())
    assert count == 2 * 4 * 4 + 4 + 4 * 2
    assert operations(small.field) == 4 * 4 * 4 + 4
    for parameter in small.parameters():
        assert parameter.untyped_storage().nbytes() == parameter.numel() * parameter.element_size()


def test_gradients_of_a_reduced_block_are_those_of_differences():
    model, data = block(), torch.randn(6, 5).double()
    small = reduce(model, collect(model, torch.randn(60, 5).double()), 4)
    weight = small.field.outer.weight
    small(data).square().sum().backward()
    with torch.no_grad():
        for place in ((0, 0), (2, 3)):
            ends = []
            for step in (1e-6, -1e-6):
                weight[place] += step
                ends.append(float(small(data).square().sum()))
                weight[place] -= step
            assert abs((ends[0] - ends[1]) / 2e-6 - weight.grad[place]) < 1e-6 * weight.grad.abs().max()


def test_a_convolution_is_projected_without_its_matrix():
    torch.manual_seed(0)
    convolution = FlatConvolution((3, 2, 2)).double()
    matrix, offset = affine_of(convolution, STATES)
    x = torch.randn(9, STATES).double()
    assert torch.allclose(x @ matrix.T + offset, convolution(x), atol=1e-10)
    model, data = block(inner=convolution), torch.randn(30, 5).double()
    assert torch.allclose(reduce(model, collect(model, data), STATES)(data), model(data), atol=1e-8)


def test_the_nearest_low_rank_matrix_is_taken():
    model = block()
    matrix, _ = affine_of(model.field.inner, STATES)
    low, _ = affine_of(truncated_weights(model, 4).field.inner, STATES)
    assert torch.linalg.matrix_rank(low) == 4
    rest = torch.linalg.svdvals(matrix)[4:].square().sum()
    assert torch.allclose((matrix - low).square().sum(), rest, rtol=1e-10)


def test_pruning_leaves_the_units_that_are_most_active():
    model = block(inner=nn.Linear(STATES, STATES))
    with torch.no_grad():
        model.field.inner.weight[3:6] = 0
        model.field.inner.bias[3:6] = 0
    small = reduce(model, collect(model, torch.randn(50, 5).double()), STATES - 3, "prune")
    rows = [row for row in range(STATES) if row not in (3, 4, 5)]
    assert torch.allclose(small.field.inner.weight, model.field.inner.weight[rows][:, rows])
    assert torch.allclose(small.read_out.weight, model.read_out.weight[:, rows])


def test_snapshots_hold_the_start_and_every_segment_and_at_most_ten_a_state():
    model, data = block(inputs=2), torch.randn(3, 5).double()
    snapshots = collect(model, data, torch.randn(3, 2, 2).double())
    assert snapshots.states.shape == (STATES, 3 * 17)
    assert torch.allclose(snapshots.units, model.field.units(snapshots.states.T).T)
    start = model.encode(data)
    assert (start[:, None] - snapshots.states.T).abs().amax(2).amin(1).max() < 1e-12
    many = collect(block(), torch.randn(100, 5).double(), seed=1)
    assert many.states.shape == (STATES, 10 * STATES)
    few = collect(model, data, torch.randn(3, 2, 2).double(), apart=0.2)
    assert 3 <= few.states.shape[1] < snapshots.states.shape[1]


def test_what_cannot_be_reduced_is_refused():
    model, data = block(), torch.randn(30, 5).double()
    snapshots = collect(model, data)
    small = reduce(model, snapshots, 4)
    with pytest.raises(InvalidArgument, match="reduced already"):
        collect(small, data)
    with pytest.raises(UnknownName, match="pod_deim"):
        reduce(model, snapshots, 4, "pod_dime")
    with pytest.raises(InvalidArgument, match="rank"):
        truncated_weights(model, STATES + 1)
    bent = block(inner=nn.Sequential(nn.Linear(STATES, STATES), nn.ReLU()))
    with pytest.raises(InvalidArgument, match="must be affine"):
        reduced_by_projection(bent, pod(torch.randn(STATES, 40)))
