"""64 Darcy systems of 64 x 64 cells at once, against pyamg 5.4 and SciPy one by one: interleaved, equal residual.

Run `python tests/benchmarks/linear.py [--rounds 10]`; writes results/linear.json next to this file.

Coefficients jump between 3 and 12 as in the Darcy problem. Ours: conjugate gradients with a multigrid cycle, for all
samples at once, the hierarchy being made anew each time; once in double precision, once with the cycle in single.
pyamg: Ruge and Stüben's hierarchy with conjugate gradients, its setup too; SciPy: SuperLU. The matrices of both peers
are ready. Residuals of all are compared before anything is timed: pyamg and ours end at 1e-10, SuperLU at rounding.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from interleaved import interleave, peak_memory, row, run
from torch import Tensor

from limitlab import problems
from limitlab.solvers import linear

QUICK = ("--rounds", "3", "--seconds", "20")
SAMPLES, POINTS, TOLERANCE = 64, 64, 1e-10


def contestants() -> tuple[dict[str, Callable[[], Tensor]], Callable[[Tensor], float]]:
    """What solves all systems, by name, and the largest relative residual of a solution."""
    import pyamg
    from scipy.sparse.linalg import spsolve

    data = problems.get("darcy").dataset(SAMPLES, 0, POINTS, split="train")
    coefficient = torch.as_tensor(data["a"].values).double()
    operator = linear.diffusion((POINTS, POINTS), "wall", coefficient=coefficient)
    b = torch.ones(SAMPLES, POINTS, POINTS, dtype=torch.float64)
    rows = [operator.to_scipy(sample) for sample in range(SAMPLES)]
    columns = [matrix.tocsc() for matrix in rows]

    def ours(precision: torch.dtype) -> Tensor:
        cycle = linear.Multigrid(operator, smoothing=(2, 2), precision=precision)
        return linear.conjugate_gradients(operator, b, preconditioner=cycle, tolerance=TOLERANCE).x

    def algebraic() -> Tensor:
        found = []
        for matrix, load in zip(rows, b.flatten(1).numpy(), strict=True):
            found.append(pyamg.ruge_stuben_solver(matrix).solve(load, tol=TOLERANCE, accel="cg"))
        return torch.as_tensor(np.stack(found)).reshape(b.shape)

    def direct() -> Tensor:
        found = [spsolve(matrix, load) for matrix, load in zip(columns, b.flatten(1).numpy(), strict=True)]
        return torch.as_tensor(np.stack(found)).reshape(b.shape)

    return {
        "ours, double": partial(ours, torch.float64),
        "ours, single cycle": partial(ours, torch.float32),
        "pyamg": algebraic,
        "SciPy": direct,
    }, lambda x: float(((b - operator(x)).flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1)).max())


def darcy(rounds: int) -> dict[str, object]:
    solvers, residual = contestants()
    errors = {name: residual(solve()) for name, solve in solvers.items()}
    assert max(errors.values()) <= 1.5 * TOLERANCE
    pairs = [(ours, peer) for ours in ("ours, double", "ours, single cycle") for peer in ("pyamg", "SciPy")]
    memory = {name: _memory(name) for name in solvers}
    facts = {"errors": errors, "error_of": "relative residual", "peak_memory": memory}
    return row("darcy", interleave(solvers, rounds), pairs, **facts)


def _memory(name: str) -> dict[str, int]:
    """In a process of its own, whose peak is nobody else's."""
    script = f"import json, linear; from interleaved import peak_memory; print(json.dumps(linear.measured({name!r})))"
    done = subprocess.run([sys.executable, "-c", script], cwd=sys.path[0], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(name: str) -> dict[str, int]:
    """Peak memory of one contestant, whose data are there already."""
    return peak_memory(contestants()[0][name], 2)


if __name__ == "__main__":
    run("linear", __doc__, {"darcy": darcy}, ["pyamg", "scipy"])
