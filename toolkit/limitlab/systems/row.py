"""What a row of the table of systems says: the paper, its family, and what of it runs here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["neural_des", "operators", "discovery", "infinite_width"]
State = Literal["works", "planned"]
FAMILIES: dict[Family, str] = {
    "neural_des": "Neural differential equations (depth)",
    "operators": "Neural operators (resolution)",
    "discovery": "Discovery (laws in data)",
    "infinite_width": "Infinite width (kernels and features)",
}


@dataclass(frozen=True)
class Paper:
    """Where a system comes from; `arxiv` is the identifier without its prefix.

    >>> ll.systems.get("ntk").paper.link
    'https://arxiv.org/abs/1806.07572'
    """

    title: str
    authors: str
    venue: str
    year: int
    arxiv: str

    @property
    def link(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv}"


@dataclass(frozen=True)
class System:
    """One line of the table: the paper, and what of it runs here.

    number: 0 for a system of another package. experiments: names for `limitlab run`. notebooks: paths below notebooks/,
    the one about the system first; a system may have lessons before it works. remark: what of the paper is still
    missing.

    >>> ll.systems.get("ntk").state
    'works'
    """

    number: int
    name: str
    title: str
    family: Family
    paper: Paper
    experiments: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()
    remark: str = ""

    @property
    def state(self) -> State:
        """Whether it runs: with experiments and, in this course, a notebook."""
        return "works" if self.experiments and (self.notebooks or not self.number) else "planned"
