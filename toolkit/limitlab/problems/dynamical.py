"""What ordinary and stochastic problems share: states that move in time, initial values and their law, labels.

A problem without sites has one number a state; with sites its equations hold for each of N sites, and a state is N
numbers ("theta_1", "theta_2", ...).
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.labels import labelled
from limitlab.numbers import array_of
from limitlab.problems.base import Facts, Field, GenerativeProblem, Invariant, with_unit
from limitlab.problems.compiled.vector_field import INTEGRAL, Ends, Layout, Values, VectorField, evaluator, vector_field
from limitlab.problems.laws import Nearby, StateLaw, streams
from limitlab.problems.text.systems import Dynamics, parse_dynamics, parse_scalar

if TYPE_CHECKING:
    import xarray

NEARBY = Nearby()
LABELS = ("sample", "time", "state", "unit", "y")
Times = Float[np.ndarray, " time"]


class Draws(NamedTuple):
    """Samples first, first + 1, ... of the family `seed`; without a number of samples the default initial value."""

    samples: int | None
    seed: int
    first: int


class Trajectories(NamedTuple):
    """States (sample, time, state), the parameters of the samples, and how the numbers were made."""

    y: Tensor
    values: Values
    made: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DynamicalProblem(GenerativeProblem):
    """A system of equations in time with its initial value and law.

    states: the unknowns, in the order of the text. initial: default initial value, numbers or texts in the parameters
    (with sites: in i = 1 .. N and N). frames: stored times, equally spaced on [0, span]. sites: N, or 0 for a problem
    without sites; ends: what is beyond the first and the last site. spread: every sample has parameters of its own,
    each U(1 - spread, 1 + spread) times its value.

    >>> problem = ll.problems.get("lotka_volterra")
    >>> isinstance(problem, ll.problems.DynamicalProblem), problem.dimension, problem.components
    (True, 2, ('x', 'y'))
    """

    descriptive: ClassVar[frozenset[str]] = GenerativeProblem.descriptive | {"states", "invariants", "time_unit"}
    solver_options: ClassVar[tuple[str, ...]]
    """What `simulate` passes on to the solver."""

    states: tuple[Field, ...]
    initial: tuple[float | str, ...]
    law: StateLaw = NEARBY
    span: float = 10.0
    frames: int = 201
    time_unit: str = "1"
    sites: int = 0
    site_range: tuple[int, int] = (0, 0)
    ends: Ends = "cyclic"
    spread: float = 0.0
    invariants: tuple[Invariant, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = {"span": (1e-12, 1e15), "frames": (2, 10**6), "sites": self.site_range, "spread": (0.0, 1.0)}
        for name, (low, high) in limits.items():
            value = check_number(name, getattr(self, name), low=low, high=high, integer=name in ("frames", "sites"))
            # a frozen dataclass; numbers of an array may be NumPy's
            object.__setattr__(self, name, value)
        if len(self.initial) != len(self.states):
            names = ", ".join(state.name for state in self.states)
            raise InvalidArgument(f"initial must hold one value for each of {names}; got {len(self.initial)}")
        initial = tuple(
            part if type(part) in (str, int, float) else check_number(f"initial value of {state.name}", part)
            for state, part in zip(self.states, self.initial, strict=True)
        )
        object.__setattr__(self, "initial", initial)
        for name in self.values:
            if name in LABELS:
                raise InvalidArgument(f"a parameter cannot be called {name!r}: the labels of datasets are")

    @property
    def dimension(self) -> int:
        """Numbers of a state vector."""
        return len(self.states) * (self.sites or 1)

    @property
    def components(self) -> tuple[str, ...]:
        """A name for each number of a state vector."""
        if not self.sites:
            return tuple(state.name for state in self.states)
        return tuple(f"{state.name}_{site}" for state in self.states for site in range(1, self.sites + 1))

    @property
    def times(self) -> Times:
        """The stored times: `frames` of them on [0, span]."""
        return np.linspace(0.0, self.span, self.frames)

    def facts(self) -> Facts:
        sites = f"[1 .. {self.sites}]" if self.sites else ""
        states = ", ".join(with_unit(f"{state.name}{sites}", state.unit) for state in self.states)
        times = with_unit(f"{self.frames} on [0, {self.span:g}]", self.time_unit)
        return (("states", states), ("times", times))

    @property
    def initial_value(self) -> Float[Tensor, " state"]:
        """The default initial value at the problem's parameters, float64."""
        return self.start(self.values)

    def start(self, values: Values) -> Float[Tensor, "*samples state"]:
        """The default initial value at parameters that may differ from sample to sample."""
        return self.evaluate(tuple(str(part) for part in self.initial), values, {})

    def with_domain(self, *, span: float | None = None, frames: int | None = None, sites: int | None = None) -> Self:
        """The same equations over another time span, with other frames, or with another number of sites."""
        changes: dict[str, Any] = {"span": span, "frames": frames, "sites": sites}
        return dataclasses.replace(self, **{name: value for name, value in changes.items() if value is not None})

    def with_initial(self, *initial: float | str) -> Self:
        """The same problem from another initial value, a number or text for each state."""
        return dataclasses.replace(self, initial=tuple(initial))

    def dynamics(self) -> Dynamics:
        """The equations as sympy expressions; parsed once. Raises InvalidArgument, quoting the equation."""
        dynamics = parse_dynamics(self.equation, tuple(self.values))
        declared = tuple(state.name for state in self.states)
        if dynamics.states != declared or dynamics.indexed != bool(self.sites):
            raise InvalidArgument(f"the states of {self.name} are {dynamics.states}; got {declared}")
        return dynamics

    def layout(self, extras: tuple[str, ...] = (), *, states: bool = True) -> Layout:
        """How a state vector holds the states; extras: names of further inputs."""
        names = tuple(state.name for state in self.states) if states else ()
        return Layout(names, tuple(self.values), self.sites, self.ends, extras)

    def field(self, values: Values | None = None) -> VectorField:
        """Right side (drift) field(t, y): y (..., state) to its time derivative; t broadcasts against y.

        values: parameters that differ from the problem's: numbers, or tensors of one value a sample.
        """
        return vector_field(self.dynamics().drift, self.layout(), self.merged(values))

    def merged(self, values: Values | None) -> dict[str, float | Tensor]:
        """The problem's parameter values with some replaced. Raises UnknownName."""
        for name in values or {}:
            one_of(f"parameter of {self.name}", name, self.values)
        return {**self.values, **(values or {})}

    def evaluate(
        self, texts: Sequence[str], values: Values, extras: Mapping[str, Tensor]
    ) -> Float[Tensor, "*samples state"]:
        """One text a state, in parameters and extra numbers, one a sample, or with sites one a sample and site."""
        layout = self.layout(tuple(extras), states=False)
        expressions = tuple(parse_scalar(text, (*self.values, *extras), indexed=bool(self.sites)) for text in texts)
        sites = torch.zeros(self.sites, dtype=torch.float64)
        computed = evaluator(expressions, layout).bind(values)(0.0, sites, *extras.values())
        numbers = [torch.as_tensor(value, dtype=torch.float64) for value in computed]
        # extras too: a text without random numbers still has a value for every sample
        parts = torch.broadcast_tensors(*numbers, *extras.values(), *([sites] if self.sites else []))[: len(texts)]
        return torch.cat(parts, -1) if self.sites else torch.stack(parts, -1)

    def formula(
        self,
        texts: Sequence[str],
        t: Float[Tensor, " time"],
        y0: Float[Tensor, "batch state"],
        values: Values,
        paths: Mapping[str, Tensor] | None = None,
    ) -> Float[Tensor, "batch time state"]:
        """One text a state in t, parameters, initial values ("x0" for the state x) and integral(...) from 0 to t.

        paths: further inputs by name, (batch, time), with sites (batch, time, site).
        """
        numbers = {
            name: value[:, None] if isinstance(value, Tensor) and value.dim() else value
            for name, value in values.items()
        }
        starts = y0[:, None].expand(-1, t.shape[0], -1)
        inputs = {f"{s.name}0": part for s, part in zip(self.states, self.layout().parts(starts), strict=True)}
        inputs.update(paths or {})
        expressions = tuple(
            parse_scalar(text, (*self.values, *inputs), indexed=bool(self.sites), reductions=(INTEGRAL,))
            for text in texts
        )
        run = evaluator(expressions, self.layout(tuple(inputs), states=False)).bind(numbers)
        return self.layout().joined(run(t[:, None], y0, *inputs.values()), next(iter(inputs.values())))

    def sample(
        self, samples: int, seed: int = 0, *, first: int = 0, attempt: int = 0
    ) -> tuple[Float[Tensor, "samples state"], dict[str, float | Tensor]]:
        """Initial values and parameters of samples first, first + 1, ...; parameters vary where `spread` > 0."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        drawn = streams(samples, seed, first, attempt)
        values: dict[str, float | Tensor] = dict(self.values)
        if self.spread > 0:
            factors = np.stack([stream.uniform(1 - self.spread, 1 + self.spread, len(values)) for stream in drawn])
            values = {
                # a column of its own: a view would keep the whole table, with strides
                name: value * torch.from_numpy(factors[:, k].copy())
                for k, (name, value) in enumerate(self.values.items())
            }
        return self.law.draw(self, drawn, values), values

    def simulate(
        self,
        samples: int,
        seed: int = 0,
        resolution: int | None = None,
        *,
        first: int = 0,
        times: Times | Sequence[float] | None = None,
        **options: Any,
    ) -> xarray.Dataset:
        """Trajectories `y` (sample, time, state), float64; sample i depends only on (seed, first + i).

        resolution: number of stored times, or `times`. options: method, and of an ODE rtol and atol, of an SDE
        step_size, on which its Brownian paths do not depend. Samples of an ODE with a `bound` that fail or leave it are
        drawn again, and InvalidArgument is raised when ten draws of one all do; without a bound SolveFailed is.
        """
        samples = int(check_number("samples", samples, low=1, integer=True))
        for option in options:
            one_of(f"option of {self.name}", option, self.solver_options)
        return self._trajectories(
            partial(self._solved, options=options), Draws(samples, seed, first), resolution, times
        )

    def exact(
        self,
        samples: int | None = None,
        seed: int = 0,
        resolution: int | None = None,
        *,
        first: int = 0,
        times: Times | Sequence[float] | None = None,
    ) -> xarray.Dataset:
        """The samples of `simulate` by the known formula; from the default initial value if `samples` is left out.

        An SDE's are those along the same Brownian paths, with integrals by trapezoids.
        """
        return self._trajectories(self._known, Draws(samples, seed, first), resolution, times)

    @abstractmethod
    def _solved(self, draws: Draws, times: Times, options: Mapping[str, Any]) -> Trajectories:
        """Trajectories by a solver."""

    @abstractmethod
    def _known(self, draws: Draws, times: Times) -> Trajectories:
        """Trajectories by the known formula. Raises InvalidArgument where there is none."""

    def _trajectories(
        self,
        method: Callable[[Draws, Times], Trajectories],
        draws: Draws,
        resolution: int | None,
        times: Times | Sequence[float] | None,
    ) -> xarray.Dataset:
        moments = self.stored_times(resolution, times)
        y, values, made = method(draws, moments)
        return self.label(y, moments, values, seed=draws.seed, first=draws.first, **made)

    def _drawn(self, draws: Draws) -> tuple[Float[Tensor, "samples state"], dict[str, float | Tensor]]:
        if draws.samples is None:
            return self.initial_value[None], dict(self.values)
        return self.sample(draws.samples, draws.seed, first=draws.first)

    def label(
        self,
        y: Float[Tensor, "sample time state"],
        times: Times,
        values: Values,
        *,
        seed: int,
        first: int,
        **attrs: Any,
    ) -> xarray.Dataset:
        """States as the variable `y` (sample, time, state), float64; coordinates hold the parameters of each sample."""
        count = y.shape[0]
        known = {parameter.name: parameter for parameter in self.parameters}
        units = [state.unit for state in self.states for _ in range(self.sites or 1)]
        shared = units[0] if len(set(units)) == 1 else "see the coordinate unit"
        dataset = labelled(
            self.provenance_of(seed, first, **attrs),
            y=("sample time state", y, "state", shared),
            sample=("sample", np.arange(first, first + count), "sample"),
            time=("time", times, "time", self.time_unit),
            # objects: fixed-width text would be another dtype for every problem
            state=("state", np.array(self.components, dtype=object), "component"),
        )
        beside = labelled(
            unit=("state", np.array(units, dtype=object), "unit of the component"),
            **{
                name: (
                    "sample",
                    np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)).copy(),
                    known[name].meaning,
                    known[name].unit,
                )
                for name, value in values.items()
            },
        )
        return dataset.assign_coords(beside.data_vars)

    def conserved(self, dataset: xarray.Dataset) -> xarray.Dataset:
        """The invariants along the trajectories of a dataset of this problem: variables (sample, time) by name."""
        if not self.invariants:
            raise InvalidArgument(f"no invariant of {self.name} is known here")
        y = torch.tensor(dataset["y"].transpose("sample", "time", "state").values, dtype=torch.float64)
        time = torch.tensor(dataset["time"].values, dtype=torch.float64)[None, :, None]
        values = {name: torch.tensor(dataset[name].values)[:, None] for name in self.values}
        states = tuple(state.name for state in self.states)
        texts = [
            parse_scalar(i.text, tuple(self.values), states=states, indexed=bool(self.sites)) for i in self.invariants
        ]
        along = evaluator(tuple(texts), self.layout()).bind(values)(time, y)
        variables = {
            invariant.name: ("sample time", torch.as_tensor(value).reshape(y.shape[:2]), invariant.meaning)
            for invariant, value in zip(self.invariants, along, strict=True)
        }
        return labelled(dataset.attrs, **variables).assign_coords(sample=dataset["sample"], time=dataset["time"])

    def stored_times(self, resolution: int | None, times: Sequence[float] | Times | Tensor | None) -> Times:
        """The times of a dataset: those given, or `resolution` (else `frames`) equally spaced ones."""
        if times is not None:
            return array_of("times", times)
        count = self.frames if resolution is None else check_number("resolution", resolution, low=2, integer=True)
        return np.linspace(0.0, self.span, int(count))
