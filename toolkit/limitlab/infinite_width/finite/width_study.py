"""What width does: networks of several widths and seeds trained beside their linearised twin and their limit.

Every network is trained by full-batch gradient descent on 1/2 sum |f - y|^2, of rate 1/(largest eigenvalue of the
limit's kernel K) unless given. Three predictions of its outputs after t steps stand beside it:

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
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.fits import loglog_slope
from limitlab.infinite_width.finite.empirical import empirical_ntk
from limitlab.infinite_width.finite.linearization import descend
from limitlab.infinite_width.finite.networks import Network
from limitlab.infinite_width.limit.architecture import Chain
from limitlab.infinite_width.limit.kernels import kernels
from limitlab.infinite_width.limit.prediction import KernelDynamics, Law

if TYPE_CHECKING:
    import xarray

_UNITS = {"units": "1"}


def width_study(
    architecture: Chain,
    x: Float[Tensor, "n *inputs"],
    y: Float[Tensor, " n"],
    x_test: Float[Tensor, "m *inputs"],
    *,
    widths: Sequence[int],
    seeds: int = 5,
    steps: int = 400,
    rate: float | None = None,
    records: int = 24,
) -> xarray.Dataset:
    """All widths and seeds 0 .. seeds - 1 of a WidthStudy in one dataset, with what the limit says.

    The variables of `WidthStudy.run` with dims (width, seed) in front, and those of `WidthStudy.limit`; attributes rate
    and steps. Raises InvalidArgument; TrainingDiverged where the rate is too high.
    """
    import xarray

    study = WidthStudy(architecture, x, y, x_test, steps=steps, rate=rate, records=records)
    if len(widths) == 0:
        raise InvalidArgument("widths must hold a number or more")
    count = int(check_number("seeds", seeds, low=1, integer=True))
    rows = [xarray.concat([study.run(width, seed) for seed in range(count)], "seed") for width in widths]
    coordinates = {
        "width": ("width", list(widths), {"long_name": "width", **_UNITS}),
        "seed": ("seed", range(count), {"long_name": "seed", **_UNITS}),
    }
    return xarray.concat(rows, "width").assign_coords(coordinates).merge(study.limit()).assign_attrs(study.attributes)


@dataclass(frozen=True)
class Start:
    """A network before training, and all that its own kernel K_0 says of the training to come.

    kernel: of training and test points with the training points. twin: the dynamics under K_0, which are those of the
    linearised network.
    """

    network: Network
    kernel: Float[Tensor, "n+m n"]
    outputs: Float[Tensor, " n"]
    outputs_there: Float[Tensor, " m"]
    twin: KernelDynamics

    @property
    def trained_kernel(self) -> Float[Tensor, "n n"]:
        """K_0 among the training points."""
        return self.kernel[: len(self.outputs)]

    def linearized(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the linearised network after t steps, at training and at test points."""
        there = self.twin.elsewhere(self.kernel[len(self.outputs) :], self.outputs, self.outputs_there)
        return self.twin.trained(self.outputs)(t), there(t)

    def drift(self, network: torch.nn.Module, x: Float[Tensor, "n *inputs"]) -> Tensor:
        """|K_t - K_0|/|K_0| of the network as it is now, x the training points."""
        moved = empirical_ntk(network, x, outputs="trace") - self.trained_kernel.to(x.device)
        return moved.norm() / self.trained_kernel.norm()


class WidthStudy:
    """The limit of an architecture on a regression problem, and networks of any width and seed to hold against it.

    records: about as many recorded steps, logarithmically spaced, with the first and the last.
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
        self.steps = np.unique([0, *np.geomspace(1, last, count - 1).round().astype(int)])
        self.kernels = kernels(architecture, torch.cat([self.x, self.x_test]))
        largest = float(torch.linalg.eigvalsh(self.block("ntk")[0])[-1])
        self.rate = 1 / largest if rate is None else check_number("rate", rate, low=0)
        self.dynamics = self._dynamics(self.block("ntk")[0])

    @property
    def attributes(self) -> dict[str, float | int]:
        return {"rate": self.rate, "steps": int(self.steps[-1])}

    def run(self, width: int, seed: int) -> xarray.Dataset:
        """One network, with the dims (step, x), (step, point), (step, mode) and (step).

        network, linearized, limit (step, x): outputs at the test points; network_train, linearized_train (step, point).
        drift (step): |K_t - K_0|/|K_0|; kernel_error: |K_0 - K|/|K|, both on the training points. residual (step,
        mode): f - y of the network along the eigenvectors of K_0, by descending own_eigenvalue (mode).
        """
        start, t = self.start(width, seed), torch.from_numpy(self.steps)
        limit, cross, _ = self.block("ntk")
        linearized_train, linearized = start.linearized(t)
        there_limit = self.dynamics.elsewhere(cross, start.outputs, start.outputs_there)(t)
        train, there, drift = self._trained(start)
        return self._dataset(
            network=("step x", there, "network"),
            linearized=("step x", linearized, "linearised network"),
            limit=("step x", there_limit, "limit"),
            network_train=("step point", train, "network"),
            linearized_train=("step point", linearized_train, "linearised network"),
            drift=("step", drift, "relative change of the kernel"),
            kernel_error=("", (start.trained_kernel - limit).norm() / limit.norm(), "relative error of the kernel"),
            residual=("step mode", start.twin.residual_modes(train)[..., 0].flip(-1), "residual"),
            own_eigenvalue=("mode", start.twin.eigenvalues.flip(0), "eigenvalue of the kernel at the start"),
        )

    def start(self, width: int, seed: int) -> Start:
        """The network of that width and seed, fresh, with what its own kernel predicts."""
        network = Network(self.architecture, tuple(self.x.shape[1:]), width, seed=seed)
        kernel = empirical_ntk(network, torch.cat([self.x, self.x_test]), self.x, outputs="trace")
        with torch.no_grad():
            outputs, outputs_there = network(self.x)[:, 0], network(self.x_test)[:, 0]
        return Start(network, kernel, outputs, outputs_there, self._dynamics(kernel[: len(self.x)]))

    def limit(self) -> xarray.Dataset:
        """mean, std (step, x): the law of the limit over initialisations. eigenvalue (mode): of K, descending.

        nngp (x): kernel regression with the NNGP covariance, which is training of the last layer alone.
        """
        _, cross, _ = self.block("ntk")
        covariance, covariance_cross, covariance_there = self.block("nngp")
        law = self.dynamics.ensemble(cross, covariance, covariance_cross, covariance_there)
        laws = [law(float(step)) for step in self.steps]
        variance = torch.stack([c.diagonal() for _, c in laws])
        last_layer = self._dynamics(covariance, law="flow")
        return self._dataset(
            mean=("step x", torch.stack([m for m, _ in laws]), "mean of the limit"),
            std=("step x", variance.clamp_min(0).sqrt(), "standard deviation of the limit"),
            nngp=("x", last_layer.elsewhere(covariance_cross)(torch.inf), "NNGP regression"),
            eigenvalue=("mode", self.dynamics.eigenvalues.flip(0), "eigenvalue of the kernel"),
        )

    def _trained(self, start: Start) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs at training and test points and the drift of the kernel, at every recorded step."""
        network = start.network
        training = descend(network, self.x, self.y[:, None], rate=self.rate, steps=int(self.steps[-1]))
        records = []
        for step in range(int(self.steps[-1]) + 1):
            if step > 0:
                next(training)
            if step in self.steps:
                with torch.no_grad():
                    outputs = network(self.x)[:, 0], network(self.x_test)[:, 0]
                records.append((*outputs, start.drift(network, self.x)))
        train, there, drift = (torch.stack(column) for column in zip(*records, strict=True))
        return train, there, drift

    def block(self, kind: str) -> tuple[Tensor, Tensor, Tensor]:
        """The limit's "ntk" or "nngp" among training points, between test and training points, among test points."""
        n, matrix = len(self.x), getattr(self.kernels, kind)
        return matrix[:n, :n], matrix[n:, :n], matrix[n:, n:]

    def _dynamics(self, kernel: Tensor, law: Law = "discrete") -> KernelDynamics:
        return KernelDynamics(kernel, self.y, law=law, rate=self.rate)

    def _dataset(self, **variables: tuple[str, Tensor, str]) -> xarray.Dataset:
        import xarray

        labels = {"step": self.steps, "x": range(len(self.x_test)), "point": range(len(self.x))}
        used = {dim for dims, _, _ in variables.values() for dim in dims.split()}
        return xarray.Dataset(
            {
                name: (dims.split(), values.detach().cpu().numpy(), {"long_name": meaning, **_UNITS})
                for name, (dims, values, meaning) in variables.items()
            },
            coords={dim: (dim, label, {"long_name": dim, **_UNITS}) for dim, label in labels.items() if dim in used},
        )


def decay_fit(runs: xarray.Dataset, modes: int = 6, floor: float = 0.02) -> xarray.DataArray:
    """R^2 of log |residual_t/residual_0| against the predicted t log |1 - eta lambda|, over the leading modes together.

    runs: of `width_study`. A mode is held against its line while that is above `floor` times the norm of the whole
    residual at the start: below, a mode that has died shows what the others leak into it. Raises InvalidArgument where
    fewer than three records of a network are left by that.
    """
    leading = runs.isel(mode=slice(modes))
    rate = np.log(np.maximum(np.abs(1 - leading.own_eigenvalue * runs.attrs["rate"]), 1e-12))
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
    """The exponent p of values ~ width^p, by least squares on logarithms."""
    if len(widths) < 2 or len(widths) != len(values) or not all(v > 0 for v in [*widths, *values]):
        raise InvalidArgument("slope needs two widths or more, with as many values, all positive")
    return loglog_slope(widths, values)
