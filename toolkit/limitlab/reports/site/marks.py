"""What stands in the place of a mark in a page of the site: tables as they are stored, and lists made from the code.

A mark is a line `<!-- kind: what -->`; MARKS has the kinds. None of the numbers of a page is typed there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import cast

from limitlab import systems
from limitlab.errors import InvalidArgument, one_of
from limitlab.reports import notebooks
from limitlab.reports.site.lessons import Picture, figure_block

MARK = re.compile(r"^<!-- ([a-z]+):? ?(.*?) -->$", re.MULTILINE)
BELOW = re.compile(r"\]\((?:notebooks/)?((?:[\w-]+/)?[\w-]+)\.ipynb\)")


@dataclass
class Stored:
    """What the marks take: the checkout, and the figures of the lessons."""

    root: Path
    pictures: Sequence[Picture] = field(default_factory=tuple)

    def fill(self, text: str) -> str:
        """A page with what belongs in the places of its marks."""
        return MARK.sub(lambda mark: MARKS[one_of("mark", mark[1], MARKS)](self, mark[2]), text)

    def table(self, what: str) -> str:
        """A table that a lesson has stored: `<lesson>: <how its first columns begin, between bars>`."""
        lesson, _, columns = what.partition(": ")
        wanted = [column.strip() for column in columns.split("|")]
        for cell in notebooks.read(self.root / "notebooks" / f"{lesson}.ipynb")["cells"]:
            for output in cell.get("outputs", []):
                shown = "".join(output.get("data", {}).get("text/markdown", ""))
                header = [column.strip() for column in shown.partition("\n")[0].strip("| ").split("|")]
                beginnings = zip(header, wanted, strict=False)
                if len(header) >= len(wanted) and all(column.startswith(begin) for column, begin in beginnings):
                    return f"{shown}\n\n*Stored in [the lesson](lessons/{lesson}.ipynb), which measures it anew.*"
        raise InvalidArgument(f"{lesson} has stored no table that begins with {columns}")

    def benchmarks(self, what: str) -> str:
        """What `make bench` has stored of some suites, all of them where none is named; with the diagrams then."""
        page = self._benchmark_page
        sections = {title: body for title, body in re.findall(r"<h2>(.*?)</h2>\s*(.*?)(?=<h2>|$)", page, re.DOTALL)}
        names = [one_of("suite", name, sections) for name in what.split()] or list(sections)
        return "\n\n".join(f"### {name.replace('_', ' ')}\n\n{_raw(sections[name])}" for name in names)

    def reached(self, what: str) -> str:
        """What the experiments reach at their course size, of a family or of all."""
        return _printed(self.root, "tests/benchmarks/course.py", "--table")

    def course(self, family: str) -> str:
        """The lessons of a part: what each is about."""
        one_of("family", family, systems.FAMILIES)
        read = systems.lessons(cast(systems.Family, family))
        rows = [f"| {number} | [{_title(self.root, path)}](lessons/{path}) | {about} |"
                for number, (path, about) in enumerate(read.items(), start=1)]  # fmt: skip
        return "\n".join(["| | lesson | about |", "|---:|---|---|", *rows])

    def systems(self, what: str) -> str:
        """The thirty systems and their papers."""
        return BELOW.sub(r"](lessons/\1.ipynb)", systems.markdown_table())

    def guide(self, what: str) -> str:
        """The guide for contributors, without its heading."""
        return (self.root / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n")[2]

    def gallery(self, what: str) -> str:
        """Every figure of the lessons, small, each a link to its place."""
        return "\n\n".join(self._rows())

    def _rows(self) -> Iterator[str]:
        for lesson, pictures in groupby(self.pictures, key=lambda picture: picture.lesson):
            cards = "".join(
                f'<a class="card" href="{picture.lesson}.html#{picture.anchor}">{figure_block(picture, small=True)}'
                f"<span>{picture.label}</span></a>"
                for picture in pictures
            )
            title = _title(self.root, f"{lesson.removeprefix('lessons/')}.ipynb")
            yield f"## [{title}]({lesson}.ipynb)"
            yield _raw(f'<div class="gallery">{cards}</div>')

    @cached_property
    def _benchmark_page(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "benchmarks.html"
            _printed(self.root, "tests/benchmarks/page.py", "--output", str(output))
            return output.read_text(encoding="utf-8").partition("<h1>")[2].partition("</body>")[0]


MARKS: dict[str, Callable[[Stored, str], str]] = {
    "table": Stored.table,
    "benchmarks": Stored.benchmarks,
    "reached": Stored.reached,
    "course": Stored.course,
    "systems": Stored.systems,
    "guide": Stored.guide,
    "gallery": Stored.gallery,
}


def _raw(markup: str) -> str:
    return f"```{{raw}} html\n{markup}\n```"


def _title(root: Path, lesson: str) -> str:
    return notebooks.title(notebooks.read(root / "notebooks" / lesson)) or lesson


def _printed(root: Path, *command: str) -> str:
    """What a script of the checkout prints."""
    return subprocess.run([sys.executable, *command], cwd=root, capture_output=True, text=True, check=True).stdout
