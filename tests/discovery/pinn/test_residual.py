"""Residuals from the text of a problem: they vanish along its solutions, and what they cannot hold is named."""

import pytest
import sympy
import torch

import limitlab as ll
from limitlab.discovery.pinn import Derivative, equations_of
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.typed import parse


def smooth(equations, functions, points):
    """Residuals of functions of (t, x), differentiated by autograd."""
    z = points.clone().requires_grad_()
    fields = {}
    for derivative in equations.derivatives:
        value = functions[derivative.unknown](*z.unbind(-1))
        for axis in derivative.axes:
            column = equations.coordinates.index(axis)
            value = torch.autograd.grad(value.sum(), z, create_graph=True)[0][:, column]
        fields[derivative.name] = value
    return equations.evaluate(z, fields, equations.problem.values)


def points(axes, count=6):
    return torch.rand(count, axes, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.1


@pytest.mark.parametrize("name", ["linear_decay", "lotka_volterra", "oral_dose", "forced_duffing"])
def test_ordinary_residual_is_rate_minus_field(name):
    problem = ll.problems.get(name)
    equations = equations_of(problem)
    y = torch.rand(6, problem.dimension, dtype=torch.float64) + 0.2
    rates = torch.rand(6, problem.dimension, dtype=torch.float64)
    t = points(1)
    fields = {}
    for column, state in enumerate(problem.components):
        fields |= {state: y[:, column], f"{state}_t": rates[:, column]}
    residual = equations.evaluate(t, fields, problem.values)
    assert torch.allclose(residual.T, rates - problem.field()(t, y), atol=1e-12)


@pytest.mark.parametrize("name", ["advection", "heat", "burgers"])
def test_known_solutions_have_no_residual(name):
    problem = ll.problems.get(name)
    from limitlab.problems.compiled.periodic_terms import torch_function
    from limitlab.problems.text.grammar import parse_expression

    solution = torch_function(parse_expression(problem.solution, parameters=tuple(problem.values)))
    numbers = {key: torch.tensor(value, dtype=torch.float64) for key, value in problem.values.items()}
    functions = {"u": lambda t, x: solution({**numbers, "t": t, "x": x}, None)}
    equations = equations_of(problem)
    assert smooth(equations, functions, points(2)).abs().max() < 1e-9
    wrong = {"u": lambda t, x: functions["u"](t, x) + 0.1 * torch.sin(3 * x + t)}
    assert smooth(equations, wrong, points(2)).abs().max() > 1e-2


def test_coefficients_are_texts():
    equations = equations_of(ll.problems.get("poisson"), {"f": "2*pi^2*sin(pi*x)*sin(pi*y)"})
    assert equations.coordinates == ("x", "y")
    solution = {"u": lambda x, y: torch.sin(torch.pi * x) * torch.sin(torch.pi * y)}
    assert smooth(equations, solution, points(2)).abs().max() < 1e-9
    darcy = equations_of(ll.problems.get("darcy"), {"a": "1 + x*y"})
    fields = {"u": lambda x, y: x**2}
    z = points(2)
    # -d/dx((1 + x y) 2 x) - 1
    assert torch.allclose(smooth(darcy, fields, z)[0], -2 - 4 * z[:, 0] * z[:, 1] - 1, atol=1e-12)


def test_typed_equations_and_time_in_them():
    equations = equations_of(parse("x' = a*x + sin(t)", {"a": -1.0}))
    t = points(1)
    x, rate = torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    residual = equations.evaluate(t, {"x": x, "x_t": rate}, {"a": -1.0})
    assert torch.allclose(residual[0], rate + x - torch.sin(t[:, 0]))


def test_parameters_may_be_tensors_that_are_trained():
    equations = equations_of(ll.problems.get("burgers"))
    nu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    fields = {d.name: torch.rand(4, dtype=torch.float64) for d in equations.derivatives}
    residual = equations.evaluate(points(2, 4), fields, {"nu": nu})
    (slope,) = torch.autograd.grad(residual.sum(), nu)
    assert slope.item() == pytest.approx(-fields["u_xx"].sum().item())


def test_hidden_terms_leave_the_equation():
    lv = equations_of(ll.problems.get("lotka_volterra")).without({"x": "-beta*x*y", "y": "delta*x*y"})
    names = {s.name: s for e in lv.residuals for s in e.free_symbols}
    x, y, alpha, gamma = (names[name] for name in ("x", "y", "alpha", "gamma"))
    assert lv.residuals == (names["x_t"] - alpha * x, names["y_t"] + gamma * y)
    burgers = equations_of(ll.problems.get("burgers")).without({"u": "-u*u_x"})
    assert (
        sympy.simplify(
            burgers.residuals[0]
            - sympy.sympify("u_t - nu*u_xx").xreplace(
                {sympy.Symbol(s.name): s for s in burgers.residuals[0].free_symbols}
            )
        )
        == 0
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: equations_of(ll.problems.get("korteweg_de_vries")), InvalidArgument, "u_xxx has order 3"),
        (lambda: equations_of(ll.problems.get("kuramoto_sivashinsky")), InvalidArgument, "u_xxxx has order 4"),
        (lambda: equations_of(ll.problems.get("darcy")), InvalidArgument, "darcy holds a"),
        (lambda: equations_of(ll.problems.get("navier_stokes")), InvalidArgument, "holds psi"),
        (lambda: equations_of(ll.problems.get("poisson"), {"g": "1"}), UnknownName, "coefficient field"),
        (lambda: equations_of(ll.problems.get("lorenz_96")), InvalidArgument, "sites"),
        (lambda: equations_of(ll.problems.catalogue("sde")[0]), InvalidArgument, "kind 'sde'"),
        (lambda: equations_of(ll.problems.catalogue("integral")[0]), InvalidArgument, "kind 'integral'"),
        (lambda: equations_of(parse("x' = x_t", {"x_t": 1.0})), InvalidArgument, "x_t"),
        (
            lambda: equations_of(ll.problems.get("lotka_volterra")).without({"x": "-beta*x"}),
            InvalidArgument,
            "hold the term",
        ),
        (lambda: equations_of(ll.problems.get("lotka_volterra")).without({"z": "x"}), UnknownName, "equation"),
        (lambda: equations_of(ll.problems.get("burgers")).derivative("u_xxx"), InvalidArgument, "one or two"),
        (lambda: equations_of(ll.problems.get("burgers")).derivative("w_x"), UnknownName, "unknown"),
    ],
)
def test_what_a_residual_cannot_hold_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_slow_sums_of_apoptosis_hold_no_fast_term():
    """Caspase that binds and leaves is neither made nor lost: in the sums only the slow rates are left."""
    sums = {"x1": ("x5",), "x2": ("x6",), "x3": ("x6",), "x4": ("x5", "x8"), "x7": ("x8",)}
    equations = equations_of(ll.problems.get("apoptosis")).summed(sums)
    rows = dict(zip(equations.unknowns, map(str, equations.residuals), strict=True))
    assert rows["x1"] == "kd2*x5 + x1_t + x5_t"
    assert rows["x2"] == "-kd2*x5 + x2_t + x6_t"
    assert rows["x3"] == "kd4*x6 + x3_t + x6_t"
    assert rows["x4"] == "-kd4*x6 + kd6*x8 + x4_t + x5_t + x8_t"
    assert rows["x7"] == "x7_t + x8_t"


def test_sums_hold_the_solution_as_the_equations_do():
    problem = ll.problems.get("lotka_volterra", span=2.0)
    times = torch.linspace(0, 2, 5, dtype=torch.float64)
    x, y = problem.solve(times=times.numpy()).y[0].unbind(-1)
    fields = {"x": x, "y": y, "x_t": 1.3 * x - 0.9 * x * y, "y_t": -1.8 * y + 0.8 * x * y + 0.25}
    equations = equations_of(problem)
    rows = equations.evaluate(times[:, None], fields, problem.values)
    sums = equations.summed({"x": ("y",)}).evaluate(times[:, None], fields, problem.values)
    assert torch.allclose(sums, torch.stack([rows[0] + rows[1], rows[1]]), atol=1e-12)


def test_sums_that_lose_an_equation_are_refused():
    with pytest.raises(InvalidArgument, match="independent"):
        equations_of(ll.problems.get("lotka_volterra")).summed({"x": ("y",), "y": ("x",)})


def test_names_of_derivatives_are_in_the_order_of_the_coordinates():
    assert equations_of(ll.problems.get("burgers")).derivative("u_xt") == Derivative("u", ("t", "x"))


def test_every_problem_of_the_catalogue_has_a_residual_or_a_reason():
    reasons = {}
    for problem in ll.problems.catalogue("ode") + ll.problems.catalogue("pde"):
        try:
            assert equations_of(problem).residuals
        except InvalidArgument as error:
            reasons[problem.name] = str(error)
    refused = {"korteweg_de_vries", "kuramoto_sivashinsky", "darcy", "darcy_lognormal", "poisson"}
    refused |= {"navier_stokes", "navier_stokes_forced", "wave", "wave_2d", "gray_scott", "fitzhugh_nagumo_2d"}
    refused |= {
        "darcy_multiscale",
        "kolmogorov",
        "helmholtz",
        "helmholtz_sourced",
        "shallow_water",
        "dam_break",
        "compressible",
        "buoyant_smoke",
        "wave_medium",
        "lid_driven_cavity",
    }
    assert {name for name, reason in reasons.items() if "sites" not in reason} == refused
