"""An operator on patches: identities, resolution, gradients in parts and in several processes, memory."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.memory import peak_memory
from limitlab.operators import FNO, MultigridPatched, Patching, patch_loss, seam_error
from limitlab.spaces import Grid, relative_l2, spectral_resample


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class FirstChannel(nn.Module):
    def forward(self, windows):
        return windows[:, :1]


def fno(patching, dimension=2, width=8, modes=6):
    torch.manual_seed(0)
    channels = patching.channels(1, dimension)
    return FNO(channels, 1, modes, width, 2, dimension=dimension, positional=False).double()


@pytest.mark.parametrize("grid", [(16,), (8, 24), (64, 64), (8, 8, 4)], ids=str)
@pytest.mark.parametrize("levels", [0, 1, 2])
@pytest.mark.parametrize("halo", [0.0, 1 / 16])
def test_with_a_model_that_copies_its_first_channel_it_is_the_identity(grid, levels, halo):
    u = random(2, 1, *grid)
    assert torch.equal(MultigridPatched(FirstChannel(), Patching(levels, halo))(u), u)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_without_levels_it_is_the_model(dimension):
    patching = Patching(0, 0.0, positional=False)
    model, u = fno(patching, dimension), random(2, 1, *(8,) * dimension)
    with torch.no_grad():
        assert torch.equal(MultigridPatched(model, patching)(u), model(u))


def test_a_field_is_linear_in_what_the_model_is_linear_in():
    patching = Patching(1, 1 / 8, positional=False)
    torch.manual_seed(0)
    model = MultigridPatched(nn.Conv2d(2, 1, 3, padding=1, bias=False).double(), patching)
    a, b = random(1, 1, 16, 16), random(1, 1, 16, 16, seed=1)
    with torch.no_grad():
        assert torch.allclose(model(2 * a + b), 2 * model(a) + model(b), atol=1e-12)


def test_a_halo_as_wide_as_a_kernel_leaves_no_seam():
    """A convolution of 5 points on patches with 2 neighbours is that convolution on the whole; with one it is not."""
    torch.manual_seed(0)
    kernel = nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular", bias=False).double()
    u = random(1, 1, 32, 32)

    def error(points):
        patching = Patching(1, points / 32, coarse=False, positional=False)
        with torch.no_grad():
            return float((MultigridPatched(kernel, patching)(u) - kernel(u)).abs().max())

    assert error(2) < 1e-14
    assert error(1) > 1e-2


def test_the_error_of_a_short_halo_lies_at_the_seams():
    torch.manual_seed(0)
    kernel, u = nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular", bias=False).double(), random(4, 1, 32, 32)
    patching = Patching(1, 0.0, coarse=False, positional=False)
    with torch.no_grad():
        error = seam_error(MultigridPatched(kernel, patching)(u), kernel(u), patching)["error"].values
    assert error[0] > error[1] > 0.05
    assert error[2:].max() < 1e-14


def test_coarse_windows_carry_what_lies_far_away():
    """The last level alone makes a patch depend on a point half a domain away."""

    def slope(patching):
        u = random(1, 1, 64, 64).requires_grad_()
        MultigridPatched(fno(patching), patching)(u)[0, 0, 0, 0].backward()
        return float(u.grad[..., 24:40, 24:40].abs().max())

    assert slope(Patching(2, 1 / 16)) > 1e-8
    assert slope(Patching(2, 1 / 16, coarse=False)) == 0


def test_the_same_function_on_a_finer_grid():
    """Aliasing of the nonlinearity aside, which falls with the grid: an FNO in patches serves every grid."""
    patching, coarse = Patching(1, 1 / 8), random(1, 1, 5, 5)
    model = MultigridPatched(fno(patching, modes=4), patching)
    errors = []
    with torch.no_grad():
        for n in (32, 64, 128):
            less, more = (model(spectral_resample(coarse, Grid.uniform((5, 5)), points)) for points in (n, 2 * n))
            errors.append(float((more[..., ::2, ::2] - less).norm() / less.norm()))
    # a patch is no period: its waves have a jump at its ends, and the error is of first order
    assert errors[2] < 0.6 * errors[1] < 0.36 * errors[0]


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_patches_in_parts_have_the_same_field_and_gradient(at_once):
    patching, u = Patching(1, 1 / 8), random(3, 1, 16, 16)
    model = fno(patching)

    def gradient(module):
        model.zero_grad()
        answer = module(u)
        answer.square().sum().backward()
        return answer.detach(), [parameter.grad.clone() for parameter in model.parameters()]

    whole, expected = gradient(MultigridPatched(model, patching))
    parts, got = gradient(MultigridPatched(model, patching, at_once=at_once))
    assert torch.allclose(parts, whole, atol=1e-12)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(got, expected, strict=True))


def test_training_on_patches_takes_less_than_half_the_memory():
    """Storages alive at the peak of a step; (40/64)^2 and (24/64)^2 of the points of the whole domain at a time."""
    u = random(1, 1, 64, 64)

    def peak(model):
        return peak_memory(lambda: model(u).square().mean().backward())

    whole = peak(fno(Patching(0, 0.0, positional=False)))
    peaks = [peak(MultigridPatched(fno(patching), patching, at_once=1)) for patching in map(Patching, (1, 2))]
    assert whole > 2 * peaks[0] > 3 * peaks[1]


def test_the_loss_of_patches_is_the_mean_of_their_errors():
    patching, grid = Patching(1, 1 / 8), Grid.uniform((8, 12))
    prediction, target = random(2, 1, 8, 12), random(2, 1, 8, 12, seed=1)
    loss = patch_loss("l2", grid, patching)(nn.Identity(), {"input": prediction, "target": target})["relative_l2"]
    quarter = Grid.uniform((4, 6))
    errors = [
        relative_l2(prediction[..., i : i + 4, j : j + 6], target[..., i : i + 4, j : j + 6], quarter)
        for i in (0, 4)
        for j in (0, 6)
    ]
    assert torch.allclose(loss, torch.stack(errors).mean())


def test_the_loss_of_patches_has_slopes_inside_patches_alone():
    """H1 by differences that end at the patch's ends: a step on a seam costs nothing."""
    patching, grid = Patching(1, 0.0), Grid.uniform((8,), lengths=2.0)
    step = torch.tensor([1.0] * 4 + [3.0] * 4, dtype=torch.float64)[None, None]
    loss = patch_loss("h1", grid, patching)(nn.Identity(), {"input": 1.5 * step, "target": step})
    assert float(loss["relative_h1"]) == pytest.approx(0.5)


def test_bad_shares_are_refused():
    with pytest.raises(InvalidArgument, match="at_once"):
        MultigridPatched(FirstChannel(), Patching(), at_once=0)


PROCESS = """
import sys, torch
from limitlab import training
from limitlab.data import Batches
from limitlab.operators import FNO, MultigridPatched, Patching, SharedBatches
from limitlab.spaces import Grid
from limitlab.training.device import is_main_process

def network():
    torch.manual_seed(0)
    patching = Patching(1, 1 / 8)
    inner = FNO(patching.channels(1, 2), 1, 6, 8, 2, dimension=2, positional=False).double()
    return MultigridPatched(inner, patching, at_once=2, spread=True)

def pairs():
    draw = torch.Generator().manual_seed(1)
    tensors = {name: torch.randn(2, 1, 16, 16, generator=draw, dtype=torch.float64) for name in ("input", "target")}
    return SharedBatches(Batches(tensors, Grid.uniform((16, 16)), size=1))

loss = training.operator_loss("l2", Grid.uniform((16, 16)))
model = network()
for _ in training.fit(model, training.descent(loss, pairs(), 3, 0.1), device="cpu"):
    pass
if is_main_process():
    gradients = {name: p.grad for name, p in model.named_parameters()}
    torch.save({"weights": model.state_dict(), "gradients": gradients}, sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_share_the_patches_and_have_the_gradient_of_one(tmp_path):
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    results = []
    for processes in (1, 2):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        stored = tmp_path / f"{processes}.pt"
        command = [sys.executable, *(launcher if processes > 1 else []), str(script), str(stored)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        results.append(torch.load(stored))
    one, two = results
    for kind in ("gradients", "weights"):
        assert one[kind].keys() == two[kind].keys()
        for name, values in one[kind].items():
            assert torch.allclose(two[kind][name], values, rtol=1e-6, atol=1e-9), f"{kind} {name}"
