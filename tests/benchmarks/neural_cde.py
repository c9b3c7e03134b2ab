"""Neural CDEs and latent SDEs against torchcde and torchsde: one training step, forward and backward.

Run `python tests/benchmarks/neural_cde.py [--rounds 15] [--only hermite ...]`; writes results/neural_cde.json.

A CDE has 32 series of 100 times and two channels, time in front, hidden 8, a field of width 128; the loss is of the
last state; both take one midpoint step a piece, with the very same networks, and `largest_difference` says how far
apart the outputs are. "ours, compiled" has compile=True, and was compiled before; torchcde is eager. Its derivative of
a linear path at a knot is that of the piece before it, so that a midpoint step of its is of order one there: the
outputs differ by that much, and agree where steps are small (see tests/neural_des/cde/test_model.py). A latent SDE has
128 series of 24 times, latent 2, context 16, width 32, Euler steps from each time to the next; torchsde integrates the
path term along (`logqp`), ours sums it afterwards.
"""

from collections.abc import Callable

import torch
import torchcde
import torchsde
from interleaved import compared, run
from torch import Tensor, nn

from limitlab.data import spirals
from limitlab.neural_des.cde import Control, NeuralCDE
from limitlab.neural_des.sde import LatentSDE, evidence_loss

QUICK = ("--rounds", "7", "--seconds", "10")


class Called(nn.Module):
    """The field as torchcde calls it: the time has no axis."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return self.field(t, z)


def controlled(interpolation: str) -> Callable[[int], dict]:
    series = spirals(samples=32).rescaled()
    model = NeuralCDE(2, 2, control=Control(interpolation))
    compiled = NeuralCDE(2, 2, control=Control(interpolation), compile=True)
    stacked = torch.cat([series.times[..., None], series.values], dim=-1)
    # in their unit of time the pieces have length one, as ours have
    knots = torch.arange(float(stacked.shape[1]))

    def theirs() -> Tensor:
        if interpolation == "linear":
            path = torchcde.LinearInterpolation(torchcde.linear_interpolation_coeffs(stacked, knots), knots)
        else:
            path = torchcde.CubicSpline(
                torchcde.hermite_cubic_coefficients_with_backward_differences(stacked, knots), knots
            )
        z0 = model.initial(stacked[:, 0])
        options = {"method": "midpoint", "options": {"step_size": 1.0}, "adjoint": False}
        return model.readout(torchcde.cdeint(path, Called(model.field), z0, path.interval, **options)[:, -1])

    def trained(model: NeuralCDE, outputs: Callable[[], Tensor]) -> Callable[[], None]:
        def step() -> None:
            model.zero_grad()
            outputs().square().mean().backward()

        return step

    def ours(model: NeuralCDE) -> Tensor:
        return model(series.times, series.values, series.lengths)

    def measure(rounds: int) -> dict:
        apart = float((ours(model) - theirs()).detach().abs().max())
        contestants = {
            "ours": trained(model, lambda: ours(model)),
            "ours, compiled": trained(compiled, lambda: ours(compiled)),
            "torchcde": trained(model, theirs),
        }
        pairs = [("ours", "torchcde"), ("ours, compiled", "torchcde")]
        return compared(f"neural CDE, {interpolation}", contestants, pairs, rounds, largest_difference=apart)

    return measure


class TorchsdeLatent(nn.Module):
    """The same latent SDE with torchsde's names."""

    noise_type, sde_type = "diagonal", "ito"

    def __init__(self, model: LatentSDE, times: Tensor) -> None:
        super().__init__()
        self.model, self.times = model, times
        self.context = torch.zeros(0)

    def f(self, t: Tensor, z: Tensor) -> Tensor:
        row = min(int(torch.searchsorted(self.times, t, right=True)), len(self.times) - 1)
        return self.model.posterior(t.reshape(1, 1), torch.cat([z, self.context[:, row]], dim=-1))

    def h(self, t: Tensor, z: Tensor) -> Tensor:
        return self.model.prior(t.reshape(1, 1), z)

    def g(self, t: Tensor, z: Tensor) -> Tensor:
        return self.model.diffusion(t, z)


def latent(rounds: int) -> dict:
    times, values = torch.linspace(0, 2, 24), torch.randn(128, 24, 1).cumsum(1)
    model = LatentSDE(1, 2)
    peer = TorchsdeLatent(model, times)

    def ours() -> None:
        model.zero_grad()
        sum(evidence_loss(model, {"times": times, "values": values, "noise_seed": 1}).values()).backward()

    def theirs() -> None:
        model.zero_grad()
        peer.context = model.encode(times, values)
        mean, log_deviation = model.to_start(peer.context[:, 0]).chunk(2, dim=-1)
        start = torch.distributions.Normal(mean, log_deviation.exp())
        step = float(times[1] - times[0])
        z, path = torchsde.sdeint(peer, start.rsample(), times, dt=step, method="euler", logqp=True)
        seen = torch.distributions.Normal(model.readout(z.transpose(0, 1)), model.log_sigma.exp())
        divergence = torch.distributions.kl_divergence(start, model.start).sum(-1) + path.sum(0)
        (divergence - seen.log_prob(values).sum((1, 2))).mean().backward()

    return compared("latent SDE", {"ours": ours, "torchsde": theirs}, [("ours", "torchsde")], rounds)


BENCHMARKS = {"linear": controlled("linear"), "hermite": controlled("hermite"), "latent_sde": latent}

if __name__ == "__main__":
    run("neural_cde", __doc__, BENCHMARKS, ["torchcde", "torchsde", "torchdiffeq"])
