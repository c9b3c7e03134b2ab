import dataclasses

import numpy as np
import pytest

import limitlab as ll
from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.code.written import called, code_of, literal, problem_code


@pytest.mark.parametrize(
    "problem",
    [
        *(problem for problem in problems.catalogue() if problem.kind in ("ode", "sde", "pde")),
        problems.get("lorenz", rho=20.0, span=3.0),
        problems.get("lotka_volterra").with_initial(3.0, "beta"),
        problems.parse("x' = a*x", {"a": np.float64(-1.5)}, initial=[2.0], span=5.0, rtol=1e-5),
        problems.parse("x[i]' = x[i+1] - x[i]", sites=4, ends="zero", initial="i/N"),
        problems.parse("dX = -X*dt + s*X*dW", {"s": 0.2}, calculus="stratonovich", name="mine"),
        problems.parse("u_t = D*u_xx + u*(1 - u)", {"D": 0.01}, span=0.2),
        problems.parse("u_t = D*u_xx", {"D": 0.01}, initial="sin(2*pi*x/3)", length=3.0, frames=7),
        problems.parse("u_t = 0.1*(u_xx + u_yy)", initial="cos(2*pi*y)", resolution=16, span=0.1),
    ],
    ids=lambda problem: problem.name,
)
def test_the_code_of_a_problem_decides_the_same_numbers(problem):
    built = eval(problem_code(problem), {"ll": ll, "dataclasses": dataclasses})
    assert built.spec() == problem.spec()


def test_a_problem_that_is_more_than_numbers_and_texts_is_refused():
    problem = dataclasses.replace(problems.get("burgers"), initial=object())
    with pytest.raises(InvalidArgument, match="code of burgers cannot be written"):
        problem_code(problem)


def test_literals_are_read_back_as_they_were():
    value = {"a": (1, 2.5, None, True), "b": "it's", "c": [np.int64(3)], "d": {"e": ()}}
    assert eval(literal(value)) == {"a": (1, 2.5, None, True), "b": "it's", "c": [3], "d": {"e": ()}}
    with pytest.raises(InvalidArgument, match="numbers and texts alone"):
        literal(np.zeros(3))


def test_imports_are_those_that_are_used():
    code = code_of([f"x = {called('np.linspace', 0.0, 1.0, num=3)}"])
    assert code.splitlines()[0] == "import numpy as np"
    assert "limitlab" not in code
