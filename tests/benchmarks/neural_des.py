"""Neural differential equations: training one against torchdiffeq, as torchdyn does, and a reduced one against dense.

Run `python tests/benchmarks/neural_des.py [--rounds 15] [--only training ...]`; writes results/neural_des.json.

Both train one network from the same weights on the same batches of the nonlinear oscillator, 20 steps of Adam, with
the tape of the solver's steps. Tolerances mean different things (torchdiffeq takes the root mean square over the whole
batch, and one step size for it), so each solver has that of its list at which its states are 1e-4 off, and the losses
at the end are stored beside the times.

A block of 512 units, tanh and 40 RK4 steps is made small by interpolation at the rows of as many modes; both give 64
samples their logits. `operations` is what their arithmetic alone would save, and `same_rows_as_pymor` whether the rows
are those of pymor's DEIM, null where pymor is not installed.
"""

import time
from collections.abc import Callable

import torch
import torchdiffeq
from interleaved import against, compared, interleave, row, run
from torch import Tensor, nn

from limitlab import problems
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.reduction import (
    ElementwiseField,
    ElementwiseODE,
    collect,
    deim_rows,
    operations,
    reduced_by_interpolation,
)

QUICK = ("--rounds", "3", "--seconds", "15")
BATCH, STEPS, RATE = 32, 20, 3e-3
UNITS = 512
TIMES = torch.linspace(0, 10, 100)
TOLERANCES = [10.0**-k for k in range(2, 8)]
ERROR = 1e-4


def ours(field: MLPField, y0: Tensor, tolerance: float, method: str) -> Tensor:
    return NeuralODE(field, method=method, rtol=tolerance, atol=tolerance).solve(y0, TIMES).y


def peer(field: MLPField, y0: Tensor, tolerance: float, method: str) -> Tensor:
    states = torchdiffeq.odeint(lambda t, y: field(t.expand(len(y), 1), y), y0, TIMES, rtol=tolerance, atol=tolerance,
                                method=method)  # fmt: skip
    return states.transpose(0, 1)


CONTESTANTS = {"ours, tsit5": (ours, "tsit5"), "ours, dopri5": (ours, "dopri5"), "torchdiffeq": (peer, "dopri5")}


def fitting_tolerance(solve, method: str) -> float:
    """The largest tolerance at which the states of the untrained field are close enough to those at a tiny one."""
    with torch.no_grad():
        field, y0 = MLPField(2, seed=0).double(), torch.rand(BATCH, 2, dtype=torch.float64)
        exact = ours(field, y0, 1e-11, "dopri8")
        return next(tol for tol in TOLERANCES if (solve(field, y0, tol, method) - exact).abs().max() < ERROR)


def training(rounds: int) -> dict:
    """Seconds of 20 training steps, wall and processor."""
    problem = problems.get("saturating_oscillator")
    series = problem.solve(problem.sample(STEPS * BATCH, 0)[0], TIMES).y.float().unflatten(0, (STEPS, BATCH))
    tolerances = {name: fitting_tolerance(*way) for name, way in CONTESTANTS.items()}
    losses: dict[str, float] = {}
    used: dict[str, list[float]] = {name: [] for name in CONTESTANTS}

    def trained(name: str) -> None:
        start = time.process_time()
        solve, method = CONTESTANTS[name]
        field = MLPField(2, seed=0)
        optimizer = torch.optim.Adam(field.parameters(), lr=RATE)
        for y in series:
            optimizer.zero_grad()
            loss = (solve(field, y[:, 0], tolerances[name], method) - y).square().mean()
            loss.backward()
            optimizer.step()
        losses[name] = float(loss.detach())
        used[name].append(time.process_time() - start)

    seconds = interleave({name: (lambda name=name: trained(name)) for name in CONTESTANTS}, rounds)
    pairs = [(name, "torchdiffeq") for name in CONTESTANTS if name != "torchdiffeq"]
    last = {name: times[-len(seconds[name]) :] for name, times in used.items()}
    ratios = {f"{other} / {mine}": against(last, mine, other) for mine, other in pairs}
    print(
        "  processor: " + ", ".join(f"{pair} {ratio['median']:.2f}" for pair, ratio in ratios.items()),
        tolerances,
        losses,
    )
    return row(
        "training", seconds, pairs, processor_ratios=ratios, tolerances=tolerances, errors=losses, error_of="loss"
    )


def same_rows_as_pymor(modes: Tensor, rows: Tensor) -> bool | None:
    try:
        from pymor.algorithms.ei import deim
        from pymor.vectorarrays.numpy import NumpyVectorSpace
    except ImportError:
        return None
    theirs, _, _ = deim(NumpyVectorSpace.from_numpy(modes.numpy()), pod=False)
    return rows.tolist() == list(theirs)


def reduced(modes: int) -> Callable[[int], dict]:
    def measure(rounds: int) -> dict:
        torch.manual_seed(0)
        spread = nn.Linear(UNITS, UNITS)
        dense = ElementwiseODE(nn.Linear(8, UNITS), ElementwiseField(spread, nn.Tanh(), leak=1.0), nn.Linear(UNITS, 10),
                               steps=40)  # fmt: skip
        data = torch.randn(64, 8)
        states, units = (basis.truncated(modes) for basis in collect(dense, data).bases)
        rows = deim_rows(units.modes)
        small = reduced_by_interpolation(dense, states, units, rows)
        apart = float((small(data) - dense(data)).detach().norm() / dense(data).detach().norm())
        facts = {
            "operations": operations(dense.field) / operations(small.field),
            "largest_difference": apart,
            "same_rows_as_pymor": same_rows_as_pymor(units.modes, rows),
        }
        contestants = {"ours, reduced": lambda: small(data), "dense": lambda: dense(data)}
        with torch.no_grad():
            return compared(f"reduced to {modes}", contestants, [("ours, reduced", "dense")], rounds, **facts)

    return measure


BENCHMARKS = {"training": training, "reduced_16": reduced(16), "reduced_64": reduced(64)}

if __name__ == "__main__":
    run("neural_des", __doc__, BENCHMARKS, ["torchdiffeq"])
