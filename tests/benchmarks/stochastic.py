"""Stochastic differential equations against torchsde and diffrax: neural ones, Brownian motion, and formulas.

Run `python tests/benchmarks/stochastic.py [--rounds 15] [--only euler ...]`; writes results/stochastic.json.

A neural SDE has 512 samples of four components, 200 steps, float32, and two networks with tanh layers of one width, for
drift and for diagonal noise; the loss is of the last state. "floor" is the same arithmetic in a bare loop, with the
normals of one `torch.randn`: what no solver in eager PyTorch can beat. Brownian queries ask for the 200 increments in
order, the grid being known, on a path that is new in every round; the peers draw as many normals, at once or step by
step, or ask torchsde's `BrownianInterval`.

"geometric brownian" is 10 000 paths of 200 steps of Milstein's scheme, forward, the coefficients being a formula.
diffrax solves it jitted, with the fastest of its noises (UnsafeBrownianPath, whose numbers cannot be asked for again;
its VirtualBrownianTree takes sixteen times as long), in double and in single precision; "floor" is a bare
`jax.lax.scan` in double. The errors are strong ones, root mean squares at the end against the solution along the path
that each has drawn.

Beside the ratios of wall time stand those of processor time and those of
the fastest rounds: a machine that others use interrupts milliseconds of work, and empties its caches.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import pairwise

import diffrax
import jax
import numpy as np
import torch
import torchsde
from interleaved import compared, run
from torch import Tensor, nn

from limitlab import problems
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.solve import solve_sde

QUICK = ("--rounds", "7", "--seconds", "8")
BATCH, STATE, STEPS = 512, 4, 200
PATHS, GROWTH, VOLATILITY = 10_000, 0.05, 0.2
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


class Geometric(nn.Module):
    """Geometric Brownian motion with torchsde's names."""

    noise_type, sde_type = "diagonal", "ito"

    def f(self, t: Tensor, y: Tensor) -> Tensor:
        return GROWTH * y

    def g(self, t: Tensor, y: Tensor) -> Tensor:
        return VOLATILITY * y


def path_of_ours() -> BrownianPath:
    return BrownianPath(1, (PATHS, 1), (0.0, 1.0), grid=np.linspace(0, 1, STEPS + 1))


def geometric_of_ours(backend: str, path: BrownianPath | None = None) -> Tensor:
    problem, start = problems.get("geometric_brownian"), torch.ones(PATHS, 1, dtype=torch.float64)
    path = path_of_ours() if path is None else path
    options = {"method": "milstein", "step_size": STEP, "brownian": path, "backend": backend}
    return problem.solve(start, [0.0, 1.0], **options).y[:, 1, 0]


def path_of_torchsde() -> torchsde.BrownianInterval:
    return torchsde.BrownianInterval(0.0, 1.0, (PATHS, 1), dtype=torch.float64, entropy=1, dt=STEP)


def geometric_of_torchsde(path: torchsde.BrownianInterval | None = None) -> Tensor:
    start, times = torch.ones(PATHS, 1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
    path = path_of_torchsde() if path is None else path
    with torch.no_grad():
        return torchsde.sdeint(Geometric(), start, times, bm=path, dt=STEP, method="milstein")[-1, :, 0]


def geometric_of_diffrax(double: bool, with_noise: bool = False) -> Callable[[], np.ndarray]:
    """Ends (path,), or (path, 2) with those of the noise as a second component, which costs time."""
    context = partial(jax.enable_x64, True) if double else nullcontext
    dtype = "float64" if double else "float32"
    scale = np.array([VOLATILITY, 0.0] if with_noise else [VOLATILITY], dtype=dtype)
    shift = np.array([0.0, 1.0] if with_noise else [0.0], dtype=dtype)

    def one(key: jax.Array) -> jax.Array:
        path = diffrax.UnsafeBrownianPath(shape=jax.ShapeDtypeStruct((), dtype), key=key)
        growth = diffrax.ODETerm(lambda t, y, _: GROWTH * y * (scale > 0))
        noise = diffrax.ControlTerm(lambda t, y, _: scale * y + shift, path)
        return diffrax.diffeqsolve(
            diffrax.MultiTerm(growth, noise), diffrax.ItoMilstein(), 0.0, 1.0, dt0=STEP,
            y0=jax.numpy.asarray(scale > 0, dtype), saveat=diffrax.SaveAt(t1=True), max_steps=STEPS + 1,
            adjoint=diffrax.DirectAdjoint(),
        ).ys[0]  # fmt: skip

    with context():
        roll, keys = jax.jit(jax.vmap(one)), jax.random.split(jax.random.PRNGKey(1), PATHS)

    def solve() -> np.ndarray:
        with context():
            return np.asarray(roll(keys).block_until_ready())

    return solve


def geometric_of_scan() -> Callable[[], np.ndarray]:
    """The same arithmetic in a bare loop of jax, with its own normals."""

    def step(y: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        w = math.sqrt(STEP) * jax.random.normal(key, y.shape, y.dtype)
        second = 0.5 * VOLATILITY**2 * y * (w * w - STEP)
        return y + STEP * GROWTH * y + VOLATILITY * y * w + second, None

    with jax.enable_x64(True):
        roll = jax.jit(lambda keys: jax.lax.scan(step, jax.numpy.ones(PATHS), keys)[0])
        keys = jax.random.split(jax.random.PRNGKey(1), STEPS)

    def solve() -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(roll(keys).block_until_ready())

    return solve


def strong_error(y: np.ndarray, w: np.ndarray) -> float:
    """Against exp((mu - sigma^2/2) t + sigma W) at the end."""
    exact = np.exp(GROWTH - VOLATILITY**2 / 2 + VOLATILITY * w.astype(np.float64))
    return float(np.sqrt(np.square(y - exact).mean()))


def geometric(rounds: int) -> dict:
    path, theirs = path_of_ours(), path_of_torchsde()
    w = path.value(1.0)[:, 0].numpy()
    native, by_torch = (geometric_of_ours(backend, path) for backend in ("native", "torch"))
    errors = {
        "ours": strong_error(native.numpy(), w),
        "ours, torch": strong_error(by_torch.numpy(), w),
        "torchsde": strong_error(geometric_of_torchsde(theirs).numpy(), theirs(0.0, 1.0)[:, 0].numpy()),
        "diffrax": strong_error(*geometric_of_diffrax(True, with_noise=True)().T),
        "diffrax single": strong_error(*geometric_of_diffrax(False, with_noise=True)().T),
    }
    print("  strong errors: " + ", ".join(f"{name} {error:.2e}" for name, error in errors.items()))
    contestants = {
        "ours": partial(geometric_of_ours, "native"),
        "ours, torch": partial(geometric_of_ours, "torch"),
        "torchsde": geometric_of_torchsde,
        "diffrax": geometric_of_diffrax(True),
        "diffrax single": geometric_of_diffrax(False),
        "floor": geometric_of_scan(),
    }
    peers = ["torchsde", "diffrax", "diffrax single"]
    pairs = [*(("ours", peer) for peer in peers), ("ours, torch", "torchsde"), ("floor", "ours")]
    largest = float((native - by_torch).abs().max())
    return compared(
        "geometric brownian", contestants, pairs, rounds, errors=errors, error_of="strong", largest_difference=largest
    )


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
    "geometric": geometric,
}

if __name__ == "__main__":
    run("stochastic", __doc__, BENCHMARKS, ["torchsde", "diffrax", "jax"])
