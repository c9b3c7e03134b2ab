"""An executed notebook as one self-contained page: prose, formulas as MathML, figures by an embedded plotly.js.

nbconvert turns the cells into HTML (its `basic` template); here every output is reduced to what can be shown without
a kernel and without a network, code folds away, and a header says with what and when the report was made.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from limitlab.reports import notebooks
from limitlab.reports.mathematics import tex_to_mathml, with_mathml
from limitlab.reports.page import FETCHED_BY_STYLE, REQUESTING, figure_block, is_external, page, table
from limitlab.reports.publish import collect
from limitlab.reports.record import FIELDS

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from nbformat import NotebookNode

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
SNAPSHOT = "limitlab-snapshot"
LIVE_ONLY = '<p class="live">A live widget is here: {link} in JupyterLab to use it.</p>'
LINK = '<a href="{address}">open the notebook</a>'


def render(notebook: NotebookNode, name: str, folder: str = "") -> str:
    """The page of an executed notebook, which lies beside it. folder: of its local pictures, which are embedded."""
    from bs4 import BeautifulSoup

    link = LINK.format(address=quote(f"{name}.ipynb"))
    shown, figures = still(notebook, link)
    soup = BeautifulSoup(_cells_to_html(shown, folder), "html.parser")
    _fold_code(soup)
    _link_snapshots(soup, link)
    _cut_off_network(soup)
    body = str(soup)
    for index, figure in enumerate(figures):
        # after the clean-up, whose parser need not read megabytes of figure data
        body = body.replace(place(index), figure_block(figure))
    title = notebooks.title(notebook) or name
    made = notebook.metadata.get("limitlab", {})
    record = {key: made[key] for key in FIELDS if key in made} if "source" in made else None
    styles = _STYLE + _code_style()
    body = _header(notebook, name) + body
    return page(title, body, figures=bool(figures), styles=styles, scripts=_FOLD, record=record)


def still(notebook: NotebookNode, link: str = "open the notebook") -> tuple[NotebookNode, list[Mapping[str, Any]]]:
    """A copy whose outputs are HTML, pictures or text, and the plotly figures taken out of it, in order."""
    import nbformat

    shown = nbformat.from_dict(notebook)
    figures: list[Mapping[str, Any]] = []
    for cell in shown.cells:
        if cell.cell_type != "code":
            continue
        # a studio shows a picture of itself, and then its widget
        live = "" if any(_is_snapshot(output) for output in cell.outputs) else LIVE_ONLY.format(link=link)
        for output in cell.outputs:
            data = output.get("data", {})
            if PLOTLY in data:
                output.data = nbformat.from_dict({"text/html": place(len(figures))})
                figures.append(data[PLOTLY])
            elif data:
                output.data = nbformat.from_dict(_without_kernel(data, live))
        cell.outputs = _as_on_screen(cell.outputs)
    shown.metadata.pop("widgets", None)
    return shown, figures


def _cells_to_html(notebook: NotebookNode, folder: str) -> str:
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
    from traitlets.config import Config

    class Renderer(IPythonRenderer):
        def block_html(self, html: str) -> str:
            # nbconvert closes what a block opens, but a fold with blank lines goes on to the next
            return with_mathml(super().block_html(html) if "<img" in html.lower() else f"{html}\n")

        def block_math(self, body: str) -> str:
            return tex_to_mathml(body, display=True)

        def inline_math(self, body: str) -> str:
            return tex_to_mathml(body)

        def latex_environment(self, name: str, body: str) -> str:
            return tex_to_mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", display=True)

    class Exporter(HTMLExporter):
        def markdown_to_html(self, source: str) -> str:
            renderer = Renderer(escape=False, embed_images=True, path=folder, exclude_anchor_links=True)
            return MarkdownWithMath(renderer=renderer).render(source)

    exporter = Exporter(config=Config(), template_name="basic")
    exporter.register_filter("markdown2html", exporter.markdown_to_html)
    return exporter.from_notebook_node(_with_embedded_attachments(notebook))[0]


def _with_embedded_attachments(notebook: NotebookNode) -> NotebookNode:
    for cell in notebook.cells:
        for name, pictures in cell.get("attachments", {}).items():
            kind, data = next(iter(pictures.items()))
            cell.source = cell.source.replace(f"attachment:{name}", f"data:{kind};base64,{data}")
    return notebook


def _is_snapshot(output: NotebookNode) -> bool:
    return SNAPSHOT in output.get("data", {}).get("text/html", "")


def _link_snapshots(soup: BeautifulSoup, link: str) -> None:
    """The pictures of studios, with the way to the live ones in place of what a reader of a notebook is told."""
    from bs4 import BeautifulSoup

    for picture in soup.select(f".{SNAPSHOT}"):
        for told in picture.find_all("i", recursive=False):
            told.decompose()
        note = f'<p class="live">A picture of the studio as it was: {link} in JupyterLab to play in it.</p>'
        picture.append(BeautifulSoup(note, "html.parser"))


def _without_kernel(data: Mapping[str, Any], live: str) -> dict[str, Any]:
    """The forms of an output that show without a kernel and without a script of ours. live: instead of a widget."""
    if WIDGET in data:
        is_progress_bar = "%|" in data.get("text/plain", "")
        return {"text/html": live} if live and not is_progress_bar else {}
    if "text/latex" in data:
        # a card holds its formula as the page of a notebook would typeset it
        formula, written = _formula(data["text/latex"]), html.escape(data["text/latex"])
        shown = data.get("text/html", "")
        return {"text/html": shown.replace(written, formula) if written in shown else formula}
    return {kind: data[kind] for kind in data if not kind.startswith("application/")}


def _as_on_screen(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs as a terminal leaves them: a stream's pieces joined, a carriage return starting its line anew."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if output.output_type != "stream":
            if output.output_type == "error" or output.data:
                joined.append(output)
        elif joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            lines = output.text.replace("\r\n", "\n").split("\n")
            output.text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return [output for output in joined if output.output_type != "stream" or output.text.strip()]


def _formula(tex: str) -> str:
    tex = tex.strip()
    display = not (tex.startswith("$") and not tex.startswith(("$$", r"$\displaystyle")))
    return tex_to_mathml(tex.strip("$").strip().removeprefix(r"\displaystyle"), display=display)


def _fold_code(soup: BeautifulSoup) -> None:
    for block in soup.select("div.input"):
        for prompt in block.select("div.prompt"):
            prompt.decompose()
        if not block.get_text(strip=True):
            block.decompose()
            continue
        fold = soup.new_tag("details", attrs={"class": "code"})
        label = soup.new_tag("summary")
        label.string = block.get_text().strip().split("\n", 1)[0][:100]
        block.wrap(fold)
        fold.insert(0, label)
    for prompt in soup.select("div.prompt"):
        prompt.decompose()


def _cut_off_network(soup: BeautifulSoup) -> None:
    """Replace whatever would be fetched by a note that says what is missing; links stay."""
    for tag in soup.select("script[src], link, base, iframe, object, embed, meta"):
        if any(is_external(_address(tag, name)) for name in ("src", "href", "data", "content")):
            tag.decompose()
    for style in soup.find_all("style"):
        style.string = FETCHED_BY_STYLE.sub("none", style.get_text())
    for tag in soup.find_all(True):
        if "style" in tag.attrs:
            tag["style"] = FETCHED_BY_STYLE.sub("none", _address(tag, "style"))
        for name in REQUESTING:
            if is_external(_address(tag, name)):
                if tag.name == "img":
                    note = soup.new_tag("span", attrs={"class": "missing"})
                    note.string = f"[picture not in this file: {_address(tag, name)[:200]}]"
                    tag.replace_with(note)
                    break
                del tag[name]
        if tag.name not in ("a", "area") and is_external(_address(tag, "href")):
            del tag["href"]


def _address(tag: Tag, name: str) -> str:
    return str((tag.attrs or {}).get(name) or "")


def _header(notebook: NotebookNode, name: str) -> str:
    """Parameters, results, versions, date and seed, as the execution recorded them."""
    record: Mapping[str, Any] = notebook.metadata.get("limitlab", {})
    parameters = record.get("parameters", {})
    facts = {
        "notebook": name,
        "date": record.get("date", ""),
        "seed": parameters.get("seed", ""),
        "duration": f"{record['seconds']:.0f} s" if "seconds" in record else "",
        "versions": ", ".join(f"{package} {version}" for package, version in record.get("versions", {}).items()),
    }
    overrides = set(record.get("overrides", []))
    groups = {
        "parameters": [(_mark(key, key in overrides), _text(value)) for key, value in parameters.items()],
        "results": [(_text(key), _text(value)) for key, value in collect(notebook).items()],
        "made": [(_text(key), _text(value)) for key, value in facts.items() if value != ""],
    }
    tables = "".join(f"<section><h4>{group}</h4>{table(rows)}</section>" for group, rows in groups.items() if rows)
    button = '<button type="button" id="fold">show all code</button>'
    return f'<header class="facts">{tables}{button}</header>'


def _mark(name: str, overridden: bool) -> str:
    return f"<strong>{html.escape(name)}</strong>" if overridden else html.escape(name)


def _text(value: object) -> str:
    return html.escape(f"{value:.5g}" if isinstance(value, float) else str(value))


def place(index: int) -> str:
    """Where `still` has left room for a figure."""
    return f'<div class="figure-place" id="limitlab-figure-{index}"></div>'


def _code_style() -> str:
    from pygments.formatters import HtmlFormatter

    return str(HtmlFormatter(style="default").get_style_defs(".highlight"))


_FOLD = """
const button = document.getElementById("fold");
if (button) button.onclick = () => {
  const folds = [...document.querySelectorAll("details.code")];
  const open = !folds.every(fold => fold.open);
  folds.forEach(fold => fold.open = open);
  button.textContent = open ? "hide all code" : "show all code";
};
"""

_STYLE = """
header.facts { display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: start; border: 1px solid var(--line);
  border-radius: 6px; background: var(--wash); padding: .6rem 1rem 1rem; margin-bottom: 2rem; position: relative; }
header.facts h4 { margin: .4rem 0 0; color: var(--soft); font-weight: 600; }
header.facts table { margin: .2rem 0; font-size: .85rem; }
header.facts td { padding: .12rem .8rem .12rem 0; border: 0; }
header.facts button { position: absolute; right: .8rem; top: .8rem; }
details.code { margin: .6rem 0; border-left: 3px solid var(--line); padding-left: .7rem; }
details.code summary { color: var(--soft); cursor: pointer; font: .8rem ui-monospace, Consolas, monospace; }
details.code[open] summary { font-size: 0; }
details.code[open] summary::before { content: "hide code"; font-size: .8rem; }
.highlight { background: none; }
.output_stream pre, .output_text pre { background: var(--wash); padding: .5rem .8rem; border-radius: 4px; }
.output_stderr pre { background: #fdf3e7; }
.output_error pre { background: #fdecea; }
.live, .missing { color: var(--soft); font-style: italic; }
.tex code { white-space: pre-wrap; }
.ansi-bold { font-weight: bold; }
.ansi-red-fg { color: #b3261e; } .ansi-green-fg { color: #1b7f3b; } .ansi-yellow-fg { color: #8a6100; }
.ansi-blue-fg { color: #1f5fbf; } .ansi-magenta-fg { color: #8e3b9e; } .ansi-cyan-fg { color: #12727d; }
@media print { details.code:not([open]) { display: none; } header.facts { break-inside: avoid; } }
"""
