"""A partial differential equation as one object: its text, parameters, domain, generator of data and discrete residual.

The base knows the equation, its parameters, its domain and how arrays are labelled; a subclass says how data are
made (`simulate`) and how far fields are from solving the equation (`residual_of`). Steady problems have span 0.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.labels import labelled
from limitlab.problems.base import Facts, Field, GenerativeProblem, Kind, Parameter, with_unit
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.spaces.differences import block_average
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import spectral_resample

if TYPE_CHECKING:
    import sympy
    import xarray

    from limitlab.problems.pde.system_laws import SystemLaw

POINTS_PER_BATCH = 2**17


@dataclass(frozen=True, kw_only=True)
class PDEProblem(GenerativeProblem):
    """An equation on a box, with everything that decides the numbers it generates.

    equation: text of the grammar of `limitlab.problems.text.grammar`, for example "u_t = -dx(u^2/2) + nu*u_xx".
    lengths, starts: one number an axis.
    frames: stored times, equally spaced on [0, span], both ends included. operator: the fields (input, target) of the
    operator to learn; a field with a time axis enters at its first frame and is the target at its last.

    >>> heat = ll.problems.get("heat", nu=0.1, frames=3)
    >>> isinstance(heat, ll.problems.PDEProblem), heat.latex()
    (True, 'u_{t} = \\\\nu u_{xx}')
    >>> dict(heat.simulate(2, resolution=16).sizes)
    {'sample': 2, 'time': 3, 'x': 16}
    """

    kind: ClassVar[Kind] = "pde"
    descriptive: ClassVar[frozenset[str]] = GenerativeProblem.descriptive | {"fields"}

    fields: tuple[Field, ...]
    operator: tuple[str, str]
    lengths: tuple[float, ...] = (1.0,)
    starts: tuple[float, ...] = (0.0,)
    axis_kind: Literal["periodic", "cells", "nodes"] = "periodic"
    boundary: str = "periodic"
    default_resolution: int = 128
    span: float = 0.0
    frames: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        # a frozen dataclass; numbers of an array may be NumPy's
        object.__setattr__(self, "span", check_number("span", self.span, low=0.0))
        least = 2 if self.span > 0 else 1
        object.__setattr__(self, "frames", check_number("frames", self.frames, low=least, integer=True))
        object.__setattr__(self, "lengths", check_numbers("lengths", self.lengths, low=1e-6, high=1e6))

    @property
    def dimension(self) -> int:
        """Number of space axes."""
        return len(self.lengths)

    def facts(self) -> Facts:
        fields = ", ".join(with_unit(field.name, field.unit) for field in self.fields)
        size = " x ".join([str(self.default_resolution)] * self.dimension)
        box = " x ".join(
            f"[{start:g}, {start + length:g}]" for start, length in zip(self.starts, self.lengths, strict=True)
        )
        points = "points" if self.axis_kind == "periodic" else self.axis_kind
        times = (("times", f"{self.frames} on [0, {self.span:g}]"),) if self.span else ()
        operator = " -> ".join(self.operator)
        return (
            ("fields", f"{fields}; to learn: {operator}"),
            ("domain", f"{size} {points} of {box}, boundary {self.boundary}"),
            *times,
        )

    @property
    def times(self) -> Float[np.ndarray, " time"]:
        """The stored times: `frames` of them on [0, span]."""
        return np.linspace(0.0, self.span, self.frames)

    @abstractmethod
    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """Left side minus right side of the equation, discretised on `grid`; differentiable in the fields.

        fields: by name, (batch, *grid), or (batch, time, *grid) for a field that evolves; dtype and device are kept.
        """

    def residual(self, dataset: xarray.Dataset) -> xarray.Dataset:
        """`residual_of` on a dataset of this problem, in float64: variable `residual` on the dims of the target."""
        grid = Grid.from_json(dataset.attrs["grid"])
        named = [f.name for f in self.fields if f.name in dataset]
        tensors = {name: torch.tensor(dataset[name].values, dtype=torch.float64) for name in named}
        time = torch.tensor(dataset["time"].values, dtype=torch.float64) if "time" in dataset.dims else None
        target = dataset[self.operator[1]]
        values = self.residual_of(grid, time=time, **tensors)
        dims = " ".join(map(str, target.dims))
        labels = labelled(dataset.attrs, residual=(dims, values, f"residual of {self.equation}"))
        return labels.assign_coords(target.coords)

    def grid(self, resolution: int | None = None) -> Grid:
        """The grid with `resolution` points an axis (the default resolution when left out)."""
        asked = self.default_resolution if resolution is None else resolution
        size = check_number("resolution", asked, low=2, high=2**16, integer=True)
        return Grid.uniform(
            (int(size),) * self.dimension,
            dimension=self.dimension,
            lengths=self.lengths,
            starts=self.starts,
            kind=self.axis_kind,
        )

    def with_domain(self, *, length: float | None = None, span: float | None = None, frames: int | None = None) -> Self:
        """The same equation on a box of another length (every axis), over another time span, or with other frames."""
        lengths = (
            self.lengths if length is None else (check_number("length", length, low=1e-6, high=1e6),) * self.dimension
        )
        return dataclasses.replace(
            self,
            lengths=lengths,
            span=self.span if span is None else float(check_number("span", span, low=0.0)),
            frames=self.frames if frames is None else int(check_number("frames", frames, low=1, integer=True)),
        )

    def expression(self) -> sympy.Eq:
        """The equation as a sympy equality in functions of (t, x[, y]) and one symbol a parameter."""
        from limitlab.problems.text.grammar import parse_equation

        return parse_equation(
            self.equation,
            fields=[f.name for f in self.fields],
            parameters=[p.name for p in self.parameters],
            dimension=self.dimension,
        )

    def latex(self) -> str:
        """The equation as LaTeX, derivatives as subscripts."""
        return self.rows_latex([self.expression()])

    def rows_latex(self, equations: Sequence[sympy.Eq]) -> str:
        """Equations as LaTeX, one a row."""
        from limitlab.problems.text.notation import equation_latex

        items: list[Field | Parameter] = [*self.fields, *self.parameters]
        names = {item.name: item.latex for item in items if item.latex}
        rows = [equation_latex(equation, names) for equation in equations]
        if len(rows) == 1:
            return rows[0]
        return "\\begin{array}{rcl}" + " \\\\ ".join(row.replace(" = ", " &=& ", 1) for row in rows) + "\\end{array}"

    def label(
        self,
        arrays: Mapping[str, Tensor],
        grid: Grid,
        *,
        seed: int,
        first: int,
        solver: str,
        solver_resolution: int,
        dt: float,
    ) -> xarray.Dataset:
        """Arrays (sample, *grid) or (sample, time, *grid), by field name, as a labelled float32 dataset."""
        known = {field.name: field for field in self.fields}
        variables: dict[str, Any] = {}
        for name, values in arrays.items():
            # stored at half the size; the solvers are in double
            values = values.detach().to("cpu", torch.float32)
            # finite in double may be infinite here
            if not bool(torch.isfinite(values).all()):
                raise SolutionBlewUp(f"{name!r} of {self.name} leaves the range of single precision; shorten the span")
            evolves = values.dim() == grid.dimension + 2
            dims = ("sample", "time", *grid.names) if evolves else ("sample", *grid.names)
            variables[name] = (" ".join(dims), values, known[name].meaning, known[name].unit)
        count = next(iter(arrays.values())).shape[0]
        coordinates: dict[str, Any] = {
            "sample": ("sample", np.arange(first, first + count), "sample"),
            **_space_coordinates(grid),
        }
        if any("time" in dims.split() for dims, *_ in variables.values()):
            coordinates["time"] = ("time", self.times, "time")
        made = {"grid": grid.to_json(), "solver": solver, "solver_resolution": solver_resolution, "dt": dt}
        return labelled(self.provenance_of(seed, first, **made), **variables, **coordinates)

    def restrict(self, dataset: xarray.Dataset, resolution: int) -> xarray.Dataset:
        """The dataset on a coarser grid: spectral truncation where periodic, block averages of cells."""
        import xarray

        fine = Grid.from_json(dataset.attrs["grid"])
        coarse = fine.at(resolution)
        variables = {}
        for name, array in dataset.data_vars.items():
            values = torch.tensor(array.values, dtype=torch.float64)
            reduced = self.reduced(values, fine, resolution).to(torch.float32).numpy()
            variables[name] = (array.dims, reduced, array.attrs)
        others = {name: c for name, c in dataset.coords.items() if name not in fine.names}
        attrs = {**dataset.attrs, "grid": coarse.to_json()}
        positions = labelled(**_space_coordinates(coarse)).coords
        return xarray.Dataset(variables, coords={**others, **positions}, attrs=attrs)

    def reduced(self, values: Float[Tensor, "*grid"], grid: Grid, resolution: int) -> Float[Tensor, "*coarse"]:
        """Values on a coarser grid, as `restrict` takes them there."""
        reduce = {"periodic": spectral_resample, "cells": block_average}.get(self.axis_kind)
        if reduce is None:
            raise InvalidArgument(
                f"{self.name} lives on {self.axis_kind}; generate it at resolution {resolution} instead"
            )
        return reduce(values, grid, resolution)

    def operator_view(self, dataset: xarray.Dataset) -> xarray.Dataset:
        """The operator to learn, as float32 `input` and `target` of dims (sample, channel, x[, y])."""
        import xarray

        frames = {"input": (self.operator[0], 0), "target": (self.operator[1], -1)}
        variables = {}
        for role, (name, frame) in frames.items():
            array = dataset[name]
            array = array.isel(time=frame, drop=True) if "time" in array.dims else array
            variables[role] = array.astype("float32").expand_dims(channel=1, axis=1)
        return xarray.Dataset(variables, attrs=dataset.attrs)

    def stacked_view(self, dataset: xarray.Dataset) -> xarray.Dataset:
        """All fields at the first frame as channels of `input`, at the last as those of `target`, the target first."""
        import xarray

        names = [self.operator[1], *(f.name for f in self.fields if f.name != self.operator[1])]
        channels = xarray.Variable("channel", names)
        variables = {}
        for role, frame in {"input": 0, "target": -1}.items():
            arrays = [dataset[name].isel(time=frame, drop=True).astype("float32") for name in names]
            stacked = xarray.concat(arrays, "channel", join="exact", combine_attrs="override")
            attrs = arrays[0].attrs if len(arrays) == 1 else {"long_name": ", ".join(names), "units": "1"}
            variables[role] = stacked.transpose("sample", "channel", ...).assign_attrs(attrs)
        return xarray.Dataset(variables, {"channel": channels} if len(names) > 1 else {}, dataset.attrs)


@dataclass(frozen=True, kw_only=True)
class EvolvingFields(PDEProblem):
    """Equations for all fields, with the law of their initial values; a subclass says what solves them."""

    initial: SystemLaw

    @abstractmethod
    def solver(self) -> tuple[str, float]:
        """What solves the equations, in words, and the longest step, 0 where it is each sample's own."""

    @abstractmethod
    def solver_resolution(self, resolution: int) -> int:
        """Points of the solver's grid along an axis."""

    @abstractmethod
    def integrate(
        self,
        state: Float[Tensor, "batch field *points"],
        grid: Grid,
        times: np.ndarray,
        *,
        resolution: int | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch time field *grid"]:
        """Trajectories computed on the very grid of the initial values, then reduced to `resolution` points."""

    @abstractmethod
    def residuals_of(
        self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor
    ) -> dict[str, Float[Tensor, "batch time *grid"]]:
        """Left side minus right side of every equation, by the name of its field."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields."""
        return tuple(field.name for field in self.fields)

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Trajectories of all fields, (sample, time, x[, y]), float32. Raises SolutionBlewUp naming the sample."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        fine = grid.at(self.solver_resolution(grid.shape[0]))
        chunk = max(1, POINTS_PER_BATCH // math.prod(fine.shape))
        parts = []
        for start in range(first, first + samples, chunk):
            state = self.initial.sample(fine, min(chunk, first + samples - start), seed, start, self.values)
            state = self.first_frame(state, fine, start)
            parts.append(self.integrate(state, fine, self.times, resolution=grid.shape[0], first=start))
        arrays = dict(zip(self.names, torch.cat(parts).unbind(2), strict=True))
        solver, dt = self.solver()
        size = fine.shape[0]
        return self.label(arrays, grid, seed=seed, first=first, solver=solver, solver_resolution=size, dt=dt)

    def first_frame(
        self, initial: Float[Tensor, "batch field *points"], grid: Grid, first: int
    ) -> Float[Tensor, "batch field *points"]:
        """What trajectories begin with, of the values that the law draws: the same, unless a problem lets time pass."""
        return initial

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """The residual of the target's own equation, of fields (batch, time, x[, y]); `residuals_of` has them all."""
        return self.residuals_of(grid, time=time, **fields)[self.operator[1]]

    def operator_view(self, dataset: xarray.Dataset) -> xarray.Dataset:
        """The operator to learn, all fields at the first frame to all at the last, (sample, channel, x[, y])."""
        return self.stacked_view(dataset)

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Functions of space and time in the text: the fields, and what a subclass adds."""
        return self.names

    def expression(self) -> sympy.Eq:
        """The equation of the target; `expressions` has all."""
        return self.expressions()[self.names.index(self.operator[1])]

    def expressions(self) -> tuple[sympy.Eq, ...]:
        """The equations as sympy equalities, in the order of the fields."""
        from limitlab.problems.compiled.system_terms import parsed

        return parsed(self.equation, self.unknowns, tuple(self.values), self.dimension)

    def latex(self) -> str:
        """The equations as LaTeX, one a row."""
        return self.rows_latex(self.expressions())


def _space_coordinates(grid: Grid) -> dict[str, Any]:
    return {name: (name, values, f"position {name}") for name, values in grid.coordinates().items()}
