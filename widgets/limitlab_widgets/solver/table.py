"""What each method cost and how far off it is, as an HTML table whose rows carry the colours of the figures."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from limitlab.figures.solves.steps import REJECTED
from limitlab.figures.template import colour
from limitlab.problems import SDEProblem
from limitlab_widgets.solver.reference import tightness
from limitlab_widgets.solver.state import SolverState

if TYPE_CHECKING:
    import xarray as xr

COUNTS = {
    "ode": {
        "field calls": "function_evaluations",
        "Jacobians": "jacobian_evaluations",
        "LU": "factorization_evaluations",
    },
    "sde": {"drift calls": "function_evaluations"},
}


def cost_table(state: SolverState) -> str:
    """A row for each method, and what the error is measured against."""
    headers = ("method", "steps", "rejected", *COUNTS[state.kind], "ms", "error")
    heads = "".join(f"<th>{header}</th>" for header in headers)
    rows = "".join(_row(state, place, method) for place, method in enumerate(state.solutions))
    return (
        f'<table class="limitlab-table"><tr>{heads}</tr>{rows}</table>'
        f'<span class="limitlab-note">{_explained(state)}</span>'
    )


def _row(state: SolverState, place: int, method: str) -> str:
    solution = state.solutions[method]
    accepted = solution["accepted"].sum("step")
    rejected = solution["step_size"].notnull().sum("step") - accepted
    counts = [accepted, rejected, *(solution[name] for name in COUNTS[state.kind].values())]
    error = state.errors.get(method)
    known = "&hellip;" if error is None else "&ndash;" if math.isnan(error) else f"{error:.1e}"
    cells = [*map(_count, counts), f"{state.milliseconds[method]:.0f}", known]
    return f"<tr><td>{_dot(place)} {html.escape(method)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def legend(state: SolverState, marked: bool) -> str:
    """The colours of the methods and the marks of their steps, for all figures; marked: whether steps are."""
    names = [f"{_dot(place)}&nbsp;{html.escape(method)}" for place, method in enumerate(state.solutions)]
    marks = ["&#9675;&nbsp;a step begins"] if marked else []
    marks += [f'<span style="color: {REJECTED}">&#10006;</span>&nbsp;rejected'] if state.control == "tolerance" else []
    return " &emsp; ".join([*names, *marks])


def _dot(place: int) -> str:
    return f'<span style="color: {colour(place)}">&#9679;</span>'


def _count(values: xr.DataArray) -> str:
    """Of one sample; of many their mean."""
    return f"{float(values.mean()):.0f}"


def _explained(state: SolverState) -> str:
    if isinstance(state.problem, SDEProblem):
        against = "exact solution" if state.problem.solution is not None else "solution by 4096 steps"
        return f"Counts are means over the paths. Error: mean distance at the end from the {against} on the same noise."
    exact = state.problem.solution is not None
    against = "the exact solution" if exact else f"a solution of tolerance {tightness(state.tolerance):.0e}"
    return f"Error: the largest over all times, relative to each component's largest value, against {against}."
