"""The README's pictures, one a family, drawn from the outputs that lessons have stored.

    .venv/bin/python tests/benchmarks/pictures.py    # into notebooks/images/FAMILY.svg; --only operators for one

Chromium draws them with the plotly that the figures were made for: it must be installed, as for the browser tests.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PLOTLY = "application/vnd.plotly.v1+json"
LARGEST = 150_000
DRAW = """
async ([figure, width, height]) => {
    const layout = {...figure.layout, width, height, updatemenus: [], sliders: [], paper_bgcolor: "white"};
    const place = document.body.appendChild(document.createElement("div"));
    await Plotly.newPlot(place, figure.data, layout);
    return await Plotly.toImage(place, {format: "svg", width, height});
}
"""


class Picture(NamedTuple):
    """A stored figure: the lesson, which of its figures (from 0), and how large it is drawn."""

    lesson: str
    figure: int
    width: int = 760
    height: int = 420


PICTURES = {
    "operators": Picture("operators/01-fourier-neural-operator.ipynb", 4),
    "neural_des": Picture("neural_des/12-cheap-to-solve.ipynb", 1),
    "discovery": Picture("discovery/04-from-trajectories-to-laws.ipynb", 2),
    "infinite_width": Picture("infinite_width/01-networks-as-gaussian-processes.ipynb", 3),
}


def stored_figures(lesson: str) -> list[dict[str, Any]]:
    """The figures among the stored outputs of a lesson, in order."""
    notebook = json.loads((NOTEBOOKS / lesson).read_text(encoding="utf-8"))
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", []))
    return [output["data"][PLOTLY] for output in outputs if PLOTLY in output.get("data", {})]


def draw(pictures: dict[str, Picture]) -> dict[str, str]:
    """The text of an SVG for each picture."""
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    drawn = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content("<html><body></body></html>")
        page.add_script_tag(content=get_plotlyjs())
        for name, picture in pictures.items():
            figure = stored_figures(picture.lesson)[picture.figure]
            address = page.evaluate(DRAW, [figure, picture.width, picture.height])
            drawn[name] = _text(address)
        browser.close()
    return drawn


def _text(address: str) -> str:
    """What a data address holds."""
    return unquote(address.partition(",")[2])


def lighter(svg: str, name: str) -> str:
    """The same picture with the points of its curves to a tenth of a pixel, and identifiers that are its own each time.

    Numbers that are read stay as they are.
    """
    for drawn in re.findall(r'id="defs-(\w+)"', svg)[:1]:
        svg = svg.replace(drawn, name)
    return re.sub(r' d="[^"]+"', lambda curve: re.sub(r"(\d+\.\d)\d+", r"\1", curve[0]), svg)


def write(folder: Path, only: str | None = None) -> list[Path]:
    """Draw the pictures, or one, into a folder; a picture that is too large for a first screen is refused."""
    chosen = {name: picture for name, picture in PICTURES.items() if only in (None, name)}
    paths = []
    for name, svg in draw(chosen).items():
        text = lighter(svg, name)
        if len(text.encode()) > LARGEST:
            raise SystemExit(f"{name}: {len(text.encode())} bytes, more than {LARGEST}; choose another figure")
        path = folder / f"{name}.svg"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS / "images")
    parser.add_argument("--only", choices=tuple(PICTURES))
    arguments = parser.parse_args()
    print(*write(arguments.folder, arguments.only), sep="\n")
