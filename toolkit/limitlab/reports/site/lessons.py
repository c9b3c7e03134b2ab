"""A notebook as a page of the site: outputs as stored, figures in files of their own, answers folded."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.atomic import write_atomically
from limitlab.reports import notebooks
from limitlab.reports.html import place, still
from limitlab.reports.page import finite

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLD = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
HEADING = re.compile(r"^#+\s+(.+?)\s*#*\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Picture:
    """A figure of a lesson: the file that holds it, the lesson's page, its place there, and what it is called."""

    key: str
    lesson: str
    anchor: str
    label: str
    height: float


def stage_lesson(path: Path, name: str, source: Path) -> list[Picture]:
    """Write a lesson's page and its figures below the folder of sources; returns its figures in order.

    name: of the lesson below the notebooks' folder, without its suffix.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    headings = list(_headings(notebook))
    shown, figures = still(notebook)
    pictures = []
    for number, figure in enumerate(figures):
        key = f"{name.replace('/', '-')}-{number + 1}"
        label = _title(figure) or headings[number]
        pictures.append(Picture(key, f"lessons/{name}", f"figure-{number + 1}", label, _height(figure)))
        write_figure(source / "_static" / "figures" / f"{key}.js", key, figure)
    blocks = {place(number): figure_block(picture) for number, picture in enumerate(pictures)}
    shown.cells = [cell for original in shown.cells for cell in _cells(original, blocks)]
    page = source / "lessons" / f"{name}.ipynb"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, json.dumps(shown, indent=1, ensure_ascii=False))
    return pictures


def figure_block(picture: Picture, small: bool = False) -> str:
    """The place of a figure in a page; the site's script draws it there when it comes into view."""
    anchor = "" if small else f' id="{picture.anchor}"'
    kind = "figure small" if small else "figure"
    height = "" if small else f' style="min-height:{picture.height:.0f}px"'
    label = html.escape(picture.label, quote=True)
    return f'<div class="{kind}"{anchor} data-figure="{picture.key}" role="img" aria-label="{label}"{height}></div>'


def write_figure(path: Path, key: str, figure: Mapping[str, Any]) -> None:
    """A figure as a script: a page from a disk may load one, but no JSON."""
    layout = {name: value for name, value in figure.get("layout", {}).items() if name != "template"}
    data = {"data": figure.get("data", []), "layout": layout, "frames": figure.get("frames", [])}
    text = json.dumps(finite(data), separators=(",", ":"), allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, f"limitlab.figures[{json.dumps(key)}]={text};\n")


def _cells(cell: NotebookNode, blocks: Mapping[str, str]) -> Iterator[NotebookNode]:
    """A cell as MyST reads it, and after an exercise's stub the code that answers it, folded."""
    import nbformat

    if cell.cell_type == "markdown":
        cell.source = FOLD.sub(_opened, cell.source)
    elif cell.cell_type == "code":
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata.tags = [*cell.metadata.get("tags", []), "hide-input"]
        for output in cell.outputs:
            shown = output.get("data", {}).get("text/html")
            if shown in blocks:
                output.data["text/html"] = blocks[shown]
    yield cell
    answer = cell.metadata.get("limitlab", {}).get("answer")
    if answer:
        yield nbformat.v4.new_markdown_cell(_folded("The answer as code", f"```python\n{answer}\n```"))


def _opened(fold: re.Match[str]) -> str:
    summary, body = fold.groups()
    return _folded(summary, body.strip())


def _folded(summary: str, body: str) -> str:
    """Blank lines around, so that what is inside is read as Markdown."""
    return f"\n\n<details><summary>{summary}</summary>\n\n{body}\n\n</details>\n\n"


def _headings(notebook: NotebookNode) -> Iterator[str]:
    """The heading above each figure."""
    heading = notebooks.title(notebook) or ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = next(reversed(HEADING.findall(cell.source)), heading)
        for output in cell.get("outputs", []):
            if "application/vnd.plotly.v1+json" in output.get("data", {}):
                yield heading


def _title(figure: Mapping[str, Any]) -> str:
    named = figure.get("layout", {}).get("title") or {}
    text = named.get("text", "") if isinstance(named, Mapping) else named
    return re.sub(r"<[^>]*>", " ", str(text or ""))


def _height(figure: Mapping[str, Any]) -> float:
    return float(figure.get("layout", {}).get("height") or 450)
