"""Equations with holes: what they are filled to, and every row of one solve against the problem's own solver."""

import numpy as np
import pytest

from limitlab import problems
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.refit.forward import Fills, Holed, Samples, trajectories
from limitlab.errors import InvalidArgument, UnknownName

HOLED = Holed("x' = a*x + F; y' = G - b*y", ("F", "G"), {"a": 1.3, "b": 1.8}, free=("b",))
TIMES = np.linspace(0, 3, 13)


def candidate(text, **constants):
    return Expr.parse(text, ("x", "y"), parameters=constants)


FORMULAS = (
    (candidate("c*x*y", c=-0.9), candidate("c*y + d*x^2", c=0.1, d=-0.2)),
    (candidate("c*x*y", c=0.8), candidate("0.3*x"), candidate("c*exp(d*x)", c=0.5, d=-1.0)),
)
CHOSEN = np.array([[0, 0], [1, 2], [0, 1]])


def solved(samples_of, fill, constants, starts):
    fills = Fills(HOLED, FORMULAS, CHOSEN)
    samples = Samples(np.stack([TIMES] * samples_of), np.zeros(2), np.full(2, 10.0), "dopri8", 2000)
    return trajectories(fills, samples, fill, constants, starts)


def test_constants_lie_in_a_block_for_each_hole():
    values, there = Fills(HOLED, FORMULAS, CHOSEN).constants()
    np.testing.assert_array_equal(values, [[-0.9, 0, 0.8, 0, 1.8], [0.1, -0.2, 0.5, -1.0, 1.8], [-0.9, 0, 0, 0, 1.8]])
    assert there.sum(1).tolist() == [3, 5, 2]


def test_rows_of_one_solve_are_the_equations_one_by_one():
    starts = np.array([[0.44, 4.6], [1.0, 0.5]])
    constants, _ = Fills(HOLED, FORMULAS, CHOSEN).constants()
    fill = np.array([2, 0, 1, 0])
    rows = constants[fill]
    rows[3, -1] = 1.2
    y = solved(2, fill, rows, np.stack([starts] * 4))
    for row, (number, numbers) in enumerate(zip(fill, rows, strict=True)):
        formulas = [
            column[choice].with_parameters(numbers[2 * hole : 2 * hole + len(column[choice].names)])
            for hole, (column, choice) in enumerate(zip(FORMULAS, CHOSEN[number], strict=True))
        ]
        text = HOLED.filled(formulas, numbers[-1:])
        for sample, start in enumerate(starts):
            alone = problems.parse(text, initial=start.tolist()).solve(times=TIMES.tolist(), rtol=1e-10).y[0].numpy()
            np.testing.assert_allclose(y[row, sample], alone, rtol=1e-6, atol=1e-7)


def test_a_trajectory_that_leaves_the_box_is_nan_and_harms_no_other():
    starts = np.array([[[1.0, 0.5]], [[1.0, 0.5]]])
    fills = Fills(
        Holed("x' = F; y' = -y", ("F",)), ((candidate("c*x^2", c=3.0), candidate("c*x", c=-1.0)),), np.array([[0], [1]])
    )
    samples = Samples(TIMES[None], np.zeros(2), np.ones(2), "dopri8", 2000)
    y = trajectories(fills, samples, np.array([0, 1]), np.array([[3.0], [-1.0]]), starts)
    assert np.isnan(y[0, 0, 3:]).all()
    np.testing.assert_allclose(y[1, 0, :, 0], np.exp(-TIMES), rtol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("x' = x", ("F",)), InvalidArgument, "'F' does not stand"),
        (("x' = F", "F"), InvalidArgument, "list of names"),
        (("x' = F", ("F",), {}, ("a",)), UnknownName, "'a'"),
        (("x[i]' = F*x[i]", ("F",)), InvalidArgument, "sites"),
        (("dx = F*dt + dW", ("F",)), InvalidArgument, "ordinary"),
    ],
)
def test_what_is_no_equation_with_holes_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Holed(*arguments)
