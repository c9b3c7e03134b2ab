"""Populations and drugs: curves of the textbooks, and what solutions keep."""

import math

import pytest
import torch

from limitlab import problems


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def at(name, t, *y0, **parameters):
    """The known solution of a problem at one time."""
    problem = problems.get(name, **parameters)
    return problem.solution_at(f64(t), f64(*y0)[None] if y0 else None)[0, 0].numpy()


def test_oral_dose_is_batemans_function_and_finite_where_the_rates_agree():
    time, dose, ka, k, volume = 3.0, 500.0, 1.2, 0.2, 30.0
    bateman = dose * ka / (volume * (ka - k)) * (math.exp(-k * time) - math.exp(-ka * time))
    assert at("oral_dose", time)[1] == pytest.approx(bateman, rel=1e-12)
    limit = dose * 0.5 / volume * time * math.exp(-0.5 * time)
    assert at("oral_dose", time, ka=0.5, k=0.5)[1] == pytest.approx(limit, rel=1e-12)


def test_oral_dose_has_the_area_of_dose_over_clearance():
    problem = problems.get("oral_dose", span=200.0, frames=20_001)
    exact = problem.exact()["y"].sel(state="C")
    assert float(exact.integrate("time")[0]) == pytest.approx(500 / (0.2 * 30), rel=1e-5)


def test_saturable_elimination_tells_the_time():
    problem = problems.get("saturable_elimination").with_domain(frames=5)
    clock = problem.conserved(problem.simulate(2, rtol=1e-11))["clock"]
    assert float(abs(clock - clock.isel(time=0)).max()) < 1e-6


def test_final_size_of_an_epidemic_solves_its_equation():
    problem = problems.get("sir", beta=0.4, gamma=0.1, span=400.0, frames=2)
    first, last = problem.simulate(1)["y"].values[0]
    assert last[0] == pytest.approx(first[0] * math.exp(-4 * (1 - last[0] - first[2])), rel=1e-5)


def test_an_infusion_leaves_the_tumour_that_growth_and_drug_balance():
    """Without elimination the drug is a constant, and N* = K (1 - effect/r); with log-kill's effect beta C."""
    treatment = {"k": 0.0, "r": 0.5, "K": 2.0, "dose": 0.4, "span": 100.0, "frames": 2}
    for name, effect, extra in (("log_kill", 0.6 * 0.4, {}), ("emax_kill", 0.8 * 0.4 / 1.4, {"Emax": 0.8})):
        end = problems.get(name, **treatment, **extra).solve(times=[0.0, 100.0]).y[0, -1, 0]
        assert float(end) == pytest.approx(2.0 * (1 - effect / 0.5), rel=1e-6)


@pytest.mark.parametrize("k", [0.0, 0.3, 2.0])
def test_norton_and_simons_tumour_is_known_and_stands_still_where_the_drug_balances_growth(k):
    problem = problems.get("norton_simon", k=k)
    times = torch.linspace(0.0, 20.0, 11, dtype=torch.float64)
    torch.testing.assert_close(problem.solution_at(times), problem.solve(times=times.tolist()).y, rtol=1e-6, atol=1e-8)
    still = problems.get("norton_simon", k=0.0, beta=0.5, dose=2.0).solve(times=[0.0, 20.0]).y[0, :, 0]
    torch.testing.assert_close(still, f64(0.4, 0.4))


def test_a_dose_kills_a_share_by_log_kill_and_less_of_a_slow_tumour_by_norton_and_simon():
    """One quick dose: log-kill takes exp(-beta C0/k) of any tumour, Norton and Simon next to none near the capacity."""
    quick = {"k": 2.0, "r": 0.1, "beta": 3.0, "dose": 5.0, "span": 5.0, "frames": 2}
    shares = {}
    for name in ("log_kill", "norton_simon"):
        problem = problems.get(name, **quick)
        for size in (1e-3, 0.95):
            shares[name, size] = float(problem.solve(f64(size, 5.0)[None], [0.0, 5.0]).y[0, -1, 0]) / size
    assert shares["log_kill", 1e-3] == pytest.approx(math.exp(-7.5 + 0.5), rel=0.02)
    assert shares["log_kill", 0.95] < 1.1 * shares["log_kill", 1e-3]
    assert 1 - shares["norton_simon", 0.95] < 0.3 * (1 - shares["norton_simon", 1e-3])


def test_tumours_of_the_law_stay_below_their_capacity():
    data = problems.get("norton_simon", K=3.0, dose=5.0).simulate(8)["y"].sel(state="N").values
    assert (data > 0).all()
    assert (data < 3.0).all()
