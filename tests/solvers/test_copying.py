"""A solve keeps its states and slopes, whatever a field does with what it gets and what it gives."""

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE
from torch import nn

from limitlab import problems
from limitlab.solvers import method_names, solve_cde, solve_ode, solve_sde
from limitlab.solvers.copying import first_call
from limitlab.solvers.methods.catalogue import METHODS
from limitlab.solvers.sde.schemes import SCHEMES
from limitlab.spaces import control_path

TIMES = [0.0, 0.3, 0.5]


def field(t, y):
    """A rotation that slows down, on (q, p)."""
    return torch.stack([y[..., 1], -y[..., 0]], -1) * torch.exp(-t)


def on_the_state(t, y):
    y.mul_(2.0)
    return field(t, y).div_(2.0)


def on_the_time(t, y):
    slope = field(t, y)
    t.fill_(7.0)
    return slope


def behind_the_count(t, y):
    slope = field(t, y)
    y.data.zero_()
    return slope


class IntoABuffer:
    """The field written into one tensor again and again."""

    def __init__(self):
        self.buffer = torch.empty(0, dtype=DOUBLE)

    def __call__(self, t, y):
        with torch.no_grad():
            self.buffer.resize_(y.shape)
            return self.buffer.copy_(field(t, y))


class IntoAnArray:
    """The field written into one array of NumPy again and again."""

    def __init__(self):
        self.array = None

    def __call__(self, t, y):
        if self.array is None:
            self.array = np.zeros(y.shape)
        self.array[...] = field(t, y).numpy(force=True)
        return torch.from_numpy(self.array)


def start():
    return torch.tensor([[1.0, 0.5], [-0.3, 2.0]], dtype=DOUBLE)


def jacobian(t, y):
    return torch.exp(-t)[..., None] * torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=y.dtype)


WRITERS = [on_the_state, on_the_time, behind_the_count, IntoABuffer(), IntoAnArray()]
# some methods need the slope in time, which torch cannot take of a field under no_grad
PAIRS = [(m, w) for m in method_names() for w in (WRITERS[:3] if METHODS[m].time_derivative else WRITERS)]


@pytest.mark.parametrize(("method", "writer"), PAIRS)
def test_a_field_that_writes_gives_the_numbers_of_one_that_does_not(method, writer):
    known = {"jacobian": jacobian} if hasattr(METHODS[method], "jacobian") else {}
    options = {"method": method, "step_size": 0.1, **known}
    y0 = start()
    written = solve_ode(writer, y0, TIMES, **options).y
    assert torch.equal(written, solve_ode(field, start(), TIMES, **options).y)
    assert torch.equal(y0, start())


@pytest.mark.parametrize("options", [{}, {"stops": [0.2]}, {"method": "dopri8", "rtol": 1e-8}])
def test_steps_by_the_error_are_those_of_a_field_that_does_not_write(options):
    written = solve_ode(on_the_state, start(), TIMES, **options)
    plain = solve_ode(field, start(), TIMES, **options)
    assert torch.equal(written.y, plain.y)
    assert torch.equal(written.log.size.nan_to_num(), plain.log.size.nan_to_num())


def test_a_time_that_runs_backwards_and_a_tree_are_kept_too():
    def writer(t, state):
        state["q"].neg_()
        return {"q": state["p"].clone(), "p": state["q"].clone()}

    y0 = {"q": start()[:, :1], "p": start()[:, 1:]}
    y = solve_ode(writer, y0, [1.0, 0.0]).y
    turned = solve_ode(lambda t, s: {"q": s["p"], "p": -s["q"]}, y0, [1.0, 0.0]).y
    assert torch.equal(y["q"], turned["q"])
    assert torch.equal(y0["q"], start()[:, :1])


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_the_gradient_of_a_network_with_an_inplace_first_layer(gradient):
    torch.manual_seed(0)
    line = nn.Linear(2, 2, dtype=DOUBLE)
    gradients = []
    for inplace in (False, True):
        network = nn.Sequential(nn.ELU(inplace=inplace), line)
        y0 = start().requires_grad_()
        loss = solve_ode(lambda t, y, f=network: f(y), y0, [0.0, 1.0], gradient=gradient).y[:, -1].square().sum()
        gradients.append(torch.autograd.grad(loss, [y0, line.weight]))
    for plain, written in zip(*gradients, strict=True):
        torch.testing.assert_close(written, plain, rtol=1e-12, atol=1e-14)


KINDS = [(n, c) for n in ("diagonal", "additive") for c in ("ito", "stratonovich")]
FITTING = [(m, *next(kind for kind in KINDS if scheme.fits(*reversed(kind)))) for m, scheme in SCHEMES.items()]
SOLVES = [(*row, 0.1) for row in FITTING] + [(*row, None) for row in FITTING if row[1] in SCHEMES[row[0]].adaptive]


@pytest.mark.parametrize(("method", "noise", "calculus", "step_size"), SOLVES)
def test_drift_and_diffusion_may_write(method, noise, calculus, step_size):
    additive = noise == "additive"

    def drift(t, y):
        return -y * torch.exp(-t)

    def diffusion(t, y):
        return 0.1 * torch.ones_like(y) if additive else 0.1 * y * (1 + t)

    def writing_drift(t, y):
        y.mul_(2.0)
        return drift(t, y).div_(2.0)

    def writing_diffusion(t, y):
        g = diffusion(t, y)
        with torch.no_grad():
            t.fill_(3.0)
            return g if g.requires_grad else g.clone()

    options = {"seed": 3, "method": method, "noise": noise, "calculus": calculus, "step_size": step_size}
    y0 = start().abs()
    written = solve_sde(writing_drift, writing_diffusion, y0, TIMES, **options).y
    assert torch.equal(written, solve_sde(drift, diffusion, start().abs(), TIMES, **options).y)
    assert torch.equal(y0, start().abs())


def test_a_field_along_a_path_may_write():
    path = control_path([0.0, 0.5, 1.0], torch.tensor([[[0.0], [1.0], [3.0]]], dtype=DOUBLE))

    def writer(s, z):
        z.mul_(1.0)
        s.zero_()
        return torch.stack([0.3 * z, z], -1)

    z0 = torch.ones(1, 1, dtype=DOUBLE)
    plain = solve_cde(lambda s, z: torch.stack([0.3 * z, z], -1), z0, path)
    assert torch.equal(solve_cde(writer, z0, path).y, plain.y)


def test_a_field_that_does_not_write_is_called_as_it_is():
    def filled(t, y):
        slope = torch.empty_like(y)
        slope[:] = -y
        return slope

    t, y = torch.zeros(2, 1, dtype=DOUBLE), start()
    assert first_call(field, t, y)[0] is field
    assert first_call(filled, t, y)[0] is filled


def test_a_jacobian_may_write():
    def writing(t, y):
        y.zero_()
        return jacobian(t, y)

    plain = solve_ode(field, start(), TIMES, method="rodas5", jacobian=jacobian)
    assert torch.equal(solve_ode(field, start(), TIMES, method="rodas5", jacobian=writing).y, plain.y)


def test_the_solution_of_an_integral_equation_may_be_written_on_its_points():
    sine = problems.IntegralProblem(
        name="sine", title="Sine", type="volterra", kernel="t - x", forcing="x", solution=lambda x, values: x.sin_()
    )
    points = sine.exact(5)
    assert points["x"].values.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert float(points["u"][-1]) == pytest.approx(0.8414709848, abs=1e-10)
