"""Tensors held as factors are the tensors that their formulas write out, in every product and at every rank."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.layers.factorized import CP, FORMATS, Compression, FactorizedWeight, TensorTrain, Tucker
from limitlab.layers.spectral_convolution import SpectralConv, weight_shape

WAYS = ("factorized", "reconstructed", "auto")
SHAPE = (4, 5, 6, 3)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def complex_parts(tensor):
    return [torch.view_as_complex(part) for part in tensor.parts]


def written_out(tensor):
    """The dense tensor by one sum over all ranks, as the formulas have it."""
    factors = complex_parts(tensor)
    indices = "".join("abcde"[: len(tensor.shape)])
    if isinstance(tensor, CP):
        return torch.einsum(f"z,{','.join(i + 'z' for i in indices)}->{indices}", *factors)
    if isinstance(tensor, Tucker):
        ranks = indices.upper()
        pairs = ",".join(i + r for i, r in zip(indices, ranks, strict=True))
        return torch.einsum(f"{ranks},{pairs}->{indices}", *factors)
    bonds = "UVWXYZ"
    cores = ",".join(bonds[n] + i + bonds[n + 1] for n, i in enumerate(indices))
    return torch.einsum(f"{cores}->{indices}", *factors)


@pytest.mark.parametrize("kind", FORMATS.values())
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), SHAPE, (2, 3, 4, 5, 3)])
def test_a_tensor_is_what_its_formula_says(kind, shape):
    tensor = kind(shape, 3).double()
    assert torch.allclose(tensor.dense(), written_out(tensor), atol=1e-12)
    assert tensor.fraction == sum(part.numel() // 2 for part in tensor.parts) / math.prod(shape)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("separable", [False, True])
def test_factors_in_turn_are_the_dense_layer_and_have_its_gradients(name, dimension, joint, separable):
    modes, fed, given = (6, 5, 4)[:dimension], 4, 4 if separable else 5
    u = torch.randn(3, fed, *(9, 8, 7)[:dimension])
    results, gradients = [], []
    for way in WAYS:
        torch.manual_seed(1)
        weights = Compression(name, 0.4, joint, way).weights(3, weight_shape(fed, given, modes, separable), 0.3)
        layer = SpectralConv(fed, given, modes, separable=separable, factors=weights[1], bias=False)
        results.append(layer(u))
        gradients.append(torch.autograd.grad(results[-1].square().sum(), list(layer.parameters())))
    dense = SpectralConv(fed, given, modes, separable=separable, bias=False)
    with torch.no_grad():
        dense.weight.copy_(weights[1].dense())
    assert all((result - dense(u)).abs().max() < 1e-5 for result in results)
    for other in gradients[1:]:
        assert all((a - b).abs().max() < 1e-4 * b.abs().max() for a, b in zip(gradients[0], other, strict=True))


@pytest.mark.parametrize("name", FORMATS)
def test_slices_of_a_joint_tensor_are_its_layers(name):
    weights = Compression(name, 0.3, joint=True).weights(3, SHAPE, 0.3)
    whole = weights[0].tensor.double().dense()
    assert len({id(weight.tensor) for weight in weights}) == 1
    assert all(torch.allclose(weight.dense(), whole[layer], atol=1e-12) for layer, weight in enumerate(weights))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rank", [0.1, 0.5])
def test_entries_begin_with_the_deviation_of_a_dense_weight(name, rank):
    # products of a few normals have heavy tails: the mean square of one tensor is itself random
    draws = torch.stack([FORMATS[name]((32, 32, 12, 7), rank, std=0.25).dense().detach() for _ in range(12)])
    assert draws.abs().square().mean().sqrt().item() == pytest.approx(0.25, rel=0.15)
    assert draws.real.std().item() == pytest.approx(0.25 / math.sqrt(2), rel=0.15)


def test_tucker_at_full_ranks_is_any_tensor():
    target = torch.randn(SHAPE, dtype=torch.complex128)
    tensor = Tucker(SHAPE, SHAPE).double()
    core, bases = target, []
    for axis in range(len(SHAPE)):
        # the basis of each axis is that of the left singular vectors of its unfolding
        basis = torch.linalg.svd(target.movedim(axis, 0).flatten(1), full_matrices=True)[0]
        core = torch.tensordot(core, basis.conj(), dims=([0], [0]))
        bases.append(basis)
    with torch.no_grad():
        for part, value in zip(tensor.parts, [core, *bases], strict=True):
            part.copy_(torch.view_as_real(value.resolve_conj()))
    assert (tensor.dense() - target).abs().max() < 1e-12


def test_a_train_at_the_ranks_of_its_unfoldings_is_any_tensor():
    target, ranks = torch.randn(SHAPE, dtype=torch.complex128), (4, 18, 3)
    tensor = TensorTrain(SHAPE, ranks).double()
    rest, cores, before = target, [], 1
    for n, rank in zip(SHAPE, ranks, strict=False):
        left, values, right = torch.linalg.svd(rest.reshape(before * n, -1), full_matrices=False)
        cores.append(left[:, :rank].reshape(before, n, rank))
        rest, before = values[:rank, None] * right[:rank], rank
    cores.append(rest.reshape(before, SHAPE[-1], 1))
    with torch.no_grad():
        for part, value in zip(tensor.parts, cores, strict=True):
            part.copy_(torch.view_as_real(value))
    assert (tensor.dense() - target).abs().max() < 1e-12


@pytest.mark.parametrize("name", FORMATS)
def test_a_block_of_wavenumbers_is_a_block_of_rows(name):
    weight = FactorizedWeight(FORMATS[name](SHAPE, 0.5)).double()
    block = (slice(1, 4), slice(0, 2))
    c = torch.randn(2, 4, 3, 2, dtype=torch.complex128)
    expected = torch.einsum("bixy,ioxy->boxy", c, weight.dense()[:, :, 1:4, 0:2])
    assert torch.allclose(weight.mix(c, block), expected, atol=1e-12)


def test_auto_takes_the_way_with_fewer_multiplications():
    def is_written_down(fed, rank, batch):
        weight = FactorizedWeight(CP((fed, fed, 8, 5), rank))
        left, core, right = weight.tensor.separate(weight.tensor.factors())
        return weight._is_written_down(batch, left, core, right, diagonal=True)

    # for one k: fed r + fed^2 r + batch fed^2 against 2 batch fed r + batch r
    assert not is_written_down(fed=32, rank=4, batch=1000)
    assert is_written_down(fed=32, rank=64, batch=1000)
    assert not is_written_down(fed=32, rank=64, batch=4)


@pytest.mark.parametrize(("modes", "grid"), [((8,), (33,)), ((8, 8), (32, 21)), ((4, 6, 8), (10, 12, 9))])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("way", WAYS)
def test_agrees_with_neuraloperator(modes, grid, name, way):
    pytest.importorskip("neuralop")
    from neuralop.layers.spectral_convolution import SpectralConv as Peer

    (weight,) = Compression(name, 0.4, implementation=way).weights(1, weight_shape(3, 3, modes, False), 0.3)
    ranks = weight.tensor.ranks
    rank = {"cp": ranks[0], "tucker": ranks, "tt": (1, *ranks, 1)}[name]
    peer = Peer(3, 3, modes, factorization=name, rank=rank, implementation="factorized")
    theirs = peer.weight
    heads = {"cp": lambda: [theirs.weights], "tucker": lambda: [theirs.core], "tt": list}[name]()
    ours = SpectralConv(3, 3, modes, factors=weight)
    with torch.no_grad():
        for part, value in zip(weight.tensor.parts, [*heads, *theirs.factors], strict=True):
            part.copy_(torch.view_as_real(value.to(torch.complex64)))
        ours.bias.copy_(peer.bias.flatten())
    u = torch.randn(2, 3, *grid)
    assert (ours(u) - peer(u)).abs().max() < 1e-5


@pytest.mark.parametrize("refused", [lambda: CP((4,), 2), lambda: CP((4, 0), 2), lambda: Compression("svd"),
                                     lambda: Compression(implementation="fast"), lambda: Tucker(SHAPE, 0)])  # fmt: skip
def test_what_means_nothing_is_refused(refused):
    with pytest.raises(InvalidArgument):
        refused()
