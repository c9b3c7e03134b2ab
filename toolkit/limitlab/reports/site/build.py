"""All sources of the site in one folder, and Sphinx's pages of them."""

from __future__ import annotations

import io
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from limitlab import systems
from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument, LimitlabError
from limitlab.reports import notebooks
from limitlab.reports.site import reference
from limitlab.reports.site.lessons import stage_lesson
from limitlab.reports.site.marks import Stored

SETTINGS: dict[str, Any] = {
    "project": "limitlab",
    "author": "The limitlab authors",
    "version": version("limitlab"),
    "extensions": ["myst_nb", "limitlab.reports.site.extension"],
    "html_theme": "furo",
    "html_title": "limitlab",
    "html_static_path": ["_static"],
    "html_css_files": ["site.css"],
    "html_js_files": ["site.js"],
    "html_math_renderer": "mathml",
    "html_copy_source": False,
    "html_show_sourcelink": False,
    # summaries are fetched, which a page from a disk may not
    "html_show_search_summary": False,
    "add_module_names": False,
    "python_maximum_signature_line_length": 88,
    "pygments_style": "default",
    "myst_enable_extensions": ["dollarmath", "amsmath"],
    "myst_heading_anchors": 3,
    "myst_update_mathjax": False,
    "nb_execution_mode": "off",
    # MyST-NB registers its parts again where a process builds a second site
    "suppress_warnings": ["app.add_node", "app.add_directive", "app.add_role"],
    "nb_render_markdown_format": "myst",
}


class SiteFailed(LimitlabError):
    """Sphinx had something to complain about."""


def build(root: Path, output: Path) -> Path:
    """Build the site of a checkout; returns its first page. Raises SiteFailed with every warning."""
    from sphinx.application import Sphinx

    source = stage(root, output / "source")
    warnings = io.StringIO()
    app = Sphinx(
        source, None, output / "html", output / "doctrees", "html",
        confoverrides=SETTINGS, status=None, warning=warnings, warningiserror=True,
    )  # fmt: skip
    app.build()
    if app.statuscode:
        raise SiteFailed(f"the site has warnings:\n{warnings.getvalue()}")
    return output / "html" / "index.html"


def stage(root: Path, source: Path) -> Path:
    """Put the sources of all pages together; returns their folder. Raises InvalidArgument outside of a checkout."""
    pages = root / "notebooks" / "site"
    if not pages.is_dir():
        raise InvalidArgument(f"{root} is no checkout of limitlab: it has no notebooks/site")
    if source.exists():
        shutil.rmtree(source)
    shutil.copytree(pages / "static", source / "_static")
    _write_plotly(source / "_static")
    course = (root / "notebooks").resolve()
    order = [systems.DOOR, *(lesson for family in systems.FAMILIES for lesson in systems.lessons(family))]
    found = {path.relative_to(course).as_posix(): path for path in course.rglob("*.ipynb")}
    lessons = sorted(
        (lesson for lesson in found if ".ipynb_checkpoints" not in lesson),
        key=lambda lesson: (order.index(lesson) if lesson in order else len(order), lesson),
    )
    pictures = [
        picture for lesson in lessons for picture in stage_lesson(found[lesson], lesson.removesuffix(".ipynb"), source)
    ]
    for file in {file for lesson in lessons for file in notebooks.files_of(found[lesson], course)}:
        copy = source / "lessons" / file.relative_to(course)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    stored = Stored(root, pictures)
    for page in sorted(pages.glob("*.md")):
        write_atomically(source / page.name, stored.fill(page.read_text(encoding="utf-8")))
    _write_reference(root, source)
    return source


def _write_plotly(folder: Path) -> None:
    """Plotly's code, once for all pages, and the look of figures on dark paper and on light."""
    import plotly.io
    from plotly.offline import get_plotlyjs

    from limitlab.figures.template import DARK, LIGHT, register

    register()
    write_atomically(folder / "plotly.js", get_plotlyjs())
    looks = {name: plotly.io.templates[look].to_plotly_json() for name, look in (("light", LIGHT), ("dark", DARK))}
    write_atomically(folder / "looks.js", f"limitlab.looks={json.dumps(looks)};\n")


def _write_reference(root: Path, source: Path) -> None:
    packages = reference.Source((root / "toolkit", root / "widgets"))
    (source / "api").mkdir()
    for package in packages.packages():
        write_atomically(source / "api" / f"{package}.rst", reference.page(package, packages))
    sources = {module: str(packages.path(module)) for module in reference.modules(packages)}
    facts = {"sources": sources, "known": reference.unmistakable(packages)}
    write_atomically(source / "reference.json", json.dumps(facts))
