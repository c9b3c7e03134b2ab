"""The constants of many trees at once are those that SciPy finds for each."""

import numpy as np
import torch
from scipy.optimize import least_squares

from limitlab.discovery.symbolic.trees.constants import optimised
from limitlab.discovery.symbolic.trees.evaluation import fits, plan_of, values_of
from limitlab.discovery.symbolic.trees.population import CODES, OPS, Population

WEIGHTS = torch.full((50,), 1 / 50, dtype=torch.float64)


def model(tree, constants, points):
    """a + b*tree with other constants, node by node."""
    left = iter(constants[2:])

    def value(part):
        if isinstance(part, float):
            return np.full(points.shape[1], next(left))
        return points[part[1]] if part[0] == "x" else OPS[CODES[part[0]]].array(*map(value, part[1:]))

    with np.errstate(all="ignore"):
        return constants[0] + constants[1] * value(tree)


def test_losses_are_those_of_least_squares_for_noisy_data_of_each_tree(trees, points, tokens):
    generator = torch.Generator().manual_seed(1)
    clean = values_of(trees, points, plan_of(trees, 3)).roots
    counts = (trees.op == 1).sum(1)
    rows = ((counts > 0) & (counts < 5) & (clean.abs().amax(1) < 20) & (clean.std(1) > 0.1)).nonzero()[:60, 0]
    ratios = []
    for row in rows.tolist():
        noise = torch.randn(points.shape[1], generator=generator, dtype=torch.float64)
        y = 1 + 2 * clean[row] + 0.1 * clean[row].std() * noise
        held = trees.op[[row]] == 1
        shift = 0.05 * torch.randn(held.shape, generator=generator, dtype=torch.float64) * held
        start = trees[[row]].with_constants(trees.const[[row]] * (1 + shift))
        before = fits(start, points, y, WEIGHTS)
        if not bool(before.loss.isfinite()) or len(ratios) == 50:
            continue
        _, fit = optimised(start, points, y, WEIGHTS, steps=25)
        tree, first = tokens(start, 0), [float(before.a), float(before.b), *start.const[held].tolist()]

        def residual(values, tree=tree, y=y):
            return np.nan_to_num(y.numpy() - model(tree, values, points.numpy()), nan=1e6, posinf=1e6, neginf=-1e6)

        solved = least_squares(residual, first, method="lm", xtol=1e-10, ftol=1e-10, gtol=1e-10, max_nfev=80)
        ratios.append(float(fit.loss) / (2 * solved.cost / 50))
    assert len(ratios) == 50
    assert np.mean(np.array(ratios) < 1 + 1e-6) >= 0.95, sorted(ratios)[-8:]


def test_a_loss_never_rises_and_what_has_no_constant_stays(trees, points):
    y = points[0].exp() + points[1]
    _, before = optimised(trees, points, y, WEIGHTS, steps=0)
    better, after = optimised(trees, points, y, WEIGHTS, steps=5)
    finite = before.loss.isfinite()
    assert (after.loss[finite] <= before.loss[finite] * (1 + 1e-12)).all()
    assert torch.equal(better.op, trees.op)
    assert torch.equal(better.const[trees.op != 1], trees.const[trees.op != 1])
    again = fits(better, points, y, WEIGHTS)
    # rounding decides the values of a few trees, such as the tangent of a large number
    same = torch.isclose(again.loss, after.loss, rtol=1e-9, atol=1e-18)
    assert same[finite].double().mean() > 0.99


def test_a_frequency_is_found_from_nearby(points):
    tree = Population.of([[("x", 0), 1.8, "*", "sin", ("x", 1), 0.5, "*", "+"]])
    y = 3 * (2 * points[0]).sin() + 6 * points[1] - 1
    better, fit = optimised(tree, points, y, WEIGHTS, steps=20)
    assert float(fit.loss) < 1e-20
    assert np.allclose(better.const[0, better.op[0] == 1], [2.0, 2.0])


def test_constants_that_move_nothing_are_no_trouble(points):
    trees = Population.of([[2.0, ("x", 0), "*"], [3.0, 2.0, "*", ("x", 0), "+"], [1.0]], width=5)
    y = 3 * points[0]
    _, fit = optimised(trees, points, y, WEIGHTS, steps=3)
    assert (fit.loss[:2] < 1e-25).all()
    assert np.isclose(float(fit.loss[2]), float(y.var(correction=0)))
