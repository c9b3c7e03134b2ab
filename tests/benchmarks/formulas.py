"""Values of many formulas at 200 points against gplearn 0.4.3: trees a second, the same trees and points, interleaved.

Run `python tests/benchmarks/formulas.py [--rounds 15]`; writes results/formulas.json next to this file.

Trees are drawn at random from +, -, *, sin and cos, 12 nodes in the mean, with three variables and constants. The
values of both are compared before anything is timed. A second row is ours alone: values with linear scaling, and four
steps of Levenberg-Marquardt, for trees that also divide, square and take exp, log and sqrt.
"""

import numpy as np
import torch
from interleaved import interleave, row, run

from limitlab.discovery.symbolic.trees.constants import optimised
from limitlab.discovery.symbolic.trees.evaluation import fits, roots_of
from limitlab.discovery.symbolic.trees.mutations import Alphabet, random_trees
from limitlab.discovery.symbolic.trees.population import OPS, PAD, Population, require_codes

QUICK = ("--rounds", "9")
COUNT, POINTS = 2048, 200
PLAIN = ("+", "-", "*", "sin", "cos")


def trees(names: tuple[str, ...]) -> Population:
    generator = torch.Generator().manual_seed(0)
    alphabet = Alphabet(require_codes(names), 3, tuple(1.0 for _ in OPS), 30)
    return random_trees(generator, torch.randint(3, 22, (COUNT,), generator=generator), 30, alphabet)


def points() -> torch.Tensor:
    return torch.randn(3, POINTS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def prefix(population: Population, index: int) -> list[object]:
    """A tree in prefix, as gplearn holds it: operations, numbers of variables, constants."""
    from gplearn.functions import _function_map

    named = dict(zip(("+", "-", "*", "sin", "cos"), ("add", "sub", "mul", "sin", "cos"), strict=True))
    stack: list[list[object]] = []
    columns = (population.op[index], population.var[index], population.const[index])
    for code, variable, constant in zip(*(column.tolist() for column in columns), strict=True):
        if code == PAD:
            break
        arity = OPS[code].arity
        parts, stack = stack[len(stack) - arity :], stack[: len(stack) - arity]
        leaf = variable if OPS[code].name == "variable" else float(constant)
        head = _function_map[named[OPS[code].name]] if arity else leaf
        stack.append([head, *(node for part in parts for node in part)])
    return stack[0]


def programs(population: Population) -> list:
    from gplearn._program import _Program

    state = np.random.RandomState(0)
    options = {
        "function_set": [], "arities": {}, "init_depth": (2, 6), "init_method": "grow", "n_features": 3,
        "const_range": None, "metric": None, "p_point_replace": 0.0, "parsimony_coefficient": 0.0,
    }  # fmt: skip
    return [_Program(**options, random_state=state, program=prefix(population, i)) for i in range(len(population))]


def evaluation(rounds: int) -> dict[str, object]:
    population, X = trees(PLAIN), points()  # noqa: N806
    peers, columns = programs(population), X.T.numpy().copy()
    theirs = np.stack([np.broadcast_to(peer.execute(columns), (POINTS,)) for peer in peers])
    assert np.allclose(roots_of(population, X).numpy(), theirs, rtol=1e-9, atol=1e-9)
    contestants = {"ours": lambda: roots_of(population, X), "gplearn": lambda: [p.execute(columns) for p in peers]}
    seconds = interleave(contestants, rounds)
    return row("values", seconds, [("ours", "gplearn")], trees=COUNT, points=POINTS)


def fitting(rounds: int) -> dict[str, object]:
    population, X = trees((*PLAIN, "/", "exp", "log", "sqrt", "square")), points()  # noqa: N806
    y, weights = X[0] * X[1] + X[2].sin(), torch.full((POINTS,), 1 / POINTS, dtype=X.dtype)
    contestants = {
        "ours, values": lambda: roots_of(population, X),
        "ours, scaled": lambda: fits(population, X, y, weights),
        "ours, four steps": lambda: optimised(population, X, y, weights, 4),
    }
    seconds = interleave(contestants, rounds)
    return row(
        "fits",
        seconds,
        [("ours, values", "ours, scaled"), ("ours, values", "ours, four steps")],
        trees=COUNT,
        points=POINTS,
    )


if __name__ == "__main__":
    run("formulas", __doc__, {"values": evaluation, "fits": fitting}, ["gplearn", "numpy"])
