"""PROSE's fifteen families: their published equations, laws of parameters and initial values, and rejected samples."""

import dataclasses

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.ode.prose_families import FAMILIES


def published(name, u, c):
    """The equations as they stand in the published generator, written by hand."""
    sin, cos = torch.sin, torch.cos
    if name.startswith("lorenz_96"):
        roll = lambda k: torch.roll(u, -k, -1)  # noqa: E731
        return (roll(1) - roll(-2)) * roll(-1) - u + c["F"]
    x, y, z, *rest = u.unbind(-1)
    if name == "double_pendulum":
        (w,), g = rest, c["g"]
        gap = x - y
        below = 3 - cos(2 * gap)
        one = (-3 * g * sin(x) - g * sin(x - 2 * y) - 2 * sin(gap) * (w**2 + z**2 * cos(gap))) / below
        two = sin(gap) * (4 * z**2 + 4 * g * cos(x) + 2 * w**2 * cos(gap)) / below
        return torch.stack([z, w, one, two], -1)
    sides = {
        "thomas": lambda b: (sin(y) - b * x, sin(z) - b * y, sin(x) - b * z),
        "lorenz": lambda sigma, rho, beta: (sigma * (y - x), x * (rho - z) - y, x * y - beta * z),
        "aizawa": lambda a, b, c, d, f: (
            (z - b) * x - d * y,
            d * x + (z - b) * y,
            c + a * z - z**3 / 3 - x**2 + f * z * x**3,
        ),
        "chen_lee": lambda a, d: (a * x - y * z, -10 * y + x * z, d * z + x * y / 3),
        "dadras": lambda a, b, c, d, e: (y / 2 - a * x + b * y * z, c * y - x * z / 2 + z / 2, d * x * y - e * z),
        "rossler": lambda a, b, c: (-y - z, x + a * y, b + z * (x - c)),
        "halvorsen": lambda a: (
            a * x - y - z - y**2 / 4,
            a * y - z - x - z**2 / 4,
            a * z - x - y - x**2 / 4,
        ),
        "rabinovich_fabrikant": lambda alpha, gamma: (
            y * (z - 1 + x**2) + gamma * x,
            x * (3 * z + 1 - x**2) + gamma * y,
            -2 * z * (alpha + x * y),
        ),
        "sprott_b": lambda a, b, c: (a * y * z, x - b * y, c - x * y),
        "sprott_linz_f": lambda a: (y + z, -x + a * y, x**2 - z),
        "four_wing": lambda a, b, c: (a * x + y * z, b * x + c * y - x * z, -z - x * y),
        "forced_duffing": lambda alpha, beta, gamma, delta, omega: (
            torch.ones_like(x),
            z,
            delta * z + alpha * y + beta * y**3 + gamma * cos(omega * x),
        ),
    }
    return torch.stack(sides[name](**c), -1)


@pytest.mark.parametrize("name", FAMILIES)
def test_family_has_its_published_equation(name):
    problem = problems.prose_family(name)
    u = problem.sample(6, 0)[0]
    found = problem.field()(torch.zeros(6, 1), u)
    assert torch.allclose(found, published(name, u, problem.values), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_family_makes_data_by_the_rules(name):
    problem = problems.prose_family(name)
    data = problem.simulate(3, seed=1, rtol=1e-5, atol=1e-7)
    assert data.sizes == {"sample": 3, "time": 192, "state": problem.dimension}
    assert (data["time"].values[0], data["time"].values[-1]) == (0.0, 6.0)
    assert float(abs(data["y"]).max()) < 1e3
    assert float(abs(data["y"].isel(time=0)).max()) <= 2.0
    for key, center in problem.values.items():
        ratio = data[key].values / center
        assert ((ratio >= 0.9) & (ratio <= 1.1)).all()
        assert len(set(ratio)) == 3


def test_there_are_fifteen_families():
    assert len(FAMILIES) == 15
    with pytest.raises(UnknownName, match="did you mean 'lorenz'"):
        problems.prose_family("lorentz")


def test_data_with_parameters_of_their_own_obey_the_field_of_those_parameters():
    problem = problems.prose_family("rossler")
    data = problem.simulate(2, seed=3)
    own = {key: float(data[key][1]) for key in problem.values}
    again = problem.solve(torch.from_numpy(data["y"].values[1:2, 0]), data["time"].values, values=own)
    assert np.allclose(again.y[0], data["y"].values[1], rtol=1e-6, atol=1e-6)


def test_samples_that_leave_the_bound_are_drawn_again_and_only_they():
    """u' = u^2 explodes before t = 1.5 from u > 2/3: those samples change, the others keep their numbers."""
    free = problems.get("blow_up").with_domain(span=1.5, frames=4)
    wide = dataclasses.replace(free, law=problems.prose_rules(free).law, bound=50.0)
    data = wide.simulate(8, seed=0)
    first_draw = wide.sample(8, 0)[0][:, 0].numpy()
    start = data["y"].values[:, 0, 0]
    kept = first_draw < 0.6
    assert np.array_equal(start[kept], first_draw[kept])
    assert (start < 0.67).all()
    assert not np.array_equal(start, first_draw)
    assert np.array_equal(wide.simulate(1, seed=0, first=5)["y"].values[0], data["y"].values[5])


def test_a_law_that_always_leaves_the_bound_ends_in_an_error():
    problem = dataclasses.replace(problems.get("linear_decay"), bound=1e-3)
    with pytest.raises(InvalidArgument, match="in 10 draws"):
        problem.simulate(1)
