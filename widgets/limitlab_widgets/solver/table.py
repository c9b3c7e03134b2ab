"""What each method cost and how far off it is, as an HTML table whose rows carry the colours of the figures."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from limitlab.figures.solves.steps import REJECTED
from limitlab.figures.template import colour
from limitlab.problems import SDEProblem
from limitlab_widgets.solver.question import Question, Solved
from limitlab_widgets.solver.reference import tightness

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


def cost_table(solved: Solved, errors: Mapping[str, float]) -> str:
    """A row for each method, and what the error is measured against; nothing where nothing was solved."""
    if not solved.solutions:
        return ""
    headers = ("method", "steps", "rejected", *COUNTS[solved.question.problem.kind], "ms", "error")
    heads = "".join(f'<th scope="col">{header}</th>' for header in headers)
    rows = "".join(_row(solved, errors, index, method) for index, method in enumerate(solved.solutions))
    return (
        f'<table class="limitlab-table"><tr>{heads}</tr>{rows}</table>'
        f'<span class="limitlab-note">{_explained(solved.question)}</span>'
    )


def _row(solved: Solved, errors: Mapping[str, float], index: int, method: str) -> str:
    solution = solved.solutions[method]
    accepted = solution["accepted"].sum("step")
    rejected = solution["step_size"].notnull().sum("step") - accepted
    counts = [accepted, rejected, *(solution[name] for name in COUNTS[solved.question.problem.kind].values())]
    error = errors.get(method)
    known = "&hellip;" if error is None else "&ndash;" if math.isnan(error) else f"{error:.1e}"
    known += _until(solved, method)
    cells = [*map(_count, counts), f"{solved.milliseconds[method]:.0f}", known]
    return f"<tr><td>{_dot(index)} {html.escape(method)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def legend(solved: Solved, marked: bool) -> str:
    """The colours of the methods and the marks of their steps, for all figures; marked: whether steps are."""
    names = [
        f"{_dot(index)}&nbsp;{html.escape(method)}{_until(solved, method)}"
        for index, method in enumerate(solved.solutions)
    ]
    marks = ["&#9675;&nbsp;a step begins"] if marked else []
    marks += (
        [f'<span style="color: {REJECTED}">&#10006;</span>&nbsp;rejected']
        if solved.question.control == "tolerance"
        else []
    )
    return " &emsp; ".join([*names, *marks])


def _until(solved: Solved, method: str) -> str:
    """Until when a solution goes that is not whole."""
    return f", to t&nbsp;=&nbsp;{solved.reached[method]:.4g} alone" if method in solved.reached else ""


def _dot(index: int) -> str:
    return f'<span style="color: {colour(index)}">&#9679;</span>'


def _count(values: xr.DataArray) -> str:
    """Of one sample; of many their mean."""
    return f"{float(values.mean()):.0f}"


def _explained(question: Question) -> str:
    if isinstance(question.problem, SDEProblem):
        against = "exact solution" if question.problem.solution is not None else "solution by 4096 steps"
        return f"Counts are means over the paths. Error: mean distance at the end from the {against} on the same noise."
    exact = question.problem.solution is not None
    against = "the exact solution" if exact else f"a solution of tolerance {tightness(question.tolerance):.0e}"
    return f"Error: the largest over all times, relative to each component's largest value, against {against}."
