"""The Fourier neural operator: its peer's numbers where the peer is right, and the invariances it has by design."""

import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.layers.pointwise import PointwiseLinear
from limitlab.layers.spectral_convolution import SpectralConv
from limitlab.operators.fno import FNO, coordinates
from limitlab.operators.unet import UNet


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def benchmark() -> types.ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "operators.py"
    specification = importlib.util.spec_from_file_location("operators_benchmark", path)
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)
        specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {}),
        ({"preactivation": True}, {"preactivation": True}),
        ({"norm": "instance_norm"}, {"norm": "instance"}),
        ({"norm": "group_norm", "preactivation": True}, {"norm": "group", "preactivation": True}),
        ({"domain_padding": 0.125}, {"padding": 0.125}),
        ({"domain_padding": [0.25, 0.1]}, {"padding": (0.25, 0.1)}),
        (
            {"fno_skip": "soft-gating", "channel_mlp_skip": "linear"},
            {"skip": "soft-gating", "channel_mlp_skip": "linear"},
        ),
        (
            {"fno_skip": "identity", "channel_mlp_skip": "identity"},
            {"skip": "identity", "channel_mlp_skip": "identity"},
        ),
        ({"fno_skip": None, "channel_mlp_skip": None}, {"skip": None, "channel_mlp_skip": None}),
        ({"use_channel_mlp": False}, {"channel_mlp_expansion": 0}),
        ({"separable": True, "channel_mlp_expansion": 2}, {"separable": True, "channel_mlp_expansion": 2}),
        ({"positional_embedding": None, "projection_channel_ratio": 4}, {"positional": False, "projection_ratio": 4}),
    ],
    ids=str,
)
def test_agrees_with_neuraloperator(theirs: dict[str, object], ours: dict[str, object]) -> None:
    peers = pytest.importorskip("neuralop.models")
    torch.manual_seed(0)
    peer = peers.FNO(n_modes=(8, 6), in_channels=2, out_channels=3, hidden_channels=8, n_layers=3, **theirs)
    model = FNO(2, 3, (8, 6), width=8, layers=3, **ours)
    benchmark().copy_weights(model, peer)
    u = torch.randn(2, 2, 16, 21)
    assert (model(u) - peer(u)).abs().max() < 1e-5


@pytest.mark.parametrize(("modes", "grid"), [((8,), (32,)), ((4, 6, 4), (10, 12, 9))])
def test_agrees_with_neuraloperator_in_one_and_three_dimensions(modes: tuple[int, ...], grid: tuple[int, ...]) -> None:
    peers = pytest.importorskip("neuralop.models")
    peer = peers.FNO(n_modes=modes, in_channels=1, out_channels=1, hidden_channels=8)
    model = FNO(1, 1, modes, width=8)
    benchmark().copy_weights(model, peer)
    u = torch.randn(2, 1, *grid)
    assert (model(u) - peer(u)).abs().max() < 1e-5


def test_gradients_agree_with_neuraloperator() -> None:
    peers = pytest.importorskip("neuralop.models")
    peer = peers.FNO(n_modes=(8, 8), in_channels=1, out_channels=1, hidden_channels=8, n_layers=2)
    model = FNO(1, 1, (8, 8), width=8, layers=2)
    benchmark().copy_weights(model, peer)
    inputs = [torch.randn(2, 1, 16, 16).requires_grad_() for _ in range(2)]
    with torch.no_grad():
        inputs[1].copy_(inputs[0])
    for network, u in zip((model, peer), inputs, strict=True):
        network(u).square().sum().backward()
    scale = inputs[1].grad.abs().max()
    assert (inputs[0].grad - inputs[1].grad).abs().max() < 1e-5 * scale
    theirs = peer.fno_blocks.convs[0].weight.tensor.grad
    mine = torch.view_as_complex(model.blocks[0].spectral.weight_parts.grad)
    assert (mine - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_commutes_with_translation_without_positional_channels() -> None:
    model = FNO(1, 1, (6, 6), width=8, layers=2, positional=False).double()
    u = torch.randn(1, 1, 15, 16, dtype=torch.float64)
    assert (model(u.roll((4, -3), (2, 3))) - model(u).roll((4, -3), (2, 3))).abs().max() < 1e-12
    with_positions = FNO(1, 1, (6, 6), width=8, layers=2).double()
    shifted = with_positions(u.roll(4, 2)) - with_positions(u).roll(4, 2)
    assert shifted.abs().max() > 1e-3


def smooth(n: int) -> Tensor:
    x = torch.arange(n, dtype=torch.float64) / n
    return (0.3 * (2 * torch.pi * x).sin()[:, None] * (2 * torch.pi * x).cos())[None, None]


@pytest.mark.parametrize("padding", [0.0, 0.25])
def test_prediction_drifts_little_with_resolution(padding: float) -> None:
    torch.manual_seed(0)
    model = FNO(1, 1, (8, 8), width=8, layers=2, positional=False, padding=padding).double()
    coarse, fine = (model(smooth(n)) for n in (32, 64))
    # Aliasing of gelu is all that is left without padding; a padded field jumps at the edge, so its spectrum is long.
    assert (fine[..., ::2, ::2] - coarse).abs().max() < (1e-6 if padding == 0 else 0.1) * fine.abs().max()


def test_instance_norm_forgets_the_amplitude_that_the_plain_layers_keep() -> None:
    torch.manual_seed(0)
    u = torch.randn(1, 1, 16, 16)
    blind = FNO(1, 1, (6, 6), width=8, layers=2, norm="instance", preactivation=True, positional=False).blocks[0]
    seeing = FNO(1, 1, (6, 6), width=8, layers=2, positional=False).blocks[0]
    v = torch.randn(1, 8, 16, 16).relu() + 0.1 * u
    for block, forgets in ((blind, True), (seeing, False)):
        hidden = (
            (block.first_norm(v), block.first_norm(3 * v)) if forgets else (block(v, (16, 16)), block(3 * v, (16, 16)))
        )
        change = (hidden[1] - hidden[0]).abs().max() / hidden[0].abs().max()
        assert (change < 1e-3) == forgets


def test_adaptive_norm_takes_its_scale_and_shift_from_the_embedding() -> None:
    model = FNO(1, 1, (4, 4), width=8, layers=2, norm="adaptive_instance", embedding_features=3)
    u, embedding = torch.randn(2, 1, 8, 8), torch.randn(2, 3)
    together = model(u, embedding)
    alone = torch.cat([model(u[i : i + 1], embedding[i : i + 1]) for i in range(2)])
    assert (together - alone).abs().max() < 1e-5
    assert (model(u, embedding.flip(0)) - together).abs().max() > 1e-4
    with pytest.raises(InvalidArgument, match="embedding"):
        model(u)


@pytest.mark.parametrize("options", [{}, {"preactivation": True}, {"norm": "group"}, {"padding": 0.25}])
def test_output_scaling_evaluates_on_another_grid(options: dict[str, object]) -> None:
    model = FNO(1, 2, (4, 4), width=6, layers=3, output_scaling=(1, 2, 1), **options)
    assert model(torch.randn(1, 1, 8, 12)).shape == (1, 2, 16, 24)
    assert FNO(1, 2, (4, 4), width=6, layers=2, output_scaling=0.5, **options)(torch.randn(1, 1, 16, 16)).shape[2:] == (
        4,
        4,
    )


def test_scaled_linear_model_samples_the_same_function() -> None:
    torch.manual_seed(0)
    plain = FNO(1, 1, (8, 8), width=6, layers=1, positional=False, channel_mlp_expansion=0).double()
    scaled = FNO(1, 1, (8, 8), width=6, layers=1, positional=False, channel_mlp_expansion=0, output_scaling=2).double()
    scaled.load_state_dict(plain.state_dict())
    assert (scaled(smooth(32))[..., ::2, ::2] - plain(smooth(32))).abs().max() < 1e-9


@pytest.mark.parametrize(
    "options", [{}, {"preactivation": True, "norm": "instance"}, {"norm": "group", "padding": 0.2}], ids=str
)
def test_gradients_are_the_derivatives(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = FNO(1, 1, (3, 4), width=3, layers=2, **options).double()
    u = torch.randn(2, 1, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model, (u,), fast_mode=True)
    names, values = zip(*model.named_parameters(), strict=True)

    def result(*values: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (u.detach(),))

    assert torch.autograd.gradcheck(result, values, fast_mode=True)


def test_second_derivatives_are_derivatives_of_the_first() -> None:
    model = FNO(1, 1, (3,), width=3, layers=2).double()
    u = torch.randn(1, 1, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(model, (u,), fast_mode=True)


def test_whole_model_runs_on_a_device_of_its_own() -> None:
    FNO(1, 1, (4, 4), width=4)(torch.randn(1, 1, 16, 16))
    with FakeTensorMode():
        torch.set_default_device("cuda")
        try:
            model = FNO(1, 1, (4, 4), width=4, norm="group", padding=0.1, output_scaling=2)
            result = model(torch.randn(2, 1, 16, 16))
        finally:
            torch.set_default_device(None)
    assert result.device.type == "cuda"
    assert result.shape == (2, 1, 256, 256)
    assert type(FNO(1, 1, (4, 4), width=4)(torch.randn(1, 1, 16, 16))) is Tensor


@pytest.mark.parametrize("options", [{}, {"output_scaling": 2}, {"norm": "group", "skip": "identity"}])
def test_autocast_changes_the_answer_by_half_precision_only(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = FNO(1, 1, (4, 4), width=8, layers=2, **options)
    u = torch.randn(2, 1, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(u)
    # bfloat16 keeps 8 bits (0.4 %), and the output is a sum of terms that are below one and nearly cancel.
    assert (rough.float() - model(u)).abs().max() < 0.01


def test_empty_batch_gives_an_empty_batch() -> None:
    assert FNO(1, 2, (4, 4), width=4)(torch.zeros(0, 1, 12, 12)).shape == (0, 2, 12, 12)


def test_coordinates_are_i_over_n_in_the_dtype_of_the_field() -> None:
    x = coordinates(torch.zeros(2, 1, 4, 5, dtype=torch.float64))
    assert x.shape == (2, 2, 4, 5)
    assert x.dtype == torch.float64
    assert torch.equal(x[1, 0, :, 3], torch.tensor([0, 0.25, 0.5, 0.75], dtype=torch.float64))


def test_pointwise_linear_is_a_convolution_of_size_one() -> None:
    linear = PointwiseLinear(3, 4)
    u = torch.randn(2, 3, 5, 6)
    expected = torch.nn.functional.conv2d(u, linear.weight[:, :, None, None], linear.bias)
    assert (linear(u) - expected).abs().max() < 1e-6
    extra = torch.randn_like(expected)
    assert (linear(u, extra) - expected - extra).abs().max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_grid_gives_a_field_on_that_grid(data: st.DataObject) -> None:
    dimension = data.draw(st.integers(1, 3))
    modes, grid = (data.draw(st.tuples(*[st.integers(1, 7)] * dimension)) for _ in range(2))
    options = {
        "preactivation": data.draw(st.booleans()),
        "norm": data.draw(st.sampled_from([None, "group"])),
        "skip": data.draw(st.sampled_from([None, "linear", "identity", "soft-gating"])),
        "padding": data.draw(st.sampled_from([0.0, 0.25])),
        "separable": data.draw(st.booleans()),
    }
    model = FNO(2, 3, modes, width=4, layers=2, **options)
    result = model(torch.randn(2, 2, *grid))
    assert result.shape == (2, 3, *grid)
    assert result.isfinite().all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"modes": 8}, "modes"),
        ({"width": 0}, "width"),
        ({"layers": 1.5}, "layers"),
        ({"padding": 0.9}, "padding"),
        ({"padding": (0.1,)}, "padding"),
        ({"norm": "instanse"}, "did you mean 'instance'"),
        ({"norm": "adaptive_instance"}, "embedding_features"),
        ({"skip": "lineer"}, "did you mean 'linear'"),
        ({"channel_mlp_skip": "gate"}, "channel_mlp_skip"),
        ({"channel_mlp_expansion": -1}, "channel_mlp_expansion"),
        ({"output_scaling": (1, 2)}, "output_scaling"),
    ],
)
def test_bad_settings_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        FNO(**{"in_channels": 1, "out_channels": 1, "modes": (4, 4), **options})


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 1, 8), (1, 8, 8)])
def test_bad_fields_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgument, match=r"^u must have shape \(batch, channel=1, x, y\)"):
        FNO(1, 1, (4, 4), width=4)(torch.zeros(shape))


HALVES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
def test_weights_in_half_precision_are_refused_by_name(dtype: torch.dtype) -> None:
    u = torch.randn(1, 1, 16).to(dtype)
    with pytest.raises(InvalidArgument, match=rf"weights must be of float32 or float64, as {dtype} has no complex"):
        FNO(1, 1, [8], width=4).to(dtype)(u)


@pytest.mark.parametrize(
    ("weights", "data"),
    [(torch.float32, torch.float64), (torch.float64, torch.float32), *((torch.float32, half) for half in HALVES)],
)
def test_data_of_another_dtype_than_the_weights_are_refused(weights: torch.dtype, data: torch.dtype) -> None:
    u = torch.randn(1, 1, 16).to(data)
    for model in (FNO(1, 1, [8], width=4), UNet(1, 1, 1, width=4)):
        with pytest.raises(InvalidArgument, match=f"u must be of {weights} like the weights; got {data}"):
            model.to(weights)(u)
    for half in HALVES[1:]:
        with torch.autocast("cpu", half), pytest.raises(InvalidArgument, match="like the weights"):
            FNO(1, 1, [8], width=4)(u.double())
        with torch.autocast("cpu", half):
            assert FNO(1, 1, [8], width=4)(u.to(half)).isfinite().all()


@pytest.mark.parametrize("modes", [(6,), (6, 6), (50,)], ids=str)
def test_an_exported_program_serves_any_batch_and_any_grid(modes: tuple[int, ...]) -> None:
    """50 modes are transformed by the FFT, for which odd and even grids differ."""
    model = FNO(1, 1, modes, width=4, layers=2).eval()
    dimension, points = len(modes), 4 * modes[0] + 2
    shapes = ({axis: torch.export.Dim.DYNAMIC for axis in (0, *range(2, dimension + 2))},)
    seen = torch.randn(2, 1, *range(points, points + dimension))
    program = torch.export.export(model, (seen,), dynamic_shapes=shapes).module()
    for batch in (3, 5):
        for n in (points - 2, points + 5, 2 * points):
            u = torch.randn(batch, 1, *[n] * dimension)
            assert torch.equal(program(u), model(u))


def test_whole_numbers_of_all_kinds_make_the_same_model() -> None:
    def weights(*sizes: object, **options: object) -> list[tuple[int, ...]]:
        return [tuple(parameter.shape) for parameter in FNO(*sizes, **options).parameters()]

    expected = weights(1, 1, (8, 8), 4, 2)
    assert weights(np.int64(1), 1.0, np.array([8, 8]), width=4.0, layers=torch.tensor(2)) == expected
    assert weights(1, 1, 8.0, np.float32(4), np.int8(2), dimension=np.int64(2)) == expected
    with pytest.raises(InvalidArgument, match=r"width must be a whole number >= 1; got 4\.5"):
        FNO(1, 1, (8,), width=4.5)
    with pytest.raises(InvalidArgument, match="layers must be a whole number >= 1; got True"):
        FNO(1, 1, (8,), layers=True)
    assert UNet(1.0, np.int64(1), 1.0, width=np.float64(4), levels=2.0)(torch.zeros(1, 1, 8)).shape == (1, 1, 8)
    assert SpectralConv(np.int64(2), 3.0, np.array([4]))(torch.zeros(1, 2, 8), np.array([16])).shape == (1, 3, 16)


def gaps(positional: bool | str, offset: float, refinement: int) -> list[float]:
    """How far the outputs on n and 3^5 n points are apart at the points that both have, for n = 9, 27, 81."""
    torch.manual_seed(0)
    model = FNO(1, 1, (4,), width=8, layers=2, positional=positional).double().eval()
    finest = 9 * refinement**5

    def at(n: int) -> Tensor:
        x = (torch.arange(n, dtype=torch.float64) + offset) / n
        with torch.no_grad():
            return model(torch.sin(2 * torch.pi * x + 1).exp()[None, None])[0, 0]

    fine = at(finest)
    # cell centres of n points are those of every third cell of 3 n
    return [
        float((at(n) - fine[int(offset * (finest // n)) :: finest // n]).abs().max())
        for n in (9 * refinement**power for power in range(3))
    ]


@pytest.mark.parametrize(
    ("positional", "offset", "order"), [(True, 0.0, 1.0), ("cells", 0.5, 2.0), (True, 0.5, 1.0)], ids=str
)
def test_a_coordinate_that_jumps_costs_an_order_of_the_grid(
    positional: bool | str, offset: float, order: float
) -> None:
    coarse, middle, fine = gaps(positional, offset, 3)
    assert abs(np.log(coarse / fine) / np.log(9) - order) < 0.25
    assert middle > fine


@pytest.mark.parametrize("positional", ["periodic", False], ids=str)
def test_positions_on_a_circle_leave_a_periodic_operator_as_it_is(positional: bool | str) -> None:
    """What is left is the aliasing of gelu, which falls faster than any power."""
    coarse, middle, fine = gaps(positional, 0.0, 3)
    assert coarse < 0.02
    assert middle < 1e-5
    assert fine < 1e-12


def test_positions_are_channels_of_their_kind() -> None:
    u = torch.zeros(2, 1, 4, 5, dtype=torch.float64)
    assert coordinates(u, "cells")[0, 1, 0].tolist() == [0.1, 0.3, 0.5, 0.7, 0.9]
    circle = coordinates(u, "periodic")
    assert circle.shape == (2, 4, 4, 5)
    # a quarter of the first axis, nothing of the second: cosines 0 and 1, sines 1 and 0
    quarter = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(circle[0, :, 1, 0], quarter, atol=1e-15, rtol=0)
    assert FNO(1, 1, (4, 4), width=4, positional="periodic")(torch.zeros(1, 1, 8, 8)).shape == (1, 1, 8, 8)
    with pytest.raises(UnknownName, match="unknown positional 'periodc'; did you mean 'periodic'"):
        FNO(1, 1, (4,), positional="periodc")
