"""Neural differential equations against their peers: training a neural ODE by torchdiffeq, as torchdyn does.

Run `python tests/benchmarks/neural_des.py [--rounds 15] [--only training ...]`; writes results/neural_des.json.

Both train one network from the same weights on the same batches of the nonlinear oscillator, 20 steps of Adam, with
the tape of the solver's steps. Tolerances mean different things (torchdiffeq takes the root mean square over the whole
batch, and one step size for it), so each solver has that of its list at which its states are 1e-4 off, and the losses
at the end are stored beside the times.
"""

import time

import torch
import torchdiffeq
from interleaved import against, interleave, row, run
from torch import Tensor

from limitlab import problems
from limitlab.neural_des.ode import MLPField, NeuralODE

BATCH, STEPS, RATE = 32, 20, 3e-3
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
    last = {name: times[-rounds:] for name, times in used.items()}
    ratios = {f"{other} / {mine}": against(last, mine, other) for mine, other in pairs}
    print(
        "  processor: " + ", ".join(f"{pair} {ratio['median']:.2f}" for pair, ratio in ratios.items()),
        tolerances,
        losses,
    )
    return row("training", seconds, pairs, processor_ratios=ratios, tolerances=tolerances, losses=losses)


BENCHMARKS = {"training": training}

if __name__ == "__main__":
    run("neural_des", __doc__, BENCHMARKS, ["torchdiffeq"])
