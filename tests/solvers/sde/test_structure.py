"""Structure that the declared noise promises: proved where it holds, refused where an order would be lost."""

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE, spiral, wavy

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.schemes import SCHEMES
from limitlab.solvers.sde.solve import solve_sde
from limitlab.solvers.sde.structure import Structure, has_brackets, is_coupled

SDES = [name for name in problems.names() if problems.get(name).kind == "sde"]


def crossed(t, y):
    """Diagonal noise of every component from its neighbour."""
    return 0.5 + 0.3 * torch.sin(y.roll(1, 1))


def levy(t, y):
    one, zero = torch.ones_like(y[:, 0]), torch.zeros_like(y[:, 0])
    return torch.stack([torch.stack([one, zero], 1), torch.stack([zero, y[:, 0]], 1)], 1)


def rotations(t, y):
    """Two columns that commute: multiples and rotations of the plane."""
    return torch.stack([0.4 * y, 0.3 * torch.stack([-y[:, 1], y[:, 0]], 1)], -1)


def kicked(t, y):
    """Noise of the second component alone, from the first: coupled, but nothing drives the first."""
    return torch.stack([torch.zeros_like(y[:, 0]), 1 + 0.5 * torch.sin(3 * y[:, 0])], 1)


def solve(diffusion, y0=None, **options):
    y0 = torch.ones(3, 2, dtype=DOUBLE) if y0 is None else y0
    options = {"t": [0.0, 0.5, 1.0], "seed": 0, "step_size": 0.1} | options
    return solve_sde(spiral, diffusion, y0, **options)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("method", ["milstein", "sri2w1"])
@pytest.mark.parametrize("step_size", [0.1, None])
def test_coupled_diagonal_noise_is_refused_with_the_schemes_that_fit(method, step_size, dtype):
    with pytest.raises(InvalidArgument, match=r"noise 'diagonal' promises .*g_i of y_i alone.* use one of euler_mar"):
        solve(crossed, torch.ones(3, 2, dtype=dtype), method=method, step_size=step_size)
    assert torch.isfinite(solve(crossed, torch.ones(3, 2, dtype=dtype), method="euler_maruyama").y).all()


def test_coupled_diagonal_noise_under_stratonovich_milstein_is_refused_with_heun():
    with pytest.raises(InvalidArgument, match=r"use one of heun, euler_heun"):
        solve(crossed, method="milstein", calculus="stratonovich")


def test_coupling_that_only_later_states_show_is_refused():
    """At rest both derivatives vanish."""
    later = lambda t, y: torch.stack([torch.ones_like(y[:, 0]), y[:, 0] ** 2], 1)  # noqa: E731
    with pytest.raises(InvalidArgument, match=r"noise 'diagonal' promises .* near t = 0.5"):
        solve(later, torch.zeros(3, 2, dtype=DOUBLE), method="milstein")


@pytest.mark.parametrize(
    ("method", "calculus"), [("milstein", "ito"), ("milstein", "stratonovich"), ("heun", "stratonovich")]
)
def test_noise_that_is_wrongly_declared_commutative_is_refused(method, calculus):
    with pytest.raises(InvalidArgument, match=r"noise 'commutative' promises .*declare noise='general'"):
        solve(levy, method=method, calculus=calculus, noise="commutative")


@pytest.mark.parametrize(("method", "calculus"), [("heun", "ito"), ("sra1", "ito"), ("euler_maruyama", "ito")])
def test_noise_that_is_wrongly_declared_additive_is_refused(method, calculus):
    """Heun's scheme takes additive noise as Ito's; of any other it would find Stratonovich's solution."""
    with pytest.raises(InvalidArgument, match="noise 'additive' promises that diffusion does not depend on y"):
        solve(lambda t, y: 0.5 * y, method=method, calculus=calculus, noise="additive")
    # a field without derivative can be told as well
    with pytest.raises(InvalidArgument, match="noise 'additive' promises"):
        solve(lambda t, y: 0.5 * y.detach(), method=method, calculus=calculus, noise="additive")


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_right_declarations_pass(dtype):
    y0 = torch.ones(3, 2, dtype=dtype)
    for method in ("milstein", "sri2w1"):
        assert torch.isfinite(solve(wavy, y0, method=method).y).all()
        assert torch.isfinite(solve(kicked, y0, method=method).y).all()
        assert torch.isfinite(solve(lambda t, y: torch.cos(t).expand_as(y), y0, method=method).y).all()
    for calculus in ("ito", "stratonovich"):
        assert torch.isfinite(solve(rotations, y0, method="milstein", noise="commutative", calculus=calculus).y).all()


def strong_order(diffusion, method, noise):
    """From steps of 1/8 to 1/64 against 1/1024, on one path."""
    path = BrownianPath(1, (300, 2), (0.0, 1.0), grid=np.linspace(0, 1, 1025))
    y0 = torch.ones(300, 2, dtype=DOUBLE)
    ends = [
        solve(diffusion, y0, seed=None, brownian=path, method=method, noise=noise, step_size=1 / steps).y[:, -1]
        for steps in (8, 16, 32, 64, 1024)
    ]
    errors = [float((end - ends[-1]).abs().mean()) for end in ends[:-1]]
    return -np.polyfit(np.arange(4) * np.log(2), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("diffusion", "method", "noise", "expected"),
    [
        (kicked, "milstein", "diagonal", 1.0),
        (kicked, "sri2w1", "diagonal", 1.5),
        (rotations, "milstein", "commutative", 1),
    ],
)
def test_noise_that_keeps_the_promise_keeps_the_order(diffusion, method, noise, expected):
    assert strong_order(diffusion, method, noise) == pytest.approx(expected, abs=0.25)


def test_milstein_sees_no_noise_where_there_is_none():
    """The first component has none, and the second one's, flat at the start, depends on it: (Dg) g is zero."""
    squared = lambda t, y: torch.stack([torch.zeros_like(y[:, 0]), y[:, 0] ** 2], 1)  # noqa: E731
    y0 = torch.zeros(3, 2, dtype=DOUBLE)
    plain = solve(squared, y0, method="euler_maruyama")
    assert float(plain.y[:, -1].abs().min()) > 0
    assert torch.equal(solve(squared, y0, method="milstein").y, plain.y)


def test_couplings_of_neighbours_do_not_cancel():
    """Equal weights left and right, of noise that the outer components lack."""
    inner = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0], dtype=DOUBLE)
    neighbours = lambda t, y: inner * (1 + y.roll(1, 1) + y.roll(-1, 1))  # noqa: E731
    y, t = torch.ones(2, 7, dtype=DOUBLE), torch.zeros(2, 1, dtype=DOUBLE)
    assert is_coupled(neighbours, t, y)
    assert is_coupled(neighbours, t, y, along=True)
    assert not is_coupled(wavy, t, y)


def test_brackets_of_matrices_are_their_commutators():
    generator = torch.Generator().manual_seed(1)
    one = torch.randn(3, 3, dtype=DOUBLE, generator=generator)
    y, t = torch.randn(2, 3, dtype=DOUBLE, generator=generator), torch.zeros(2, 1, dtype=DOUBLE)
    for other, expected in ((one @ one - one, False), (one.T, True)):
        assert has_brackets(lambda t, y, other=other: torch.stack([y @ one, y @ other], -1), t, y) == expected


@pytest.mark.parametrize("name", SDES)
def test_noise_of_every_problem_is_what_it_says(name):
    problem = problems.get(name)
    y0 = problem.start(problem.merged(None)).reshape(-1, problem.dimension)
    states = torch.cat([y0, y0 * 1.1 + 0.03, y0 * 0.9 + 0.01])
    for dtype in (torch.float32, DOUBLE):
        for method, scheme in SCHEMES.items():
            for calculus in ("ito", "stratonovich"):
                if scheme.fits(calculus, problem.noise):
                    structure = Structure(problem.diffusion(), problem.noise, method, calculus)
                    structure.require(torch.zeros(3, 1, dtype=dtype), states.to(dtype))
