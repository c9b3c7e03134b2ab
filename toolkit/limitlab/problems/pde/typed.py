"""A person's own equation: text `u_t = ...` to a problem of the same kind, and the same solver, as the catalogue's.

    u_t = D*u_xx + u*(1 - u)                              on an interval
    u_t = 0.1*(u_xx + u_yy) + u - u^3                     in the plane, where the text holds y, or two lengths are given
    A_t = ... ; B_t = ...                                 several fields

What the catalogue settles by hand is settled by a pilot run here (`limitlab.problems.pde.settling`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.problems.compiled.system_terms import equations_of, unknowns_of
from limitlab.problems.pde.laws import FourierLaw, InitialLaw, TextLaw, evaluate_text
from limitlab.problems.pde.periodic import PeriodicProblem, terms_of
from limitlab.problems.pde.problem import Field, Parameter
from limitlab.problems.pde.settling import FEWEST_STEPS, FINEST_RESOLUTION, Unsettled, settled
from limitlab.problems.pde.spectral_system import SpectralSystem
from limitlab.problems.pde.system_laws import GaussianFields, Independent, Seeds, SystemLaw, WaveLaw
from limitlab.spaces.grid import Grid

_OF_THE_PLANE = re.compile(r"(?<![A-Za-z0-9_])(?:y|dy|[A-Za-z][A-Za-z0-9_]*_[txy]*y[txy]*)(?![A-Za-z0-9_])", re.ASCII)
_OF_TIME = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_]*_[xyz]*t[txyz]*(?![A-Za-z0-9_])", re.ASCII)
DEFAULT_RESOLUTION = {1: 128, 2: 64}


def parse(
    text: str,
    parameters: Mapping[str, float | Parameter] | None = None,
    *,
    length: float | Sequence[float] = 1.0,
    span: float = 1.0,
    frames: int = 51,
    initial: Any = "random",
    resolution: int | None = None,
    dt: float | None = None,
) -> PeriodicProblem | SpectralSystem:
    """The periodic problem of a text on [0, length] or a box: parse("u_t = D*u_xx + u*(1 - u)", {"D": 0.01}).

    parameters: values, or Parameters with a range. length: one number, or one an axis. initial: "random" waves, a
    number, text in the coordinates, a law, or one of these for each field by name. resolution: points an axis (128, in
    the plane 64). dt: longest step; a pilot run finds one when left out.
    Raises InvalidArgument for text outside the grammar, terms that are not periodic, ill-posed or steady equations, and
    solutions that blow up or that 1024 points (256 x 256 in the plane) do not resolve.
    """
    dimension = _dimension(text, parameters or {}, length)
    lengths = check_numbers("length", length, dimension, low=1e-6, high=1e6)
    span = check_number("span", span, low=1e-9, high=1e6)
    frames = int(check_number("frames", frames, low=2, high=10_000, integer=True))
    asked = DEFAULT_RESOLUTION[dimension] if resolution is None else resolution
    size = int(check_number("resolution", asked, low=8, high=FINEST_RESOLUTION[dimension], integer=True))
    common: dict[str, Any] = {
        "name": "own_equation",
        "equation": text,
        "parameters": tuple(declared(key, value) for key, value in (parameters or {}).items()),
        "dt": span / FEWEST_STEPS if dt is None else float(check_number("dt", dt, low=1e-9)),
        "lengths": lengths,
        "default_resolution": size,
        "span": float(span),
        "frames": frames,
        "source": "typed",
    }
    if dimension == 1 and not _of_own_fields(text):
        return _checked(PeriodicProblem(title="Your equation", initial=_law(initial), **common), dt)
    return _checked(_system(text, initial, dimension, common), dt)


def _checked(problem: Unsettled, dt: float | None) -> Unsettled:
    """The problem, settled where that takes a step that is not given. Raises what `parse` raises."""
    problem.grid()
    _require_periodic(problem)
    _, nonlinear = problem.tendency(problem.grid(), torch.zeros(1, dtype=torch.float64))
    return problem if nonlinear is None or dt is not None else settled(problem)


def _dimension(text: object, parameters: Mapping[str, Any], length: object) -> int:
    """2 where the text holds y, or a length is given for each of two axes."""
    if isinstance(text, str) and any(name not in parameters for name in _OF_THE_PLANE.findall(text)):
        if not _OF_TIME.search(text):
            raise InvalidArgument(
                f"{text.strip()!a:.60} holds no time derivative: a steady equation in the plane is not solved from its "
                "text; take darcy, darcy_lognormal, poisson or helmholtz from the catalogue, or write u_t = ..."
            )
        return 2
    return 2 if isinstance(length, Iterable) and len(tuple(length)) == 2 else 1


def _of_own_fields(text: object) -> bool:
    """Whether the equation has another unknown than u, or several."""
    if not isinstance(text, str):
        return False
    lines = equations_of(text)
    return len(lines) > 1 or (bool(lines) and re.match(r"\s*(?!u_)[A-Za-z][A-Za-z0-9_]*_t\s*=", lines[0]) is not None)


def _system(text: str, initial: Any, dimension: int, common: dict[str, Any]) -> SpectralSystem:
    names = unknowns_of(text)
    return SpectralSystem(
        title="Your equation" if len(names) == 1 else "Your system",
        fields=tuple(Field(name, f"your {name}") for name in names),
        operator=(names[0], names[0]),
        initial=_law_of_all(initial, names, dimension),
        starts=(0.0,) * dimension,
        **common,
    )


def _law_of_all(initial: Any, names: Sequence[str], dimension: int) -> SystemLaw:
    waves = WaveLaw(modes=5 if dimension == 1 else 3)
    if isinstance(initial, Mapping):
        for name in initial:
            one_of("field", name, names)
        parts = [initial.get(name, "random") for name in names]
    elif isinstance(initial, Independent | GaussianFields | Seeds):
        return initial
    else:
        parts = [initial] * len(names)
    return Independent(tuple(waves if part is None or part == "random" else _law(part) for part in parts))


def _law(initial: str | float | InitialLaw) -> InitialLaw:
    if isinstance(initial, str):
        return FourierLaw() if initial == "random" else TextLaw(initial)
    if dataclasses.is_dataclass(initial) and hasattr(initial, "sample"):
        return initial
    try:
        # Python's own digits, all of them
        return TextLaw(repr(check_number("initial", initial)))
    except InvalidArgument:
        raise InvalidArgument(
            f'initial must be "random", a number, text in x such as "sin(2*pi*x)", or a law of u(x); got '
            f"{initial!r:.60}"
        ) from None


def declared(name: str, value: float | Parameter) -> Parameter:
    """A parameter of that value, with a range from a tenth to ten times of it."""
    if isinstance(value, Parameter):
        return value
    number = float(check_number(f"parameter {name}", value, low=-1e12, high=1e12))
    ends = (number / 10, number * 10) if number else (-1.0, 1.0)
    return Parameter(name, number, min(ends), max(ends), "parameter of your equation")


def _require_periodic(problem: PeriodicProblem | SpectralSystem) -> None:
    """Refuse coordinates that do not repeat with the domain, such as a bare x: their seam is a jump."""
    laws = problem.initial.laws if isinstance(problem.initial, Independent) else (problem.initial,)
    for law in laws:
        if isinstance(law, TextLaw):
            _require_periodic_text(law.text, problem)
    if isinstance(problem, PeriodicProblem):
        parts = list(terms_of(problem.equation, tuple(problem.values)).nonlinear.values())
    else:
        parts = [flux for row in problem.terms().fluxes for flux in row.values()]
    names = ("u",) if isinstance(problem, PeriodicProblem) else problem.names
    numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in problem.values.items()}
    # points of no symmetry, where a function that is not periodic will not happen to agree
    shares = torch.tensor([[0.1234, 0.4567, 0.8901], [0.6789, 0.2345, 0.5678]], dtype=torch.float64)
    points = [s + length * share for s, length, share in zip(problem.starts, problem.lengths, shares, strict=False)]
    for axis, length in enumerate(problem.lengths):
        moved = [x + length if number == axis else x for number, x in enumerate(points)]
        for flux in parts:
            values, shifted = (
                flux(
                    {**numbers, **{name: torch.full((3,), 0.37, dtype=torch.float64) for name in names}, **at},
                    lambda inner, axis, order: inner,
                )
                for at in (dict(zip("xy", points, strict=False)), dict(zip("xy", moved, strict=False)))
            )
            if not _same(torch.as_tensor(values), torch.as_tensor(shifted)):
                raise InvalidArgument(
                    f"the equation's terms in {'xy'[axis]} must have the period {length:g} of the domain"
                )


def _require_periodic_text(text: str, problem: PeriodicProblem | SpectralSystem) -> None:
    corner = list(zip(problem.starts, problem.lengths, strict=True))
    for axis, length in enumerate(problem.lengths):
        # two periods, three nodes: the first two should agree
        doubled = [2 * size if number == axis else size for number, size in enumerate(problem.lengths)]
        # off the corners, where a wave along the other axis may vanish
        starts = [s if number == axis else s + 0.1234 * size for number, (s, size) in enumerate(corner)]
        seam = Grid.uniform(3, dimension=problem.dimension, lengths=doubled, starts=starts, kind="nodes")
        ends = evaluate_text(text, seam, torch.zeros(1, dtype=torch.float64), problem.values)[0].movedim(axis, 0)
        if not _same(ends[0], ends[1]):
            raise InvalidArgument(f"the initial value {text!r:.80} is not finite and of period {length:g}")


def _same(values: Tensor, shifted: Tensor) -> bool:
    return bool(torch.allclose(values, shifted, rtol=1e-6, atol=1e-9, equal_nan=True)) and not bool(
        torch.isinf(values).any()
    )
