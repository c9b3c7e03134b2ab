import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets.discovery.sampling import Sampling, fitted_to, suiting
from limitlab_widgets.discovery.table import read_table

LOTKA_VOLTERRA = problems.get("lotka_volterra").with_domain(span=3.0)


def test_clean_measurements_lie_on_the_solutions():
    measured = Sampling(LOTKA_VOLTERRA, points=6, noise=0.0, trajectories=2, seed=3).measured()
    a, b, d, g = (LOTKA_VOLTERRA.values[name] for name in ("alpha", "beta", "delta", "gamma"))

    def field(_t, y):
        return [a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - g * y[1]]

    assert measured.starts[0].tolist() == pytest.approx(LOTKA_VOLTERRA.initial_value.tolist())
    assert not torch.equal(measured.starts[0], measured.starts[1])
    for number in range(2):
        times = measured.seen.points[number, :, 0].numpy()
        exact = solve_ivp(field, (0, 3), measured.starts[number].numpy(), t_eval=times, rtol=1e-10, atol=1e-12).y.T
        np.testing.assert_allclose(measured.seen.values[number], exact, rtol=1e-5)


def test_noise_is_a_share_of_the_deviation_of_each_state():
    clean, noisy = (
        Sampling(LOTKA_VOLTERRA, points=1000, noise=share, trajectories=1, seed=0).measured() for share in (0.0, 0.1)
    )
    spread = (noisy.seen.values - clean.seen.values).std(1) / clean.seen.scale
    # the standard error of a deviation of 1000 numbers is 2.2 %
    assert spread[0].tolist() == pytest.approx([0.1, 0.1], rel=0.1)


def test_known_starts_stand_before_the_measurements():
    measured = Sampling(LOTKA_VOLTERRA, points=4, noise=0.1, trajectories=1, seed=0).measured()
    times, states, starts = measured.with_starts()
    assert times[0].tolist() == pytest.approx([0, 0.75, 1.5, 2.25, 3])
    np.testing.assert_array_equal(states[:, 0], starts)


def test_a_span_that_suits_is_part_of_an_orbit():
    whole = problems.get("lotka_volterra")
    period = 2 * np.pi / np.sqrt(whole.values["alpha"] * whole.values["gamma"])
    assert 0.3 * period < suiting(whole) < 1.2 * period


def test_a_file_is_measured_as_it_is_and_its_starts_are_not_known():
    table = read_table("a.csv", b"t,y,x\n5,1,2\n6,3,4\n7,,6\n8,7,8\n")
    problem = fitted_to(LOTKA_VOLTERRA, table)
    assert problem.span == 3
    measured = Sampling(problem, 0, 0.0, 0, 0, table).measured()
    assert measured.states is None
    assert measured.first == (2, 1)
    assert measured.with_starts()[2] is None


def test_a_file_does_not_fit_an_equation_that_holds_the_time():
    table = read_table("a.csv", b"t,theta,v\n5,1,2\n6,3,4\n7,5,6\n8,7,8\n")
    with pytest.raises(InvalidArgument, match="holds the time itself"):
        fitted_to(problems.get("pushed_pendulum"), table)
