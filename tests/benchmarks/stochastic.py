"""Stochastic differential equations against torchsde: neural SDEs forward and backward, and Brownian motion in order.

Run `python tests/benchmarks/stochastic.py [--rounds 15] [--only euler ...]`; writes results/stochastic.json.

A neural SDE has 512 samples of four components, 200 steps, float32, and two networks with tanh layers of one width, for
drift and for diagonal noise; the loss is of the last state. "floor" is the same arithmetic in a bare loop, with the
normals of one `torch.randn`: what no solver in eager PyTorch can beat. Brownian queries ask for the 200 increments in
order, the grid being known, on a path that is new in every round; the peers draw as many normals, at once or step by
step, or ask torchsde's `BrownianInterval`. Beside the ratios of wall time stand those of processor time and those of
the fastest rounds: a machine that others use interrupts milliseconds of work, and empties its caches.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torchsde
from interleaved import compared, run
from torch import Tensor, nn

from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.solve import solve_sde

QUICK = ("--rounds", "7", "--seconds", "8")
BATCH, STATE, STEPS = 512, 4, 200
STEP = 1 / STEPS


def network(width: int, depth: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(STATE, width), nn.Tanh()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, STATE))


class NeuralSDE(nn.Module):
    """Drift and diagonal noise, with torchsde's names for them."""

    noise_type = "diagonal"

    def __init__(self, width: int, depth: int, calculus: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.sde_type = calculus
        self.drift, self.noise = network(width, depth), network(width, depth)

    def f(self, t: Tensor, y: Tensor) -> Tensor:
        return self.drift(y)

    def g(self, t: Tensor, y: Tensor) -> Tensor:
        return 0.1 * self.noise(y)


def trained(model: nn.Module, solve: Callable[[], Tensor]) -> Callable[[], None]:
    """Forward and backward of one loss."""

    def step() -> None:
        model.zero_grad()
        solve().square().mean().backward()

    return step


def neural(
    name: str, width: int, depth: int, calculus: str, ours: dict, theirs: Callable[[NeuralSDE, Tensor, Tensor], Tensor],
    rounds: int,
) -> dict:  # fmt: skip
    model, y0, times = NeuralSDE(width, depth, calculus), torch.randn(BATCH, STATE), torch.tensor([0.0, 1.0])

    def solved() -> Tensor:
        options = {"seed": 1, "calculus": calculus, "step_size": STEP, **ours}
        return solve_sde(model.f, model.g, y0, [0.0, 1.0], **options).y[:, -1]

    def bare() -> Tensor:
        y, noise = y0, STEP**0.5 * torch.randn(STEPS, BATCH, STATE)
        for w in noise.unbind(0):
            y = torch.addcmul(torch.add(y, model.f(times, y), alpha=STEP), model.g(times, y), w)
        return y

    contestants = {
        "ours": trained(model, solved),
        "torchsde": trained(model, lambda: theirs(model, y0, times)[-1]),
        "floor": trained(model, bare),
    }
    pairs = [("ours", "torchsde"), ("floor", "ours")]
    return compared(f"{name} {depth} x {width}", contestants, pairs, rounds, width=width, depth=depth)


def euler(width: int, depth: int) -> Callable[[int], dict]:
    def theirs(model: NeuralSDE, y0: Tensor, times: Tensor) -> Tensor:
        return torchsde.sdeint(model, y0, times, dt=STEP, method="euler")

    return lambda rounds: neural("euler", width, depth, "ito", {"method": "euler_maruyama"}, theirs, rounds)


def reversible(width: int, depth: int) -> Callable[[int], dict]:
    def theirs(model: NeuralSDE, y0: Tensor, times: Tensor) -> Tensor:
        return torchsde.sdeint_adjoint(
            model, y0, times, dt=STEP, method="reversible_heun", adjoint_method="adjoint_reversible_heun"
        )

    ours = {"method": "reversible_heun", "gradient": "reversible"}
    return lambda rounds: neural("reversible_heun", width, depth, "stratonovich", ours, theirs, rounds)


def brownian(dtype: torch.dtype) -> Callable[[int], dict]:
    grid = np.linspace(0, 1, STEPS + 1)
    times = grid.tolist()

    def ours() -> None:
        path = BrownianPath(1, (BATCH, STATE), (0.0, 1.0), grid=grid, dtype=dtype)
        for start, end in pairwise(times):
            path.increment(start, end)

    def interval() -> None:
        path = torchsde.BrownianInterval(0.0, 1.0, (BATCH, STATE), dtype=dtype, entropy=1, dt=STEP)
        for start, end in pairwise(times):
            path(start, end)

    contestants = {
        "ours": ours,
        "normals at once": lambda: torch.randn(STEPS, BATCH, STATE, dtype=dtype),
        "normals by step": lambda: [torch.randn(BATCH, STATE, dtype=dtype) for _ in range(STEPS)],
        "torchsde": interval,
    }

    def measure(rounds: int) -> dict:
        pairs = [("normals at once", "ours"), ("normals by step", "ours"), ("ours", "torchsde")]
        return compared(f"brownian {str(dtype).removeprefix('torch.')}", contestants, pairs, 4 * rounds)

    return measure


BENCHMARKS = {
    "euler_16": euler(16, 1),
    "euler_32": euler(32, 1),
    "euler_64": euler(64, 1),
    "euler_64_64": euler(64, 2),
    "reversible_16": reversible(16, 1),
    "reversible_64": reversible(64, 1),
    "reversible_64_64": reversible(64, 2),
    "brownian_single": brownian(torch.float32),
    "brownian_double": brownian(torch.float64),
}

if __name__ == "__main__":
    run("stochastic", __doc__, BENCHMARKS, ["torchsde"])
