"""The spectral convolution is an operator on functions: exact on band-limited ones, the same at every resolution."""

import math
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.layers import spectral_convolution
from limitlab.layers.spectral_convolution import SpectralConv, resample


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def wavenumber_mesh(layer: SpectralConv) -> tuple[Tensor, ...]:
    axes = [torch.arange(first, last + 1, dtype=torch.float64) for first, last in layer.wavenumbers]
    return torch.meshgrid(*axes, indexing="ij")


def grid_points(shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    return torch.meshgrid(*[torch.arange(n, dtype=torch.float64) / n for n in shape], indexing="ij")


def band_limited(shape: tuple[int, ...], highest: int, *, channels: int = 1, batch: int = 2, seed: int = 0) -> Tensor:
    """Random waves with |k_j| <= highest, the same functions on every grid (float64)."""
    generator = torch.Generator().manual_seed(seed)
    x = grid_points(shape)
    u = torch.zeros(batch, channels, *shape, dtype=torch.float64)
    for _ in range(8):
        k = torch.randint(-highest, highest + 1, (len(shape),), generator=generator)
        phase = 2 * math.pi * sum(kj * xj for kj, xj in zip(k, x, strict=True))
        amplitude = torch.randn(2, batch, channels, *[1] * len(shape), generator=generator, dtype=torch.float64)
        u += amplitude[0] * phase.cos() + amplitude[1] * phase.sin()
    return u


@pytest.fixture(params=["matrices", "fft"])
def transform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(spectral_convolution, "_fft_is_cheaper", lambda *_: request.param == "fft")
    return request.param


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("n", [32, 33, 48, 64])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_resolvent_of_the_laplacian_solves_its_equation(
    transform: str, dimension: int, n: int, dtype: torch.dtype, tolerance: float
) -> None:
    layer = SpectralConv(1, 1, (16,) * dimension, bias=False).to(dtype)
    squared = sum(k.square() for k in wavenumber_mesh(layer))
    with torch.no_grad():
        layer.weight.copy_(1 / (1 + 4 * math.pi**2 * squared))
    u = band_limited((n,) * dimension, 7)
    k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    mesh = torch.meshgrid(*[k] * dimension, indexing="ij")
    symbol = 1 + 4 * math.pi**2 * sum(each.square() for each in mesh)
    axes = tuple(range(2, 2 + dimension))
    forcing = torch.fft.ifftn(symbol * torch.fft.fftn(u, dim=axes), dim=axes).real
    # The forcing is large (k^2), so errors are relative to its solution's size.
    assert (layer(forcing.to(dtype)) - u).abs().max() < tolerance * u.abs().max()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_layer_is_the_same_operator_at_twice_the_resolution(transform: str, dimension: int) -> None:
    layer = SpectralConv(2, 3, (6,) * dimension)
    coarse, fine = (band_limited((n,) * dimension, 5, channels=2).float() for n in (12, 24))
    result = layer(fine)[(..., *[slice(None, None, 2)] * dimension)]
    assert (result - layer(coarse)).norm() < 1e-6 * result.norm()


@pytest.mark.parametrize("grid", [(8,), (8, 8), (9, 6), (4, 8, 5)])
def test_layer_acts_on_the_trigonometric_interpolant_up_to_the_nyquist_wave(
    transform: str, grid: tuple[int, ...]
) -> None:
    layer = SpectralConv(2, 2, (8,) * len(grid)).double()
    u = torch.randn(2, 2, *grid, dtype=torch.float64)
    fine = layer(resample(u, [2 * n for n in grid]))
    assert (fine[(..., *[slice(None, None, 2)] * len(grid))] - layer(u)).abs().max() < 1e-12


@pytest.mark.parametrize("n", [9, 16, 17, 32])
def test_unpaired_mode_keeps_half_of_a_real_wave_at_every_resolution(transform: str, n: int) -> None:
    layer = SpectralConv(1, 1, (8, 8), bias=False).double()
    with torch.no_grad():
        layer.weight.fill_(1)
    x, _ = grid_points((n, n))
    wave = (2 * math.pi * 4 * x).cos()[None, None]
    assert (layer(wave) - wave / 2).abs().max() < 1e-13
    wave = (2 * math.pi * 3 * x).cos()[None, None]
    assert (layer(wave) - wave).abs().max() < 1e-13


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(("n", "size"), [(12, 24), (24, 12), (12, 17), (15, 30), (10, 10)])
def test_output_on_another_grid_samples_the_same_function(transform: str, dimension: int, n: int, size: int) -> None:
    layer = SpectralConv(1, 2, (6,) * dimension).double()
    here = layer(band_limited((size,) * dimension, 4))
    assert (layer(band_limited((n,) * dimension, 4), size=(size,) * dimension) - here).abs().max() < 1e-12


def test_modes_that_the_grid_lacks_are_left_out_without_rescaling(transform: str) -> None:
    layer = SpectralConv(1, 1, (32, 32)).double()
    coarse, fine = (layer(band_limited((n, n), 3)) for n in (8, 64))
    assert (fine[..., ::8, ::8] - coarse).abs().max() < 1e-12


@pytest.mark.parametrize(("n", "size"), [((8,), (16,)), ((9, 8), (18, 16)), ((6, 4, 8), (12, 8, 16))])
def test_resampling_interpolates(n: tuple[int, ...], size: tuple[int, ...]) -> None:
    u = torch.randn(2, 3, *n, dtype=torch.float64)
    again = resample(u, size)[(..., *[slice(None, None, 2)] * len(n))]
    assert (again - u).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("modes", "grid"), [((8,), (33,)), ((8, 8), (32, 21)), ((7, 5), (16, 16)), ((4, 6, 8), (10, 12, 9))]
)
@pytest.mark.parametrize("separable", [False, True])
def test_agrees_with_neuraloperator(
    transform: str, modes: tuple[int, ...], grid: tuple[int, ...], separable: bool
) -> None:
    pytest.importorskip("neuralop")
    from neuralop.layers.spectral_convolution import SpectralConv as Peer

    peer = Peer(3, 3, modes, separable=separable)
    ours = SpectralConv(3, 3, modes, separable=separable)
    with torch.no_grad():
        ours.weight.copy_(peer.weight.tensor)
        ours.bias.copy_(peer.bias.flatten())
    u = torch.randn(2, 3, *grid)
    assert (ours(u) - peer(u)).abs().max() < 1e-5


@pytest.mark.parametrize(("n_in", "n_out"), [(16, 48), (32, 32)])
def test_initial_weights_have_the_stated_deviation(n_in: int, n_out: int) -> None:
    torch.manual_seed(0)
    layer = SpectralConv(n_in, n_out, (12, 12))
    std = math.sqrt(2 / (n_in + n_out))
    # 40 000 to 86 000 complex numbers: the estimate's own deviation is below 0.3 %.
    assert layer.weight.abs().square().mean().sqrt().item() == pytest.approx(std, rel=0.02)
    assert layer.weight.real.std().item() == pytest.approx(std / math.sqrt(2), rel=0.02)


@pytest.mark.parametrize(("modes", "grid"), [((4,), (7,)), ((4, 3), (6, 5)), ((2, 2, 3), (4, 3, 4))])
def test_gradients_are_the_derivatives(transform: str, modes: tuple[int, ...], grid: tuple[int, ...]) -> None:
    layer = SpectralConv(2, 2, modes).double()
    u = torch.randn(1, 2, *grid, dtype=torch.float64, requires_grad=True)
    extra = torch.randn(1, 2, *grid, dtype=torch.float64, requires_grad=True)

    def result(u: Tensor, extra: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        values = {"weight_parts": weight, "bias": bias}
        return torch.func.functional_call(layer, values, (u,), {"add_to": extra}).square()

    arguments = (u, extra, layer.weight_parts, layer.bias)
    assert torch.autograd.gradcheck(result, arguments, fast_mode=True)
    assert torch.autograd.gradgradcheck(result, arguments, fast_mode=True)


def test_matrices_follow_dtype_and_outlive_no_special_mode() -> None:
    layer = SpectralConv(1, 1, (5, 5))
    u = torch.randn(1, 1, 11, 11)
    with torch.inference_mode():
        first = layer(u)
    assert torch.autograd.grad(layer(u).sum(), layer.bias)[0].item() == pytest.approx(121, rel=1e-5)
    torch.func.grad(lambda v: layer(v).square().sum())(torch.randn(1, 1, 13, 13))
    torch.vmap(layer)(torch.randn(2, 1, 1, 14, 14))
    for n in (13, 14):
        assert layer(torch.randn(1, 1, n, n, requires_grad=True)).sum().requires_grad
    exact = layer.double()(u.double())
    assert exact.dtype == torch.float64
    assert (exact - first).abs().max() < 1e-5
    assert (layer.float()(u) - first).abs().max() == 0


def test_autocast_leaves_the_transform_in_full_precision() -> None:
    layer = SpectralConv(1, 1, (6, 6))
    u = torch.randn(1, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(u)
    assert torch.equal(mixed, layer(u))


def test_weights_keep_their_imaginary_part_when_the_dtype_changes() -> None:
    layer = SpectralConv(2, 2, (4, 4))
    before = layer.weight.detach().clone()
    assert torch.equal(layer.to(torch.float64).weight, before.to(torch.complex128))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_grid_any_modes_any_output_size(data: st.DataObject) -> None:
    dimension = data.draw(st.integers(1, 3))
    sizes = st.tuples(*[st.integers(1, 9)] * dimension)
    modes, grid, size = data.draw(sizes), data.draw(sizes), data.draw(sizes)
    layer = SpectralConv(2, 3, modes, bias=False).double()
    u = torch.randn(2, 2, *grid, dtype=torch.float64)
    result = layer(u, size=size)
    assert result.shape == (2, 3, *size)
    assert result.isfinite().all()
    assert (layer(2 * u, size=size) - 2 * result).abs().max() < 1e-12
    with mock.patch.object(spectral_convolution, "_fft_is_cheaper", return_value=True):
        assert (layer(u, size=size) - result).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"modes": 8}, "modes"),
        ({"modes": (4, 4, 4, 4)}, "modes"),
        ({"modes": (0,)}, "modes"),
        ({"in_channels": 0}, "in_channels"),
        ({"separable": True}, "separable"),
    ],
)
def test_bad_settings_are_named(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        SpectralConv(**{"in_channels": 1, "out_channels": 2, "modes": (4,), **arguments})


@pytest.mark.parametrize("u", [torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8), torch.zeros(2, 1, 8).long(), None])
def test_bad_fields_are_named(u: object) -> None:
    with pytest.raises(InvalidArgument, match=r"^u must"):
        SpectralConv(1, 1, (4,))(u)


def test_bad_output_size_is_named() -> None:
    with pytest.raises(InvalidArgument, match="size"):
        SpectralConv(1, 1, (4,))(torch.zeros(1, 1, 8), size=(8, 8))


def test_traced_layer_gives_the_same_numbers() -> None:
    layer = SpectralConv(2, 2, (4, 4))
    u = torch.randn(1, 2, 10, 10)
    assert (torch.compile(layer, backend="eager", fullgraph=True)(u) - layer(u)).abs().max() < 1e-6
