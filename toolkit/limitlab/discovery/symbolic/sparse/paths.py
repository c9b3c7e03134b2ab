"""The engine `sparse`: sums of library terms, and quotients of them, from all terms down to one.

The libraries follow from the operators of the search: sums and products give monomials, sin, cos, exp, log and sqrt
their functions of each variable, a division quotients of two sums. Each is eliminated term by term, and every length
on the way is a formula.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from limitlab.discovery.symbolic.engine import Data, Engine, Progress, Settings
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.discovery.symbolic.sparse.regression import eliminations
from limitlab.errors import InvalidArgument

DEGREES = (1, 2, 3, 4, 5)
MOST_COEFFICIENTS = 120
TERMS = {"exp": ("exp({0})", "exp(-{0})"), "log": ("log({0})",), "sqrt": ("sqrt({0})",)}


def eliminated(data: Data, settings: Settings, seed: int) -> Iterator[Progress]:
    """Formulas of ever larger libraries, each from its full length down; `seed` changes nothing."""
    root = np.sqrt(data.weights)
    counted = 0
    for library in _libraries(data, settings):
        try:
            columns = library.columns(data.X)
        except InvalidArgument:
            # a logarithm or a root of what is negative here
            continue
        implicit = library.implicit_columns(columns, data.y)
        if implicit.shape[1] > min(MOST_COEFFICIENTS, len(data.y)):
            continue
        path = eliminations(implicit * root[:, None], data.y * root)
        formulas = []
        for terms, xi in path:
            coefficients = np.zeros(implicit.shape[1])
            coefficients[list(terms)] = xi
            # a term costs 3 or more: longer ones only cost time
            if len(terms) <= settings.max_complexity / 2:
                formulas.append(library.formula(coefficients))
        counted += len(path)
        yield Progress(formulas, counted)
        if settings.evaluations is not None and counted >= settings.evaluations:
            return


def _libraries(data: Data, settings: Settings) -> Iterator[Library]:
    """Libraries of the operators, the smallest first."""
    ops = set(settings.ops)
    waves = (1.0,) if ops & {"sin", "cos"} else ()
    functions = tuple(
        text.format(name) for op, texts in TERMS.items() if op in ops for text in texts for name in data.names
    )
    degrees = DEGREES if ops & {"*", "square"} else DEGREES[:1]
    for degree in degrees:
        if math.comb(len(data.names) + degree, degree) > MOST_COEFFICIENTS:
            return
        yield Library(data.names, degree)
        if "/" in ops:
            yield Library(data.names, degree, rational=True)
        if waves:
            yield Library(data.names, degree, waves)
        for function in functions:
            yield Library(data.names, degree, terms=(function,))


ROWS = (
    Engine(
        "sparse",
        "Sums and quotients of library terms",
        eliminated,
        operators=("+", "-", "*", "/", "square", "sin", "cos", "exp", "log", "sqrt"),
    ),
)
