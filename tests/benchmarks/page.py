"""The benchmark page: one HTML file with the table, bars of the ratios, and work-precision diagrams.

Run `python tests/benchmarks/page.py [--output reports/benchmarks.html] [--picture FILE.svg] [--into README.md]`.
The file needs no network and no script, and is light or dark as its reader's screen is. The picture is the diagrams
alone. `--into` writes the table between the marks of a Markdown file.
"""

import argparse
import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from diagrams import diagrams
from table import HEADER, RESULTS, Entry, cells, entries

STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --paper: #ffffff; --faint: #d8dee4; --better: #0072b2;
  --worse: #d55e00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #15191e; --faint: #2b323b; --better: #56b4e9;
  --worse: #e69f00 } }
body { color: var(--ink); background: var(--paper); font: 15px/1.5 Inter, "Segoe UI", "DejaVu Sans", sans-serif;
  margin: 2rem auto; max-width: 84rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid var(--faint); padding: .25rem .6rem; text-align: left; vertical-align: top }
.bar { display: inline-block; height: .7rem; vertical-align: baseline; min-width: 1px }
.better { background: var(--better) } .worse { background: var(--worse) } .busy { opacity: .65 }
svg { max-width: 100%; height: auto } .scroll { overflow-x: auto }
"""
RATIO, DECADE = HEADER.index("ratio"), 4.0  # rem of a bar that stands for a factor of ten
BUSY = 1.0
MARKS = ("<!-- benchmarks -->", "<!-- /benchmarks -->")


def page(lines: Sequence[Entry], pictures: str = "") -> str:
    """The whole file."""
    suites = dict.fromkeys(entry.suite for entry in lines)
    sections = "".join(section(suite, [entry for entry in lines if entry.suite == suite]) for suite in suites)
    diagram = f"<h2>Time against the error achieved</h2>\n<div class='scroll'>{pictures}</div>\n" if pictures else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>limitlab: benchmarks</title><style>{STYLE}</style></head><body>
<h1>Benchmarks</h1>
<p>Contestants run in one process, in turn. A ratio is taken within a round, peer over us, so that above one we are
faster; the quartiles are over rounds. Where all had equal processor time, it is that of the errors. Pale rows were
measured while others kept more than {BUSY:g} core busy, or nobody knows whether they did: their ratios say more than
their times.</p>
{diagram}{sections}</body></html>
"""


def section(suite: str, lines: Sequence[Entry]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in HEADER)
    return (
        f"<h2>{escape(suite)}</h2>\n<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>\n"
        f"{''.join(map(table_row, lines))}</tbody></table></div>\n"
    )


def table_row(entry: Entry) -> str:
    shown = [escape(cell) for cell in cells(entry)]
    shown[RATIO] += bar(entry.ratio)
    look = "" if entry.load is not None and entry.load <= BUSY else " class='busy'"
    return f"<tr{look}>{''.join(f'<td>{cell}</td>' for cell in shown)}</tr>\n"


def bar(ratio: float | None) -> str:
    """As long as the logarithm, in the colour of who is faster."""
    if ratio is None or not ratio > 0:
        return ""
    decades = math.log10(ratio)
    kind = "better" if decades >= 0 else "worse"
    return f"<br><span class='bar {kind}' style='width:{DECADE * min(3.0, abs(decades)):.2f}rem'></span>"


def stored_diagrams(results: Path = RESULTS) -> str:
    """The work-precision diagrams of the stored results; nothing where there are none."""
    path = results / "work_precision.json"
    return diagrams(json.loads(path.read_text(encoding="utf-8"))["results"]) if path.exists() else ""


def markdown(lines: Sequence[Entry]) -> str:
    """The table of all lines that hold a ratio."""
    rows = [HEADER, ("---",) * len(HEADER), *(cells(entry) for entry in lines if entry.ratio is not None)]
    return "\n".join("| " + " | ".join(cell.replace("|", "and") for cell in row) + " |" for row in rows)


def into(path: Path, lines: Sequence[Entry]) -> None:
    """Put the table in the place of the one between the marks."""
    before, mark, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (mark and end):
        raise ValueError(f"{path} has no {MARKS[0]} ... {MARKS[1]} for the table")
    path.write_text(f"{before}{mark}\n\n{markdown(lines)}\n\n{end}{after}", encoding="utf-8")


def write(output: Path, results: Path = RESULTS, picture: Path | None = None) -> None:
    """The page, and the picture where it is asked for and there is something to draw."""
    drawn = stored_diagrams(results)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page(entries(results), drawn), encoding="utf-8")
    if picture is not None and drawn:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("reports/benchmarks.html"))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--into", type=Path)
    arguments = parser.parse_args()
    write(arguments.output, picture=arguments.picture)
    if arguments.into is not None:
        into(arguments.into, entries())
    print(arguments.output)
