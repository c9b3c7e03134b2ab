"""Ordinary differential equations y' = f(t, y): one text gives the field, its Jacobian, LaTeX, data and answer keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.numbers import resolved
from limitlab.problems.base import Kind
from limitlab.problems.compiled.vector_field import MatrixField, Values, jacobian
from limitlab.problems.dynamical import Draws, DynamicalProblem, Times, Trajectories

if TYPE_CHECKING:
    from limitlab.solvers.solution import Solution

MOST_ATTEMPTS = 10
Formula = Callable[[Tensor, Tensor, Mapping[str, float | Tensor]], Tensor]


@dataclass(frozen=True)
class Reference:
    """A state that is known to more digits than solvers are asked for: at `time`, from `initial` (else the problem's).

    error: relative error of its numbers. values: parameters that differ from the defaults.
    """

    time: float
    state: tuple[float, ...]
    error: float = 1e-8
    initial: tuple[float, ...] | None = None
    values: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class ODEProblem(DynamicalProblem):
    """A system y' = f(t, y), such as "x' = y; y' = mu*(1 - x^2)*y - x".

    solution: one text a state, in t, parameters and initial values ("x0" for the state x), or "linear" for y' = A y,
    whose solution is exp(A t) y0, or a function (t (time,), y0 (batch, state), values) -> (batch, time, state).
    rtol, atol: tolerances of its data. bound: samples that reach it, or fail, are drawn again.
    stiff_from: values of parameters from which on a stiff problem is stiff. max_steps: of `solve`, and of its data.

    >>> decay = ll.problems.ODEProblem(name="decay", title="Decay", equation="x' = -x", initial=(1.0,),
    ...     states=(ll.problems.Field("x", "amount"),), solution=("x0*exp(-t)",))
    >>> round(float(decay.solve(times=[0.0, 1.0]).y[0, -1]), 6)
    0.367879
    """

    kind: ClassVar[Kind] = "ode"
    descriptive: ClassVar[frozenset[str]] = DynamicalProblem.descriptive | {
        "solution",
        "references",
        "stiff_from",
        "max_steps",
    }
    solver_options: ClassVar[tuple[str, ...]] = ("method", "rtol", "atol")

    version: int = 2  # of all: machine code rounds otherwise, and chaos shows it
    stiff: bool = False
    stiff_from: Mapping[str, float] = field(default_factory=dict, hash=False)
    max_steps: int = 10_000
    rtol: float = 1e-8
    atol: float = 1e-10
    bound: float | None = None
    solution: tuple[str, ...] | Literal["linear"] | Formula | None = None
    references: tuple[Reference, ...] = ()

    @property
    def default_method(self) -> str:
        """What solves it at its parameters: "rodas5" where it is stiff there, else "dopri8"."""
        mild = any(self.values[name] < value for name, value in self.stiff_from.items())
        return "rodas5" if self.stiff and not mild else "dopri8"

    def jacobian(self, values: Values | None = None) -> MatrixField:
        """jacobian(t, y): y (..., state) to df/dy (..., state, state), analytic; `values` as for `field`."""
        return jacobian(self.dynamics().drift, self.layout(), self.merged(values))

    def latex(self) -> str:
        """The system as an array of aligned equations."""
        from limitlab.problems.text.notation import system_latex

        return system_latex(self.dynamics(), self.states, self.parameters)

    def solve(
        self,
        initial: Float[Tensor, "batch state"] | None = None,
        times: Times | Sequence[float] | Tensor | None = None,
        *,
        method: str | None = None,
        values: Values | None = None,
        **options: Any,
    ) -> Solution:
        """`limitlab.solvers.solve_ode` of this problem, from its initial value and at its stored times when left out.

        method: `default_method` when left out. options: of `solve_ode`.
        """
        from limitlab.solvers.methods.catalogue import method_named
        from limitlab.solvers.ode.solve import solve_ode

        chosen = method or self.default_method
        y0 = self.start(self.merged(values)).reshape(-1, self.dimension) if initial is None else initial
        moments = resolved("times", self.stored_times(None, times), y0)
        defaults: dict[str, Any] = {"rtol": self.rtol, "atol": self.atol, "max_steps": self.max_steps}
        if hasattr(method_named(chosen), "jacobian"):
            # analytic: n reverse products a step are what costs otherwise
            defaults["jacobian"] = self.jacobian(values)
        return solve_ode(
            self.field(values),
            y0,
            moments,
            method=chosen,
            **{**defaults, **options},
        )

    def _solved(self, draws: Draws, times: Times, options: Mapping[str, Any]) -> Trajectories:
        y0, values = self._drawn(draws)
        method = options.get("method")
        problem = {"rtol": self.rtol, "atol": self.atol}
        tolerances = {name: value if options.get(name) is None else options[name] for name, value in problem.items()}
        failing = "raise" if self.bound is None else "mask"
        solution = self.solve(y0, times, method=method, values=values, on_failure=failing, **tolerances)
        y = solution.y
        for attempt in range(1, MOST_ATTEMPTS + 1):
            outside = torch.nonzero(self._outside(y)).flatten().tolist()
            if not outside:
                break
            if attempt == MOST_ATTEMPTS:
                raise InvalidArgument(
                    f"sample {draws.first + outside[0]} of {self.name} (seed {draws.seed}) fails or leaves "
                    f"[-{self.bound:g}, {self.bound:g}] in {MOST_ATTEMPTS} draws: choose another law, a shorter span "
                    "or a larger bound"
                )
            for sample in outside:
                # one by one: a sample must not depend on which others failed with it
                start, drawn = self.sample(1, draws.seed, first=draws.first + sample, attempt=attempt)
                again = self.solve(start, times, method=method, values=drawn, on_failure="mask", **tolerances)
                y[sample] = again.y[0]
                _replace_sample(values, sample, drawn)
        return Trajectories(y, values, {"solver": solution.method, **tolerances})

    def _known(self, draws: Draws, times: Times) -> Trajectories:
        y0, values = self._drawn(draws)
        y = self.solution_at(torch.from_numpy(times), y0, values)
        return Trajectories(y, values, {"solver": "exact", "rtol": 0.0, "atol": 0.0})

    def solution_at(
        self, t: Float[Tensor, " time"], y0: Float[Tensor, "batch state"] | None = None, values: Values | None = None
    ) -> Float[Tensor, "batch time state"]:
        """The solution from y0 (else the default initial value) at times t; InvalidArgument where none is known."""
        if self.solution is None:
            raise InvalidArgument(f"no exact solution of {self.name} is known here")
        values = self.merged(values)
        y0 = self.start(values).reshape(-1, self.dimension) if y0 is None else y0
        if callable(self.solution):
            return self.solution(t, y0, values)
        if self.solution == "linear":
            matrix = self.jacobian(values)(t.new_zeros(()), y0)
            return torch.einsum("btij,bj->bti", torch.linalg.matrix_exp(matrix[:, None] * t[:, None, None]), y0)
        return self.formula(self.solution, t, y0, values)

    def _outside(self, y: Float[Tensor, "sample time state"]) -> Tensor:
        if self.bound is None:
            return torch.zeros(y.shape[0], dtype=torch.bool)
        # not (>=), which a NaN would pass
        return ~(y.abs() < self.bound).flatten(1).all(1)


def _replace_sample(values: dict[str, float | Tensor], sample: int, drawn: Values) -> None:
    """Parameters that vary from sample to sample, in place."""
    for name, value in drawn.items():
        if isinstance(value, Tensor):
            values[name][sample] = value[0]  # type: ignore[index]
