"""Values and slopes of many trees at once are those of each by itself."""

import mpmath
import numpy as np
import pytest
import sympy
import torch

from limitlab.discovery.symbolic.trees import evaluation
from limitlab.discovery.symbolic.trees.evaluation import (
    NUMPY,
    TORCH,
    fits,
    formulas_of,
    plan_of,
    roots_of,
    scaled,
    slopes_of,
    values_of,
)
from limitlab.discovery.symbolic.trees.population import CODES, OPS, Population

SYMBOLS = sympy.symbols("x0 x1 x2", real=True)


def lambdified(tree):
    """The tree by sympy and mpmath, with symbols for its constants, so that nothing is evaluated by sympy itself."""
    constants = {}

    def node(part):
        if isinstance(part, float):
            constants[symbol := sympy.Symbol(f"c{len(constants)}", real=True)] = part
            return symbol
        if part[0] == "x":
            return SYMBOLS[part[1]]
        return OPS[CODES[part[0]]].node(*map(node, part[1:]))

    expression = node(tree)
    function = sympy.lambdify((*SYMBOLS, *constants), expression, "mpmath")
    return lambda point: float(function(*map(mpmath.mpf, (*point, *constants.values()))))


@pytest.mark.parametrize("values", [roots_of, lambda t, x: values_of(t, x, plan_of(t, 3)).roots], ids=["code", "rows"])
def test_values_are_those_of_sympy_with_forty_digits(trees, points, tokens, bounded, values):
    """Off by no more than rounding makes of each tree: to twelve digits where it is well conditioned."""
    some, points = trees[::40], points[:, :3].contiguous()
    values, (near, error) = values(some, points), bounded(some, points)
    with mpmath.workdps(40):
        for row, point in error.isfinite().nonzero().tolist():
            truth = lambdified(tokens(some, row))(points[:, point].tolist())
            assert abs(values[row, point] - truth) <= error[row, point], tokens(some, row)
    tame = error.isfinite() & (error <= 1e-12 * near.abs())
    assert tame.sum() > 0.9 * near.isfinite().sum() > 80


@pytest.mark.parametrize("arithmetic", [NUMPY, TORCH], ids=["numpy", "torch"])
def test_values_of_many_trees_equal_those_of_a_loop(trees, points, tokens, arithmetic):
    trees, points = trees[:1000], points[:, :6].contiguous()
    values = values_of(trees, points, plan_of(trees, 3), arithmetic).roots
    columns = arithmetic.view(points)

    def value(tree):
        if isinstance(tree, float):
            return arithmetic.view(torch.full((points.shape[1],), tree, dtype=torch.float64))
        return columns[tree[1]] if tree[0] == "x" else arithmetic.value(OPS[CODES[tree[0]]])(*map(value, tree[1:]))

    with np.errstate(all="ignore"):
        expected = np.stack([value(tokens(trees, row)) for row in range(len(trees))])
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=0, equal_nan=True)


def test_numpy_and_torch_give_the_same_losses_and_slopes(trees, points):
    y, weights, plan = points[0] * points[1], torch.full((50,), 1 / 50, dtype=torch.float64), plan_of(trees, 3)
    one, other = (values_of(trees, points, plan, arithmetic) for arithmetic in (TORCH, NUMPY))
    losses = [scaled(values.roots, y, weights).loss for values in (one, other)]
    finite = losses[0].isfinite() & losses[1].isfinite()
    assert float((losses[0].isfinite() == losses[1].isfinite()).double().mean()) > 0.99
    gaps = ((losses[0] - losses[1]).abs() / (1e-300 + losses[0]))[finite]
    # a sine of a large number differs in its last digits, and some trees magnify that
    assert float(gaps.quantile(0.99)) < 1e-12
    slopes = [slopes_of(trees, values)[0] for values in (one, other)]
    both = slopes[0].isfinite() & slopes[1].isfinite()
    gaps = ((slopes[0] - slopes[1]).abs() / (1e-300 + slopes[0].abs()))[both]
    assert float(gaps[:: len(gaps) // 10**6 + 1].quantile(0.99)) < 1e-11


def test_numpy_and_torch_plan_the_same_rows(trees, monkeypatch):
    by_numpy = plan_of(trees, 3)
    monkeypatch.setattr(evaluation, "ARITHMETIC", {})
    by_torch = plan_of(trees, 3)
    assert by_torch.groups == by_numpy.groups
    assert all(torch.equal(getattr(by_torch, name), getattr(by_numpy, name)) for name in ("first", "second", "roots"))


def test_a_tree_of_one_constant_and_one_variable_has_a_plan(points):
    alone = Population.of([[2.0, ("x", 1), "*"]])
    torch.testing.assert_close(values_of(alone, points, plan_of(alone, 3)).roots[0], 2 * points[1])


def test_values_with_other_constants_are_those_of_a_new_pass(trees, points):
    plan = plan_of(trees, 3)
    moved = trees.with_constants(1.5 * trees.const)
    again = values_of(moved, points, plan, other=values_of(trees, points, plan)).roots
    assert torch.equal(again.nan_to_num(), values_of(moved, points, plan).roots.nan_to_num())


def test_slopes_in_constants_are_those_of_autograd(trees, points, tokens):
    columns_of = (trees.op == 1).sum(1)
    plan = plan_of(trees, 3)
    slopes, columns, there = slopes_of(trees, values_of(trees, points, plan))
    assert (there.sum(1) == columns_of).all()
    for row in range(0, len(trees), 10):
        constants = trees.const[row, columns[row][there[row]]].requires_grad_()
        if not len(constants):
            continue
        left = iter(constants)

        def value(tree, left=left):
            if isinstance(tree, float):
                return next(left).expand(points.shape[1])
            return points[tree[1]] if tree[0] == "x" else OPS[CODES[tree[0]]].value(*[value(p) for p in tree[1:]])

        total = value(tokens(trees, row))
        finite = total.isfinite()
        for point in finite.nonzero()[:3, 0].tolist():
            (expected,) = torch.autograd.grad(total[point], constants, retain_graph=True)
            got = slopes[row, there[row], point]
            both = expected.isfinite() & got.isfinite()
            assert torch.allclose(got[both], expected[both], rtol=1e-9, atol=1e-12), tokens(trees, row)


def test_slopes_are_differences_of_values(trees, points):
    plan, step = plan_of(trees, 3), 1e-6
    slopes, columns, there = slopes_of(trees, values_of(trees, points, plan))
    rows, errors = torch.arange(len(trees)), []
    for k in range(columns.shape[1]):
        shift = torch.zeros_like(trees.const)
        shift[rows, columns[:, k]] = step * there[:, k].double()
        ahead, behind = (
            values_of(trees.with_constants(trees.const + sign * shift), points, plan).roots for sign in (1, -1)
        )
        difference = (ahead - behind) / (2 * step)
        tame = there[:, k, None] & (slopes[:, k].abs() < 100) & (ahead.abs() < 100) & difference.isfinite()
        errors.append(((difference - slopes[:, k]).abs() / (1 + slopes[:, k].abs()))[tame])
    # kinks, poles and third derivatives spoil some differences
    assert float(torch.cat(errors).quantile(0.99)) < 1e-6


def test_loss_does_not_depend_on_the_scale_of_y(trees, points):
    y = points[0] * points[1] + points[2].sin()
    weights = torch.full_like(y, 1 / len(y))
    plain, moved = fits(trees, points, y, weights), fits(trees, points, 7 * y - 3, weights)
    finite = plain.loss.isfinite()
    assert torch.allclose(moved.loss[finite], 49 * plain.loss[finite], rtol=1e-10)


def test_scale_is_the_weighted_regression_of_numpy():
    generator = torch.Generator().manual_seed(0)
    z, y, weights = (torch.rand(30, dtype=torch.float64, generator=generator) for _ in range(3))
    fit = scaled(z[None], y, weights / weights.sum())
    b, a = np.polyfit(z.numpy(), y.numpy(), 1, w=np.sqrt(weights.numpy()))
    assert np.allclose([float(fit.a), float(fit.b)], [a, b])
    assert np.isclose(float(fit.loss), np.average((y - a - b * z) ** 2, weights=weights))


def test_trees_without_a_finite_value_or_without_spread():
    trees = Population.of([[("x", 0), "log"], [("x", 0), "exp", "exp"], [2.0], [("x", 0)]])
    X = torch.tensor([[-1.0, 1.0, 2.0, 5.0]], dtype=torch.float64)  # noqa: N806
    y = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    fit = fits(trees, X, y, torch.full_like(y, 0.25))
    assert fit.loss[:2].isinf().all()
    assert float(fit.loss[2]) == float(y.var(correction=0))
    (formula,) = formulas_of(trees[2:3], scaled(2 * torch.ones_like(X), y, y / y.sum()), ("x",), 4.0)
    assert str(formula) == "3.0"


def test_chunks_change_nothing(trees, points, monkeypatch):
    y, weights = points[0], torch.full((50,), 1 / 50, dtype=torch.float64)
    whole = fits(trees, points, y, weights)
    monkeypatch.setitem(evaluation.CHUNK, "cpu", 2**16)
    parts = fits(trees, points, y, weights)
    assert torch.equal(whole.loss.isinf(), parts.loss.isinf())
    finite = whole.loss.isfinite()
    assert torch.allclose(whole.loss[finite], parts.loss[finite], rtol=1e-10)
