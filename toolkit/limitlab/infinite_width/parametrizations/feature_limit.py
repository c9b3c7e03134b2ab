"""The infinitely wide network that learns features: two hidden layers in muP, trained by gradient descent, by sampling.

In the limit every coordinate of a layer is an independent copy of one random variable, and a network is a law. With
the inputs x of dimension d, the loss 1/2 sum (f - y)^2, chi = f - y and step eta,

    h1 = U x,     z1 = phi(h1),     h2 = W z1 + sum of -eta chi_s D2_s E[z1_s z1],     z2 = phi(h2),    f = E[v z2],
    D2 = v phi'(h2),    D1 = (W' D2 + sum of -eta chi_s z1_s E[D2_s D2]) phi'(h1),
    U <- U - eta/d sum chi D1 x',      v <- v - eta sum chi z2,      U ~ N(0, 1/d), v ~ N(0, 1), W_ij ~ N(0, 1/n),

the sums running over the points s of all earlier steps. W z is Gaussian, correlated with every earlier W z' as z with
z', plus a part along the vectors y of earlier W' y, because those are made of W too:

    W z = G + sum_y y E[dz/dG'_y],      G' the Gaussian parts of W' y;      and the same for W' y.

Each law is held as many samples of it; an expectation is a mean, so that a result has an error O(samples^(-1/2)).
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522 (section 6 and the appendix on
tensor programs); Yang, Tensor programs III, arXiv 2009.10685 (transposes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.infinite_width.limit.activations import Activation, activation
from limitlab.memory import require_memory

_NULL = 1e-8  # vectors that repeat make covariances singular; sampling keeps them so only to rounding
# far from what float64 holds: the covariances of later steps have its powers
_LARGEST = 1e12


@dataclass(frozen=True)
class FeatureLimit:
    """What the limit does in training, from before the first step to after the last, float64.

    outputs: of training points, then test points. feature_kernel: E[z2 z2'] of them, which a kernel regime would leave
    as it was at the start.

    >>> x = torch.eye(2)
    >>> limit = ll.infinite_width.feature_limit(x, torch.tensor([1.0, -1.0]), steps=2, samples=1000)
    >>> limit.outputs.shape, limit.feature_kernel.shape
    (torch.Size([3, 2]), torch.Size([3, 2, 2]))
    """

    outputs: Float[Tensor, "time point"]
    feature_kernel: Float[Tensor, "time point point"]


def feature_limit(
    x: Float[Tensor, "n inputs"],
    y: Float[Tensor, " n"],
    x_test: Float[Tensor, "m inputs"] | None = None,
    *,
    nonlinearity: str | Activation = "tanh",
    rate: float = 1.0,
    steps: int = 8,
    samples: int = 100_000,
    seed: int = 0,
) -> FeatureLimit:
    """Train the limit of two hidden layers for some steps of full-batch gradient descent.

    samples: of every law; the noise of the outputs is a few times samples^(-1/2). nonlinearity: a smooth one. Cost
    (steps points)^2 samples. Raises InvalidArgument, also for more memory than is free, and where the outputs grow
    without bound: the rate is too high.

    >>> x, y = torch.eye(2), torch.tensor([1.0, -1.0])
    >>> errors = (ll.infinite_width.feature_limit(x, y, steps=20, samples=2000).outputs - y).abs().amax(1)
    >>> bool(errors[-1] < 0.1 * errors[0])
    True
    """
    chosen = activation(nonlinearity)
    if not chosen.smooth:
        raise InvalidArgument(f"nonlinearity must be smooth; {chosen.name} has kinks")
    if x.dim() != 2 or len(x) == 0 or tuple(y.shape) != (len(x),):
        raise InvalidArgument(f"x must be (n, inputs) and y (n,) with n > 0; got {tuple(x.shape)} and {tuple(y.shape)}")
    everywhere = x.double() if x_test is None else torch.cat([x, x_test]).double()
    eta, count = check_number("rate", rate, low=0), int(check_number("steps", steps, low=0, integer=True))
    size = int(check_number("samples", samples, low=2, integer=True))
    laws = (count + 1) * 2 * (len(everywhere) + len(x)) + 8 * len(everywhere)
    purpose = f"a limit of {laws} laws with {size} samples each"
    require_memory(8 * laws * size, purpose, x.device, advice="take fewer samples, steps or points")

    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    inputs, n = x.shape[1], len(x)
    first = _normal((inputs, size), generator, x.device) / math.sqrt(inputs)
    readout = _normal((size,), generator, x.device)
    matrix = _WideMatrix(size, generator, x.device)
    outputs, kernels = [], []
    for step in range(count + 1):
        h1 = everywhere @ first
        z1, slope1 = _with_slope(chosen, h1)
        h2 = matrix.times(z1)
        z2, slope2 = _with_slope(chosen, h2)
        outputs.append(z2 @ readout / size)
        kernels.append(z2 @ z2.T / size)
        if not bool((outputs[-1].abs() < _LARGEST).all()):
            raise InvalidArgument(
                f"the outputs grow without bound: after {step} steps of rate {eta:g}; take a lower rate"
            )
        if step < count:
            change = -eta * (outputs[-1][:n] - y)
            backward = readout * slope2[:n]
            d1 = matrix.transposed_times(backward) * slope1[:n]
            matrix.add(change, backward, z1[:n])
            first = first + (x.double() * change[:, None]).T @ d1 / inputs
            readout = readout + change @ z2[:n]
    return FeatureLimit(torch.stack(outputs), torch.stack(kernels))


class _WideMatrix:
    """W of infinite size, entries of variance 1/n, as what is known of it: its products, and what training added."""

    def __init__(self, size: int, generator: torch.Generator, device: torch.device) -> None:
        self._size, self._generator = size, generator
        empty = torch.empty(0, size, dtype=torch.float64, device=device)
        self._arguments, self._gaussians = empty, empty
        self._transposed_arguments, self._transposed_gaussians = empty, empty
        self._left, self._right = empty, empty

    def times(self, z: Float[Tensor, "some samples"]) -> Float[Tensor, "some samples"]:
        """W z, of several z at once."""
        gaussian = self._conditioned(z, self._arguments, self._gaussians)
        result = gaussian + self._correction(z, self._transposed_arguments, self._transposed_gaussians)
        self._arguments = torch.cat([self._arguments, z])
        self._gaussians = torch.cat([self._gaussians, gaussian])
        return result + self._mean(z, self._right) @ self._left

    def transposed_times(self, y: Float[Tensor, "some samples"]) -> Float[Tensor, "some samples"]:
        """W' y, of several y at once."""
        gaussian = self._conditioned(y, self._transposed_arguments, self._transposed_gaussians)
        result = gaussian + self._correction(y, self._arguments, self._gaussians)
        self._transposed_arguments = torch.cat([self._transposed_arguments, y])
        self._transposed_gaussians = torch.cat([self._transposed_gaussians, gaussian])
        return result + self._mean(y, self._left) @ self._right

    def add(
        self, factors: Float[Tensor, " some"], left: Float[Tensor, "some samples"], right: Float[Tensor, "some samples"]
    ) -> None:
        """W <- W + sum of factor left right'/n."""
        self._left = torch.cat([self._left, factors[:, None] * left])
        self._right = torch.cat([self._right, right])

    def _conditioned(self, z: Tensor, known: Tensor, gaussians: Tensor) -> Tensor:
        """Gaussians of covariance E[z z'], given those of the known vectors."""
        cross, covariance = self._mean(z, known), self._mean(z, z)
        weights = cross @ _pseudo_inverse(self._mean(known, known))
        left_over = covariance - weights @ cross.T
        # not Cholesky: the remainder is singular where a vector depends on known ones
        values, vectors = torch.linalg.eigh((left_over + left_over.T) / 2)
        root = vectors * values.clamp_min(0).sqrt()
        return weights @ gaussians + root @ _normal(tuple(z.shape), self._generator, z.device)

    def _correction(self, z: Tensor, others: Tensor, gaussians: Tensor) -> Tensor:
        """sum_y y E[dz/dG'_y], the expected derivatives from E[z G'] by Stein's lemma."""
        return self._mean(z, gaussians) @ _pseudo_inverse(self._mean(others, others)) @ others

    def _mean(self, one: Tensor, other: Tensor) -> Tensor:
        return one @ other.T / self._size


def _with_slope(chosen: Activation, h: Tensor) -> tuple[Tensor, Tensor]:
    """phi and phi' of every entry."""
    value, slope = torch.func.jvp(chosen.function, (h,), (torch.ones_like(h),))[:2]
    return value, slope


def _pseudo_inverse(matrix: Tensor) -> Tensor:
    return torch.linalg.pinv(matrix, rtol=_NULL, hermitian=True)


def _normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    # drawn on the CPU: the same samples on every device
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device)
