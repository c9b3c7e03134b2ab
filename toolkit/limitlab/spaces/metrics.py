"""Errors of predicted fields as benchmarks of operators report them, one number a sample.

    nRMSE   rms(prediction - target)/rms(target)                         (PDEBench)
    VRMSE   rms(prediction - target)/sqrt(variance of target + eps)      (The Well): 1 predicts the mean
    bands   rms of the waves of the error with |m| in a band, m the numbers of the waves along the axes (fRMSE)
    time    the first frame at which prediction and target correlate less than a threshold

Means are taken over grid and channels; on a uniform grid they are means over points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.spaces.grid import Grid

BANDS = (4.0, 12.0)
EPSILON = 1e-7


def root_mean_square_error(
    prediction: Float[Tensor, "batch channel *grid"], target: Float[Tensor, "batch channel *grid"]
) -> Float[Tensor, " batch"]:
    """Root of the mean squared error of every sample.

    >>> from limitlab.spaces import metrics
    >>> metrics.root_mean_square_error(torch.full((1, 1, 4), 3.0), torch.ones(1, 1, 4)).tolist()
    [2.0]
    """
    return _rms(_difference(prediction, target))


def normalised_error(
    prediction: Float[Tensor, "batch channel *grid"], target: Float[Tensor, "batch channel *grid"]
) -> Float[Tensor, " batch"]:
    """nRMSE: the error over the root mean square of the target; 1 where nothing is predicted.

    >>> from limitlab.spaces import metrics
    >>> metrics.normalised_error(torch.zeros(1, 1, 4), torch.arange(4.0).reshape(1, 1, 4)).tolist()
    [1.0]
    """
    return _rms(_difference(prediction, target)) / _rms(target)


def variance_scaled_error(
    prediction: Float[Tensor, "batch channel *grid"],
    target: Float[Tensor, "batch channel *grid"],
    epsilon: float = EPSILON,
) -> Float[Tensor, " batch"]:
    """VRMSE: the error over the deviation of the target from its mean on the grid, averaged over channels.

    epsilon is added to the variance, so that a constant target has a finite error.

    >>> from limitlab.spaces import metrics
    >>> u = torch.tensor([[[-1.0, 1.0, 3.0, 5.0]]])
    >>> metrics.variance_scaled_error(torch.full_like(u, 2.0), u).round(decimals=4).tolist()
    [1.0]
    """
    epsilon = check_number("epsilon", epsilon, low=0.0)
    squared = _difference(prediction, target).square().flatten(2).mean(2)
    variance = target.flatten(2).var(2, correction=0)
    return (squared / (variance + epsilon)).sqrt().mean(1)


def boundary_error(
    prediction: Float[Tensor, "batch channel *grid"], target: Float[Tensor, "batch channel *grid"], grid: Grid
) -> Float[Tensor, " batch"]:
    """Root mean squared error over the outermost points of the grid.

    >>> from limitlab.spaces import metrics
    >>> error = torch.tensor([[[2.0, 9.0, 9.0, 2.0]]])
    >>> metrics.boundary_error(error, torch.zeros(1, 1, 4), ll.spaces.Grid.uniform(4, kind="cells")).tolist()
    [2.0]
    """
    grid.require("prediction", prediction)
    outermost = torch.ones(grid.shape, dtype=torch.bool, device=prediction.device)
    outermost[(slice(1, -1),) * grid.dimension] = False
    return _rms(_difference(prediction, target)[..., outermost])


def conserved_error(
    prediction: Float[Tensor, "batch channel *grid"], target: Float[Tensor, "batch channel *grid"], grid: Grid
) -> Float[Tensor, " batch"]:
    """Root mean square over channels of the difference of the integrals over the box.

    >>> from limitlab.spaces import metrics
    >>> u = torch.tensor([[[1.0, 2.0]]])
    >>> metrics.conserved_error(u.flip(-1), u, ll.spaces.Grid.uniform(2)).tolist()
    [0.0]
    """
    grid.require("prediction", prediction)
    weights = grid.weights(prediction.dtype, prediction.device)
    return _rms((weights * _difference(prediction, target)).flatten(2).sum(2))


def band_errors(
    prediction: Float[Tensor, "batch channel *grid"],
    target: Float[Tensor, "batch channel *grid"],
    edges: Sequence[float] = BANDS,
) -> Float[Tensor, "batch band"]:
    """Root mean squared errors of the waves between two edges: |m| < 4, 4 <= |m| < 12, and the rest by default.

    Squared, they add up to the mean squared error (Parseval). m counts waves across the box, the grid being periodic.

    >>> from limitlab.spaces import metrics
    >>> wave = torch.cos(2 * torch.pi * 6 * torch.arange(32) / 32)[None, None]
    >>> metrics.band_errors(wave, torch.zeros(1, 1, 32)).square().round(decimals=4).tolist()
    [[0.0, 0.5, 0.0]]
    """
    bounds = check_numbers("edges", edges, low=0.0)
    if list(bounds) != sorted(set(bounds)):
        raise InvalidArgument(f"edges must increase; got {bounds}")
    error = _difference(prediction, target)
    axes = tuple(range(2, error.dim()))
    power = torch.fft.fftn(error, dim=axes, norm="forward").abs().square().mean(1)
    modes = (torch.fft.fftfreq(n, 1 / n, dtype=power.dtype, device=power.device) for n in error.shape[2:])
    size = torch.stack(torch.meshgrid(*modes, indexing="ij")).square().sum(0).sqrt()
    limits = (0.0, *bounds, math.inf)
    bands = [(size >= low) & (size < high) for low, high in pairwise(limits)]
    return torch.stack([(power * band).flatten(1).sum(1).sqrt() for band in bands], 1)


def correlation(
    prediction: Float[Tensor, "batch time channel *grid"], target: Float[Tensor, "batch time channel *grid"]
) -> Float[Tensor, "batch time"]:
    """Correlation of the fields of every frame, over channels and grid, without their means.

    >>> from limitlab.spaces import metrics
    >>> u = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> metrics.correlation(5 - 2 * u, u).round(decimals=4).tolist()
    [[-1.0]]
    """
    _difference(prediction, target)
    one, other = (field.flatten(2) - field.flatten(2).mean(2, keepdim=True) for field in (prediction, target))
    sizes = one.norm(dim=2) * other.norm(dim=2)
    return (one * other).sum(2) / sizes.clamp_min(torch.finfo(sizes.dtype).tiny)


def correlation_time(
    prediction: Float[Tensor, "batch time channel *grid"],
    target: Float[Tensor, "batch time channel *grid"],
    threshold: float = 0.8,
) -> Int[Tensor, " batch"]:
    """Number of the first frame whose correlation is below the threshold; the number of frames where none is.

    >>> from limitlab.spaces import metrics
    >>> u = torch.tensor([1.0, 2.0, 4.0]).expand(1, 3, 1, 3)
    >>> metrics.correlation_time(torch.cat([u[:, :2], -u[:, :1]], 1), u).tolist()
    [2]
    """
    threshold = check_number("threshold", threshold, low=-1.0, high=1.0)
    lost = correlation(prediction, target) < threshold
    # the first of them: an appended frame where all is lost
    return torch.cat([lost, torch.ones_like(lost[:, :1])], 1).int().argmax(1)


def rollout_mean(errors: Float[Tensor, "batch time"]) -> Float[Tensor, " batch"]:
    """Geometric mean of the errors of a rollout's frames, which no single frame rules (APEBench).

    >>> from limitlab.spaces import metrics
    >>> round(metrics.rollout_mean(torch.tensor([[0.01, 1.0]])).item(), 4)
    0.1
    """
    if not bool((errors > 0).all()):
        raise InvalidArgument("errors must be positive for a geometric mean")
    return errors.log().mean(1).exp()


def spectrum_distance(
    prediction: Float[Tensor, "batch channel *grid"], target: Float[Tensor, "batch channel *grid"]
) -> Float[Tensor, " batch"]:
    """Root mean square of the difference in decades of the energy spectra, over the shells of |m| that both hold.

    >>> from limitlab.spaces import metrics
    >>> u = torch.randn(1, 1, 16)
    >>> metrics.spectrum_distance(10 * u, u).round(decimals=4).tolist()  # a hundredfold energy
    [2.0]
    """
    _difference(prediction, target)
    one, other = (_shells(field) for field in (prediction, target))
    floor = torch.finfo(one.dtype).tiny
    return _rms((one.clamp_min(floor) / other.clamp_min(floor)).log10())


def _shells(u: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch shell"]:
    power = torch.fft.fftn(u, dim=tuple(range(2, u.dim())), norm="forward").abs().square().sum(1)
    modes = (torch.fft.fftfreq(n, 1 / n, dtype=power.dtype, device=power.device) for n in u.shape[2:])
    shell = torch.stack(torch.meshgrid(*modes, indexing="ij")).square().sum(0).sqrt().round().long()
    count = min(u.shape[2:]) // 2
    energies = power.new_zeros(len(u), int(shell.max()) + 1).index_add(1, shell.flatten(), power.flatten(1))
    # the mean is no wave, and beyond n/2 shells are cut by the corners
    return energies[:, 1:count]


def _rms(values: Tensor) -> Tensor:
    # a norm has a gradient of zero at zero, where the root of a mean has none
    flat = values.flatten(1)
    return torch.linalg.vector_norm(flat, dim=1) / math.sqrt(flat.shape[1])


def _difference(prediction: Tensor, target: Tensor) -> Tensor:
    if prediction.shape != target.shape:
        raise InvalidArgument(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must have one shape"
        )
    return prediction - target
