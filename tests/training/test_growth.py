"""Modes grow where a criterion says so and in no other way; a resumed growth is the uninterrupted one."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.operators import FNO, Compression, UNet
from limitlab.spaces import Grid
from limitlab.training import Progress, Recipe, fit, fixed, operator_loss, runs
from limitlab.training.growth import Explained, GrowingModes, LossGap, _strength, coarse_to_fine


def fno(**options):
    torch.manual_seed(0)
    return FNO(1, 1, (8, 8), width=4, layers=2, **options)


def batches(points=16):
    generator = torch.Generator().manual_seed(0)
    return fixed(**{role: torch.randn(4, 1, points, points, generator=generator) for role in ("input", "target")})


def recipe(adapt, steps=12, **options):
    return Recipe(operator_loss("l2", Grid.uniform((16, 16))), batches(), steps, 1e-2, adapt=adapt, **options)


def waves(highest, points=24):
    """A real function with |k| <= highest along both axes."""
    torch.manual_seed(1)
    spectrum = torch.zeros(2, 1, points, points, dtype=torch.complex128)
    k = torch.fft.fftfreq(points, 1 / points)
    inner = (k.abs() <= highest)[:, None] & (k.abs() <= highest)
    spectrum[..., inner] = torch.randn(2, 1, int(inner.sum()), dtype=torch.complex128)
    return torch.fft.ifft2(spectrum, norm="forward").real


def test_new_modes_with_zero_weights_change_nothing():
    growing = GrowingModes(fno().double(), first=5)
    (layer, _), u = growing.layers, waves(2).repeat(1, 4, 1, 1)
    before = layer(u)
    with torch.no_grad():
        inner = layer.weight[:, :, 2:7, 0:3].clone()
        layer.weight.zero_()
        layer.weight[:, :, 2:7, 0:3] = inner
    for _ in range(3):
        growing.grow()
        # up to the rounding of a product with a wider matrix
        assert (layer(u) - before).abs().max() < 1e-14 * before.abs().max()
    assert layer.used == ((-4, 3), (0, 4))


def test_modes_in_use_are_the_layer_with_so_many_modes():
    growing = GrowingModes(fno().double(), first=4)
    small = FNO(1, 1, (4, 4), width=4, layers=2).double()
    weights = {name: value for name, value in growing.model.state_dict().items() if "weight_parts" not in name}
    small.load_state_dict(weights, strict=False)
    with torch.no_grad():
        for ours, theirs in zip(small.blocks, growing.layers, strict=True):
            ours.spectral.weight.copy_(theirs.weight[:, :, 2:6, 0:3])
    u = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    assert torch.allclose(growing(u), small(u), atol=1e-13)


@pytest.mark.parametrize("compression", [None, Compression("cp", 0.3), Compression("tt", 0.3, joint=True)])
def test_unused_weights_have_no_gradient_and_all_modes_are_the_model(compression):
    model = fno(compression=compression)
    growing, u = GrowingModes(model, first=2), torch.randn(2, 1, 16, 16)
    growing(u).square().sum().backward()
    last = (model.blocks[0].spectral.weight_parts if compression is None
            else model.blocks[0].spectral.factors.tensor.parts[-1])  # fmt: skip
    along = last.grad.abs().sum(-1).movedim(-1 if compression is None or compression.format == "tt" else 0, 0)
    along = along if compression is None or compression.format != "tt" else last.grad.abs().sum((0, 2, 3))
    assert along[:2].any()
    assert not along[2:].any()
    growing.use(8)
    assert torch.equal(growing(u), fno(compression=compression)(u))


def test_an_epoch_that_changes_the_loss_by_little_brings_one_mode():
    growing, adapt, modes = GrowingModes(fno(), first=3), LossGap(epoch=2, gap=0.1), []
    # means of the epochs: 5, 3, 2.95, 2.9, 2
    for step, loss in enumerate([6.0, 4.0, 3.5, 2.5, 3.0, 2.9, 2.9, 2.9, 2.0, 2.0], start=1):
        adapt(growing, Progress(step, 10, {"l2": torch.tensor(loss)}))
        modes.append(growing.modes)
    assert modes == [3, 3, 3, 3, 3, 4, 4, 5, 5, 5]


@pytest.mark.parametrize("of", ["weights", "gradients"])
def test_strength_is_counted_by_the_modes_that_bring_it(of):
    growing = GrowingModes(fno(), first=7)
    adapt = Explained(of, threshold=0.9, every=2, buffer=2)

    def put(outer):
        """A tenth of the strength where the sixth and seventh mode begin, or none of it."""
        for layer in growing.layers:
            parts = layer.weight_parts
            values = torch.zeros_like(parts)
            values[0, 0, 4, 0, 0] = 3.0  # k = (0, 0), the first mode
            values[0, 0, 1, 1, 1] = outer  # k = (-3, 1), there with the sixth
            if of == "weights":
                parts.data.copy_(values)
            else:
                parts.grad = values

    for outer, grows in ((0.9, False), (1.1, True)):
        before = growing.modes
        for step in (1, 2):
            put(outer)
            adapt(growing, Progress(step, 2, {"l2": torch.tensor(1.0)}))
        assert growing.modes == before + grows
    assert not growing.strength.any()


def test_a_wavenumber_is_counted_with_the_mode_that_brings_it():
    growing = GrowingModes(fno(), first=8)
    (layer, _), seen = growing.layers, []
    for modes in range(1, 9):
        layer.use((modes, modes))
        (first, last), (_, end) = layer.used
        seen.append((last - first + 1) * (end + 1))
    ones = [torch.ones(1, 1, 8, 5), torch.zeros(1, 1, 8, 5)]
    assert _strength(growing, ones).cumsum(0).tolist() == seen


@pytest.mark.parametrize("adapt", [LossGap(epoch=2, gap=10.0), Explained("weights", 0.999, 2, 1),
                                   Explained("gradients", 0.999, 3, 1)])  # fmt: skip
def test_a_resumed_growth_is_the_uninterrupted_one(adapt, tmp_path):
    whole = GrowingModes(fno(), first=2)
    losses = [progress.loss for progress in fit(whole, recipe(adapt), device="cpu")]
    assert whole.modes > 2
    run = runs.create(tmp_path / "run", {}, "growth", 0)
    training = fit(GrowingModes(fno(), first=2), recipe(adapt), run=run, device="cpu")
    first = [next(training).loss for _ in range(5)]
    training.close()
    again = GrowingModes(fno(), first=2)
    rest = [progress.loss for progress in fit(again, recipe(adapt), run=run, resume=True, device="cpu")]
    assert first + rest == losses
    assert again.modes == whole.modes
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), whole.state_dict().values(), strict=True))


def test_another_criterion_is_another_training(tmp_path):
    run = runs.create(tmp_path / "run", {}, "growth", 0)
    training = fit(GrowingModes(fno(), 2), recipe(LossGap(2)), run=run, device="cpu")
    next(training)
    training.close()
    with pytest.raises(InvalidArgument, match="adapt was LossGap"):
        list(fit(GrowingModes(fno(), 2), recipe(LossGap(3)), run=run, resume=True, device="cpu"))


def test_stages_are_a_function_of_the_step_and_train_at_every_resolution():
    stages = coarse_to_fine([batches(4), batches(8), batches(16)], every=3)
    assert [stages.batch(step)["input"].shape[-1] for step in range(8)] == [4, 4, 4, 8, 8, 8, 16, 16]
    loss = operator_loss("l2", Grid.uniform((16, 16)))
    growing = GrowingModes(fno(), first=8)
    losses = [p.loss for p in fit(growing, Recipe(loss, stages, 9, 1e-2, adapt=LossGap(3)), device="cpu")]
    assert all(math.isfinite(value) for value in losses)
    assert growing.modes == 8


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: GrowingModes(UNet(1, 1, dimension=2)), "spectral convolutions"),
        (lambda: GrowingModes(fno(), 9), "first"),
        (lambda: LossGap(0), "epoch"),
        (lambda: Explained("loss"), "of"),
        (lambda: coarse_to_fine([], 3), "stages"),
        (lambda: coarse_to_fine([batches()], 0), "every"),
        (lambda: recipe(LossGap(2), weight_decay=0.0, optimizer="lbfgs", schedule="constant"), "adapt must be None"),
        (lambda: list(fit(fno(), recipe(LossGap(2)), device="cpu")), "GrowingModes"),
        (
            lambda: list(
                fit(GrowingModes(fno(compression=Compression())), recipe(Explained("gradients")), device="cpu")
            ),
            "must be 'weights'",
        ),
    ],
)
def test_what_cannot_grow_is_refused(refused, message):
    with pytest.raises(InvalidArgument, match=message):
        refused()
