"""An exported operator is the same function without the library: on grids it was not exported on, wherever it may."""

from types import SimpleNamespace

import pytest
import torch

from limitlab import operators
from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument
from limitlab.operators import OPERATORS, Task
from limitlab.operators.deployment.export import NOT_FREE, in_real_numbers
from limitlab.spaces import Grid

SETTINGS = SimpleNamespace(modes=4, width=4, layers=1, padding=0.0, norm="none", factorization="tucker", rank=0.1)
BOUND = [name for name, row in OPERATORS.items() if row.tied or row.fixed]
FREE = [name for name in OPERATORS if name not in (*BOUND, *NOT_FREE)]


def built(name, shape=(16, 16)):
    torch.manual_seed(0)
    targets = torch.randn(6, 1, *shape)
    statistics = ChannelStatistics.of(targets)
    task = Task(1, 1, Grid.uniform(shape), (statistics, statistics), targets.mean(0), targets)
    return operators.Normalized(OPERATORS[name].build(task, SETTINGS), statistics, (1.0, 2.0))


class Early(torch.nn.Module):
    """Another map on fine grids."""

    def forward(self, u):
        return u if u.shape[2] < 20 else 2 * u


@pytest.mark.parametrize("name", FREE)
def test_a_free_operator_gives_the_same_numbers_at_any_resolution(name):
    model = built(name)
    program = operators.export(model, torch.randn(1, 1, 16, 12)).module()
    with torch.no_grad():
        for batch, grid in ((1, (16, 16)), (3, (21, 35)), (2, (32, 40))):
            u = torch.randn(batch, 1, *grid)
            assert torch.allclose(program(u), model(u), atol=1e-6), grid


@pytest.mark.parametrize("name", BOUND)
def test_an_operator_of_one_grid_is_refused_for_others_by_name(name):
    with pytest.raises(InvalidArgument, match=r"tied to the spacing|takes the grid \(16, 16\) alone"):
        operators.export(built(name), torch.randn(2, 1, 16, 16))


@pytest.mark.parametrize("name", NOT_FREE)
def test_what_torch_cannot_write_down_is_refused_with_the_reason(name):
    with pytest.raises(InvalidArgument, match=f"{name} cannot be exported for any grid"):
        operators.export(built(name), torch.randn(2, 1, 16, 16))


@pytest.mark.parametrize("name", ["mean", "deeponet", "lordnet"])
def test_on_the_grid_of_the_example_it_takes_batches_of_any_size(name):
    model = built(name)
    program = operators.export(model, torch.randn(1, 1, 16, 16), any_grid=False).module()
    for batch in (1, 4):
        u = torch.randn(batch, 1, 16, 16)
        with torch.no_grad():
            assert torch.allclose(program(u), model(u), atol=1e-6)


def test_a_file_holds_the_graph(tmp_path):
    model, u = built("persistence"), torch.randn(3, 1, 24)
    operators.export(model, torch.randn(2, 1, 16), tmp_path / "graph.pt2")
    assert torch.equal(torch.export.load(tmp_path / "graph.pt2").module()(u), model(u))
    assert [file.name for file in tmp_path.iterdir()] == ["graph.pt2"]


def test_training_goes_on_after_an_export():
    model = built("persistence").train()
    operators.export(model, torch.randn(2, 1, 16))
    assert model.training


@pytest.mark.parametrize(
    ("example", "path", "message"),
    [
        (torch.randn(2, 1), None, "example must be a tensor"),
        ("u", None, "example must be a tensor"),
        (torch.randn(2, 1, 8), "graph.pb", r"must end in \.pt2 or \.onnx"),
    ],
)
def test_bad_arguments_are_named(example, path, message, tmp_path):
    with pytest.raises(InvalidArgument, match=message):
        operators.export(built("persistence"), example, path)


def test_a_graph_that_torch_ties_to_its_grid_is_refused():
    with pytest.raises(InvalidArgument, match=r"Early cannot be exported for any grid.*\(32,\)"):
        operators.export(Early(), torch.randn(2, 1, 16))


def test_a_graph_that_fails_is_an_error_that_says_what_to_do():
    class Counted(torch.nn.Module):
        def forward(self, u):
            return u * float(u.sum().item() > 0) if u.sum() > 0 else u

    with pytest.raises(InvalidArgument, match="Counted cannot be exported for any grid; any_grid=False"):
        operators.export(Counted(), torch.randn(2, 1, 8))


def answers(path, u):
    """What a runtime without torch makes of u."""
    runtime = pytest.importorskip("onnxruntime", reason="the extra export brings it")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.as_tensor(session.run(["v"], {"u": u.numpy()})[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", FREE)
def test_onnx_gives_the_same_numbers_at_three_resolutions(name, tmp_path):
    model = built(name, (16,))
    operators.export(model, torch.randn(2, 1, 16), tmp_path / "graph.onnx")
    for batch, points in ((1, 16), (3, 36), (2, 6), (2, 64)):
        u = torch.randn(batch, 1, points)
        with torch.no_grad():
            torch.testing.assert_close(answers(tmp_path / "graph.onnx", u), model(u), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_onnx_takes_two_axes_of_their_own(tmp_path):
    model = built("fno")
    operators.export(model, torch.randn(2, 1, 16, 12), tmp_path / "graph.onnx")
    for grid in ((16, 12), (21, 35), (32, 6)):
        u = torch.randn(2, 1, *grid)
        with torch.no_grad():
            torch.testing.assert_close(answers(tmp_path / "graph.onnx", u), model(u), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mean", "deeponet", "lordnet", "pod_deeponet"])
def test_onnx_of_one_grid_takes_batches_of_any_size(name, tmp_path):
    model = built(name, (16,))
    operators.export(model, torch.randn(2, 1, 16), tmp_path / "graph.onnx", any_grid=False)
    for batch in (1, 5):
        u = torch.randn(batch, 1, 16)
        with torch.no_grad():
            torch.testing.assert_close(answers(tmp_path / "graph.onnx", u), model(u), rtol=1e-5, atol=1e-5)


def test_what_onnx_has_no_words_for_is_refused_and_leaves_no_file(tmp_path):
    class Transformed(torch.nn.Module):
        def forward(self, u):
            return torch.linalg.eigvals(u @ u.transpose(-1, -2)).real.unsqueeze(-1) * u

    with pytest.raises(InvalidArgument, match="cannot be written as ONNX"):
        operators.export(Transformed(), torch.randn(2, 1, 4, 4), tmp_path / "graph.onnx", any_grid=False)
    assert list(tmp_path.iterdir()) == []


def test_an_operator_of_one_grid_is_refused_as_onnx_too(tmp_path):
    with pytest.raises(InvalidArgument, match=r"takes the grid \(16, 16\) alone"):
        operators.export(built("lordnet"), torch.randn(2, 1, 16, 16), tmp_path / "graph.onnx")


def test_a_model_with_spectral_convolutions_is_left_as_it_is():
    model = built("tfno")
    before = model.state_dict()
    real = in_real_numbers(model)
    u = torch.randn(2, 1, 21, 12)
    with torch.no_grad():
        torch.testing.assert_close(real(u), model(u), rtol=1e-5, atol=1e-5)
    assert not any(tensor.is_complex() for tensor in real.state_dict().values())
    assert model.state_dict().keys() == before.keys()
    assert in_real_numbers(built("persistence")).training
