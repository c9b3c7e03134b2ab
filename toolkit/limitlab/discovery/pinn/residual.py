"""The residual of a problem, from the problem's text: left side minus right side, in the unknowns and derivatives.

    x' = alpha x - beta x y             x_t - (alpha x - beta x y)
    u_t = -dx(u^2/2) + nu u_xx          u_t + u u_x - nu u_xx

A derivative is a symbol such as u_xx: the unknown, then the axes, in the order of the coordinates. The expression
becomes a `Program` over (coordinates, unknowns, derivatives; parameters), so that parameters may be tensors that are
trained. Derivatives go up to the second order, which is what the networks hand on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.problems.base import Problem
from limitlab.problems.compiled.program import Program
from limitlab.problems.ode.problem import ODEProblem
from limitlab.problems.pde.problem import PDEProblem
from limitlab.problems.text.grammar import COORDINATES, parse_expression
from limitlab.problems.text.systems import parse_scalar

if TYPE_CHECKING:
    import sympy

HIGHEST_ORDER = 2


class Derivative(NamedTuple):
    """An unknown differentiated along axes, such as ("u", ("x", "x")); without axes the unknown itself."""

    unknown: str
    axes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.unknown}_{''.join(self.axes)}" if self.axes else self.unknown


@dataclass(frozen=True)
class Equations:
    """One residual an unknown, as sympy expressions of symbols named like `Derivative.name`.

    rates: how fast the terms of each residual are, where that is not once a span. onset: the first time that counts; 0
    where time is not counted by its logarithm. Residuals are measured by s (rate + 1/(t + onset)).

    >>> equations = ll.discovery.pinn.equations_of(ll.problems.get("burgers"))
    >>> equations.residuals, [d.name for d in equations.derivatives]
    ((-nu*u_xx + u*u_x + u_t,), ['u', 'u_t', 'u_x', 'u_xx'])
    """

    problem: Problem
    unknowns: tuple[str, ...]
    coordinates: tuple[str, ...]
    residuals: tuple[sympy.Expr, ...]
    parameters: tuple[str, ...]
    rates: tuple[float, ...] = ()
    onset: float = 0.0
    changes: tuple[tuple[str, dict[str, Any]], ...] = field(default=(), compare=False, repr=False)
    """What was done to the problem's own residuals, by the names of functions here, with their arguments."""

    def spelling(self) -> dict[str, Any]:
        """The problem and the changes, as a file holds them."""
        return {"problem": self.problem, "changes": self.changes}

    @classmethod
    def spelled(cls, problem: Problem, changes: tuple[tuple[str, dict[str, Any]], ...]) -> Equations:
        """The equations of their spelling."""
        (_, coefficients), *others = changes
        equations = equations_of(problem, **coefficients)
        for name, arguments in others:
            equations = getattr(equations, one_of("change", name, ("without", "summed")))(**arguments)
        return equations

    @property
    def derivatives(self) -> tuple[Derivative, ...]:
        """What the residuals hold of the unknowns."""
        symbols = {symbol.name for residual in self.residuals for symbol in residual.free_symbols}
        parts = {self.derivative(name) for name in symbols - {*self.coordinates, *self.parameters}}
        return tuple(sorted(parts))

    def derivative(self, name: str) -> Derivative:
        """The derivative of a name such as "u_xt". Raises InvalidArgument and UnknownName."""
        if name in self.unknowns:
            return Derivative(name)
        unknown, _, axes = str(name).rpartition("_")
        one_of("unknown of the equation", unknown or name, self.unknowns)
        if not axes or not set(axes) <= set(self.coordinates) or len(axes) > HIGHEST_ORDER:
            raise InvalidArgument(
                f"{name!r} must be {unknown}_ and one or two of the axes {', '.join(self.coordinates)}, as in "
                f"{unknown}_{self.coordinates[-1] * 2}"
            )
        return Derivative(unknown, tuple(sorted(axes, key=self.coordinates.index)))

    def term(self, text: str) -> sympy.Expr:
        """The expression of a text in the problem's language, such as "-beta*x*y" or "-u*u_x"."""
        if isinstance(self.problem, ODEProblem):
            return parse_scalar(text, self.parameters, states=self.unknowns)
        expression = parse_expression(
            text, fields=self.unknowns, parameters=self.parameters, dimension=_dimension(self.problem)
        )
        return _symbolised(expression.doit(), self.unknowns, self.coordinates)

    def without(self, hidden: Mapping[str, str]) -> Equations:
        """The equations with a term of the right side left out of some: {"x": "-beta*x*y"}.

        Raises InvalidArgument for a term that the equation does not hold.
        """
        import sympy

        residuals = list(self.residuals)
        for unknown, text in hidden.items():
            row = self.unknowns.index(one_of("equation", unknown, self.unknowns))
            term = sympy.expand(self.term(text))
            whole = sympy.expand(residuals[row])
            rest = sympy.expand(whole + term)
            count = [len(sympy.Add.make_args(e)) for e in (whole, rest, term)]
            if count[1] != count[0] - count[2]:
                raise InvalidArgument(
                    f"the right side of the equation of {unknown} must hold the term {text!r:.60}; it is "
                    f"{self.problem.equation!r:.120}"
                )
            residuals[row] = rest
        changes = (*self.changes, ("without", {"hidden": dict(hidden)}))
        return replace(self, residuals=tuple(residuals), changes=changes)

    def summed(
        self, sums: Mapping[str, Sequence[str]], rates: Mapping[str, float] | None = None, onset: float = 0.0
    ) -> Equations:
        """The same system where the residual of an unknown is its sum with others: {"x2": ("x6",)}.

        In a stiff system two fast terms of opposite sign hide a slow rate; in the right sums they cancel, as a
        substance that changes its form keeps its whole amount. rates: of the residuals that stay fast, once a span
        where left out. onset: about when the fastest change ends, where all times from there on count alike by their
        logarithm. Raises InvalidArgument for sums that lose an equation.

        >>> binding = ll.problems.parse("a' = -5*a*b + c; b' = -5*a*b + c; c' = 5*a*b - c")
        >>> ll.discovery.pinn.equations_of(binding).summed({"a": ("c",), "b": ("c",)}).residuals[:2]
        (a_t + c_t, b_t + c_t)
        """
        import sympy

        for name in (*sums, *(part for parts in sums.values() for part in parts), *(rates or {})):
            one_of("equation", name, self.unknowns)
        count = len(self.unknowns)
        matrix = sympy.eye(count)
        for name, parts in sums.items():
            for part in parts:
                matrix[self.unknowns.index(name), self.unknowns.index(part)] += 1
        if matrix.det() == 0:
            raise InvalidArgument(f"sums must leave {count} independent equations; got {dict(sums)}")
        residuals = tuple(sympy.expand(entry) for entry in matrix * sympy.Matrix(self.residuals))
        slow = 1 / self.problem.span  # type: ignore[attr-defined]
        sizes = tuple(check_number(f"rate of {n}", (rates or {}).get(n, slow), low=1e-300) for n in self.unknowns)
        change = ("summed", {"sums": dict(sums), "rates": None if rates is None else dict(rates), "onset": onset})
        onset = check_number("onset", onset, low=0.0)
        return replace(self, residuals=residuals, rates=sizes, onset=onset, changes=(*self.changes, change))

    def evaluate(
        self,
        points: Float[Tensor, "point axis"],
        fields: Mapping[str, Tensor],
        parameters: Mapping[str, float | Tensor],
        expressions: Sequence[sympy.Expr] | None = None,
    ) -> Float[Tensor, "equation point"]:
        """The residuals, or other expressions of the same symbols, where the fields have these values."""
        wanted = self.residuals if expressions is None else tuple(expressions)
        names = tuple(sorted(fields))
        run = _program(wanted, (*self.coordinates, *names), self.parameters).bind(parameters)
        columns = run(*points.unbind(-1), *(fields[name] for name in names))
        return torch.stack(
            [torch.as_tensor(c, dtype=points.dtype).to(points.device).expand(len(points)) for c in columns]
        )


def equations_of(problem: Problem, coefficients: Mapping[str, str] | None = None) -> Equations:
    """The residuals of an ordinary or partial differential equation, of the catalogue or typed.

    coefficients: text in the coordinates for each field that is no unknown, such as the forcing f of Poisson's
    equation.
    Raises InvalidArgument, naming what a residual at points cannot hold: noise, integrals, sites, derivatives of order
    three or more, fields without an equation or a text.

    >>> ll.discovery.pinn.equations_of(ll.problems.get("lotka_volterra")).residuals[0]
    -alpha*x + beta*x*y + x_t
    """
    import sympy

    if isinstance(problem, ODEProblem):
        if problem.sites:
            raise InvalidArgument(f"{problem.name} has {problem.sites} sites: write its equations out, one an unknown")
        if coefficients:
            raise InvalidArgument(f"{problem.name} has no coefficient fields; got {', '.join(coefficients)}")
        dynamics = problem.dynamics()
        rates = [sympy.Symbol(f"{state}_t", real=True) for state in dynamics.states]
        _require_free({rate.name for rate in rates}, (*problem.values, *dynamics.states))
        residuals = tuple(rate - right for rate, right in zip(rates, dynamics.drift, strict=True))
        return Equations(problem, dynamics.states, ("t",), residuals, tuple(problem.values), changes=_begun({}))
    if isinstance(problem, PDEProblem):
        return _partial(problem, coefficients or {})
    kind = getattr(problem, "kind", type(problem).__name__)
    raise InvalidArgument(f"problem must be an ordinary or partial differential equation; got one of kind {kind!r}")


def _partial(problem: PDEProblem, coefficients: Mapping[str, str]) -> Equations:
    import sympy

    unknown = problem.operator[1]
    others = [field.name for field in problem.fields if field.name != unknown]
    for name in coefficients:
        one_of(f"coefficient field of {problem.name}", name, others)
    missing = [name for name in others if name not in coefficients]
    if missing:
        raise InvalidArgument(
            f"{problem.name} holds {', '.join(missing)}, of which a residual at points knows nothing: pass "
            f"coefficients={{{missing[0]!r}: text in the coordinates}}, or type the equation without it"
        )
    parsed, parameters = problem.expression(), tuple(problem.values)
    arguments = [sympy.Symbol(name, real=True) for name in COORDINATES[: problem.dimension + 1]]
    functions = {
        sympy.Function(name, real=True)(*arguments): parse_expression(
            text, parameters=parameters, dimension=problem.dimension
        )
        for name, text in coefficients.items()
    }
    whole = (parsed.lhs - parsed.rhs).subs(functions).doit()
    coordinates = COORDINATES[0 if problem.span > 0 else 1 : problem.dimension + 1]
    if (
        problem.span == 0
        and whole.has(sympy.Derivative)
        and "t" in {v.name for d in whole.atoms(sympy.Derivative) for v in d.variables}
    ):
        raise InvalidArgument(
            f"{problem.name} has a time derivative and no span; give it one with with_domain(span=...)"
        )
    residual = _symbolised(whole, (unknown,), coordinates)
    return Equations(problem, (unknown,), coordinates, (residual,), parameters, changes=_begun(coefficients))


def _begun(coefficients: Mapping[str, str]) -> tuple[tuple[str, dict[str, Any]], ...]:
    return (("equations_of", {"coefficients": dict(coefficients) or None}),)


def _symbolised(expression: sympy.Expr, unknowns: Sequence[str], coordinates: Sequence[str]) -> sympy.Expr:
    """Symbols such as u_xx in place of derivatives of functions, and u in place of u(t, x)."""
    import sympy
    from sympy.core.function import AppliedUndef

    symbols: dict[sympy.Expr, sympy.Symbol] = {}
    for node in expression.atoms(sympy.Derivative):
        axes = tuple(sorted((v.name for v in node.variables), key=COORDINATES.index))
        if not isinstance(node.expr, AppliedUndef) or node.expr.func.__name__ not in unknowns:
            raise InvalidArgument(f"{node!s:.60} is no derivative of {', '.join(unknowns)}")
        name = Derivative(node.expr.func.__name__, axes).name
        if len(axes) > HIGHEST_ORDER:
            raise InvalidArgument(
                f"{name} has order {len(axes)}, and a residual here goes up to order {HIGHEST_ORDER}: write the "
                "equation as a system of lower order, or solve it with its own solver"
            )
        symbols[node] = sympy.Symbol(name, real=True)
    _require_free({s.name for s in symbols.values()}, [s.name for s in expression.free_symbols])
    expression = expression.xreplace(symbols)
    functions = expression.atoms(AppliedUndef)
    return expression.xreplace({f: sympy.Symbol(f.func.__name__, real=True) for f in functions})


def _require_free(derivatives: set[str], names: Sequence[str]) -> None:
    taken = derivatives & set(names)
    if taken:
        raise InvalidArgument(f"{sorted(taken)[0]!r} names a derivative here: call the parameter or unknown otherwise")


def _dimension(problem: Problem) -> int:
    assert isinstance(problem, PDEProblem)
    return problem.dimension


@lru_cache(maxsize=256)
def _program(expressions: tuple[sympy.Expr, ...], inputs: tuple[str, ...], constants: tuple[str, ...]) -> Program:
    return Program(expressions, inputs, constants)
