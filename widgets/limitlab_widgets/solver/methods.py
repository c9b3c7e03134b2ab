"""Which methods can be asked for a problem, which are shown at first, and what a failure means to the reader."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from limitlab.problems import ODEProblem, SDEProblem
from limitlab.solvers.methods.catalogue import METHODS
from limitlab.solvers.methods.geometric import SymplecticMethod
from limitlab.solvers.methods.tableaux import TABLEAUX
from limitlab.solvers.sde.schemes import SCHEMES

if TYPE_CHECKING:
    from limitlab.solvers.solution import Failure
    from limitlab_widgets.solver.question import Question

System = ODEProblem | SDEProblem
SENSE = {"ito": "Itô", "stratonovich": "Stratonovich"}
STIFF = tuple(name for name, method in METHODS.items() if hasattr(method, "jacobian"))
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "ode": {
        "explicit": tuple(TABLEAUX),
        "stiff": STIFF,
        "geometric": tuple(name for name in METHODS if name not in (*TABLEAUX, *STIFF)),
    },
    "sde": {"schemes": tuple(SCHEMES)},
}
ABOUT = {
    "explicit": "explicit Runge-Kutta methods: cheap steps, held back by stability where the problem is stiff",
    "stiff": "methods that solve linear systems with the Jacobian; auto begins explicit and changes when it must",
    "geometric": "methods that keep a structure: symplectic, or exactly reversible",
    "schemes": "schemes for stochastic equations, along the same Brownian paths",
}


def refusal(problem: System, method: str, control: str) -> str:
    """Why a method cannot be used for a problem, empty where it can."""
    if isinstance(problem, SDEProblem):
        scheme = SCHEMES[method]
        if not scheme.fits(problem.calculus, problem.noise):
            return f"does not converge for {problem.noise} noise in the sense of {SENSE[problem.calculus]}"
        if scheme.positive and not bool((problem.initial_value > 0).all()):
            return "needs a state that is positive"
        adaptive = problem.noise in scheme.adaptive
        return (
            "" if adaptive or control == "steps" else f"has no error estimate that converges for {problem.noise} noise"
        )
    chosen = METHODS[method]
    if not chosen.error_order and control == "tolerance":
        return "has no error estimate: it needs fixed steps"
    if isinstance(chosen, SymplecticMethod) and not _is_separable(problem):
        return "needs positions and momenta, q' = f(p) and p' = g(q)"
    return ""


def usable(problem: System, methods: Sequence[str], control: str) -> tuple[str, ...]:
    """Those of the methods that can be used, or else the ones a reader should meet first."""
    known = {method for group in GROUPS[problem.kind].values() for method in group}
    kept = tuple(method for method in methods if method in known and not refusal(problem, method, control))
    return kept or first_methods(problem, control)


def first_methods(problem: System, control: str) -> tuple[str, ...]:
    """Two methods to compare: of different orders, or for a stiff problem of different kinds; perhaps none."""
    if isinstance(problem, SDEProblem):
        fitting = [name for name in SCHEMES if not refusal(problem, name, control)]
        own = [problem.method] if problem.method in fitting else []
        best = sorted(fitting[1:], key=lambda name: -SCHEMES[name].strong_order)[:1]
        return tuple(own or fitting[:1] + best)
    if problem.stiff:
        return ("rodas5", "kvaerno5")
    return ("tsit5", "dopri8") if control == "tolerance" else ("heun", "rk4")


def failure_text(method: str, failures: Sequence[Failure], samples: int, question: Question) -> str:
    """What went wrong in a solve, and what to try."""
    first = min(failures, key=lambda failure: failure.time)
    several = f", {len(failures)} of {samples} paths" if samples > 1 else ""
    advice = _advice(method, first.kind)
    if first.kind == "out of time":
        # several methods share the seconds
        where = f"t = {first.time:.4g} of {question.span:.4g}{several}"
        remedy = "take fewer steps" if question.steps else "loosen the tolerance"
        most = f"{question.seconds:.3g} s for all methods together"
        return f"{method}: stopped at {where}, as there are {most}: {advice}{remedy}, or shorten the span"
    where = f"{method}: {first.kind}"
    if first.kind == "too many steps":
        where += f" ({question.max_steps or 2 * (question.steps or 0)})"
    return f"{where} at t = {first.time:.4g}{several}: {advice}"


def _advice(method: str, kind: str) -> str:
    explicit = method in TABLEAUX
    if kind == "out of time":
        return "stiff? try rodas5, or " if explicit else ""
    if kind == "too many steps":
        return "stiff? try rodas5" if explicit else "loosen the tolerance, shorten the span, or allow more steps"
    if kind == "blow-up":
        stiff = ", or stiff? try rodas5" if explicit else ""
        return f"a singularity, or steps too long for the method{stiff}"
    return "the right side may jump there, or the tolerance is below round-off"


@lru_cache(maxsize=64)
def _is_separable(problem: ODEProblem) -> bool:
    """Whether q' depends on p alone and p' on q alone, the state being (q, p): seen from Jacobians at a few states."""
    half, odd = divmod(problem.dimension, 2)
    if odd:
        return False
    states = problem.sample(4)[0]
    jacobian = problem.jacobian()(states.new_zeros(4, 1), states)
    return not bool(jacobian[:, :half, :half].any() or jacobian[:, half:, half:].any())
