"""The front of a search: formulas that no simpler one fits better, and rules that choose one of them.

    loss   l = sum_i w_i (y_i - f(x_i))^2 / sum_i w_i
    score  g_j = -(ln l_j - ln l_{j-1})/(C_j - C_{j-1})
    MDL    n l/(2 sigma^2) + (q/2) ln n + C ln(symbols)
    BIC    n ln l + q ln n,  or  n l/sigma^2 + q ln n  where the noise is known

for n points, q constants and complexity C. Losses below `floor` are rounding, and enter logarithms as the floor. BIC
and MDL take the n points as independent: those of a smooth network's output are not. Source: Schwarz 1978; Rissanen
1978; the score and the rule `best`: Cranmer, arXiv 2305.01582.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from limitlab.atomic import write_atomically
from limitlab.cards import Card, Shown
from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.labels import labelled

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

Rule = Literal["mdl", "bic", "bic_sigma", "best", "elbow", "holdout", "one_se"]
BEST_WITHIN = 1.5
"""The rule `best` looks at losses up to this multiple of the smallest."""

_FORMAT = 1


@dataclass(frozen=True)
class Candidate:
    """A formula with what it costs and how well it fits n points.

    validation_loss, validation_error: the loss on points that were held out, and its standard error. errors: standard
    errors of the constants, where an engine knows them.

    >>> from limitlab.discovery.symbolic import Candidate, Expr
    >>> Candidate(Expr.parse("x^2", ("x",)), complexity=3, loss=0.1, n=20, engine="evolve").n_params
    0
    """

    expr: Expr
    complexity: float
    loss: float
    n: int
    engine: str = ""
    validation_loss: float | None = None
    validation_error: float | None = None
    errors: tuple[float, ...] = ()

    @property
    def n_params(self) -> int:
        """Constants of the formula."""
        return len(self.expr.names)


class ParetoFront(Shown):
    """Candidates none of which is beaten in complexity and loss by another; loss falls strictly along it.

    floor: losses below it are rounding. sigma: standard deviation of the noise, where it is known. symbols: size of the
    alphabet of formulas, for the description length.

    >>> from limitlab.discovery.symbolic import Candidate, Expr, ParetoFront
    >>> texts, losses = ("x", "x^2", "x^3"), (0.5, 0.1, 0.3)
    >>> formulas = [Expr.parse(text, ("x",)) for text in texts]
    >>> front = ParetoFront(Candidate(e, e.complexity(), loss, 20) for e, loss in zip(formulas, losses))
    >>> [str(candidate.expr) for candidate in front], str(front.select("bic").expr)
    (['x', 'x^2'], 'x^2')
    """

    def __init__(
        self,
        candidates: Iterable[Candidate] = (),
        *,
        floor: float = 1e-300,
        sigma: float | None = None,
        symbols: int = 10,
    ) -> None:
        self.floor = check_number("floor", floor, low=1e-300)
        self.sigma = None if sigma is None else check_number("sigma", sigma, low=0.0)
        self.symbols = int(check_number("symbols", symbols, low=2, integer=True))
        self._candidates: list[Candidate] = []
        self.merge(candidates)

    def add(self, candidate: Candidate) -> bool:
        """Whether the candidate is on the front now; it then takes the place of those that it beats."""
        if not (math.isfinite(candidate.loss) and math.isfinite(candidate.complexity)):
            return False
        if any(c.complexity <= candidate.complexity and c.loss <= candidate.loss for c in self._candidates):
            return False
        kept = [c for c in self._candidates if c.complexity < candidate.complexity or c.loss < candidate.loss]
        self._candidates = sorted([*kept, candidate], key=lambda c: c.complexity)
        return True

    def merge(self, candidates: Iterable[Candidate]) -> ParetoFront:
        """This front, with others' candidates added."""
        for candidate in candidates:
            self.add(candidate)
        return self

    def __len__(self) -> int:
        return len(self._candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(tuple(self._candidates))

    def __getitem__(self, index: int) -> Candidate:
        return self._candidates[index]

    def select(self, rule: Rule = "bic", sigma: float | None = None) -> Candidate:
        """The candidate that a rule chooses; raises InvalidArgument where the front lacks what the rule needs.

        mdl: shortest description, with the noise `sigma`, else that of the front, else estimated. bic: least BIC.
        bic_sigma: least BIC of a known noise. best: highest score among losses within 1.5 times the least. elbow:
        highest score, losses clipped at the noise. holdout: least validation loss. one_se: the simplest within one
        standard error of that.
        """
        one_of("rule", rule, get_args(Rule))
        if not self._candidates:
            raise InvalidArgument("the front is empty: the search has found no finite formula")
        return self._candidates[_RULES[rule](self, sigma)]

    @property
    def table(self) -> xr.Dataset:
        """One row a candidate: complexity, loss, validation loss, MDL, BIC, score, constants, formula, engine."""
        rows = self._candidates
        return labelled(
            {"floor": self.floor},
            complexity=("candidate", self._column("complexity"), "complexity"),
            loss=("candidate", self._column("loss"), "mean squared error"),
            validation_loss=("candidate", self._column("validation_loss"), "mean squared error on held-out points"),
            mdl=("candidate", self.mdl(), "description length"),
            bic=("candidate", self.bic(), "Bayesian information criterion"),
            score=("candidate", self.scores(), "fall of log loss for one of complexity"),
            n_params=("candidate", np.array([row.n_params for row in rows], dtype=int), "constants"),
            formula=("candidate", np.array([str(row.expr) for row in rows], dtype=object), "formula"),
            engine=("candidate", np.array([row.engine for row in rows], dtype=object), "engine"),
        )

    def bic(self) -> Float[np.ndarray, " candidate"]:
        """n ln l + q ln n of every candidate."""
        n = self._column("n")
        return n * np.log(self._clipped()) + self._constants() * np.log(n)

    def bic_of_noise(self, sigma: float | None = None) -> Float[np.ndarray, " candidate"]:
        """n l/sigma^2 + q ln n of every candidate, where the noise is known; raises InvalidArgument where it is not."""
        sigma = self.sigma if sigma is None else check_number("sigma", sigma, low=0.0)
        if sigma is None:
            raise InvalidArgument("this rule needs the noise of the data: search with sigma, or name it here")
        n = self._column("n")
        return n * self._clipped() / max(sigma**2, self.floor) + self._constants() * np.log(n)

    def mdl(self, sigma: float | None = None) -> Float[np.ndarray, " candidate"]:
        """n l/(2 sigma^2) + (q/2) ln n + C ln(symbols) of every candidate."""
        n, q = self._column("n"), self._constants()
        sigma = self.sigma if sigma is None else check_number("sigma", sigma, low=0.0)
        # without a known noise, what the best candidate leaves, for each degree of freedom that it has left
        left = self._clipped() * n / np.maximum(n - q, 1)
        variance = max(sigma**2 if sigma else left.min(initial=math.inf), self.floor)
        lengths = n * self._column("loss") / (2 * variance) + q / 2 * np.log(n)
        return lengths + self._column("complexity") * math.log(self.symbols)

    def scores(self, floor: float = 0.0) -> Float[np.ndarray, " candidate"]:
        """Fall of ln l from the candidate before, for one of complexity; 0 for the first."""
        if not self._candidates:
            return np.zeros(0)
        falls = -np.diff(np.log(np.maximum(self._clipped(), floor)))
        return np.concatenate([[0.0], falls / np.diff(self._column("complexity"))])

    def save(self, path: Path | str) -> Path:
        """The front as JSON, whole or not at all."""
        rows = [
            {**asdict(replace(row, expr=None)), "expr": _written(row.expr)}  # type: ignore[arg-type]
            for row in self._candidates
        ]
        head = {"format": _FORMAT, "floor": self.floor, "sigma": self.sigma, "symbols": self.symbols}
        return write_atomically(Path(path), json.dumps({**head, "candidates": rows}, indent=1))

    @classmethod
    def load(cls, path: Path | str) -> ParetoFront:
        """The front that `save` wrote; raises InvalidArgument for other files."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise ValueError("format")
            rows = [
                Candidate(**{**row, "expr": _read(row["expr"]), "errors": tuple(row["errors"])})
                for row in content.pop("candidates")
            ]
            return cls(rows, **content)
        except OSError as error:
            raise InvalidArgument(f"path must be a file that can be read; got {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidArgument(f"path must be a front that ParetoFront.save wrote; got {path}: {error}") from None

    def figure(self, *, title: str | None = None) -> go.Figure:
        """Loss against complexity; the formula of a point shows under the pointer."""
        from limitlab.figures import pareto_front

        return pareto_front(self.table, title=title)

    def card(self) -> Card:
        count = len(self._candidates)
        facts = tuple((f"{row.complexity:g}", f"{row.loss:<9.3g}  {row.expr}") for row in self._candidates)
        title = f"ParetoFront, {count} {'formula' if count == 1 else 'formulas'}"
        return Card(f"{title}: complexity, loss, formula" if count else title, facts)

    def _column(self, name: str) -> Float[np.ndarray, " candidate"]:
        # None becomes NaN
        return np.array([getattr(row, name) for row in self._candidates], dtype=float)

    def _constants(self) -> Float[np.ndarray, " candidate"]:
        return np.array([row.n_params for row in self._candidates], dtype=float)

    def _clipped(self) -> Float[np.ndarray, " candidate"]:
        return np.maximum(self._column("loss"), self.floor)


def _best(front: ParetoFront, sigma: float | None) -> int:
    losses = front._clipped()
    return int(np.argmax(np.where(losses <= BEST_WITHIN * losses.min(), front.scores(), -np.inf)))


def _elbow(front: ParetoFront, sigma: float | None) -> int:
    return int(np.argmax(front.scores(floor=(front.sigma or 0.0) ** 2 if sigma is None else sigma**2)))


def _held_out(front: ParetoFront) -> Float[np.ndarray, " candidate"]:
    losses = front._column("validation_loss")
    if np.isnan(losses).all():
        raise InvalidArgument("this rule needs losses on held-out points: search with validation=0.2")
    return np.where(np.isnan(losses), np.inf, np.maximum(losses, front.floor))


def _one_standard_error(front: ParetoFront, sigma: float | None) -> int:
    losses = _held_out(front)
    best = int(np.argmin(losses))
    return int(np.argmax(losses <= losses[best] + (front[best].validation_error or 0.0)))


_RULES: dict[Rule, Callable[[ParetoFront, float | None], int]] = {
    "mdl": lambda front, sigma: int(np.argmin(front.mdl(sigma))),
    "bic": lambda front, sigma: int(np.argmin(front.bic())),
    "bic_sigma": lambda front, sigma: int(np.argmin(front.bic_of_noise(sigma))),
    "best": _best,
    "elbow": _elbow,
    "holdout": lambda front, sigma: int(np.argmin(_held_out(front))),
    "one_se": _one_standard_error,
}


def _written(expr: Expr) -> dict[str, Any]:
    return {"structure": expr.structure, "variables": expr.variables, "parameters": expr.parameters}


def _read(content: dict[str, Any]) -> Expr:
    return Expr.parse(content["structure"], content["variables"], parameters=content["parameters"])
