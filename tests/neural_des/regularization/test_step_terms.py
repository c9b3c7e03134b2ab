"""What the step log says of an equation: the estimates by their formulas, their gradients, the controller's level."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.ode import MLPField
from limitlab.neural_des.regularization.step_terms import AGGREGATIONS, QUANTITIES, TSIT5_STABILITY, step_term
from limitlab.solvers import solve_ode
from limitlab.solvers.methods.tableaux import TABLEAUX

TSIT5 = TABLEAUX["tsit5"]


def decay(t, y):
    return -y


def step_by_hand(field, t, y, h, atol, rtol):
    """The end of one step of Tsit5 and its scaled error, the root mean square over all entries."""
    slopes = []
    for node, row in zip((*TSIT5.c, 1.0), ((), *TSIT5.a, TSIT5.b), strict=True):
        at = y + h * sum(a * k for a, k in zip(row, slopes, strict=True))
        slopes.append(field(torch.full((len(y), 1), t + node * h, dtype=y.dtype), at))
    error = h * sum(e * k for e, k in zip(TSIT5.error, slopes, strict=True))
    return at, (error / (atol + rtol * torch.maximum(y.abs(), at.abs()))).square().mean().sqrt()


def logged(h, **options):
    start = torch.ones(1, 1, dtype=torch.float64)
    return solve_ode(decay, start, [0.0, h], first_step=h, atol=1e-4, rtol=1e-4, on_failure="mask", **options).log


def test_the_error_is_that_of_the_table_and_falls_with_the_fifth_power():
    estimates = []
    for h in (0.1, 0.05):
        # rounding is eps / tolerance of the estimate
        _, by_hand = step_by_hand(decay, 0.0, torch.ones(1, 1).double(), h, 1e-4, 1e-4)
        assert float(logged(h, max_steps=1).error[0, 0]) == pytest.approx(float(by_hand), abs=1e-12)
        estimates.append(float(by_hand))
    assert 2**-5.4 < estimates[1] / estimates[0] < 2**-4.6


@pytest.mark.parametrize("h", [0.01, 0.3])
def test_stiffness_of_a_linear_equation_is_its_rate(h):
    solution = solve_ode(lambda t, y: -7.0 * y, torch.ones(1, 1).double(), [0.0, h], step_size=h)
    assert float(solution.log.stiffness[0, 0]) == pytest.approx(7.0, abs=1e-10)


def test_stiffness_of_a_diagonal_field_is_below_its_largest_rate():
    rates = torch.tensor([1.0, 5.0, 20.0]).double()
    log = solve_ode(lambda t, y: -rates * y, torch.ones(1, 3).double(), [0.0, 2.0], rtol=1e-5, atol=1e-8).log
    estimates = log.stiffness[log.accepted]
    assert estimates.max() <= 20.0 + 1e-9
    assert estimates.max() > 18.0
    # the interval on which Tsit5 damps ends at 3.5068
    inside, outside = abs(TSIT5.amplification(torch.tensor([-3.50, -3.52]).double().numpy()))
    assert inside < 1 < outside
    assert abs(TSIT5.amplification(-torch.tensor([TSIT5_STABILITY]).double().numpy()))[0] == pytest.approx(1, abs=1e-3)


def test_only_accepted_steps_count_and_each_aggregation_is_its_name():
    pulse = lambda t, y: 200 * torch.exp(-(((t - 1.0) / 0.02) ** 2)) - y  # noqa: E731
    log = solve_ode(pulse, torch.ones(2, 1).double(), [0.0, 2.0], rtol=1e-5, atol=1e-5).log
    assert log.rejected.min() > 0
    for name in QUANTITIES:
        values = QUANTITIES[name](log)
        rows = [row[accepted] for row, accepted in zip(values, log.accepted, strict=True)]
        for how in AGGREGATIONS:
            expected = torch.stack([getattr(torch, how)(row) for row in rows]).mean()
            assert float(step_term(log, name, how)) == pytest.approx(float(expected), rel=1e-12)


def test_the_gradient_is_that_of_the_same_steps_with_other_weights():
    torch.manual_seed(0)
    field, y0 = MLPField(2, width=8, activation="tanh", with_time=True, seed=3).double(), torch.randn(5, 2).double()
    solution = solve_ode(field, y0, [0.0, 2.0], rtol=1e-3, atol=1e-3, shared_steps=True)
    step_term(solution.log, "error", "sum").backward()
    times, sizes = (part[0][solution.log.accepted[0]].tolist() for part in (solution.log.time, solution.log.size))

    @torch.no_grad()
    def of_frozen_steps():
        y, total = y0, 0.0
        for t, h in zip(times, sizes, strict=True):
            y, error = step_by_hand(field, t, y, h, 1e-3, 1e-3)
            total += float(error) * h
        return total

    weight = field.layers[0].weight
    for index in range(10):
        entry, h = divmod(index, weight.shape[1]), 1e-5
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[entry] += sign * h
            values.append(of_frozen_steps())
            with torch.no_grad():
                weight[entry] -= sign * h
        difference = (values[0] - values[1]) / (2 * h)
        assert float(weight.grad[entry]) == pytest.approx(
            difference, rel=1e-5, abs=1e-6 * float(weight.grad.abs().max())
        )


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_nothing_to_estimate_has_a_finite_gradient(quantity):
    rate = torch.zeros((), dtype=torch.float64, requires_grad=True)
    solution = solve_ode(lambda t, y: rate * y, torch.ones(2, 1).double(), [0.0, 1.0])
    step_term(solution.log, quantity).backward()
    assert rate.grad.isfinite()


def test_calls_are_two_and_six_an_attempt():
    solution = solve_ode(lambda t, y: torch.cos(9 * t) * y, torch.ones(3, 1), [0.0, 5.0], rtol=1e-3)
    attempts = solution.log.steps + solution.log.rejected
    assert solution.evaluations.function.tolist() == (2 + 6 * attempts).tolist()


def test_the_controller_holds_the_error_at_one_level():
    """The fixed point of its formula, 0.9^(1/0.06) = 0.17: so the value of the term says nothing of the equation."""
    turn = lambda t, y: torch.stack([y[:, 1], -y[:, 0]], 1)  # noqa: E731
    log = solve_ode(turn, torch.tensor([[1.0, 0.0]]).double(), [0.0, 40.0], rtol=1e-6, atol=1e-6).log
    assert 0.10 < float(log.error[log.accepted].median()) < 0.25


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("errors",), UnknownName, "did you mean 'error'"),
        (("error", "average"), UnknownName, "unknown aggregation"),
        (("stiffness",), InvalidArgument, "does not estimate it"),
    ],
)
def test_what_the_log_does_not_have_is_refused_by_name(arguments, error, message):
    log = solve_ode(decay, torch.ones(1, 1), [0.0, 1.0], method="bosh3").log
    with pytest.raises(error, match=message):
        step_term(log, *arguments)
