"""What width does: networks of any width and seed beside their linearised twin and their limit.

The networks are trained by full-batch gradient descent on 1/2 sum |f - y|^2, of rate 1/(largest eigenvalue of the
limit's kernel K) unless another is set; the experiment `ntk_circle` does so. Three predictions of a network's outputs
after t steps stand beside it:

    linearized    (1 - eta K_0)^t with its own kernel K_0 at the start: exactly what gradient descent on its
                  first-order expansion does
    limit         (1 - eta K)^t with the limit's kernel, from the network's own start f_0
    mean, std     the law of the limit over initialisations, which knows no network

As the width n grows, |K_0 - K| falls like n^(-1/2), the drift |K_t - K_0| like n^-1, and |network - linearized| like
n^(-1/2). `slope` fits such an exponent; `decay_fit` says how straight the residual's modes die.

Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; Lee et al., arXiv 1902.06720; Huang, Yau, arXiv 1909.08156.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.fits import loglog_slope
from limitlab.infinite_width.finite.empirical import empirical_ntk
from limitlab.infinite_width.finite.networks import Network
from limitlab.infinite_width.limit.architecture import Chain
from limitlab.infinite_width.limit.kernels import kernels
from limitlab.infinite_width.limit.prediction import KernelDynamics, Law
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Start:
    """A network before training, and all that its own kernel K_0 says of the training to come.

    kernel: of training and test points with the training points. twin: the dynamics under K_0, which are those of the
    linearised network.
    """

    network: nn.Module
    kernel: Float[Tensor, "n+m n"]
    outputs: Float[Tensor, " n"]
    test_outputs: Float[Tensor, " m"]
    twin: KernelDynamics

    @property
    def trained_kernel(self) -> Float[Tensor, "n n"]:
        """K_0 among the training points."""
        return self.kernel[: len(self.outputs)]

    def linearized(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the linearised network after t steps, at training and at test points."""
        test = self.twin.elsewhere(self.kernel[len(self.outputs) :], self.outputs, self.test_outputs)
        return self.twin.trained(self.outputs)(t), test(t)

    def residual(self, outputs: Float[Tensor, " n"]) -> Float[Tensor, " mode"]:
        """Training outputs minus targets along the eigenvectors of K_0, by descending eigenvalue."""
        return self.twin.residual_modes(outputs)[:, 0].flip(0)

    def drift(self, network: nn.Module, x: Float[Tensor, "n *inputs"]) -> Tensor:
        """|K_t - K_0|/|K_0| of the network as it is now, x the training points."""
        moved = empirical_ntk(network, x, outputs="trace") - self.trained_kernel.to(x.device)
        return moved.norm() / self.trained_kernel.norm()


class WidthStudy:
    """The limit of an architecture on a regression problem, and networks of any width and seed to hold against it.

    records: about as many recorded steps, logarithmically spaced, with the first and the last.

    >>> wide = ll.infinite_width
    >>> task = wide.circle_regression(points=8, test_points=16)
    >>> study = wide.WidthStudy(wide.mlp(1, "erf", 2.0, 0.1), task.x, task.y, task.x_test, steps=10)
    >>> fresh = study.network(width=32, seed=0)
    >>> float(study.compare(fresh, fresh)["drift"])  # it was not trained
    0.0
    """

    def __init__(
        self,
        architecture: Chain,
        x: Float[Tensor, "n *inputs"],
        y: Float[Tensor, " n"],
        x_test: Float[Tensor, "m *inputs"],
        *,
        steps: int = 400,
        rate: float | None = None,
        records: int = 24,
    ) -> None:
        if tuple(y.shape) != (len(x),):
            raise InvalidArgument(f"y must have shape ({len(x)},), a number for each point of x; got {tuple(y.shape)}")
        self.architecture, self.x, self.y, self.x_test = architecture, x.double(), y.double(), x_test.double()
        last = int(check_number("steps", steps, low=1, integer=True))
        count = int(check_number("records", records, low=2, integer=True))
        # rounding makes the first of them coincide
        self.steps = np.unique([0, *np.geomspace(1, last, count - 1).round().astype(int)])
        self.kernels = kernels(architecture, torch.cat([self.x, self.x_test]))
        largest = float(torch.linalg.eigvalsh(self.block("ntk")[0])[-1])
        # half of what diverges at infinite width: the kernel of a narrow network may be larger
        self.rate = 1 / largest if rate is None else check_number("rate", rate, low=0)
        self.dynamics = self._dynamics(self.block("ntk")[0])

    @property
    def attributes(self) -> dict[str, float | int]:
        return {"rate": self.rate, "steps": int(self.steps[-1])}

    def network(self, width: int, seed: int) -> Network:
        """A fresh network of that width and seed."""
        return Network(self.architecture, tuple(self.x.shape[1:]), width, seed=seed)

    def start(self, width: int, seed: int) -> Start:
        """The network of that width and seed, fresh, with what its own kernel predicts."""
        return self.start_of(self.network(width, seed))

    def start_of(self, network: nn.Module) -> Start:
        """A network of one output at its present weights, with what its own kernel predicts of its training."""
        kernel = empirical_ntk(network, torch.cat([self.x, self.x_test]), self.x, outputs="trace")
        with torch.no_grad():
            outputs, test_outputs = network(self.x)[:, 0], network(self.x_test)[:, 0]
        return Start(network, kernel, outputs, test_outputs, self._dynamics(kernel[: len(self.x)]))

    @torch.no_grad()
    def compare(self, network: nn.Module, fresh: nn.Module, modes: int | None = None) -> xarray.Dataset:
        """A trained network against itself before, its linearised twin and the limit; the leading modes alone.

        prediction, linearized, slice_start, slice_end (x), residual_start, eigenvalue_start (mode), and numbers.
        """
        start, n, t = self.start_of(fresh), len(self.x), float(self.steps[-1])
        limit, cross, _ = self.block("ntk")
        train, test = network(self.x)[:, 0], network(self.x_test)[:, 0]
        linear_train, linear_test = start.linearized(t)
        ideal = self.dynamics.elsewhere(cross, start.outputs, start.test_outputs)(t)
        slice_end = empirical_ntk(network, self.x_test, self.x[:1], outputs="trace")[:, 0]
        kernel_error = (start.trained_kernel - limit).norm() / limit.norm()
        deviation, deviation_train = _root_mean_square(test - linear_test), _root_mean_square(train - linear_train)
        residual = _root_mean_square(train - self.y) / _root_mean_square(self.y)
        distance = _root_mean_square(test - ideal)
        return labelled(
            self.attributes,
            prediction=("x", test, "output"),
            linearized=("x", linear_test, "output of the linearised network"),
            slice_start=("x", start.kernel[n:, 0], "tangent kernel with the first point, before training"),
            slice_end=("x", slice_end, "tangent kernel with the first point, after training"),
            residual_start=("mode", start.residual(start.outputs)[:modes], "residual before training"),
            eigenvalue_start=("mode", start.twin.eigenvalues.flip(0)[:modes], "eigenvalue of the kernel at the start"),
            drift=("", start.drift(network, self.x), "drift of the kernel in training"),
            kernel_error=("", kernel_error, "error of the kernel at the start"),
            deviation=("", deviation, "deviation from the linearised network, test points"),
            deviation_train=("", deviation_train, "deviation from the linearised network, training points"),
            distance=("", distance, "distance to the limit from the same start, test points"),
            residual=("", residual, "residual after training over the targets"),
            mode=("mode", range(1, len(self.x[:modes]) + 1), "mode"),
        )

    def limit(self) -> xarray.Dataset:
        """mean, std (step, x): the law of the limit over initialisations. eigenvalue (mode): of K, descending.

        nngp (x): kernel regression with the NNGP covariance, which is training of the last layer alone.
        """
        _, cross, _ = self.block("ntk")
        covariance, covariance_cross, covariance_test = self.block("nngp")
        law = self.dynamics.ensemble(cross, covariance, covariance_cross, covariance_test)
        laws = [law(float(step)) for step in self.steps]
        variance = torch.stack([c.diagonal() for _, c in laws])
        last_layer = self._dynamics(covariance, law="flow")
        return labelled(
            mean=("step x", torch.stack([m for m, _ in laws]), "mean of the limit"),
            # at the training points it goes to zero, and by rounding below
            std=("step x", variance.clamp_min(0).sqrt(), "standard deviation of the limit"),
            nngp=("x", last_layer.elsewhere(covariance_cross)(torch.inf), "NNGP regression"),
            eigenvalue=("mode", self.dynamics.eigenvalues.flip(0), "eigenvalue of the kernel"),
            step=("step", self.steps, "step"),
            x=("x", range(len(self.x_test)), "x"),
        )

    def block(self, kind: str) -> tuple[Tensor, Tensor, Tensor]:
        """The limit's "ntk" or "nngp" among training points, between test and training points, among test points."""
        n, matrix = len(self.x), getattr(self.kernels, kind)
        return matrix[:n, :n], matrix[n:, :n], matrix[n:, n:]

    def _dynamics(self, kernel: Tensor, law: Law = "discrete") -> KernelDynamics:
        return KernelDynamics(kernel, self.y, law=law, rate=self.rate)


def decay_fit(runs: xarray.Dataset, modes: int = 6, floor: float = 0.02) -> xarray.DataArray:
    """R^2 of log |residual_t/residual_0| against the predicted t log |1 - eta lambda|, over the leading modes together.

    runs: `residual` (..., step, mode) and `eigenvalue_start` (..., mode) of networks, attribute rate; such as
    `ntk_circle.modes_of`. A mode is held against its line while that is above `floor` times the norm of the whole
    residual at the start: below, a mode that has died shows what the others leak into it. Raises InvalidArgument where
    fewer than three records of a network are left by that.

    >>> steps, eigenvalues = torch.arange(6), torch.tensor([1.0, 0.5])
    >>> runs = ll.labels.labelled(
    ...     {"rate": 0.1},
    ...     residual=("step mode", (1 - 0.1 * eigenvalues) ** steps[:, None], "residual"),
    ...     eigenvalue_start=("mode", eigenvalues, "eigenvalue"),
    ...     step=("step", steps, "step"),
    ... )
    >>> round(float(ll.infinite_width.decay_fit(runs)), 3)
    1.0
    """
    leading = runs.isel(mode=slice(modes))
    # a rate of exactly 1/lambda kills a mode in one step
    rate = np.log(np.maximum(np.abs(1 - leading.eigenvalue_start * runs.attrs["rate"]), 1e-12))
    start = leading.residual.isel(step=0)
    predicted = rate * runs.step
    seen = np.log(np.abs(start)) + predicted > np.log(floor) + 0.5 * np.log(
        (runs.residual.isel(step=0) ** 2).sum("mode")
    )
    # the start is on its line whatever the network does
    if (fewest := int(seen.where(runs.step > 0, False).sum(("step", "mode")).min())) < 3:
        raise InvalidArgument(
            f"runs must hold three records or more of every network before its leading modes have died; got {fewest}: "
            "record earlier steps"
        )
    actual = np.log(np.abs(leading.residual / start)).where(seen)
    error = ((actual - predicted) ** 2).sum(("step", "mode"))
    return 1 - error / ((actual - actual.mean(("step", "mode"))) ** 2).sum(("step", "mode"))


def slope(widths: Sequence[float], values: Sequence[float]) -> float:
    """The exponent p of values ~ width^p, by least squares on logarithms.

    >>> round(ll.infinite_width.slope([16, 64, 256], [0.4, 0.2, 0.1]), 3)
    -0.5
    """
    if len(widths) < 2 or len(widths) != len(values) or not all(v > 0 for v in [*widths, *values]):
        raise InvalidArgument("slope needs two widths or more, with as many values, all positive")
    return loglog_slope(widths, values)


def _root_mean_square(values: Tensor) -> Tensor:
    return values.square().mean().sqrt()
