"""What a value shows of itself, once for text and once for a notebook: a name, a few facts, and its equation.

A class that says its `card` has a short `repr`, and `_repr_html_` and `_repr_latex_` for JupyterLab, in which every
text is escaped: titles, names and equations may be a person's own.
"""

from __future__ import annotations

import html
import textwrap
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from limitlab.errors import LimitlabError

WIDEST = 118
LEFT = 'style="text-align: left"'


@dataclass(frozen=True)
class Card:
    """A title, facts as (name, text), and an equation as LaTeX, empty where there is none.

    >>> print(ll.cards.Card("ODEProblem decay", (("equation", "u' = -u"), ("times", "11 on [0, 1]"))))
    ODEProblem decay
      equation  u' = -u
      times     11 on [0, 1]
    """

    title: str
    facts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        width = max((len(name) for name, _ in self.facts), default=0)
        return "\n".join(map(shortened, [self.title, *(f"  {name:<{width}}  {text}" for name, text in self.facts)]))

    def html(self, latex: str = "") -> str:
        """The card as HTML, over an equation that the page typesets; every text is escaped."""
        rows = "".join(
            f"<tr><td {LEFT}>{html.escape(name)}</td><td {LEFT}>{html.escape(text)}</td></tr>"
            for name, text in self.facts
        )
        equation = f"<div>$${html.escape(latex)}$$</div>" if latex else ""
        return f"<div><b>{html.escape(self.title)}</b>{equation}<table>{rows}</table></div>"


class Shown(ABC):
    """A value with a card."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # dataclass writes a repr of all fields into every class that has none in its own body
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    @abstractmethod
    def card(self) -> Card:
        """What it is, in a few facts."""

    def latex(self) -> str:
        """Its equation as LaTeX, empty where it has none."""
        return ""

    def __repr__(self) -> str:
        return str(self.card())

    def _repr_html_(self) -> str:
        return self.card().html(self._latex_or_nothing())

    def _repr_latex_(self) -> str | None:
        latex = self._latex_or_nothing()
        return f"$${latex}$$" if latex else None

    def _latex_or_nothing(self) -> str:
        try:
            return self.latex()
        except LimitlabError:
            # an equation that cannot be read is shown as the text that it is
            return ""


def shortened(line: str) -> str:
    """One line of at most WIDEST characters, an ellipsis where it was cut."""
    line = " ".join(line.splitlines())
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def wrapped(text: str) -> str:
    """At most six lines of at most WIDEST characters."""
    return textwrap.fill(text, WIDEST, subsequent_indent="    ", max_lines=6, placeholder=" …")
