"""Claims of a notebook, stated once: the table, the checked lines and the published numbers come from one statement.

    claims = ll.reports.Claims()
    claims.add("exponent of the drift", theory="-1", holds=ll.reports.within(slope, -1.3, -0.7), publish="exponent")
    claims                                         # in a cell: the table; a claim that fails is marked
    claims.check()                                 # in a checked cell: "exponent of the drift: True"

The table is stored with the verdicts, which `replicate` collects over seeds.

A threshold is written once, in a criterion (`within`, `near`, `below`, `above`), which knows the value, the verdict and
its own words. A claim without one is a line of the table that nothing depends on.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from limitlab.errors import InvalidArgument, digits, unknown_name
from limitlab.reports.publish import MEDIA_TYPE, Scalar, scalar
from limitlab.reports.tables import Table, formatted, in_python

COLUMNS = ("theory", "paper", "criterion", "here", "baseline")
HOLDS, FAILS = "yes", "**no**"
VERDICTS = "application/vnd.limitlab.claims+json"


@dataclass(frozen=True)
class Criterion:
    """A value against a threshold: whether it holds, and the threshold in words.

    >>> bool(ll.reports.below(0.02, 0.1)), ll.reports.below(0.02, 0.1).text
    (True, 'below 0.1')
    """

    value: Any
    holds: bool
    text: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True)
class Claim:
    """One line: what is claimed, what it is compared with, and whether it holds (None: nothing is claimed of it)."""

    what: str
    cells: Mapping[str, str]
    holds: bool | None
    published: Mapping[str, Scalar]


class Claims:
    """The claims of a notebook in the order in which they were added; one that is added again replaces the old one.

    paper: where the figures of the column "paper" stand, such as "Li et al. 2021, table 3"; its head names it.

    >>> claims = ll.reports.Claims()
    >>> claims.add("order of Euler's method", theory="1", holds=ll.reports.near(0.98, 1.0, 0.15))
    >>> claims.check()
    order of Euler's method: True
    """

    def __init__(self, paper: str = "") -> None:
        self._paper = paper
        self._claims: dict[str, Claim] = {}

    def add(
        self,
        what: str,
        *,
        theory: Any = None,
        paper: Any = None,
        here: Any = None,
        baseline: Any = None,
        holds: Criterion | bool | None = None,
        publish: str | Mapping[str, Any] | None = None,
        form: str = ".3g",
    ) -> None:
        """State a claim: what theory and paper say, what this run has found, what the best baseline of this run has.

        here: the criterion's value where it is left out. publish: the name under which that value is recorded, or a
        mapping of several names to values. form: format of all numbers of the line. Raises InvalidArgument, also for a
        figure of the paper where nothing says which paper it is.
        """
        if not isinstance(what, str) or not what.strip() or not what.isprintable():
            raise InvalidArgument(f"a claim is one line of text; got {what!r}")
        if paper is not None and not self._paper:
            raise InvalidArgument(f"{what!r} quotes a paper: say where its figures stand, Claims(paper=...)")
        # a criterion that fails is false: it is asked for its type, never for its truth
        measured, threshold = (holds.value, holds.text) if isinstance(holds, Criterion) else (here, "")
        value = measured if here is None else here
        texts = {"theory": theory, "paper": paper, "here": value, "baseline": baseline}
        cells = {name: formatted(text, form) for name, text in texts.items()}
        cells["criterion"] = threshold
        if isinstance(publish, str):
            # a text says for a reader what the criterion measured; the record takes the number
            publish = {publish: measured if isinstance(value, str) else value}
        published = {name: scalar(name, number) for name, number in (publish or {}).items()}
        self._claims[what] = Claim(what, cells, None if holds is None else bool(holds), published)

    def check(self) -> None:
        """Print a line for every claim that has a criterion: what is claimed, and True or False."""
        for claim in self._claims.values():
            if claim.holds is not None:
                print(f"{claim.what}: {claim.holds}")

    @property
    def failures(self) -> tuple[str, ...]:
        """The claims that do not hold."""
        return tuple(claim.what for claim in self._claims.values() if claim.holds is False)

    @property
    def published(self) -> dict[str, Scalar]:
        """The numbers recorded in the notebook with the table: those of the claims, and how many of them hold."""
        record: dict[str, Scalar] = {}
        for claim in self._claims.values():
            record |= claim.published
        checked = [claim.holds for claim in self._claims.values() if claim.holds is not None]
        return record | {"claims": len(checked), "claims_reached": sum(checked)}

    @property
    def table(self) -> Table:
        """The claims as a table; a column that no claim fills is left out."""
        claims = self._claims.values()
        columns = [name for name in COLUMNS if any(claim.cells[name] for claim in claims)]
        verdicts = {None: "", True: HOLDS, False: FAILS}
        rows = [[claim.what, *(claim.cells[name] for name in columns), verdicts[claim.holds]] for claim in claims]
        heads = [f"paper ({self._paper})" if name == "paper" else name for name in columns]
        return Table(["claim", *heads, "holds"], rows)

    def __getitem__(self, what: str) -> Claim:
        if what not in self._claims:
            raise unknown_name("claim", what, self._claims)
        return self._claims[what]

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_markdown_(self) -> str:
        return self.table._repr_markdown_()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What sweeps and replications collect; IPython adds the Markdown and the plain text to it."""
        judged = {claim.what: claim for claim in self._claims.values() if claim.holds is not None}
        verdicts = {what: {"holds": claim.holds, "here": claim.cells["here"]} for what, claim in judged.items()}
        return {MEDIA_TYPE: self.published, VERDICTS: verdicts}


def below(value: Any, limit: float) -> Criterion:
    """The value, or each of several, is less than the limit.

    >>> ll.reports.below([1e-4, 2e-3], 1e-3).holds
    False
    """
    return _criterion(value, [number < limit for number in _numbers(value)], f"below {limit:.4g}")


def above(value: Any, limit: float) -> Criterion:
    """The value, or each of several, is greater than the limit.

    >>> ll.reports.above(0.98, 0.97).text
    'above 0.97'
    """
    return _criterion(value, [number > limit for number in _numbers(value)], f"above {limit:.4g}")


def within(value: Any, low: float, high: float) -> Criterion:
    """The value, or each of several, lies in the closed interval.

    >>> ll.reports.within(3.1, 1.5, 6).text
    '1.5 to 6'
    """
    if not low <= high:
        raise InvalidArgument(f"within needs low <= high; got {' and '.join(digits(low, high))}")
    return _criterion(value, [low <= number <= high for number in _numbers(value)], f"{low:.4g} to {high:.4g}")


def near(value: Any, expected: float, margin: float) -> Criterion:
    """The value, or each of several, is off by the margin at most.

    >>> ll.reports.near(-0.44, -0.5, 0.1).text
    '-0.5 ± 0.1'
    """
    if not margin >= 0:
        raise InvalidArgument(f"the margin of near must not be negative; got {margin:g}")
    text = f"{expected:.4g} ± {margin:.4g}" if margin else f"{expected:.4g}"
    return _criterion(value, [abs(number - expected) <= margin for number in _numbers(value)], text)


def _criterion(value: Any, verdicts: list[bool], text: str) -> Criterion:
    # all() of nothing is true
    if not verdicts:
        raise InvalidArgument("a criterion needs at least one number: nothing holds of none")
    return Criterion(value, all(verdicts), text)


def _numbers(value: Any) -> list[float]:
    """All numbers of a scalar, an array, a tensor, a sequence or the values of a mapping."""
    if isinstance(value, Mapping):
        value = list(value.values())
    elif hasattr(value, "data_vars"):
        raise InvalidArgument("a criterion is about one variable of a dataset; choose it by its name")
    value = in_python(value)
    if isinstance(value, numbers.Real):
        return [float(value)]
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidArgument(f"a criterion needs numbers; got {type(value).__name__}")
    return [number for item in value for number in _numbers(item)]
