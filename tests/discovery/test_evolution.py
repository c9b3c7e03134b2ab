"""Periodic equations with a term put in the place of one that they lack, against solutions in closed form."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.discovery.evolution import Completion, evolve, order_of
from limitlab.errors import InvalidArgument
from limitlab.problems.pde.periodic import cole_hopf

HEAT = problems.get("heat", nu=0.05)
NOTHING = problems.parse("u_t = 0*u", resolution=32)
TIMES = [0.0, 0.1, 0.35]


def start(points=64):
    x = 2 * math.pi * torch.arange(points, dtype=torch.float64) / points
    return (torch.sin(x) + 0.5 * torch.cos(2 * x))[None]


def transport(rows):
    return lambda of: -of["u"] * of["u_x"]


def test_the_heat_equation_with_its_transport_is_that_of_cole_and_hopf():
    short = dataclasses.replace(HEAT, dt=2.5e-3)
    u = evolve(short, Completion(("u", "u_x"), transport), start(128), TIMES)
    exact = cole_hopf(start(256), HEAT.grid(256), torch.tensor(TIMES), 0.05)[..., ::2]
    # the fourth order of the steps
    torch.testing.assert_close(u, exact, rtol=0, atol=1e-6)


def test_linear_coefficients_are_solved_exactly_row_by_row():
    rates = {0: torch.tensor([0.0, -1.0]), 1: torch.tensor([0.0, 0.5]), 2: torch.tensor([0.1, 0.02])}
    rates = {order: rate.double() for order, rate in rates.items()}
    still = Completion((), lambda rows: lambda of: torch.zeros(1), rates)
    wave = torch.cos(2 * math.pi * torch.arange(32, dtype=torch.float64) / 32)
    u = evolve(NOTHING, still, torch.stack([wave] * 2), TIMES)
    k, t, x = 2 * math.pi, torch.tensor(TIMES).double()[:, None], torch.arange(32, dtype=torch.float64) / 32
    for row in range(2):
        decay, speed, diffusion = (rates[order][row] for order in (0, 1, 2))
        exact = torch.exp((decay - diffusion * k**2) * t) * torch.cos(k * (x + speed * t))
        torch.testing.assert_close(u[row], exact)


def test_a_row_that_leaves_is_nan_and_the_others_are_as_they_are_alone():
    def reaction(rows):
        strength = torch.tensor([1.0, 50.0, -1.0]).double()[rows, None]
        return lambda of: strength * of["u"] ** 2

    u = evolve(HEAT, Completion(("u",), reaction), torch.ones(3, 16).double(), [0.5, 0.9], reach=1e3)
    assert bool(u[1].isnan().all())
    # u' = c u^2 from 1 is 1/(1 - c t)
    assert u[0, :, 0].tolist() == pytest.approx([2.0, 10.0], rel=1e-5)
    assert u[2, :, 0].tolist() == pytest.approx([1 / 1.5, 1 / 1.9], rel=1e-5)


def test_where_a_term_is_no_number_the_row_has_left():
    root = Completion(("u",), lambda rows: lambda of: torch.sqrt(of["u"] - 2))
    assert bool(evolve(HEAT, root, torch.ones(1, 16).double(), [0.0, 0.1]).isnan().all())


def test_backward_diffusion_has_no_solution_and_stops_nobody():
    backward = {2: torch.tensor([-1.0, 0.0]).double()}
    still = Completion((), lambda rows: lambda of: torch.zeros(1), backward)
    u = evolve(HEAT, still, torch.cat([start(), start()]), TIMES)
    assert bool(u[0].isnan().all())
    assert bool(u[1].isfinite().all())


def test_a_product_with_the_second_derivative_is_tried_with_shorter_steps():
    stiff = Completion(("u", "u_xx"), lambda rows: lambda of: 0.2 * of["u"] * of["u_xx"])
    coarse = problems.parse("u_t = 0*u", resolution=32, dt=2.5e-3)
    u = evolve(coarse, stiff, 1.5 + 0.2 * start(64), [0.0, 0.2])
    assert bool(u.isfinite().all())


@pytest.mark.parametrize("times", [[0.2, 0.1], [-1.0, 1.0], []])
def test_times_that_do_not_grow_are_refused(times):
    with pytest.raises(InvalidArgument, match="times must grow"):
        evolve(HEAT, Completion(("u", "u_x"), transport), start(), np.array(times))


def test_names_of_inputs_say_their_order():
    assert [order_of(name) for name in ("u", "u_x", "u_xxx")] == [0, 1, 3]
    with pytest.raises(InvalidArgument, match="u_t"):
        order_of("u_t")
