"""Every formula of few terms of a library, each fitted: candidates for a refit where the front alone says too little.

Along one trajectory terms look alike, so the front of a search, which keeps one formula of each length, may keep the
wrong one. A library of m terms has m + m(m-1)/2 formulas of one or two: few enough to ask the measurements of each.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np

from limitlab.discovery.symbolic.engine import Data
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.errors import InvalidArgument, check_number

MOST_FORMULAS = 10_000


def subsets(X: Any, y: Any, library: Library, *, most_terms: int = 2) -> list[Expr]:  # noqa: N803
    """Least-squares formulas of 1 to `most_terms` terms of the library, the best first.

    X (n, k): points; y (n,): values. Raises InvalidArgument for data that `Data.of` refuses, a rational library, and
    more than ten thousand formulas.

    >>> from limitlab.discovery.symbolic import Library, subsets
    >>> x = torch.linspace(0, 1, 20, dtype=torch.float64)
    >>> [str(formula) for formula in subsets(x, 2 * x**2, Library(("x",), 2), most_terms=1)][0]
    '2.0*x^2'
    """
    data = Data.of(X, y, names=library.variables)
    count = len(library.names)
    sizes = range(1, min(int(check_number("most_terms", most_terms, low=1, integer=True)), count) + 1)
    if library.rational:
        raise InvalidArgument("subsets are sums of terms: a rational library has none")
    if (number := sum(math.comb(count, size) for size in sizes)) > MOST_FORMULAS:
        raise InvalidArgument(f"{count} terms have {number} subsets of at most {most_terms}: more than {MOST_FORMULAS}")
    columns = library.columns(data.X)
    fits = []
    for chosen in (list(terms) for size in sizes for terms in combinations(range(count), size)):
        coefficients = np.zeros(count)
        coefficients[chosen] = np.linalg.lstsq(columns[:, chosen], data.y, rcond=None)[0]
        fits.append((float(np.mean((columns @ coefficients - data.y) ** 2)), coefficients))
    fits.sort(key=lambda fit: fit[0])
    return [library.formula(coefficients) for _, coefficients in fits]
