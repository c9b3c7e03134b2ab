"""Equations of motion from measured trajectories, as sums of few terms of a library.

    x_k' = sum_j xi_kj theta_j(x)

by thresholds (sequentially thresholded least squares), on estimated derivatives or on integrals against test functions
(the weak form), with resampling where noise makes a term doubtful. Constants have standard errors, which take the
residuals as independent: those of smoothed derivatives and overlapping windows are not, and are too small then.
Sources: Brunton, Proctor & Kutz 2016; Messenger & Bortz 2021; Fasel et al. 2022.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from limitlab.cards import Card, Shown
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.sparse.derivatives import Estimate, estimated_slopes, read_trajectories, weak_form
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.discovery.symbolic.sparse.regression import (
    conditioning,
    inclusion,
    least_squares,
    standard_errors,
    thresholded,
)
from limitlab.errors import InvalidArgument, check_number, one_of

Form = Literal["spline", "differences", "weak"]
DEGREE = 3
LIKELY = 0.5
"""Terms stay that are in at least this share of the resamples."""


class CollinearTerms(UserWarning):
    """The data cannot tell some terms of a library apart: their coefficients are arbitrary."""


@dataclass(frozen=True, repr=False)
class SparseDynamics(Shown):
    """One formula a state for its time derivative, with standard errors of its constants in the order of their names.

    condition: condition number of the library on the data, columns scaled. collinear: the terms that the data cannot
    tell apart. shares: by state and term, in which share of the resamples it was kept; nothing without resamples.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic import sparse_dynamics
    >>> t = np.linspace(0.0, 4.0, 81)
    >>> sparse_dynamics(t, np.exp(-t)[:, None], library=("x",), sigma=0.0).equation[:6]
    "x' = -"
    """

    library: Library
    expressions: tuple[Expr, ...]
    errors: tuple[tuple[float, ...], ...]
    condition: float
    collinear: tuple[str, ...] = ()
    shares: Float[np.ndarray, "state term"] | None = None

    def card(self) -> Card:
        equations = tuple(
            (f"{name}'", str(expr)) for name, expr in zip(self.library.variables, self.expressions, strict=True)
        )
        return Card("SparseDynamics", (*equations, ("condition", f"{self.condition:.3g}")))

    def latex(self) -> str:
        lines = (
            rf"\dot{{{name}}} &= {expr.latex()}"
            for name, expr in zip(self.library.variables, self.expressions, strict=True)
        )
        return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"

    @property
    def equation(self) -> str:
        """Text of the system for `limitlab.problems.parse`."""
        pairs = zip(self.library.variables, self.expressions, strict=True)
        return "; ".join(f"{name}' = {expr.text}" for name, expr in pairs)


def sparse_dynamics(
    times: Float[np.ndarray, " time"],
    states: Float[np.ndarray, "*sample time state"],
    *,
    library: Library | Sequence[str] | None = None,
    threshold: float = 0.1,
    form: Form = "spline",
    sigma: float | None = None,
    resamples: int = 0,
    seed: int = 0,
) -> SparseDynamics:
    """The equations of the states, from one trajectory (time, state) or several (sample, time, state).

    library: terms, or names of the states for all monomials up to degree 3. threshold: coefficients below it are 0.
    form: how derivatives are taken, "spline", "differences" or not at all, "weak". sigma: noise of the states, see
    `estimated_slopes`. resamples: bootstrap resamples, drawn by `seed`, whose majority decides on each term.
    Warns CollinearTerms. Raises InvalidArgument.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic import sparse_dynamics
    >>> t = np.linspace(0.0, 4.0, 81)
    >>> str(sparse_dynamics(t, np.exp(-t)[:, None], library=("x",), sigma=0.0).expressions[0])
    '-1.0*x'
    """
    one_of("form", form, get_args(Form))
    moments, y = read_trajectories(times, states)
    library = _library(library, y.shape[2])
    threshold = check_number("threshold", threshold, low=0.0)
    resamples = int(check_number("resamples", resamples, low=0, integer=True))
    columns, targets = _weak(moments, y, library) if form == "weak" else _strong(moments, y, library, form, sigma)
    state = conditioning(columns)
    collinear = tuple(library.names[term] for term in state.collinear)
    if collinear:
        warnings.warn(
            f"the data cannot tell these terms apart (condition number {state.number:.1e}): "
            f"{', '.join(collinear):.200}; measure more trajectories or leave some of them out",
            CollinearTerms,
            stacklevel=2,
        )
    groups = [(columns, targets)]
    if library.rational:
        groups = [(library.implicit_columns(columns, target), target[:, None]) for target in targets.T]
    shares = None
    if resamples:
        parts = [inclusion(*group, resamples=resamples, seed=seed, threshold=threshold) for group in groups]
        shares = np.vstack(parts)
        solved = [least_squares(*group, part >= LIKELY) for group, part in zip(groups, parts, strict=True)]
    else:
        solved = [thresholded(*group, threshold=threshold) for group in groups]
    errors = [standard_errors(*group, xi) for group, xi in zip(groups, solved, strict=True)]
    rows = list(zip(np.vstack(solved), np.vstack(errors), strict=True))
    formulas = tuple(library.formula(xi) for xi, _ in rows)
    return SparseDynamics(
        library,
        formulas,
        # nothing over something is nothing, and has no constants
        tuple(
            tuple(map(float, error[xi != 0]))[: len(formula.names)]
            for formula, (xi, error) in zip(formulas, rows, strict=True)
        ),
        state.number,
        collinear,
        shares,
    )


def _library(library: Library | Sequence[str] | None, count: int) -> Library:
    if not isinstance(library, Library):
        names = ("x", "y", "z", "w")[:count] if count <= 4 else tuple(f"x{k}" for k in range(1, count + 1))
        library = Library(names if library is None else tuple(library), DEGREE)
    if len(library.variables) != count:
        raise InvalidArgument(
            f"the library has the variables {', '.join(library.variables)}; the trajectories have {count} states"
        )
    return library


def _strong(
    times: np.ndarray, y: np.ndarray, library: Library, method: Estimate, sigma: float | None
) -> tuple[np.ndarray, np.ndarray]:
    slopes = estimated_slopes(times, y, method=method, sigma=sigma)
    return library.columns(slopes.states), slopes.derivatives


def _weak(times: np.ndarray, y: np.ndarray, library: Library) -> tuple[np.ndarray, np.ndarray]:
    if library.rational:
        raise InvalidArgument("form='weak' takes no rational library, whose terms hold the derivative itself")
    weak = weak_form(times)
    pairs = [(weak.kept @ library.columns(trajectory), weak.moved @ trajectory) for trajectory in y]
    columns, targets = (np.vstack(part) for part in zip(*pairs, strict=True))
    return columns, targets
