"""ODEBench, 63 systems from one trajectory each, by sparse regression: how many are rebuilt, and how many are the law.

Run `python tests/benchmarks/odebench.py [--numbers 1 2 ...] [--noise 0 0.05] [--seed 0]`; writes results/odebench.json
next to this file after every system, and goes on from what is there.

150 points on [0, 10] from the first initial value, with noise of so many parts of each state's spread. Derivatives by
a smoothing spline; for every state the engine `sparse` (sums and quotients of monomials, sines and exponentials), and
of its front the choice of BIC and that of the shortest description. The equations found are solved: R^2 against the
clean trajectory, in the mean over states, from the first initial value (reconstruction) and from the second, which
nothing was fitted to. The form is exact when both sides of every equation, multiplied out, have the same terms. The
transformer of d'Ascoli et al. 2023 has 66.4 % and 32.8 % above R^2 = 0.9, as listed on a public leaderboard.
"""

import argparse
import json
import os
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import sympy
import torch

from limitlab import problems
from limitlab.discovery.symbolic import Expr, search
from limitlab.discovery.symbolic.front import Rule
from limitlab.discovery.symbolic.sparse.derivatives import estimated_slopes
from limitlab.errors import LimitlabError

OUTPUT = Path(__file__).parent / "results" / "odebench.json"
TIMES = np.linspace(0, 10, 150)
OPS = ("+", "*", "/", "sin", "exp")
EVALUATIONS, MAX_COMPLEXITY = 300, 25
GOOD, FAILED = 0.9, -1e9
RULES: tuple[Rule, ...] = ("bic", "mdl")


def trajectory(problem: problems.ODEProblem) -> np.ndarray:
    return problem.solve(times=TIMES.tolist(), rtol=1e-8, atol=1e-10).y[0].double().numpy()


def equations(states: np.ndarray, sigma: float | None, names: tuple[str, ...]) -> dict[str, tuple[Expr, ...]]:
    """A formula for each state's derivative, by the rule that chose it."""
    slopes = estimated_slopes(TIMES, states, sigma=sigma)
    options = {"names": names, "engine": "sparse", "ops": OPS, "evaluations": EVALUATIONS, "simplify": False}
    fronts = [
        search(slopes.states, target, max_complexity=MAX_COMPLEXITY, **options) for target in slopes.derivatives.T
    ]
    return {rule: tuple(front.select(rule).expr for front in fronts) for rule in RULES}


def score(found: tuple[Expr, ...], truth: problems.ODEProblem, clean: np.ndarray) -> float:
    """R^2 of the trajectory of the equations found, from the truth's initial value; -1e9 where they have none."""
    names = [field.name for field in truth.states]
    text = "; ".join(f"{name}' = {formula.text}" for name, formula in zip(names, found, strict=True))
    try:
        problem = problems.parse(text, initial=clean[0].tolist(), span=10.0)
        y = problem.solve(times=TIMES.tolist(), rtol=1e-6, atol=1e-8).y[0].double().numpy()
    except LimitlabError:
        return FAILED
    with np.errstate(all="ignore"):
        left = ((y - clean) ** 2).sum(0) / np.maximum(((clean - clean.mean(0)) ** 2).sum(0), 1e-12)
    return float(1 - left.mean()) if np.isfinite(left).all() else FAILED


def terms(expression: sympy.Expr) -> tuple[frozenset[sympy.Expr], ...]:
    """Terms above and below the line, without their numbers."""
    sides = sympy.fraction(sympy.together(sympy.expand(expression)))
    return tuple(
        frozenset(term.as_coeff_Mul()[1] for term in sympy.Add.make_args(sympy.expand(side))) for side in sides
    )


def measured(number: int, noise: float, seed: int) -> dict[str, object]:
    start = time.process_time()
    first, second = (problems.odebench(number, which) for which in (1, 2))
    clean, other = trajectory(first), trajectory(second)
    spread = clean.std(0)
    states = clean + noise * spread * np.random.default_rng([seed, number]).standard_normal(clean.shape)
    names = tuple(field.name for field in first.states)
    begin = time.process_time()
    found = equations(states, 0.0 if noise == 0 else None, names)
    spent = time.process_time() - begin
    right = law(first, names)
    rules = {
        rule: {
            "equations": [str(f) for f in chosen],
            "reconstruction": score(chosen, first, clean),
            "other_start": score(chosen, second, other),
            "exact": all(terms(f.numeric) == terms(t.numeric) for f, t in zip(chosen, right, strict=True)),
        }
        for rule, chosen in found.items()
    }
    return {
        "number": number, "noise": noise, "seed": seed, "rules": rules,
        "cpu_seconds_of_search": spent, "cpu_seconds": time.process_time() - start, "load": os.getloadavg()[0],
    }  # fmt: skip


def law(problem: problems.ODEProblem, names: tuple[str, ...]) -> tuple[Expr, ...]:
    """The right-hand sides of the benchmark, with its numbers, and what it defines before them put in."""
    defined: dict[sympy.Symbol, sympy.Expr] = {}
    sides = []
    for equation in problem.equation.split(";"):
        left, right = (part.strip() for part in equation.split("=", 1))
        known = (*names, *(symbol.name for symbol in defined))
        side = Expr.parse(right, known, parameters=dict(problem.values)).numeric.xreplace(defined)
        if left.endswith("'"):
            sides.append(Expr.of(side, names))
        else:
            defined[sympy.Symbol(left, real=True)] = side
    return tuple(sides)


def rates(rows: list[dict]) -> list[dict[str, object]]:
    """Shares of the systems, by noise."""
    table = []
    for noise in sorted({row["noise"] for row in rows}):
        part = [row for row in rows if row["noise"] == noise]
        for rule in RULES:
            chosen = [row["rules"][rule] for row in part]
            table.append({
                "noise": noise, "rule": rule, "systems": len(part),
                "reconstruction above 0.9": float(np.mean([row["reconstruction"] > GOOD for row in chosen])),
                "other start above 0.9": float(np.mean([row["other_start"] > GOOD for row in chosen])),
                "exact form": float(np.mean([row["exact"] for row in chosen])),
                "cpu_seconds": float(sum(row["cpu_seconds_of_search"] for row in part)),
            })  # fmt: skip
    return table


def store(rows: list[dict], output: Path) -> None:
    settings = {
        "points": len(TIMES), "span": float(TIMES[-1]), "operators": OPS, "evaluations": EVALUATIONS,
        "max_complexity": MAX_COMPLEXITY,
    }  # fmt: skip
    record = {"versions": {"torch": version("torch")}, "settings": settings, "rates": rates(rows), "systems": rows}
    output.write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--numbers", type=int, nargs="+", default=list(range(1, 64)))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    rows = json.loads(asked.output.read_text())["systems"] if asked.output.exists() else []
    done = {(row["number"], row["noise"], row["seed"]) for row in rows}
    for noise in asked.noise:
        for number in asked.numbers:
            if (number, noise, asked.seed) in done:
                continue
            rows.append(measured(number, noise, asked.seed))
            store(rows, asked.output)
    store(rows, asked.output)
    for row in rates(rows):
        print(row)


if __name__ == "__main__":
    main()
