"""What every problem is, whatever its kind: a text with parameters, values for them, LaTeX, a spec for the cache."""

from __future__ import annotations

import dataclasses
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument, UnknownName, check_number, one_of

if TYPE_CHECKING:
    import xarray

Kind = Literal["pde", "ode", "sde", "integral"]
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Parameter:
    """A number of the equation with the range that sliders and checks use; `scale` is that of a slider.

    >>> growth = ll.problems.Parameter("r", 0.5, low=0.1, high=2.0, meaning="rate of growth", unit="1/day")
    >>> ll.problems.parse("x' = r*x", {"r": growth}).values
    {'r': 0.5}
    """

    name: str
    default: float
    low: float
    high: float
    meaning: str
    unit: str = "1"
    latex: str | None = None
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        for name in ("default", "low", "high"):
            value = getattr(self, name)
            if type(value) not in (int, float):
                # a frozen dataclass; numbers of an array may be NumPy's
                object.__setattr__(self, name, check_number(f"{name} of parameter {self.name}", value))


@dataclass(frozen=True)
class Field:
    """An unknown, a coefficient or a forcing of the equation, as the equation's text names it.

    >>> ll.problems.get("oral_dose").states[1]
    Field(name='C', meaning='concentration in blood', unit='mg/L', latex=None)
    """

    name: str
    meaning: str
    unit: str = "1"
    latex: str | None = None


@dataclass(frozen=True)
class Invariant:
    """A quantity that solutions keep, as text in states and parameters; where `only_if_zero` parameters are 0."""

    name: str
    text: str
    meaning: str
    only_if_zero: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Problem(Shown):
    """An equation with everything that decides the numbers it generates.

    equation: text of the grammar. values: current parameter values (the defaults when left out).
    version: raised whenever the generator's numbers change, so that caches forget.

    >>> sorted({problem.kind for problem in ll.problems.catalogue() if isinstance(problem, ll.problems.Problem)})
    ['integral', 'ode', 'pde', 'sde']
    """

    kind: ClassVar[Kind]
    descriptive: ClassVar[frozenset[str]] = frozenset({"title", "source", "parameters"})
    """Fields that decide no numbers."""

    name: str
    title: str
    equation: str
    parameters: tuple[Parameter, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict, hash=False)
    source: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        known = {parameter.name: parameter for parameter in self.parameters}
        values = {name: parameter.default for name, parameter in known.items()}
        for name, value in self.values.items():
            one_of(f"parameter of {self.name}", name, known)
            values[name] = float(check_number(name, value, low=known[name].low, high=known[name].high))
        object.__setattr__(self, "values", values)  # a frozen dataclass

    def with_parameters(self, **values: float) -> Self:
        """The same problem at other parameter values; raises UnknownName, or InvalidArgument outside their range."""
        return dataclasses.replace(self, values={**self.values, **values})

    @abstractmethod
    def latex(self) -> str:
        """The equation as LaTeX."""

    def card(self) -> Card:
        """The equation, its parameters with their ranges, its unknowns, and where they are looked for."""
        numbers = ((p, with_unit(f"{self.values[p.name]:g}", p.unit)) for p in self.parameters)
        shown = ", ".join(f"{p.name}={number} [{p.low:g}, {p.high:g}]" for p, number in numbers)
        parameters = (("parameters", shown),) if shown else ()
        title = f"{type(self).__name__} {self.name}: {self.title}"
        return Card(title, (("equation", self.equation), *parameters, *self.facts()))

    def facts(self) -> Facts:
        """What the card says of problems of its kind."""
        return ()

    def spec(self) -> dict[str, Any]:
        """Everything that decides the numbers, as JSON: the cache's key is a hash of it."""
        decisive = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in self.descriptive}
        try:
            # through JSON, so that a spec equals the one that a manifest gives back
            return json.loads(json.dumps({"generator": type(self).__name__, **decisive}, default=_as_json))
        except TypeError as problem:
            raise InvalidArgument(
                f"{self.name} must be made of data, so that its cache can be found again: laws are dataclasses of "
                f"numbers and texts ({problem})"
            ) from problem

    def spelling(self) -> dict[str, Any]:
        """What a file of a model holds of it: its name, where the catalogue has it, and what differs."""
        from limitlab.problems import get

        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        try:
            known = get(self.name)
        except UnknownName:
            return fields
        if type(known) is not type(self):
            return fields
        return {"known": self.name, **{name: value for name, value in fields.items() if value != getattr(known, name)}}

    @classmethod
    def spelled(cls, known: str | None = None, **fields: Any) -> Self:
        """The problem of its spelling."""
        from limitlab.problems import get

        return cls(**fields) if known is None else dataclasses.replace(get(known), **fields)

    def provenance(self, **made: Any) -> dict[str, Any]:
        """Attributes of a dataset: the problem, how its numbers were made, and the version that made them."""
        from importlib.metadata import version

        return {"problem": self.name, "equation": self.equation, **made, "limitlab_version": version("limitlab")}


@dataclass(frozen=True, kw_only=True)
class GenerativeProblem(Problem):
    """A problem that makes data."""

    @abstractmethod
    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Samples first ... first+samples-1 of the family `seed`; sample i depends only on (seed, first + i)."""

    def dataset(
        self,
        samples: int,
        seed: int = 0,
        resolution: int | None = None,
        *,
        split: Literal["train", "validation", "test"] = "train",
        **options: Any,
    ) -> xarray.Dataset:
        """`limitlab.data.generate` of this problem: cached, in chunks, with disjoint samples for each split."""
        from limitlab.data import generate

        return generate(self, samples, seed, resolution, split=split, **options)

    def provenance_of(self, seed: int, first: int, **made: Any) -> dict[str, Any]:
        """Attributes of samples first, first + 1, ... of the family `seed`."""
        return self.provenance(parameters=json.dumps(dict(self.values)), seed=seed, first=first, **made)


def with_unit(text: str, unit: str) -> str:
    """The text with its unit behind, where it has one."""
    return text if unit == "1" else f"{text} {unit}"


def _as_json(value: Any) -> Any:
    """What JSON lacks: dataclasses, and the numbers of NumPy that a law may hold."""
    return value.item() if getattr(value, "ndim", None) == 0 else dataclasses.asdict(value)
