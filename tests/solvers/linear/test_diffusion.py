import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import diffusion, solve_box


def test_entries_are_those_of_the_five_point_stencil():
    assert diffusion((3, 3)).to_scipy().toarray()[4].tolist() == [0, -1, 0, -1, 4, -1, 0, -1, 0]
    assert diffusion((3,), "wall").to_scipy().toarray()[0].tolist() == [3, -1, 0]
    assert diffusion((3,), "neumann").to_scipy().toarray()[0].tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("boundary", "place", "solution"),
    [
        ("dirichlet", lambda n: torch.arange(1, n + 1) / (n + 1), lambda x: torch.sin(math.pi * x)),
        ("wall", lambda n: (torch.arange(n) + 0.5) / n, lambda x: torch.sin(2 * math.pi * x)),
        ("neumann", lambda n: (torch.arange(n) + 0.5) / n, lambda x: torch.cos(math.pi * x)),
        ("periodic", lambda n: torch.arange(n) / n, lambda x: torch.sin(2 * math.pi * x + 1)),
    ],
)
def test_the_scheme_has_order_two(boundary, place, solution):
    errors = []
    for n in (31, 63) if boundary == "dirichlet" else (32, 64):
        x = place(n).double()
        k = math.pi if "sin(math.pi" in str(solution) or boundary in ("dirichlet", "neumann") else 2 * math.pi
        u = solution(x)[:, None] * solution(x)
        h = float(x[1] - x[0])
        found = solve_box(2 * k**2 * u[None], boundary, spacing=h)[0]
        errors.append(float((found - u).abs().max()))
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.1)


def test_it_knows_when_constants_are_its_kernel():
    assert diffusion((4, 4), "neumann").singular
    assert diffusion((4, 4), ("neumann", "periodic"), coefficient=1 + torch.rand(4, 4)).singular
    assert not diffusion((4, 4), ("neumann", ("neumann", "wall"))).singular
    body = torch.zeros(4, 4, dtype=torch.bool)
    body[1:3, 1:3] = True
    assert not diffusion((4, 4), "neumann", solid=body).singular
    tight = torch.where(body, 0.0, 1.0)
    assert diffusion((4, 4), "neumann", coefficient=tight, solid=body).singular


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boundary": "diriclet"}, "did you mean 'dirichlet'"),
        ({"boundary": ("wall",)}, "one for each of 2 axes"),
        ({"boundary": (("periodic", "wall"), "wall")}, "'periodic' at one end"),
        ({"coefficient": torch.zeros(4, 4)}, "finite and positive"),
        ({"coefficient": torch.full((4, 4), float("nan"))}, "finite and positive"),
        ({"coefficient": torch.ones(4, 5)}, "coefficient must have shape"),
        ({"solid": torch.ones(4, 4, dtype=torch.bool)}, "must leave a point"),
        ({"spacing": (1.0, 2.0, 3.0)}, "one for each of 2 axes"),
    ],
)
def test_what_means_nothing_is_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        diffusion((4, 4), **arguments)
