"""What is learned by a latent stochastic equation, and how it is asked afterwards.

Losses are those of `limitlab.training.fit`: functions of the model and a batch of `PathBatches`. A forecast may see the
past only: `known_until` takes the future out of the path. With a path that holds the answer, Euler's steps, which look
at the left end of a step, still cannot copy it, and methods of higher order can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.stable_sde.driven import path_of
from limitlab.neural_des.stable_sde.model import StableSDE
from limitlab.neural_des.stable_sde.watched import Diverged
from limitlab.spaces import ControlPath

Loss = Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]]


def classification(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropy of the read-out at the end of every path; batch: that of `PathBatches` with "label".

    >>> series = ll.data.damped_oscillators(6, seed=0)
    >>> path = ll.neural_des.stable_sde.path_through(series)
    >>> model = ll.neural_des.stable_sde.StableSDE("lsde", path.channels, 3, step_size=0.1)
    >>> batch = ll.neural_des.stable_sde.PathBatches(path, size=6, label=series.labels).batch(0)
    >>> list(ll.neural_des.stable_sde.classification(model, batch))
    ['cross_entropy']
    """
    return {"cross_entropy": functional.cross_entropy(model(path_of(batch)), batch["label"])}


def forecasting(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mean squared error of the read-outs at the times "at" (time,) from "target" (batch, time, channel), NaN left out.

    >>> path = ll.spaces.control_path([0.0, 0.5], torch.rand(4, 2, 1), "hermite")
    >>> batch = {"knots": path.knots, "coefficients": path.coefficients, "target": torch.zeros(4, 2, 1)}
    >>> model = ll.neural_des.stable_sde.StableSDE("lsde", path.channels, 1, step_size=0.1)
    >>> list(ll.neural_des.stable_sde.forecasting(model, batch | {"at": torch.tensor([0.5, 1.0])}))
    ['mse']
    """
    target, at = batch["target"], batch["at"].double()
    # the equation begins where the path does, wherever the first answer is wanted
    begin = path_of(batch).start.min().double().reshape(1)
    first = 1 if bool(at[0] > begin) else 0
    predicted = model(path_of(batch), torch.cat([begin, at]) if first else at)[:, first:]
    measured = ~target.isnan()
    return {"mse": (predicted - target.nan_to_num()).square()[measured].mean()}


def until_diverged(loss: Loss, guess: Mapping[str, float]) -> Loss:
    """The loss, until a solve of the model diverges: from then on that of a `guess`, without a gradient.

    The model is marked (`StableSDE.diverged`) and learns no more; what is measured of it is the model that diverged.

    >>> path = ll.neural_des.stable_sde.path_through(ll.data.damped_oscillators(6, seed=0))
    >>> model = ll.neural_des.stable_sde.StableSDE("lsde", path.channels, 3, step_size=0.1)
    >>> batches = ll.neural_des.stable_sde.PathBatches(path, size=6, label=torch.arange(6) % 3)
    >>> loss = ll.neural_des.stable_sde.until_diverged(ll.neural_des.stable_sde.classification, {"cross_entropy": 1.1})
    >>> list(loss(model, batches.batch(0))), model.diverged
    (['cross_entropy'], None)
    """

    def watched(model: nn.Module, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if model.diverged is None:
            try:
                return loss(model, batch)
            except Diverged as problem:
                assert isinstance(model, StableSDE)
                failure = problem.failures[0]
                model.divergence.copy_(torch.tensor([failure.sample, failure.time, failure.step_size]))
        nothing = 0.0 * torch.stack([parameter.sum() for parameter in model.parameters()]).sum()
        return {name: value + nothing for name, value in guess.items()}

    return watched


@dataclass(frozen=True, eq=False)
class Prediction:
    """Probabilities of the classes, one table a draw of the noise, NaN where the draw diverged.

    >>> drawn = torch.tensor([[[0.2, 0.8]], [[0.6, 0.4]]])
    >>> ll.neural_des.stable_sde.Prediction(drawn).mean
    tensor([[0.4000, 0.6000]])
    """

    draws: Float[Tensor, "draw sample class"]

    @property
    def mean(self) -> Float[Tensor, "sample class"]:
        """The mean over the draws; NaN for a sample of which any draw diverged."""
        return self.draws.mean(0)

    @property
    def spread(self) -> Float[Tensor, "sample class"]:
        """The standard deviation over the draws."""
        return self.draws.std(0, correction=0)

    @property
    def diverged(self) -> Tensor:
        """Which samples, (sample,)."""
        return self.mean.isnan().any(-1)

    def accuracy(self, labels: Int64[Tensor, " sample"]) -> float:
        """The share of samples whose likeliest class is right; one that diverged is wrong."""
        right = (self.mean.nan_to_num().argmax(-1) == labels.to(self.draws.device)) & ~self.diverged
        return float(right.double().mean())

    def accuracies(self, labels: Int64[Tensor, " sample"]) -> Float[Tensor, " draw"]:
        """The same of each draw alone, which jitters."""
        right = (self.draws.nan_to_num().argmax(-1) == labels.to(self.draws.device)) & ~self.draws.isnan().any(-1)
        return right.double().mean(-1)


@torch.no_grad()
def predict(model: StableSDE, path: ControlPath, draws: int = 5, *, seed: int = 0) -> Prediction:
    """Softmax of the read-out at the end of every path, for several draws of the noise.

    >>> path = ll.neural_des.stable_sde.path_through(ll.data.damped_oscillators(6, seed=0))
    >>> model = ll.neural_des.stable_sde.StableSDE("lsde", path.channels, 3, step_size=0.1)
    >>> ll.neural_des.stable_sde.predict(model, path, draws=4).draws.shape
    torch.Size([4, 6, 3])
    """
    draws = int(check_number("draws", draws, low=1, integer=True))
    knots = path.knots.repeat(draws, 1) if path.knots.dim() == 2 else path.knots
    # every draw is a sample of its own, with noise of its own
    copies = ControlPath(path.interpolation, knots, path.coefficients.repeat(draws, 1, 1, 1))
    logits = model(copies, noise=seed, on_failure="mask")
    return Prediction(logits.softmax(-1).unflatten(0, (draws, path.batch)))


def importance_bound(
    log_likelihood: Float[Tensor, "draw batch"], divergence: Float[Tensor, "draw batch"], weight: float = 1.0
) -> Tensor:
    """Mean over the batch of -log (1/k) sum_i exp(log p(x | z_i) - weight KL), the bound of k importance samples.

    divergence: KL of the latent law to the prior, or log q/p of each draw. It falls with k towards -log p(x).
    Source: Burda, Grosse, Salakhutdinov, Importance weighted autoencoders (2016), eq. 8, with the weight of Oh et al.

    >>> ll.neural_des.stable_sde.importance_bound(torch.full((5, 3), -1.0), torch.zeros(5, 3))
    tensor(1.)
    """
    if log_likelihood.shape != divergence.shape or log_likelihood.dim() != 2:
        raise InvalidArgument(
            f"log_likelihood and divergence must be (draw, batch); got {tuple(log_likelihood.shape)} and "
            f"{tuple(divergence.shape)}"
        )
    joint = log_likelihood - weight * divergence
    return -(torch.logsumexp(joint, 0) - math.log(len(joint))).mean()
