"""Work and precision: seconds against the error achieved, for us and for every peer, on six problems.

Run `python tests/benchmarks/work_precision.py [--rounds 3] [--only kepler ...]`; writes results/work_precision.json, of
which `python tests/benchmarks/page.py --picture notebooks/images/work-precision.svg` draws the picture of the README.

Every contestant solves for tolerances from 1e-3 to 1e-9, and its error is measured at the output times: the root mean
square over samples, times and components, each component over its largest value. The reference is Kepler's exact orbit,
or a solve of ours at a tight tolerance; how far SciPy's tightest is from it is stored, and errors below ten times
that are not. 64 trajectories (one of van der Pol, four of Robertson), double precision, compiled functions made ready
before. In each round all contestants solve at one tolerance, in turn; who takes longer than `LONGEST` is not asked for
smaller ones. `wall_seconds` are those at one error, read off between two tolerances. A contestant is a row of
`EXPLICIT` or `STIFF`.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import torch
import torchdiffeq
import torchode
from interleaved import against, interleave, run
from scipy.integrate import solve_ivp
from torch import Tensor

from limitlab import problems
from limitlab.solvers import solve_ode

jax.config.update("jax_enable_x64", True)
QUICK = ("--rounds", "2", "--only", "lotka_volterra")
TOLERANCES = [10.0**-k for k in range(3, 10)]
ERROR = 1e-5
"""At which seconds are compared, unless a task says another."""
SAMPLES, TIMES = 64, 51
FEW = 4  # samples of a problem that others solve one by one in seconds each
LONGEST = 5.0  # seconds of a first solve at one tolerance, after which a contestant rests
MOST_STEPS = 10**6
Solve = Callable[[float], np.ndarray]


@dataclass(frozen=True)
class Task:
    """Rates (xp, *components) -> derivatives, with numpy, jax or torch as xp; starts (batch, state) and the end."""

    rates: Callable
    y0: Tensor
    end: float
    atol: float = 1.0  # times the relative tolerance
    jacobian: Callable | None = None
    formulas: Callable | None = None  # the same field as the catalogue has it
    exact: Callable[[Tensor, Tensor], Tensor] | None = None
    error: float = ERROR  # at which seconds are compared

    @cached_property
    def times(self) -> Tensor:
        return torch.linspace(0, self.end, TIMES, dtype=torch.float64)

    def field(self, t: Tensor, y: Tensor) -> Tensor:
        """In torch, written as a user would: nothing that a solver could know it by."""
        return torch.stack(self.rates(torch, *y.unbind(-1)), -1)

    def flat(self, t: float, y: np.ndarray) -> np.ndarray:
        """For SciPy: one state, or several one after the other."""
        return np.stack(self.rates(np, *y.reshape(-1, self.y0.shape[1]).T), -1).ravel()

    def flat_jacobian(self, t: float, y: np.ndarray) -> np.ndarray:
        """For SciPy, of one state."""
        return self.jacobian(torch.tensor([[t]], dtype=torch.float64), torch.from_numpy(y)[None])[0].numpy()

    def reference(self) -> tuple[np.ndarray, float]:
        """The solution, and how far another method's is from it."""
        if self.exact is not None:
            return self.exact(self.times, self.y0).numpy(), 1e-14
        method, rtol = ("dopri8", 1e-12) if self.jacobian is None else ("rodas5", 1e-11)
        tight = {"rtol": rtol, "atol": rtol * self.atol, "max_steps": MOST_STEPS, "jacobian": self.jacobian}
        ours = solve_ode(self.field, self.y0, self.times, method=method, **tight).y.numpy()
        if self.jacobian is None:
            return ours, distance(scipy_one_by_one(self, "DOP853")(1e-12), ours)
        # differences would spoil its iterations at such tolerances
        other = scipy_one_by_one(self, "Radau", jac=self.flat_jacobian)(1e-12)
        return ours, distance(other, ours)


def distance(y: np.ndarray, reference: np.ndarray) -> float:
    """Root mean square, each component over its largest value."""
    return float(np.sqrt(np.square((y - reference) / np.abs(reference).max((0, 1))).mean()))


def ours(task: Task, method: str, **options: object) -> Solve:
    """`solve_ode` with its defaults."""
    if task.jacobian is not None:
        options["jacobian"] = task.jacobian

    def solve(rtol: float) -> np.ndarray:
        control = {"rtol": rtol, "atol": rtol * task.atol, "max_steps": MOST_STEPS, **options}
        return solve_ode(task.field, task.y0, task.times, method=method, **control).y.numpy()

    return solve


def ours_native(task: Task, method: str) -> Solve:
    """`solve_ode` by machine code, of the field as the catalogue has it."""

    def solve(rtol: float) -> np.ndarray:
        if task.formulas is None:
            raise ValueError("a network is no formula")
        control = {"rtol": rtol, "atol": rtol * task.atol, "max_steps": MOST_STEPS, "backend": "native"}
        return solve_ode(task.formulas, task.y0, task.times, method=method, **control).y.numpy()

    return solve


def by_torchdiffeq(task: Task, method: str) -> Solve:
    def solve(rtol: float) -> np.ndarray:
        options = {"rtol": rtol, "atol": rtol * task.atol, "method": method}
        return torchdiffeq.odeint(task.field, task.y0, task.times, **options).transpose(0, 1).numpy()

    return solve


def by_torchode(task: Task) -> Solve:
    term = torchode.ODETerm(task.field)

    def solve(rtol: float) -> np.ndarray:
        controller = torchode.IntegralController(atol=rtol * task.atol, rtol=rtol, term=term)
        adjoint = torchode.AutoDiffAdjoint(torchode.Tsit5(term=term), controller)
        times = task.times.expand(len(task.y0), -1)
        return adjoint.solve(torchode.InitialValueProblem(y0=task.y0, t_eval=times)).ys.numpy()

    return solve


def by_diffrax(task: Task, method: object) -> Solve:
    """Jitted once for all tolerances."""
    start, times = jnp.asarray(task.y0.numpy()), jnp.asarray(task.times.numpy())

    @jax.jit
    def solved(rtol):
        def one(y0):
            return diffrax.diffeqsolve(
                diffrax.ODETerm(lambda t, y, args: jnp.stack(task.rates(jnp, *y))), method, times[0], times[-1], None,
                y0, saveat=diffrax.SaveAt(ts=times), max_steps=MOST_STEPS,
                stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * task.atol),
            ).ys  # fmt: skip

        return jax.vmap(one)(start)

    return lambda rtol: np.asarray(solved(rtol))


def scipy_stacked(task: Task, method: str) -> Solve:
    """All trajectories as one system."""

    def solve(rtol: float) -> np.ndarray:
        options = {"method": method, "rtol": rtol, "atol": rtol * task.atol, "t_eval": task.times.numpy()}
        y = solve_ivp(task.flat, (0, task.end), task.y0.numpy().ravel(), **options).y
        return y.T.reshape(TIMES, *task.y0.shape).swapaxes(0, 1)

    return solve


def scipy_one_by_one(task: Task, method: str, **options: object) -> Solve:
    def solve(rtol: float) -> np.ndarray:
        control = {"method": method, "rtol": rtol, "atol": rtol * task.atol, "t_eval": task.times.numpy(), **options}
        return np.stack([solve_ivp(task.flat, (0, task.end), y, **control).y.T for y in task.y0.numpy()])

    return solve


EXPLICIT: dict[str, Callable[[Task], Solve]] = {
    "ours, tsit5": partial(ours, method="tsit5"),
    "ours, tsit5 compiled": partial(ours, method="tsit5", compile=True),
    "ours, dopri8": partial(ours, method="dopri8"),
    "ours, tsit5 native": partial(ours_native, method="tsit5"),
    "ours, dopri8 native": partial(ours_native, method="dopri8"),
    "torchdiffeq, dopri5": partial(by_torchdiffeq, method="dopri5"),
    "torchdiffeq, dopri8": partial(by_torchdiffeq, method="dopri8"),
    "torchode, tsit5": by_torchode,
    "diffrax, tsit5": partial(by_diffrax, method=diffrax.Tsit5()),
    "SciPy, RK45 of all as one": partial(scipy_stacked, method="RK45"),
    "SciPy, LSODA one by one": partial(scipy_one_by_one, method="LSODA"),
}
STIFF: dict[str, Callable[[Task], Solve]] = {
    "ours, rodas5": partial(ours, method="rodas5"),
    "ours, rodas5 compiled": partial(ours, method="rodas5", compile=True),
    "ours, rodas5 native": partial(ours_native, method="rodas5"),
    "ours, kvaerno5 native": partial(ours_native, method="kvaerno5"),
    "diffrax, kvaerno5": partial(by_diffrax, method=diffrax.Kvaerno5()),
    "SciPy, Radau one by one": partial(scipy_one_by_one, method="Radau"),
    "SciPy, LSODA one by one": partial(scipy_one_by_one, method="LSODA"),
}


def swept(name: str, make: Callable[[], Task], rounds: int) -> dict[str, object]:
    """Errors and seconds of every contestant by tolerance, and the seconds at one error."""
    task = make()
    reference, doubt = task.reference()
    contestants = {key: build(task) for key, build in (EXPLICIT if task.jacobian is None else STIFF).items()}
    seconds: dict[str, list[list[float]]] = {key: [] for key in contestants}
    errors: dict[str, list[float]] = {key: [] for key in contestants}
    resting: set[str] = set()
    for rtol in TOLERANCES:
        for key, solve in contestants.items():
            begun = time.perf_counter()
            errors[key].append(math.nan if key in resting else error_of(solve, rtol, reference, 10 * doubt))
            # torch.compile takes its time once, at the first
            if rtol != TOLERANCES[0] and time.perf_counter() - begun > LONGEST:
                resting.add(key)
        able = {key: partial(solve, rtol) for key, solve in contestants.items() if math.isfinite(errors[key][-1])}
        taken = interleave(able, rounds, warm=1)
        for key in contestants:
            seconds[key].append(taken.get(key, [math.nan] * rounds))
    points = {
        key: {"tolerance": TOLERANCES, "error": errors[key], "seconds": [float(np.median(s)) for s in seconds[key]]}
        for key in contestants
    }
    return {"name": f"{name}, error {task.error:g}", **compared_at(task.error, errors, seconds),
            "error_of": "relative, rms", "trajectories": len(task.y0),
            "reference_difference": doubt, "points": without_nan(points)}  # fmt: skip


def error_of(solve: Solve, rtol: float, reference: np.ndarray, floor: float) -> float:
    """NaN where the contestant gives up, or where the reference is no better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            error = distance(solve(rtol), reference)
        except (RuntimeError, ValueError, AssertionError) as problem:
            print(f"  no result at {rtol:g}: {problem!s:.100}")
            return math.nan
    return error if error > floor else math.nan


def compared_at(target: float, errors: dict[str, list[float]], seconds: dict[str, list[list[float]]]) -> dict:
    """Seconds and ratios of those that reach the error."""
    rounds = {
        key: [seconds_at(target, errors[key], each) for each in zip(*seconds[key], strict=False)] for key in errors
    }
    reached = {key: times for key, times in rounds.items() if all(map(math.isfinite, times))}
    pairs = [(mine, peer) for mine in reached for peer in reached if mine.startswith("ours") > peer.startswith("ours")]
    ratios = {f"{peer} / {mine}": against(reached, mine, peer) for mine, peer in pairs}
    medians = {key: float(np.median(times)) for key, times in reached.items()}
    print("  " + ", ".join(f"{key} {1e3 * value:.1f} ms" for key, value in medians.items()), flush=True)
    return {"wall_seconds": medians, "ratios": ratios, "errors": dict.fromkeys(reached, target)}


def seconds_at(target: float, errors: list[float], seconds: tuple[float, ...]) -> float:
    """By the straight line between the two tolerances around the error, in logarithms; NaN where it is not reached."""
    pairs = [(e, s) for e, s in zip(errors, seconds, strict=True) if math.isfinite(e) and math.isfinite(s)]
    for (large, cheap), (small, dear) in pairwise(pairs):
        if small <= target <= large:
            part = math.log(large / target) / math.log(large / small)
            return math.exp((1 - part) * math.log(cheap) + part * math.log(dear))
    return math.nan


def without_nan(value: object) -> object:
    """None in its place, which JSON knows."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def random(*size: int) -> Tensor:
    return torch.rand(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def catalogue(name: str, rates: Callable, y0: Tensor, end: float, *, stiff: bool = False, **facts: object) -> Task:
    """A problem of the catalogue, with which the rates are compared."""
    problem = problems.get(name)
    jacobian = problem.jacobian() if stiff else None
    task = Task(rates, y0, end, jacobian=jacobian, formulas=problem.field(), **facts)
    assert torch.allclose(task.field(task.times[:1], y0), problem.field()(task.times[:1], y0), rtol=1e-12)
    return task


def lotka_volterra() -> Task:
    a, b, c, d = (problems.get("lotka_volterra").values[name] for name in ("alpha", "beta", "gamma", "delta"))
    return catalogue(
        "lotka_volterra", lambda xp, x, y: (a * x - b * x * y, d * x * y - c * y), 0.3 + 4.7 * random(SAMPLES, 2), 10.0
    )


def lorenz() -> Task:
    def rates(xp, x, y, z):
        return 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z

    return catalogue("lorenz", rates, 4 * random(SAMPLES, 3) - 2, 5.0)


def kepler() -> Task:
    def rates(xp, x, y, u, v):
        cube = (x * x + y * y) ** 1.5
        return u, v, -x / cube, -y / cube

    problem = problems.get("kepler")
    y0 = problem.start({"e": torch.linspace(0.1, 0.6, SAMPLES)}).double()
    return catalogue("kepler", rates, y0, 4 * math.pi, exact=lambda times, y0: problem.solution_at(times, y0))


def robertson() -> Task:
    def rates(xp, a, b, c):
        slow, fast, quick = 0.04 * a, 1e4 * b * c, 3e7 * b * b
        return -slow + fast, slow - fast - quick, quick

    y0 = torch.zeros(FEW, 3, dtype=torch.float64)
    y0[:, 0] = torch.linspace(0.8, 1.2, FEW, dtype=torch.float64)
    return catalogue("robertson", rates, y0, 40.0, stiff=True, atol=1e-4, error=1e-6)


def van_der_pol() -> Task:
    def rates(xp, x, v):
        return v, 1000 * (1 - x * x) * v - x

    y0 = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    return catalogue("van_der_pol", rates, y0, 2000.0, stiff=True, atol=1e-2)


def neural_field() -> Task:
    """A network 4-64-64-4 with tanh; weights a little larger than torch's, so that there is something to solve."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(*sizes, dtype=torch.float64) for sizes in ((4, 64), (64, 64), (64, 4))]
    tensors = [(1.5 * layer.weight.detach(), 1.5 * layer.bias.detach()[:, None]) for layer in layers]
    arrays = [(weight.numpy(), bias.numpy()) for weight, bias in tensors]

    def rates(xp, *components):
        (w1, b1), (w2, b2), (w3, b3) = tensors if xp is torch else arrays
        state = xp.stack(components).reshape(4, -1)
        slopes = w3 @ xp.tanh(w2 @ xp.tanh(w1 @ state + b1) + b2) + b3
        return tuple(slopes.reshape(4, *components[0].shape))

    return Task(rates, 4 * random(SAMPLES, 4) - 2, 5.0)


TASKS = (lotka_volterra, lorenz, kepler, robertson, van_der_pol, neural_field)
BENCHMARKS = {make.__name__: partial(swept, make.__name__, make) for make in TASKS}

if __name__ == "__main__":
    run("work_precision", __doc__, BENCHMARKS, ["torchdiffeq", "torchode", "diffrax", "jax", "scipy"])
