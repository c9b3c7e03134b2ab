"""Training by gradient descent in closed form, where the tangent kernel K stays constant.

With the loss L = 1/2 sum |f - y|^2 and rate eta the outputs on the training points obey a linear law, here in steps t:

    flow        f' = -eta K (f - y)                        f_t - y = exp(-eta K t) (f_0 - y)
    discrete    gradient descent itself                    f_t - y = (1 - eta K)^t (f_0 - y)
    momentum    q'' + friction q' + eta lambda q = 0       for each eigenvalue; heavy ball with friction = 1 - beta

and elsewhere f_t(x) = f_0(x) - K(x, X) K^-1 (1 - D_t) (f_0 - y), D_t the factor above. One eigendecomposition gives D_t
for every t, rate and law. loss="mean" divides L by the number of points times outputs, hence eta too; torch's
MSELoss is twice that.

Over initialisations f_t is Gaussian: with A_t = K(x, X) K^-1 (1 - D_t) and the NNGP covariance S, its mean is A_t y and
its covariance S(x, x) + A_t S A_t' - A_t S(X, x) - h.c.

Source: Jacot, Gabriel, Hongler, arXiv 1806.07572, section 5; Lee et al., arXiv 1902.06720, section 2.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.numbers import tensor_of

Law = Literal["flow", "discrete", "momentum"]
LossScale = Literal["sum", "mean"]
Times = float | Float[Tensor, " time"]


class IllConditioned(UserWarning):
    """The smallest eigenvalue of a kernel is lost in the rounding of the largest."""


class DivergentRate(UserWarning):
    """Gradient descent of this rate diverges along the largest eigenvalue, however finite its outputs still are."""


class KernelDynamics:
    """The law of training on a kernel (n, n) or (n, n, outputs, outputs) towards targets (n,) or (n, outputs).

    rate: eta. loss: "sum" or "mean". friction: of the momentum law only. diag_reg: added to the diagonal of the kernel,
    relative to its mean. Outputs have the form of the targets, after a leading time where t is a tensor; t may be
    infinite, and must be whole for the discrete law.
    Raises InvalidArgument, UnknownName; warns IllConditioned.

    >>> kernel, y = torch.tensor([[2.0]]), torch.tensor([1.0])
    >>> dynamics = ll.infinite_width.KernelDynamics(kernel, y, law="discrete", rate=0.25)
    >>> dynamics.trained()(2.0)  # 1 - (1 - 0.25 * 2)^2
    tensor([0.7500])
    """

    def __init__(
        self,
        kernel: Tensor,
        targets: Float[Tensor, "n *outputs"],
        *,
        law: Law = "flow",
        rate: float = 1.0,
        loss: LossScale = "sum",
        friction: float | None = None,
        diag_reg: float = 0.0,
    ) -> None:
        for name, value, known in (("law of training", law, get_args(Law)), ("loss", loss, get_args(LossScale))):
            if value not in known:
                raise unknown_name(name, value, known)
        if (law == "momentum") != (friction is not None):
            raise InvalidArgument(f"friction belongs to the momentum law, which needs it; got law {law!r}, {friction}")
        matrix = _matrix("kernel", kernel, targets, targets)
        self.law, self.targets = law, targets
        self.friction = 0.0 if friction is None else check_number("friction", friction, low=0)
        self._divisor = targets.numel() if loss == "mean" else 1
        self._rate = check_number("rate", rate, low=0) / self._divisor
        self._coupled = kernel.dim() == 4
        self._shift = check_number("diag_reg", diag_reg, low=0) * float(matrix.diagonal().mean())
        eigenvalues, self.eigenvectors = torch.linalg.eigh(matrix)
        self.eigenvalues = eigenvalues + self._shift
        _warn_of_condition(float(self.eigenvalues[0]), float(self.eigenvalues[-1]), diag_reg)
        if law != "flow" and rate > self.max_rate * (1 + 1e-9):
            warnings.warn(
                f"rate {rate:.6g} is beyond {self.max_rate:.6g}, from which on gradient descent diverges here "
                f"(2{' (1 + momentum)' if law == 'momentum' else ''} / largest eigenvalue)",
                DivergentRate,
                stacklevel=2,
            )

    @property
    def max_rate(self) -> float:
        """The rate from which on gradient descent diverges; with momentum 1 - friction under the momentum law."""
        momentum = max(0.0, 1 - self.friction) if self.law == "momentum" else 0.0
        largest = float(self.eigenvalues[-1])
        return self._divisor * 2 * (1 + momentum) / largest if largest > 0 else math.inf

    @property
    def ill_conditioned(self) -> bool:
        """Whether the smallest eigenvalue is lost in the rounding of the largest."""
        return _is_lost(float(self.eigenvalues[0]), float(self.eigenvalues[-1]))

    def decay(self, t: Times) -> Float[Tensor, "*time modes"]:
        """D_t: what is left of the residual along each eigenvector, eigenvalues ascending."""
        # by the gain: a mode that rounding has made negative must stay, not grow
        return 1 - self.eigenvalues * self.gain(t)

    def gain(self, t: Times) -> Float[Tensor, "*time modes"]:
        """(1 - D_t)/eigenvalue, accurate for small eigenvalues; 0 for those that are zero but for rounding."""
        time, size = self._times(t), self._rate * self.eigenvalues
        if self.law == "flow":
            # 1 - exp would cancel for the small eigenvalues, by which the result is divided
            reached = -torch.expm1(-size * time)
        elif self.law == "discrete":
            # the clamp keeps the branch that `where` drops finite
            slow = -torch.expm1(time * torch.log1p(-size.clamp_max(0.5)))
            # log1p stops at 1, and beyond a mode changes sign at every step
            reached = torch.where(size < 0.5, slow, 1 - (1 - size) ** time)
        else:
            reached = 1 - _oscillation(size, self.friction, time)
        # an inverse of rounding would decide what contradicting targets at equal points end at
        rounding = 4 * len(self.eigenvalues) * torch.finfo(size.dtype).eps * self.eigenvalues.abs().amax()
        positive = self.eigenvalues > rounding
        return torch.where(positive, reached / self.eigenvalues.where(positive, torch.ones_like(size)), 0.0)

    def residual_modes(self, outputs: Tensor) -> Float[Tensor, "*time modes columns"]:
        """Training outputs, of a network for instance, minus targets along each eigenvector.

        columns: the outputs where the kernel is shared by them, else one.
        """
        return self.eigenvectors.T @ self._flat(outputs - self.targets)

    def trained(self, initial: Float[Tensor, "n *outputs"] | None = None) -> Callable[[Times], Tensor]:
        """t -> the outputs on the training points, from `initial` (zero where left out) at t = 0."""
        start = torch.zeros_like(self.targets) if initial is None else initial
        # at the points themselves the kernel is without its shift
        return self._curve(start, self.eigenvectors * (self.eigenvalues - self._shift), start)

    def elsewhere(
        self,
        cross: Tensor,
        initial: Float[Tensor, "n *outputs"] | None = None,
        initial_test: Float[Tensor, "m *outputs"] | None = None,
    ) -> Callable[[Times], Tensor]:
        """t -> the outputs at other points. cross: their kernel with the training points, on the same axes."""
        start = torch.zeros_like(self.targets) if initial is None else initial
        test = self.targets.new_zeros(len(cross), *self.targets.shape[1:]) if initial_test is None else initial_test
        return self._curve(start, _matrix("cross", cross, test, self.targets) @ self.eigenvectors, test)

    def ensemble(
        self,
        cross: Float[Tensor, "m n"],
        nngp: Float[Tensor, "n n"],
        nngp_cross: Float[Tensor, "m n"],
        nngp_test: Float[Tensor, "m m"],
    ) -> Callable[[float], tuple[Float[Tensor, "m *outputs"], Float[Tensor, "m m"]]]:
        """t -> mean and covariance, over initialisations, of each output of the trained networks at other points."""
        if self._coupled:
            raise InvalidArgument("an ensemble needs a kernel (n, n), shared by all outputs")
        mean = self.elsewhere(cross)
        directions = cross @ self.eigenvectors
        covariance = self.eigenvectors.T @ nngp @ self.eigenvectors
        mixed = self.eigenvectors.T @ nngp_cross.T

        def law(t: float) -> tuple[Tensor, Tensor]:
            weights = directions * self.gain(t)
            linear = weights @ mixed
            return mean(t), nngp_test + weights @ covariance @ weights.T - linear - linear.T

        return law

    def _curve(self, start: Tensor, directions: Float[Tensor, "size modes"], test: Tensor) -> Callable[[Times], Tensor]:
        modes = self.residual_modes(start)

        def outputs(t: Times) -> Tensor:
            change = directions @ (self.gain(t).unsqueeze(-1) * modes)
            return test - change.reshape(*change.shape[:-2], *test.shape)

        return outputs

    def _flat(self, values: Tensor) -> Float[Tensor, "*time size columns"]:
        if self._coupled:
            return values.flatten(-2).unsqueeze(-1)
        return values if self.targets.dim() == 2 else values.unsqueeze(-1)

    def _times(self, t: Times) -> Float[Tensor, "*time 1"]:
        time = tensor_of("t", t, dtype=self.eigenvalues.dtype, device=self.eigenvalues.device).unsqueeze(-1)
        if not bool((time >= 0).all()):
            raise InvalidArgument("t must be >= 0")
        if self.law == "discrete" and bool((time != time.round()).any()):
            raise InvalidArgument("t must be a whole number of steps under the discrete law")
        return time


def kernel_regression(
    kernel: Tensor, targets: Float[Tensor, "n *outputs"], cross: Tensor, diag_reg: float = 1e-6
) -> Float[Tensor, "m *outputs"]:
    """K(x, X) (K + shift)^-1 y: where training ends, on average over initialisations, by Cholesky factorisation.

    diag_reg: shift relative to the mean of the diagonal. Raises InvalidArgument where K is not positive definite.

    >>> kernel, cross = torch.tensor([[1.0, 0.5], [0.5, 1.0]]), torch.tensor([[1.0, 0.5]])
    >>> ll.infinite_width.kernel_regression(kernel, torch.tensor([3.0, 4.0]), cross, diag_reg=0.0)  # a point it knows
    tensor([3.])
    """
    matrix = _matrix("kernel", kernel, targets, targets)
    test = targets.new_empty(len(cross), *targets.shape[1:])
    solution = torch.cholesky_solve(targets.reshape(len(matrix), -1), _factored(matrix, diag_reg))
    return (_matrix("cross", cross, test, targets) @ solution).reshape(test.shape)


def gaussian_process_posterior(
    nngp: Float[Tensor, "n n"],
    targets: Float[Tensor, "n *outputs"],
    nngp_cross: Float[Tensor, "m n"],
    nngp_test: Float[Tensor, "m m"],
    diag_reg: float = 1e-6,
) -> tuple[Float[Tensor, "m *outputs"], Float[Tensor, "m m"]]:
    """Mean and covariance of the network's Gaussian process, given the targets: only the last layer is trained.

    >>> one = torch.ones(1, 1)
    >>> mean, covariance = ll.infinite_width.gaussian_process_posterior(one, torch.tensor([2.0]), 0 * one, one)
    >>> mean.item(), covariance.item()  # a point that is independent of what is known
    (0.0, 1.0)
    """
    factor = _factored(nngp, diag_reg)
    half = torch.linalg.solve_triangular(factor, nngp_cross.T, upper=False)
    mean = kernel_regression(nngp, targets, nngp_cross, diag_reg)
    return mean, nngp_test - half.T @ half


def max_learning_rate(kernel: Tensor, *, momentum: float = 0.0) -> float:
    """The rate from which on gradient descent with heavy-ball momentum diverges: 2 (1 + momentum)/(largest eigenvalue).

    For the loss 1/2 sum |f - y|^2; times the number of points and outputs for the loss that is a mean over them.

    >>> ll.infinite_width.max_learning_rate(torch.diag(torch.tensor([4.0, 1.0])))
    0.5
    """
    beta = check_number("momentum", momentum, low=0, high=1)
    matrix = rearrange(kernel, "n m o p -> (n o) (m p)") if kernel.dim() == 4 else kernel
    return 2 * (1 + beta) / float(torch.linalg.eigvalsh(matrix)[-1])


def _oscillation(
    size: Float[Tensor, " modes"], friction: float, time: Float[Tensor, "*time 1"]
) -> Float[Tensor, "*time modes"]:
    """q(t) of q'' + friction q' + size q = 0 with q(0) = 1, q'(0) = 0: oscillating, or a sum of two decays."""
    half = friction / 2
    discriminant = half**2 - size
    root = discriminant.abs().clamp_min(1e-300).sqrt()
    # infinity would meet a factor of zero below; damped modes are at rest long before
    time = time.clamp_max(1e150)
    # torch's sinc has a pi in it; sin(w t)/w is finite at w = 0
    waves = torch.exp(-half * time) * (torch.cos(root * time) + half * time * torch.sinc(root * time / math.pi))
    near, far = torch.exp((root - half) * time), torch.exp(-(root + half) * time)
    decays = (near + far) / 2 + half / root * (near - far) / 2
    # for two equal roots the quotient above is 0/0, and the waves have the limit
    return torch.where(discriminant > 1e-12 * half**2, decays, waves)


def _matrix(name: str, kernel: Tensor, rows: Tensor, columns: Tensor) -> Float[Tensor, "left right"]:
    """The kernel as a matrix on points, or on points and outputs where it couples them."""
    shape = (len(rows), len(columns))
    coupled = (*shape, columns.shape[-1], columns.shape[-1])
    if columns.dim() not in (1, 2):
        raise InvalidArgument(f"targets must have shape (points,) or (points, outputs); got {tuple(columns.shape)}")
    if tuple(kernel.shape) != shape and (columns.dim() == 1 or tuple(kernel.shape) != coupled):
        accepted = f"{shape}" if columns.dim() == 1 else f"{shape} or {coupled}"
        raise InvalidArgument(f"{name} must have shape {accepted} for these targets; got {tuple(kernel.shape)}")
    if not bool(torch.isfinite(kernel).all()):
        raise InvalidArgument(f"{name} must be finite")
    return kernel if kernel.dim() == 2 else rearrange(kernel, "n m o p -> (n o) (m p)")


def _factored(kernel: Tensor, diag_reg: float) -> Tensor:
    shift = check_number("diag_reg", diag_reg, low=0) * float(kernel.diagonal().mean())
    factor, failed = torch.linalg.cholesky_ex(kernel + shift * torch.eye(len(kernel)).to(kernel))
    if int(failed):
        raise InvalidArgument(f"the kernel is not positive definite with diag_reg = {diag_reg:g}; raise diag_reg")
    # pivots lie between the extreme eigenvalues, and come with the factor
    pivots = factor.diagonal().square()
    _warn_of_condition(float(pivots.min()), float(pivots.max()), diag_reg)
    return factor


def _is_lost(smallest: float, largest: float) -> bool:
    return smallest < 1e-10 * largest


def _warn_of_condition(smallest: float, largest: float, diag_reg: float) -> None:
    if _is_lost(smallest, largest):
        warnings.warn(
            f"the kernel's eigenvalues reach from {smallest:.2g} to {largest:.2g}: what depends on the smallest is "
            f"rounding (equal or opposite points?); diag_reg = {diag_reg:g}, take 1e-6 or so",
            IllConditioned,
            stacklevel=4,
        )
