"""What data on a visited set can tell of a hidden term, and what they cannot.

A hidden term G(v) beside a known term theta c(v) with an unknown coefficient is no unknown of its own: G - a c and
theta + a fit as well, for every a. On one trajectory even terms of other variables may be functions of v, along the
curve that was visited. Two numbers show it: the condition number of a library of candidates on the visited set, and
how much of dr/dtheta the library of G's inputs reproduces there.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn.residual import Derivative, Equations
from limitlab.errors import check_number
from limitlab.labels import labelled

if TYPE_CHECKING:
    import sympy
    import xarray as xr

    from limitlab.discovery.pinn.hidden_terms import UPINN

REPRODUCED = 1e-2
"""Below this share left over, a known term is taken for a function of the hidden term's inputs."""


class Unidentifiable(UserWarning):
    """A hidden term can take the place of a known one with an unknown coefficient."""


def library(
    features: Float[Tensor, "sample feature"], names: Sequence[str], degree: int = 2
) -> tuple[Float[Tensor, "sample candidate"], list[str]]:
    """Monomials of the features up to a degree, and their names; the constant is the first.

    >>> ll.discovery.pinn.library(torch.ones(3, 2), ["x", "y"])[1]
    ['1', 'x', 'y', 'x^2', 'x*y', 'y^2']
    """
    degree = int(check_number("degree", degree, low=0, high=6, integer=True))
    columns, labels = [torch.ones_like(features[:, 0])], ["1"]
    for order in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(len(names)), order):
            columns.append(features[:, list(chosen)].prod(-1))
            powers = {names[k]: chosen.count(k) for k in dict.fromkeys(chosen)}
            labels.append("*".join(name if power == 1 else f"{name}^{power}" for name, power in powers.items()))
    return torch.stack(columns, -1), labels


def condition_number(candidates: Float[Tensor, "sample candidate"]) -> float:
    """Largest over smallest singular value of the candidates, each scaled to length 1; infinite where they depend.

    >>> ll.discovery.pinn.condition_number(torch.tensor([[1.0, 1.0], [2.0, 2.0]]))
    inf
    """
    lengths = candidates.norm(dim=0)
    if not bool((lengths > 0).all()):
        return float("inf")
    values = torch.linalg.svdvals((candidates / lengths).double())
    floor = values[0] * max(candidates.shape) * torch.finfo(torch.float64).eps
    few = candidates.shape[0] < candidates.shape[1]
    return float("inf") if few or values[-1] <= floor else float(values[0] / values[-1])


def identifiability(model: UPINN, points: Float[Tensor, "point axis"], degree: int = 2) -> xr.Dataset:
    """Condition number of the library of G's inputs on the visited set, and what is left of each unknown coefficient.

    `left_over` (parameter): the share of dr/dtheta that no polynomial of G's inputs of one degree more reproduces, in
    the equations with a hidden term; 1 where theta is in none of them. Warns with Unidentifiable where it is below 1 %.

    >>> problem = ll.problems.get("lotka_volterra", span=3.0)
    >>> hidden = ll.discovery.pinn.HiddenTerms({"x": "-beta*x*y"}, inputs=("x", "y"))
    >>> seen = ll.discovery.pinn.Measurements.of(problem.simulate(1, resolution=30))
    >>> forms = ll.discovery.pinn.initial_value(problem, 1.0)
    >>> model = ll.discovery.pinn.UPINN(ll.discovery.pinn.equations_of(problem), hidden, seen, forms)
    >>> points = ll.discovery.pinn.collocation(problem, 64)
    >>> ll.discovery.pinn.identifiability(model, points)["condition"].item() > 1
    True
    """
    import sympy

    visited = model.samples(points, excluded=0.0)
    names = [str(name) for name in visited["feature"].values]
    features = torch.tensor(visited["features"].values)
    scaled = features / features.square().mean(0).sqrt().clamp_min(1e-300)
    candidates, _ = library(scaled, names, degree)
    rich, _ = library(scaled, names, degree + 1)
    left = []
    for parameter in model.guesses:
        symbol = sympy.Symbol(parameter, real=True)
        parts = [1.0]
        for place in model.places:
            slope = sympy.diff(model.equations.residuals[place], symbol)
            if slope == 0:
                continue
            column = _along(model, points, slope)
            fitted = rich @ torch.linalg.lstsq(rich, column[:, None], driver="gelsd").solution
            parts.append(float((column - fitted[:, 0]).norm() / column.norm().clamp_min(1e-300)))
        left.append(min(parts))
        if left[-1] < REPRODUCED:
            _warn(parameter, names, "on the points that were visited")
    return labelled(
        {},
        condition=("", condition_number(candidates), f"condition number of monomials up to degree {degree}"),
        left_over=("parameter", np.array(left), "share that no function of the inputs reproduces"),
        parameter=("parameter", np.array(list(model.guesses), dtype=object), "unknown coefficient"),
    )


def require_identifiable(
    equations: Equations, inputs: Sequence[Derivative | str], hidden: Sequence[str], unknown: Sequence[str]
) -> None:
    """Warn where dr/dtheta is, by its text, a function of the hidden term's inputs alone."""
    import sympy

    names = {entry.name if isinstance(entry, Derivative) else entry for entry in inputs}
    for parameter in unknown:
        for name in hidden:
            residual = equations.residuals[equations.unknowns.index(name)]
            slope = sympy.diff(residual, sympy.Symbol(parameter, real=True))
            held = {s.name for s in slope.free_symbols} - set(equations.parameters)
            if slope != 0 and held <= names:
                _warn(parameter, sorted(names), f"in the equation of {name}")


@torch.no_grad()
def _along(model: UPINN, points: Tensor, expression: sympy.Expr) -> Tensor:
    """An expression of the equation's symbols along all trajectories."""
    values = []
    for trajectory in range(len(model.surrogates)):
        fields = model.surrogate(trajectory).fields(points)
        numbers = {n: float(v) for n, v in model.parameters_of_equation.items()}
        values.append(model.equations.evaluate(points, fields, numbers, [expression])[0])
    return torch.cat(values)


def _warn(parameter: str, names: Sequence[str], where: str) -> None:
    warnings.warn(
        f"the term with the unknown coefficient {parameter} is a function of the hidden term's inputs "
        f"({', '.join(names)}) {where}: the two cannot be told apart; fix {parameter}, or hide its term as well",
        Unidentifiable,
        stacklevel=3,
    )
