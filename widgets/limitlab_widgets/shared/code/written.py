"""How the code of a state is written: values as literals, calls, problems, and the imports that they need.

What is written of a problem is built again here, and must decide the same numbers; where it does not, it is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments import Settings
from limitlab.problems import DynamicalProblem, Problem, TextLaw

IMPORTS = {
    r"\bdataclasses\.": "import dataclasses",
    r"\bPath\(": "from pathlib import Path",
    r"\bnp\.": "import numpy as np",
    r"\btorch\.": "import torch",
    r"\bll\.": "import limitlab as ll",
}
PARSED = {
    "ode": ("span", "frames", "sites", "ends", "stiff", "rtol", "atol"),
    "sde": ("span", "frames", "sites", "ends", "calculus", "step_size", "method"),
    "pde": ("span", "frames", "dt"),
}
"""What `parse` takes under the name of the field."""


def code_of(lines: Sequence[str]) -> str:
    """The lines under the imports that they need.

    >>> from limitlab_widgets.shared.code.written import code_of
    >>> print(code_of(["problem = ll.problems.get('burgers')"]))
    import limitlab as ll
    <BLANKLINE>
    problem = ll.problems.get('burgers')
    """
    text = "\n".join(lines)
    imports = [line for used, line in IMPORTS.items() if re.search(used, text)]
    return "\n".join([*imports, "", text])


def literal(value: Any) -> str:
    """A value of settings as Python writes it. Raises InvalidArgument for what is more than numbers and texts.

    >>> from limitlab_widgets.shared.code.written import literal
    >>> literal({"models": ["fno"], "rate": torch.tensor(0.5)})
    "{'models': ['fno'], 'rate': 0.5}"
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if type(value).__name__ in problems.__all__ and dataclasses.is_dataclass(value):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return called(f"ll.problems.{type(value).__name__}", **parts)
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    if plain is None or isinstance(plain, bool | int | float | str):
        return repr(plain)
    raise InvalidArgument(f"code can hold numbers and texts alone; got {value!r:.60}")


def called(function: str, *arguments: Any, **options: Any) -> str:
    """A call as text; arguments and options are values.

    >>> from limitlab_widgets.shared.code.written import called
    >>> called("ll.problems.get", "burgers", nu=0.05)
    "ll.problems.get('burgers', nu=0.05)"
    """
    named = [f"{name}={literal(value)}" for name, value in options.items()]
    return f"{function}({', '.join([*map(literal, arguments), *named])})"


def changed_settings(settings: Settings, base: Settings) -> dict[str, Any]:
    """The options of settings that differ from those of a size.

    >>> from limitlab_widgets.shared.code.written import changed_settings
    >>> course = ll.experiments.get("darcy_fno").configure("course")
    >>> changed_settings(course.with_options(modes=4), course)
    {'modes': 4}
    """
    values = {option.name: getattr(settings, option.name) for option in settings.options()}
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def trained_until(name: str, steps: int, most: int) -> list[str]:
    """The lines that make `model` of `experiment` at `settings`, trained for so many steps of `most`.

    >>> from limitlab_widgets.shared.code.written import trained_until
    >>> trained_until("fno", 20, 20)[1]
    'training = experiment.train(settings, prepared=prepared)'
    """
    halted = [] if steps >= most else [f"    if stage.progress.step == {steps}:", "        break"]
    return [
        "prepared = experiment.prepare(settings)",
        "training = experiment.train(settings, prepared=prepared)",
        *(["for stage in training:", *halted] if halted else ["training.finish()"]),
        f"model = training.models[{name!r}, settings.seed_range[0]]",
    ]


def fresh(opened: str = "") -> list[str]:
    """The lines that make `model` of `experiment` at `settings` without a training; opened: a model that ships.

    >>> from limitlab_widgets.shared.code.written import fresh
    >>> fresh("darcy_fno")[1]
    "model = ll.weights.open('darcy_fno')  # trained before it shipped"
    """
    model = opened_as(opened) if opened else "prepared.trials[0].build(settings.seed_range[0])"
    return ["prepared = experiment.prepare(settings)", f"model = {model}"]


def opened_as(name: str) -> str:
    """The call that opens a model that ships.

    >>> from limitlab_widgets.shared.code.written import opened_as
    >>> opened_as("darcy_fno")
    "ll.weights.open('darcy_fno')  # trained before it shipped"
    """
    return f"{called('ll.weights.open', name)}  # trained before it shipped"


def problem_code(problem: Problem) -> str:
    """The call that gives a problem of the same numbers. Raises InvalidArgument where no call of literals does.

    >>> from limitlab_widgets.shared.code.written import problem_code
    >>> problem_code(ll.problems.get("lorenz", rho=20.0))
    "ll.problems.get('lorenz', rho=20.0)"
    """
    try:
        call, built = _known(problem)
        changed = {
            field.name: getattr(problem, field.name)
            for field in dataclasses.fields(problem)
            if field.name not in problem.descriptive and getattr(problem, field.name) != getattr(built, field.name)
        }
        if not changed:
            return call
        options = called("", **changed)[1:]
        same = dataclasses.replace(built, **changed).spec() == problem.spec()
    except (InvalidArgument, UnknownName, AttributeError, TypeError, ValueError) as error:
        raise _refusal(problem, str(error)) from None
    if not same:
        raise _refusal(problem, "it is of a class of its own")
    return f"dataclasses.replace({call}, {options}"


def _known(problem: Problem) -> tuple[str, Problem]:
    """The call that gives a problem of the same text at the same values, and that problem."""
    try:
        known: Problem = problems.get(problem.name)
    except UnknownName:
        return _parsed(problem)
    if type(known) is not type(problem) or known.equation != problem.equation:
        return _parsed(problem)
    moved = {p.name: problem.values[p.name] for p in known.parameters if problem.values[p.name] != p.default}
    return called("ll.problems.get", problem.name, **moved), known.with_parameters(**moved)


def _parsed(problem: Problem) -> tuple[str, Problem]:
    always = ("span", "step_size", "dt")
    defaults = {field.name: field.default for field in dataclasses.fields(problem)}
    options = {
        name: value
        for name in PARSED.get(problem.kind, ())
        if (value := getattr(problem, name, None)) is not None and (name in always or value != defaults.get(name))
    }
    initial = getattr(problem, "initial", None)
    if isinstance(problem, DynamicalProblem):
        options["initial"] = initial
    else:
        options |= {"length": getattr(problem, "lengths", ()), "resolution": getattr(problem, "default_resolution", 0)}
        laws: tuple[Any, ...] = getattr(initial, "laws", (initial,))
        # the random waves of a parsed equation are its own
        if all(isinstance(law, TextLaw) for law in laws):
            names = [field.name for field in getattr(problem, "fields", ())]
            texts = [law.text for law in laws]
            options["initial"] = texts[0] if len(laws) == 1 else dict(zip(names, texts, strict=True))
    if problem.name != "own_equation":
        options["name"] = problem.name
    values = dict(problem.values)
    call = called("ll.problems.parse", problem.equation, values, **options)
    return call, problems.parse(problem.equation, values, **options)


def _refusal(problem: Problem, reason: str) -> InvalidArgument:
    return InvalidArgument(f"the code of {problem.name} cannot be written in numbers and texts: {reason}")
