"""What every problem is: what its ranges offer can be solved, at both ends of each, inside, and at pairs of ends."""

import itertools

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.problems.ode import chaos

ODES = [problem.name for problem in problems.catalogue("ode")]
SDES = [problem.name for problem in problems.catalogue("sde") if problem.parameters]
PDES = [problem.name for problem in problems.catalogue("pde") if problem.parameters]
INTEGRALS = [problem.name for problem in problems.catalogue("integral") if problem.parameters]
LATTICES = [problem.name for kind in ("ode", "sde") for problem in problems.catalogue(kind) if problem.sites]
INSIDE, PAIRS = 4, 6
CHAOTIC = {problem.name for problem in chaos.PROBLEMS}
LONGEST = {
    "hindmarsh_rose": 100.0,
    "van_der_pol": 60.0,
    "oregonator": 120.0,
    "four_wing": 100.0,
    "linear_decay": 1.0,
    "kuramoto": 20.0,
}
"""Spans of those that take seconds; `test_steps_of_the_longest_are_allowed` is about their whole spans."""


def points(problem):
    """Values at both ends of each parameter, at random points of all ranges, and at ends of two parameters."""
    random = np.random.default_rng(7)
    ends = [{p.name: end} for p in problem.parameters for end in (p.low, p.high)]
    inside = [{p.name: random.uniform(p.low, p.high) for p in problem.parameters} for _ in range(INSIDE)]
    pairs = [one | other for one, other in itertools.combinations(ends, 2) if one.keys() != other.keys()]
    chosen = random.permutation(len(pairs))[:PAIRS]
    return [*ends, *inside, *(pairs[number] for number in chosen)]


def require_finite(data, values):
    for name, variable in data.data_vars.items():
        assert np.isfinite(variable.values).all(), f"{name} at {values}"


@pytest.mark.parametrize("name", ODES)
def test_an_ordinary_problem_can_be_solved_wherever_its_ranges_reach(name):
    """All points as samples of one solve, each from a start that the law draws there; what is chaotic stays near."""
    problem = problems.get(name)
    at = [problem.with_parameters(**values) for values in points(problem)]
    span = min(problem.span, LONGEST.get(name, problem.span))
    for method in sorted({variant.default_method for variant in at}):
        group = [variant for variant in at if variant.default_method == method]
        starts = torch.cat([variant.sample(1, seed)[0] for seed, variant in enumerate(group)])
        columns = {p.name: torch.tensor([v.values[p.name] for v in group]).double() for p in problem.parameters}
        solution = problem.solve(starts, [0.0, span], method=method, values=columns, rtol=1e-4)
        assert torch.isfinite(solution.y).all()
        # far above every attractor, and far below what leaves it
        assert name not in CHAOTIC or float(solution.y.abs().max()) < 1e4


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rabinovich_fabrikant", {}),
        ("rabinovich_fabrikant", {"gamma": 0.05}),
        ("sprott_linz_f", {"a": 0.25}),
        ("sprott_linz_f", {"a": 0.5}),
    ],
)
def test_data_start_where_the_attractor_draws_them_in(name, values):
    assert float(abs(problems.get(name, **values).simulate(4)["y"]).max()) < 10


@pytest.mark.parametrize(("name", "values"), [("van_der_pol", {"mu": 0.1}), ("hindmarsh_rose", {"s": 1.0})])
def test_steps_of_the_longest_are_allowed(name, values):
    """As many steps in the whole span as in its first part, at the data's own tolerance."""
    problem = problems.get(name, **values)
    part = LONGEST[name]
    steps = int(problem.solve(times=[0.0, part]).log.attempted.sum()) * problem.span / part
    assert 5_000 < steps < problem.max_steps / 2


def test_a_stiff_problem_is_solved_by_explicit_steps_where_it_is_not_stiff():
    assert [problems.get("van_der_pol", mu=mu).default_method for mu in (0.1, 29.0, 30.0, 1e6)] == [
        "dopri8",
        "dopri8",
        "rodas5",
        "rodas5",
    ]
    mild = problems.get("van_der_pol", mu=5.0, span=20.0, frames=5)
    by_implicit_steps = mild.simulate(1, method="rodas5")["y"]
    assert float(abs(mild.simulate(1)["y"] - by_implicit_steps).max()) < 1e-5


@pytest.mark.parametrize("name", SDES)
def test_a_stochastic_problem_can_be_solved_wherever_its_ranges_reach(name):
    problem = problems.get(name)
    short = problem.with_domain(span=min(problem.span, 200 * problem.step_size), frames=2)
    for values in points(problem):
        require_finite(short.with_parameters(**values).simulate(1), values)


@pytest.mark.parametrize("name", PDES)
def test_a_partial_differential_equation_can_be_solved_wherever_its_ranges_reach(name):
    problem = problems.get(name)
    if problem.span:
        problem = problem.with_domain(span=problem.span / 40 if problem.dimension == 2 else problem.span, frames=2)
    for values in points(problem):
        require_finite(problem.with_parameters(**values).simulate(1, resolution=16), values)


@pytest.mark.parametrize("name", INTEGRALS)
def test_the_solution_of_an_integral_equation_is_known_wherever_its_ranges_reach(name):
    problem = problems.get(name)
    for values in points(problem):
        require_finite(problem.with_parameters(**values).exact(), values)


@pytest.mark.parametrize("name", LATTICES)
def test_a_lattice_can_be_solved_with_the_fewest_and_the_most_sites(name):
    problem = problems.get(name)
    for sites in problem.site_range:
        short = problem.with_domain(sites=sites, span=problem.span / 100, frames=2)
        require_finite(short.simulate(1), {"sites": sites})
