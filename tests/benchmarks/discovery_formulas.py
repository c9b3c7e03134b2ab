"""How many of the fourteen formulas of the test bed each engine finds in equal CPU seconds, with and without noise.

Run `python tests/benchmarks/discovery_formulas.py [--seeds 0 1 2] [--noise 0 0.05] [--seconds 3] [--engines ...]`;
writes results/discovery_formulas.json next to this file after every search, and goes on from what is there.

Engines take turns on the same data: ours, pyoperon 0.6 through our bridge, gplearn 0.4.3 with its operators made to
ours. The budget is CPU time of this process, so that other processes take none of it; a search ends with the step that
brings it nearest to its budget. What it costs to make the peers' programs formulas of ours is not in their budget,
since that is our doing (with pyoperon it was up to half); ours pays for its own. All formulas that an engine shows go
through the same scoring, the same selection rules and the same post-processing; its seconds are not in the budget and
are stored. Beside the errors stand the description lengths of the chosen formula and of the law itself: where the law's
is the larger, no search can make the rule `mdl` choose it. A formula is found when its error on 1000 clean
points of a box that is a quarter wider is below 1e-3 (clean data) or 5e-2 (noise of 5 % of the spread).
"""

import argparse
import json
import math
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import sympy
import torch

from limitlab.discovery.symbolic import Data, Expr, ParetoFront, Settings
from limitlab.discovery.symbolic.bridges import operon
from limitlab.discovery.symbolic.evolve import evolve
from limitlab.discovery.symbolic.front import Rule
from limitlab.discovery.symbolic.rewriting.simplify import simplify_front
from limitlab.discovery.symbolic.scoring import empty_front, scored
from limitlab.discovery.symbolic.testbed import CASES, Case
from limitlab.errors import InvalidArgument

OUTPUT = Path(__file__).parent / "results" / "discovery_formulas.json"
RULES: tuple[Rule, ...] = ("mdl", "bic", "bic_sigma", "best")
WITHIN = {0.0: 1e-3, 0.05: 5e-2}
SETTINGS = Settings()
FUNCTIONS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "sin": sympy.sin, "cos": sympy.cos, "log": sympy.log, "sqrt": sympy.sqrt,
}  # fmt: skip


def by_evolve(data: Data, seed: int) -> Iterator[Iterable[Expr]]:
    return (progress.formulas for progress in evolve(data, SETTINGS, seed))


def by_operon(data: Data, seed: int) -> Iterator[Iterable[Expr]]:
    return (formulas for formulas, _ in operon.slices(data, SETTINGS, seed))


def by_gplearn(data: Data, seed: int) -> Iterator[Iterable[Expr]]:
    """The ten best programs of every generation of 500."""
    from gplearn.genetic import SymbolicRegressor

    model = SymbolicRegressor(
        population_size=500, generations=1, function_set=tuple(FUNCTIONS), random_state=seed, warm_start=True,
        parsimony_coefficient=1e-4,
    )  # fmt: skip
    for generation in range(1, 10**6):
        model.set_params(generations=generation).fit(data.X, data.y)
        best = sorted(model._programs[-1], key=lambda program: program.raw_fitness_)[:10]
        yield (formula for program in best if (formula := of_program(program.program, data.names)) is not None)


def of_program(tokens: list, names: tuple[str, ...]) -> Expr | None:
    """The formula of a program in prefix, which is postfix read backwards; None where it is not finite."""
    stack: list[sympy.Expr] = []
    for token in reversed(tokens):
        if hasattr(token, "arity"):
            stack.append(FUNCTIONS[token.name](*(stack.pop() for _ in range(token.arity))))
        else:
            leaf = sympy.Symbol(names[token], real=True) if isinstance(token, int) else sympy.Float(float(token))
            stack.append(leaf)
    try:
        return Expr.of(stack[0], names)
    except InvalidArgument:
        return None


ENGINES = {"evolve": by_evolve, "operon": by_operon, "gplearn": by_gplearn}
"""What an engine shows, without end; formulas that are made only when they are read cost it nothing."""


def searched(engine: str, data: Data, seed: int, seconds: float) -> tuple[ParetoFront, float]:
    """The front of what an engine shows in about so many CPU seconds, and those that it took."""
    formulas, spent, step = dict[Expr, None](), 0.0, 0.0
    steps = ENGINES[engine](data, seed)
    while spent + step / 2 < seconds:
        start = time.process_time()
        fresh = next(steps)
        step = time.process_time() - start
        spent += step
        formulas.update(dict.fromkeys(fresh))
    front = empty_front(data, SETTINGS)
    for formula in formulas:
        candidate = scored(formula, data)
        if candidate.complexity <= SETTINGS.max_complexity:
            front.add(candidate)
    return front, spent


def errors(front: ParetoFront, case: Case) -> dict[str, float]:
    """Errors on the wider box: of the choice of each rule, and the least on the front."""

    def error(expr: Expr) -> float:
        with np.errstate(all="ignore"):
            value = case.error(expr)
        return value if math.isfinite(value) else 1e9

    return {rule: error(front.select(rule).expr) for rule in RULES} | {"front": min(error(c.expr) for c in front)}


def lengths(front: ParetoFront, case: Case, data: Data) -> dict[str, float]:
    """Description length of the shortest on the front and of the law: where its own is larger, the rule `mdl` errs."""
    law = empty_front(data, SETTINGS)
    law.add(scored(case.truth, data))
    return {"chosen": float(front.mdl().min()), "law": float(law.mdl()[0])}


def measured(engine: str, case: Case, noise: float, seed: int, seconds: float) -> dict[str, object]:
    data = case.data(seed=seed, noise=noise)
    front, spent = searched(engine, data, seed, seconds)
    plain, start = errors(front, case), time.process_time()
    simplify_front(front, data, SETTINGS)
    after = time.process_time() - start
    return {
        "engine": engine, "case": case.name, "noise": noise, "seed": seed, "seconds": seconds,
        "cpu_seconds": spent, "cpu_seconds_of_post_processing": after, "as_searched": plain,
        "post_processed": errors(front, case), "chosen": {rule: str(front.select(rule).expr) for rule in RULES},
        "description_length": lengths(front, case, data) if noise else None, "load": os.getloadavg()[0],
    }  # fmt: skip


def rates(rows: list[dict]) -> list[dict[str, object]]:
    """Cases found, in the mean over seeds, by engine and noise."""
    groups = sorted({(row["noise"], row["engine"], row["seconds"]) for row in rows})
    table = []
    for noise, engine, seconds in groups:
        part = [row for row in rows if (row["noise"], row["engine"], row["seconds"]) == (noise, engine, seconds)]
        full = [s for s in {row["seed"] for row in part} if sum(row["seed"] == s for row in part) == len(CASES)]
        if full:
            found = {
                f"{stage}, {rule}": sum(row[stage][rule] < WITHIN[noise] for row in part if row["seed"] in full)
                / len(full)
                for stage in ("as_searched", "post_processed")
                for rule in (*RULES, "front")
            }
            table.append({"engine": engine, "noise": noise, "seconds": seconds, "seeds": sorted(full), "found": found})
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--noise", type=float, nargs="+", choices=list(WITHIN), default=list(WITHIN))
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    rows = json.loads(asked.output.read_text())["searches"] if asked.output.exists() else []
    keys = ("engine", "case", "noise", "seed", "seconds")
    done = {tuple(row[key] for key in keys) for row in rows}
    for engine in asked.engines:
        # what is imported with the first step is in nobody's budget
        searched(engine, CASES["lotka"].data(), seed=0, seconds=1e-3)
    for seed, noise, case, engine in product(asked.seeds, asked.noise, CASES.values(), asked.engines):
        if (engine, case.name, noise, seed, asked.seconds) in done:
            continue
        rows.append(measured(engine, case, noise, seed, asked.seconds))
        record = {
            "versions": {name: version(name) for name in ("torch", "numpy", "pyoperon", "gplearn")},
            "cases": len(CASES), "rates": rates(rows), "searches": rows,
        }  # fmt: skip
        asked.output.write_text(json.dumps(record, indent=1) + "\n")
    for row in rates(rows):
        print(row["engine"], row["noise"], f"seeds {row['seeds']}", row["found"])


if __name__ == "__main__":
    main()
