"""Machine code of formulas against a loop in C that solves the same problem, and by two threads against one.

Run `python tests/benchmarks/native.py [--rounds 7] [--only loop_in_c ...]`; writes results/native.json.

The loop (`lorenz.c`) has the same method, controller, first step, tolerances and outputs, one trajectory after the
other, and keeps no log of its steps, as ours does. The system's compiler makes it at -O3 for this processor; the row
says how many of its loops the compiler vectorised. Without a compiler the row is left out, and the run says so.
"""

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from interleaved import compared, interleave, row, run
from torch import Tensor

from limitlab import problems
from limitlab.solvers import solve_ode
from limitlab.solvers.methods.tableaux import TABLEAUX

QUICK = ("--rounds", "3", "--seconds", "10")
DOUBLE = torch.float64
TOLERANCE = 1e-6
CHECKED = 64  # trajectories
COMPILER = shutil.which("gcc")
DOUBLES = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")


class Loop(NamedTuple):
    """states of (times, y0); what the compiler says of itself, and how many loops and blocks it vectorised."""

    solve: Callable[[np.ndarray, np.ndarray], np.ndarray]
    compiler: str
    vectorized: int


def loop_in_c(rounds: int) -> dict:
    """100 000 Lorenz trajectories to t = 5 at 51 times, Tsit5 at rtol = atol = 1e-6; one thread."""
    loop, times = compiled_loop(), torch.linspace(0, 5, 51, dtype=DOUBLE)
    y0 = torch.randn(100_000, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    field = problems.get("lorenz").field()
    contestants = {
        "ours, native": lambda: natively(field, y0, times),
        "C, -O3": lambda: loop.solve(times.numpy(), y0.numpy()),
    }
    reference = solve_ode(field, y0[:CHECKED], times, method="dopri8", rtol=1e-12, atol=1e-13).y.numpy()
    errors = {name: float(np.abs(solve()[:CHECKED] - reference).max()) for name, solve in contestants.items()}
    return compared(
        "100 000 Lorenz trajectories", contestants, [("ours, native", "C, -O3")], rounds, warm=1,
        errors=errors, error_of="largest", compiler=loop.compiler, vectorized=loop.vectorized,
    )  # fmt: skip


def two_threads(rounds: int) -> dict:
    """20 000 Lotka-Volterra trajectories to t = 10 at 51 times by two threads, and by one."""
    field, times = problems.get("lotka_volterra").field(), torch.linspace(0, 10, 51, dtype=DOUBLE)
    y0 = 0.3 + 4.7 * torch.rand(20_000, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))

    def by(threads: int) -> np.ndarray:
        torch.set_num_threads(threads)
        try:
            return natively(field, y0, times)
        finally:
            torch.set_num_threads(1)

    contestants = {"ours, two threads": lambda: by(2), "one thread": lambda: by(1)}
    difference = float(np.abs(by(1) - by(2)).max())
    seconds = interleave(contestants, rounds)
    pairs = [("ours, two threads", "one thread")]
    return row("Lotka-Volterra, two threads", seconds, pairs, largest_difference=difference, cores=os.cpu_count())


def natively(field: Callable, y0: Tensor, times: Tensor) -> np.ndarray:
    options = {"method": "tsit5", "rtol": TOLERANCE, "atol": TOLERANCE, "control": "i", "backend": "native"}
    return solve_ode(field, y0, times, **options).y.numpy()


def compiled_loop() -> Loop:
    """The loop, compiled in a folder that is gone afterwards."""
    assert COMPILER is not None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "table.h").write_text(header())
        library, source = Path(folder, "lorenz.so"), Path(__file__).with_name("lorenz.c")
        made = subprocess.run(
            [COMPILER, "-O3", "-march=native", "-shared", "-fPIC", f"-I{folder}", str(source), "-o", str(library),
             "-lm", "-fopt-info-vec-optimized"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        # what is loaded stays when its file is gone
        function = ctypes.CDLL(str(library)).trajectories
    function.restype = ctypes.c_long
    function.argtypes = [ctypes.c_long] * 2 + [DOUBLES] * 2 + [ctypes.c_double] * 2 + [DOUBLES]
    version = subprocess.run([COMPILER, "--version"], check=True, capture_output=True, text=True).stdout

    def solve(times: np.ndarray, y0: np.ndarray) -> np.ndarray:
        states = np.empty((len(y0), len(times), 3))
        function(len(y0), len(times), times, y0, TOLERANCE, TOLERANCE, states)
        return states

    return Loop(solve, version.splitlines()[0], len(re.findall("vectorized", made.stderr)))


def header() -> str:
    """The coefficients of Tsit5 in C."""
    table = TABLEAUX["tsit5"]

    def array(name: str, values: np.ndarray) -> str:
        shape = "".join(f"[{size}]" for size in values.shape)
        numbers = ", ".join(float(value).hex() for value in values.ravel())
        return f"static const double {name}{shape} = {{{numbers}}};\n"

    a = np.zeros((table.stages - 1, table.stages))
    for stage, weights in enumerate(table.a):
        a[stage, : len(weights)] = weights
    sizes = {"STAGES": table.stages, "DEGREE": table.polynomials.shape[1], "ORDER": table.error_order}
    arrays = {"A": a, "B": np.array(table.b), "E": np.array(table.error), "P": table.polynomials}
    lines = [*(f"#define {name} {size}\n" for name, size in sizes.items()), *(array(*each) for each in arrays.items())]
    return "".join(lines)


BENCHMARKS = {"two_threads": two_threads}
if COMPILER is not None:
    BENCHMARKS["loop_in_c"] = loop_in_c

if __name__ == "__main__":
    if COMPILER is None:
        print("loop_in_c is left out: there is no gcc on the path")
    run("native", __doc__, BENCHMARKS, ["numba", "llvmlite"])
