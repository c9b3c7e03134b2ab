"""The systems as the table that the README shows."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument
from limitlab.systems.catalogue import SYSTEMS


def markdown_table() -> str:
    """The systems as a Markdown table, as the README shows them between `<!-- systems -->` and `<!-- /systems -->`.

    >>> ll.systems.markdown_table().splitlines()[0]
    '| | system | family | paper | state |'
    """
    lines = ["| | system | family | paper | state |", "|---:|---|---|---|---|"]
    for system in SYSTEMS:
        title = f"[{system.title}](notebooks/{system.notebooks[0]})" if system.notebooks else system.title
        paper = system.paper
        source = f"[{paper.authors}, {paper.venue}, {paper.year}]({paper.link})"
        state: str = system.state
        if state == "works":
            state = f"**{state}**: {', '.join(f'`{name}`' for name in system.experiments)}"
        if len(system.notebooks) > 1:
            more = (f"[{PurePosixPath(path).stem}](notebooks/{path})" for path in system.notebooks[1:])
            state += f"; with {', '.join(more)}"
        if system.remark:
            state += f"; {system.remark}"
        lines.append(f"| {system.number} | {title} | `{system.family}` | {paper.title} ({source}) | {state} |")
    return "\n".join(lines)


def write_table(readme: Path) -> None:
    """Put the table between the markers of a Markdown file. Raises InvalidArgument where it has none.

    >>> from pathlib import Path
    >>> size = Path("README.md").write_text("<!-- systems --><!-- /systems -->")
    >>> ll.systems.write_table(Path("README.md"))
    >>> "| [Neural tangent kernel](notebooks/" in Path("README.md").read_text()
    True
    """
    text = readme.read_text(encoding="utf-8")
    begin, end = "<!-- systems -->", "<!-- /systems -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise InvalidArgument(f"{readme} has no markers {begin} and {end}")
    write_atomically(readme, f"{before}{begin}\n\n{markdown_table()}\n\n{end}{after}")
