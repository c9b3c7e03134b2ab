"""The code of a solver studio: the same problem, solved by the same methods at the same times, along the same noise."""

from __future__ import annotations

from typing import Any

from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.code.written import called, code_of, literal, problem_code
from limitlab_widgets.solver.noise import CELLS
from limitlab_widgets.solver.question import ABSOLUTE, ADAPTIVE_FRAMES, EARLIEST, SDE_FRAMES, Question, Solved


def solver_code(solved: Solved | None) -> str:
    """The code of an answer: `solutions` by method, and their figure. Raises InvalidArgument.

    It has no budget of seconds: a method that was stopped goes on there to its end.
    """
    if solved is None or not solved.solutions:
        raise InvalidArgument("there is no code of nothing: no method has a solution")
    question = solved.question
    lines = [
        f"problem = {problem_code(question.problem)}",
        f"initial = {called('torch.tensor', [list(question.start[0].tolist())])[:-1]}, dtype=torch.float64)",
        *_times(question),
        f"options = {literal(_options(question))}",
    ]
    lines += _noise(question) if question.stochastic else []
    log_time = ", log_time=True" if question.log_time else ""
    methods = literal(tuple(solved.solutions))
    return code_of(
        [
            *lines,
            f"solved = {{m: problem.solve(initial, times, method=m, **options) for m in {methods}}}",
            "solutions = {m: each.to_xarray(problem.components) for m, each in solved.items()}",
            f"ll.figures.trajectories(ll.figures.by_method(solutions){log_time})",
        ]
    )


def _times(question: Question) -> list[str]:
    span = literal(question.span)
    if question.stochastic:
        steps = question.steps or ADAPTIVE_FRAMES
        stride = max(1, steps // SDE_FRAMES)
        return [f"times = np.linspace(0.0, {span}, {steps + 1})" + (f"[::{stride}]" if stride > 1 else "")]
    if not question.log_time:
        return [f"times = np.linspace(0.0, {span}, {len(question.times)})"]
    # one of the two ends is in both
    frames = (len(question.times) + 1) // 2
    first = literal(EARLIEST * question.span)
    return [f"times = np.union1d(np.linspace(0.0, {span}, {frames}), np.geomspace({first}, {span}, {frames}))"]


def _options(question: Question) -> dict[str, Any]:
    """Options of the solve, as `Question.solve` has them."""
    if question.steps is None:
        options: dict[str, Any] = {"rtol": question.tolerance, "max_steps": question.max_steps}
        options["atol"] = ABSOLUTE[question.problem.kind] * (question.tolerance or 0.0)
        # a stochastic problem has steps of its own
        options |= {"step_size": None} if question.stochastic else {}
    else:
        options = {"step_size": question.span / question.steps, "max_steps": 2 * question.steps}
    return options | {"on_failure": "mask"}


def _noise(question: Question) -> list[str]:
    shape, span = f"({question.paths}, problem.noises)", literal(question.span)
    grid = f"np.linspace(0.0, {span}, {CELLS + 1})"
    return [
        f"noise = ll.solvers.BrownianPath({question.seed}, {shape}, (0.0, {span}), grid={grid})",
        f"initial, options['brownian'] = initial.expand({question.paths}, -1), noise",
    ]
