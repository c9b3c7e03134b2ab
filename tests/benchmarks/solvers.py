"""Ordinary differential equations against torchdiffeq, torchode, diffrax and SciPy: time at the same tolerance.

Run `python tests/benchmarks/solvers.py [--rounds 15] [--only lotka_volterra ...]`; writes results/solvers.json.

Every contestant solves the same problem at the same rtol and atol with the method it is known for; errors against a
tight reference stand beside the times. Compilation (ours and diffrax's) is timed apart. Ours controls its steps as
torchdiffeq and diffrax do (integral control), each sample on its own, as diffrax and torchode do; torchdiffeq takes
one step for all samples.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import time
from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import torch
import torchdiffeq
import torchode
from interleaved import compared, interleave, row, run
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from limitlab import problems
from limitlab.solvers import solve_ode

jax.config.update("jax_enable_x64", True)
QUICK = ("--rounds", "7", "--seconds", "10")
DOUBLE = torch.float64


def diffrax_solver(field: Callable, times: np.ndarray, rtol: float, atol: float, method: object) -> Callable:
    """Jitted, over the batch: (batch, state) -> (batch, time, state)."""

    def solve(y0):
        controller = diffrax.PIDController(rtol=rtol, atol=atol)
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: field(t, y)), method, times[0], times[-1], None, y0,
            saveat=diffrax.SaveAt(ts=jnp.asarray(times)), stepsize_controller=controller, max_steps=100_000,
        ).ys  # fmt: skip

    return jax.jit(jax.vmap(solve))


def torchode_solver(field: Callable, times: Tensor, rtol: float, atol: float) -> Callable:
    term = torchode.ODETerm(field)
    method = torchode.Tsit5(term=term)
    controller = torchode.IntegralController(atol=atol, rtol=rtol, term=term)
    adjoint = torchode.AutoDiffAdjoint(method, controller)
    return lambda y0: adjoint.solve(torchode.InitialValueProblem(y0=y0, t_eval=times.expand(len(y0), -1)))


def timed(function: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def trajectories(
    name: str, field: Callable, jax_field: Callable, scipy_field: Callable, y0: Tensor, end: float, rounds: int
) -> dict:
    """256 trajectories at 51 times, rtol = atol = 1e-6."""
    rtol = atol = 1e-6
    times = torch.linspace(0, end, 51, dtype=DOUBLE)
    reference = solve_ode(field, y0, times, method="dopri8", rtol=1e-12, atol=1e-13).y.numpy()
    start = jnp.asarray(y0.numpy())
    jitted = diffrax_solver(jax_field, times.numpy(), rtol, atol, diffrax.Tsit5())
    ode = torchode_solver(field, times, rtol, atol)
    options = {"rtol": rtol, "atol": atol, "control": "i"}
    formulas = problems.get(name).field()

    def scipy() -> np.ndarray:
        solution = solve_ivp(
            scipy_field, (0, end), y0.numpy().ravel(), method="RK45", t_eval=times.numpy(), rtol=rtol, atol=atol
        )
        return solution.y.T.reshape(len(times), *y0.shape).swapaxes(0, 1)

    contestants = {
        "ours": lambda: solve_ode(field, y0, times, **options).y.numpy(),
        "ours, compiled": lambda: solve_ode(field, y0, times, compile=True, **options).y.numpy(),
        "ours, native": lambda: solve_ode(formulas, y0, times, backend="native", **options).y.numpy(),
        "torchdiffeq": lambda: (
            torchdiffeq.odeint(field, y0, times, rtol=rtol, atol=atol, method="dopri5").transpose(0, 1).numpy()
        ),
        "torchode": lambda: ode(y0).ys.numpy(),
        "diffrax": lambda: np.asarray(jitted(start).block_until_ready()),
        "SciPy, one system": scipy,
    }
    compile_seconds = {key: timed(contestants[key])[0] for key in ("ours, compiled", "ours, native", "diffrax")}
    errors = {key: float(np.abs(solve() - reference).max()) for key, solve in contestants.items()}
    pairs = [
        ("ours", "torchdiffeq"),
        ("ours, compiled", "torchdiffeq"),
        ("ours, compiled", "diffrax"),
        ("ours", "torchode"),
        ("ours", "diffrax"),
        ("ours, native", "diffrax"),
        ("ours, native", "SciPy, one system"),
    ]
    return compared(
        name, contestants, pairs, rounds, errors=errors, error_of="largest", compile_seconds=compile_seconds
    )


def lotka_volterra(rounds: int) -> dict:
    a, b, d, g = 1.3, 0.9, 0.8, 1.8

    def field(t, y):
        prey, predator = y[..., 0], y[..., 1]
        return torch.stack([a * prey - b * prey * predator, d * prey * predator - g * predator], -1)

    def jax_field(t, y):
        return jnp.stack([a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - g * y[1]])

    def flat(t, y):
        prey, predator = y.reshape(-1, 2).T
        return np.stack([a * prey - b * prey * predator, d * prey * predator - g * predator], -1).ravel()

    y0 = 0.3 + 4.7 * torch.rand(256, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    return trajectories("lotka_volterra", field, jax_field, flat, y0, 10.0, rounds)


def lorenz(rounds: int) -> dict:
    def field(t, u):
        x, y, z = u.unbind(-1)
        return torch.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1)

    def jax_field(t, u):
        x, y, z = u
        return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    def flat(t, u):
        x, y, z = u.reshape(-1, 3).T
        return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1).ravel()

    y0 = torch.randn(256, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    return trajectories("lorenz", field, jax_field, flat, y0, 5.0, rounds)


def kepler(rounds: int) -> dict:
    """Orbits of the eccentricity 0.6, some three turns."""

    def field(t, y):
        position, velocity = y[..., :2], y[..., 2:]
        return torch.cat([velocity, -position / position.norm(dim=-1, keepdim=True) ** 3], -1)

    def jax_field(t, y):
        return jnp.concatenate([y[2:], -y[:2] / jnp.sqrt(jnp.sum(y[:2] ** 2)) ** 3])

    def flat(t, y):
        position, velocity = y.reshape(-1, 2, 2).swapaxes(0, 1)
        pull = -position / np.linalg.norm(position, axis=1, keepdims=True) ** 3
        return np.stack([velocity, pull], 1).ravel()

    y0, _ = problems.get("kepler").sample(256, seed=0)
    return trajectories("kepler", field, jax_field, flat, y0, 20.0, rounds)


class NeuralField(nn.Module):
    """4-64-64-4 with tanh; weights a little larger than torch's, so that there is something to solve."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter *= 1.5

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.net(y)


def neural_ode(rounds: int) -> dict:
    """Forward and backward through [0, 5], batch 256, single precision, rtol = atol = 1e-5, one step for the batch."""
    field, rtol, atol = NeuralField(), 1e-5, 1e-5
    parameters = list(field.parameters())
    y0 = torch.randn(256, 4, generator=torch.Generator().manual_seed(1))
    times = torch.tensor([0.0, 5.0])
    weights = [
        (jnp.asarray(w.detach().numpy()), jnp.asarray(b.detach().numpy()))
        for w, b in zip(parameters[::2], parameters[1::2], strict=True)
    ]

    def gradients(end: Tensor) -> list[np.ndarray]:
        return [g.numpy() for g in torch.autograd.grad(end.square().sum() / 256, parameters)]

    def ours(**options: object) -> list[np.ndarray]:
        return gradients(solve_ode(field, y0, times, rtol=rtol, atol=atol, control="i", **options).y[:, -1])

    def peer(integrate: Callable) -> list[np.ndarray]:
        return gradients(integrate(field, y0, times, rtol=rtol, atol=atol, method="dopri5")[-1])

    def jax_field(t, y, layers):
        for place, (w, b) in enumerate(layers):
            y = y @ w.T + b
            y = jnp.tanh(y) if place < len(layers) - 1 else y
        return y

    @jax.jit
    def jax_gradient(layers, start):
        def loss(layers):
            solution = diffrax.diffeqsolve(
                diffrax.ODETerm(jax_field), diffrax.Tsit5(), 0.0, 5.0, None, start, layers,
                stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol), max_steps=256,
            )  # fmt: skip
            return (solution.ys[-1] ** 2).sum() / 256

        return jax.grad(loss)(layers)

    start = jnp.asarray(y0.numpy())
    exact = NeuralField().double()
    tight = solve_ode(exact, y0.double(), times.double(), rtol=1e-11, atol=1e-12).y[:, -1]
    reference = [g.numpy() for g in torch.autograd.grad(tight.square().sum() / 256, list(exact.parameters()))]
    contestants = {
        "ours": lambda: ours(shared_steps=True),
        "ours, own steps": ours,
        "ours, compiled": lambda: ours(shared_steps=True, compile=True),
        "ours, adjoint": lambda: ours(shared_steps=True, gradient="adjoint"),
        "torchdiffeq": lambda: peer(torchdiffeq.odeint),
        "torchdiffeq adjoint": lambda: peer(torchdiffeq.odeint_adjoint),
        "diffrax": lambda: [
            np.asarray(g) for layer in jax.block_until_ready(jax_gradient(weights, start)) for g in layer
        ],
    }
    compile_seconds = {key: timed(contestants[key])[0] for key in ("ours, compiled", "diffrax")}
    scale = max(float(np.abs(r).max()) for r in reference)
    errors = {
        key: max(float(np.abs(f - r).max()) for f, r in zip(solve(), reference, strict=True)) / scale
        for key, solve in contestants.items()
    }
    seconds = interleave(contestants, rounds)
    pairs = [
        ("ours", "torchdiffeq"),
        ("ours, compiled", "torchdiffeq"),
        ("ours, compiled", "diffrax"),
        ("ours, adjoint", "torchdiffeq adjoint"),
    ]
    return row(
        "neural_ode", seconds, pairs, errors=errors, error_of="gradient, relative", compile_seconds=compile_seconds
    )


def stiff(
    name: str, field: Callable, jacobian: Callable, jax_field: Callable, y0: Tensor, end: float, atol: float,
    scipy_field: Callable | None, rounds: int,
) -> dict:  # fmt: skip
    """The end state at rtol 1e-6 by rodas5, against diffrax's Kvaerno5 and SciPy's Radau sample by sample."""
    rtol, times = 1e-6, torch.tensor([0.0, end], dtype=DOUBLE)
    reference = (
        solve_ode(field, y0, times, method="rodas5", jacobian=jacobian, rtol=1e-10, atol=1e-14, max_steps=10**6)
        .y[:, -1]
        .numpy()
    )
    jitted = diffrax_solver(jax_field, times.numpy(), rtol, atol, diffrax.Kvaerno5())
    start = jnp.asarray(y0.numpy())
    options = {
        "method": "rodas5",
        "jacobian": jacobian,
        "rtol": rtol,
        "atol": atol,
        "control": "i",
        "max_steps": 100_000,
    }
    formulas, by_formulas = problems.get(name).field(), {**options, "jacobian": None}
    contestants = {
        "ours": lambda: solve_ode(field, y0, times, **options).y[:, -1].numpy(),
        "ours, compiled": lambda: solve_ode(field, y0, times, compile=True, **options).y[:, -1].numpy(),
        "ours, native": lambda: solve_ode(formulas, y0, times, backend="native", **by_formulas).y[:, -1].numpy(),
        "diffrax": lambda: np.asarray(jitted(start).block_until_ready())[:, -1],
    }
    if scipy_field is not None:
        contestants["SciPy Radau"] = lambda: np.stack(
            [solve_ivp(scipy_field, (0, end), y, method="Radau", rtol=rtol, atol=atol).y[:, -1] for y in y0.numpy()]
        )
    compile_seconds = {key: timed(contestants[key])[0] for key in ("ours, compiled", "ours, native", "diffrax")}
    errors = {key: float((np.abs(s() - reference) / np.abs(reference)).max()) for key, s in contestants.items()}
    seconds = interleave(contestants, rounds)
    pairs = [("ours", "diffrax"), ("ours, compiled", "diffrax"), ("ours, native", "diffrax")]
    return row(name, seconds, pairs, errors=errors, error_of="largest, relative", compile_seconds=compile_seconds)


def robertson(rounds: int) -> dict:
    """64 samples, the first of the three states spread by 20 %, to t = 40."""

    def rates(a, b, c):
        slow, fast, quick = 0.04 * a, 1e4 * b * c, 3e7 * b * b
        return -slow + fast, slow - fast - quick, quick

    def field(t, y):
        return torch.stack(rates(*y.unbind(-1)), -1)

    def jacobian(t, y):
        a, b, c = y.unbind(-1)
        one, zero = torch.ones_like(a), torch.zeros_like(a)
        first = torch.stack([-0.04 * one, 1e4 * c, 1e4 * b], -1)
        last = torch.stack([zero, 6e7 * b, zero], -1)
        return torch.stack([first, -first - last, last], -2)

    y0 = torch.zeros(64, 3, dtype=DOUBLE)
    y0[:, 0] = torch.linspace(0.8, 1.2, 64, dtype=DOUBLE)
    return stiff(
        "robertson", field, jacobian, lambda t, y: jnp.stack(rates(*y)), y0, 40.0, 1e-10, lambda t, y: rates(*y), rounds
    )


def van_der_pol(rounds: int) -> dict:
    """One sample, mu = 1000, on [0, 2000]."""
    mu = 1000.0

    def field(t, y):
        x, v = y.unbind(-1)
        return torch.stack([v, mu * (1 - x * x) * v - x], -1)

    def jacobian(t, y):
        x, v = y.unbind(-1)
        top = torch.stack([torch.zeros_like(x), torch.ones_like(x)], -1)
        return torch.stack([top, torch.stack([-2 * mu * x * v - 1, mu * (1 - x * x)], -1)], -2)

    def jax_field(t, y):
        return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    y0 = torch.tensor([[2.0, 0.0]], dtype=DOUBLE)
    scipy_field = lambda t, y: [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]]  # noqa: E731
    return stiff("van_der_pol", field, jacobian, jax_field, y0, 2000.0, 1e-8, scipy_field, rounds)


BENCHMARKS = {
    function.__name__: function for function in (lotka_volterra, lorenz, kepler, neural_ode, robertson, van_der_pol)
}

if __name__ == "__main__":
    run("solvers", __doc__, BENCHMARKS, ["torchdiffeq", "torchode", "diffrax", "jax", "scipy"])
