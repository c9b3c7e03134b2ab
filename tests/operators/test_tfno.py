"""A tensorised FNO is the FNO with the weights that its factors multiply out to, with fewer numbers in them."""

import importlib.util
from pathlib import Path

import pytest
import torch

from limitlab.operators import FNO, TFNO, Compression, count_parameters


def benchmark():
    path = Path(__file__).parents[1] / "benchmarks" / "operators.py"
    specification = importlib.util.spec_from_file_location("operators_benchmark", path)
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)
        specification.loader.exec_module(module)
    return module


def dense_twin(model):
    """The FNO with the same weights, written out."""
    twin = FNO(1, 1, model.modes, width=8, layers=len(model.blocks))
    with torch.no_grad():
        for ours, theirs in zip(model.blocks, twin.blocks, strict=True):
            theirs.spectral.weight.copy_(ours.spectral.factors.dense())
    rest = {name: value for name, value in model.state_dict().items() if "factors" not in name}
    twin.load_state_dict(rest, strict=False)
    return twin


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("name", ["cp", "tucker", "tt"])
def test_it_is_the_fno_of_the_weights_written_out(name, joint):
    torch.manual_seed(0)
    model = TFNO(1, 1, (6, 6), width=8, layers=3, compression=Compression(name, 0.3, joint))
    u = torch.randn(2, 1, 16, 16)
    assert (model(u) - dense_twin(model)(u)).abs().max() < 1e-5


def test_the_class_has_a_compression_of_its_own_and_the_fno_has_none():
    assert TFNO(1, 1, (6, 6), width=8).blocks[0].spectral.weight_parts is None
    assert FNO(1, 1, (6, 6), width=8).blocks[0].spectral.factors is None


def test_layers_of_a_joint_tensor_share_its_factors():
    joint = TFNO(1, 1, (8, 8), width=16, compression=Compression("tucker", 0.1, joint=True))
    alone = TFNO(1, 1, (8, 8), width=16, compression=Compression("tucker", 0.1))
    tensors = {id(block.spectral.factors.tensor) for block in joint.blocks}
    assert len(tensors) == 1 < len({id(block.spectral.factors.tensor) for block in alone.blocks})
    # one set of matrices for four layers, where each had its own
    assert joint.blocks[0].spectral.factors.tensor.shape == (4, 16, 16, 8, 5)
    assert count_parameters(joint) == sum(p.numel() for p in set(joint.parameters()))


def test_stored_weights_of_a_joint_tensor_come_back():
    compression = Compression("tucker", 0.2, joint=True)
    torch.manual_seed(0)
    stored = TFNO(1, 1, (6, 6), width=8, compression=compression)
    other = TFNO(1, 1, (6, 6), width=8, compression=compression)
    u = torch.randn(2, 1, 12, 12)
    other.load_state_dict(stored.state_dict())
    assert torch.equal(other(u), stored(u))


@pytest.mark.parametrize("name", ["cp", "tucker", "tt"])
def test_agrees_with_neuraloperator(name):
    models = pytest.importorskip("neuralop.models")
    torch.manual_seed(0)
    ours = TFNO(1, 1, (6, 6), width=8, layers=2, compression=Compression(name, 0.3))
    ranks = ours.blocks[0].spectral.factors.tensor.ranks
    peer = models.TFNO(
        n_modes=(6, 6), in_channels=1, out_channels=1, hidden_channels=8, n_layers=2, factorization=name,
        rank={"cp": ranks[0], "tucker": ranks, "tt": (1, *ranks, 1)}[name], implementation="factorized",
    )  # fmt: skip
    benchmark().copy_weights(ours, peer)
    u = torch.randn(2, 1, 16, 15)
    assert (ours(u) - peer(u)).abs().max() < 1e-5
