"""The README's pictures are those of stored figures, light enough for a first screen."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

with pytest.MonkeyPatch.context() as patch:
    # the benchmarks are programs that import each other from their own folder
    patch.syspath_prepend(Path(__file__).parent)
    from pictures import LARGEST, NOTEBOOKS, PICTURES, lighter, stored_figures

from limitlab.systems import FAMILIES

README = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")


def test_every_family_has_a_picture():
    assert PICTURES.keys() == FAMILIES.keys()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_of_a_stored_figure_and_stands_on_the_first_screen(name):
    picture = PICTURES[name]
    figure = stored_figures(picture.lesson)[picture.figure]
    path = NOTEBOOKS / "images" / f"{name}.svg"
    assert path.stat().st_size < LARGEST
    text = path.read_text(encoding="utf-8")
    drawn = " ".join(" ".join(ElementTree.fromstring(text).itertext()).split())
    for axis in ("xaxis", "yaxis"):
        title = figure["layout"][axis]["title"]["text"].replace("<sub>", " ").replace("</sub>", "")
        assert title.split()[0] in drawn
    assert f"(notebooks/images/{name}.svg)" in README.split("## Begin")[0]


def test_a_lighter_picture_says_the_same_numbers():
    drawn = (
        '<svg><defs id="defs-a1b2c3"/><g clip-path="url(#a1b2c3x)"/><path d="M1.2345,6.789"/><text>0.025</text></svg>'
    )
    light = lighter(drawn, "waves")
    assert (
        light == '<svg><defs id="defs-waves"/><g clip-path="url(#wavesx)"/><path d="M1.2,6.7"/><text>0.025</text></svg>'
    )
