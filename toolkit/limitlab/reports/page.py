"""One HTML file that needs nothing else: styles, figures' data and plotly.js are inside it.

A content security policy in the page forbids the browser every request, so that a report says the same with and
without a network. plotly.js (about 5 MB) is embedded once, and only where there is a figure.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any

from limitlab.reports.record import PLACE

POLICY = (
    # plotly's WebGL traces compile functions, hence unsafe-eval; nothing may be fetched
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data:; worker-src blob:; form-action 'none'; base-uri 'none'"
)
FETCHED_BY_STYLE = re.compile(r"@import[^;]*;?|url\(\s*[\"']?\s*(?!data:|#)[^)]*\)", re.IGNORECASE)
REQUESTING = ("src", "srcset", "poster", "data", "background", "action", "formaction", "xlink:href")


def page(
    title: str,
    body: str,
    *,
    figures: bool,
    styles: str = "",
    scripts: str = "",
    record: Mapping[str, Any] | None = None,
) -> str:
    """A complete document around a body; `figures` says whether the body holds blocks of `figure_block`.

    record: how the page was made, which `limitlab open` reads.
    """
    plotly = ""
    if figures:
        from plotly.offline import get_plotlyjs

        plotly = f"<script>{get_plotlyjs()}</script>\n<script>{_DRAW}</script>"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}{styles}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{plotly}\n{_record(record)}<script>{scripts}</script>\n</body>\n</html>\n"
    )


def figure_block(figure: Mapping[str, Any]) -> str:
    """The place of a plotly figure, with its JSON; the page's script draws it there."""
    layout = figure.get("layout", {})
    named = layout.get("title") or {}
    label = named.get("text", "") if isinstance(named, Mapping) else str(named)
    data = _script(finite(figure))
    height = float(layout.get("height") or 450)
    return (
        f'<div class="figure" role="img" aria-label="{html.escape(str(label) or "figure", quote=True)}" '
        f'style="min-height:{height:.0f}px"><script type="application/json">{data}</script></div>'
    )


def table(rows: Iterable[Iterable[str]], header: Iterable[str] = ()) -> str:
    """An HTML table; cells are HTML already, so text goes through `html.escape` first."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{lines}</tbody></table>"


def external_resources(document: str) -> list[str]:
    """Every address outside of the document that a browser would fetch to show it; links to follow do not count."""
    finder = _ResourceFinder()
    finder.feed(document)
    return finder.addresses


def is_external(address: str) -> bool:
    """Whether showing this address needs a request: not for `data:`, `blob:` and fragments of the page."""
    address = address.strip().lower()
    return bool(address) and not address.startswith(("data:", "blob:", "#", "about:"))


def _record(record: Mapping[str, Any] | None) -> str:
    return f'<script type="application/json" id="{PLACE}">{_script(record)}</script>\n' if record is not None else ""


def _script(value: Any) -> str:
    """JSON inside of a script: a text with </script> in it would end it."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def finite(value: Any) -> Any:
    """The same JSON with null, which plotly leaves out, for numbers that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


class _ResourceFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.in_style = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.in_style = tag == "style"
        for name, value in attributes:
            requests = name in REQUESTING or (name == "href" and tag not in ("a", "area"))
            if requests and value and is_external(value):
                self.addresses.append(value)
            if name == "style" and value:
                self.addresses += FETCHED_BY_STYLE.findall(value)

    def handle_data(self, data: str) -> None:
        if self.in_style:
            self.addresses += FETCHED_BY_STYLE.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self.in_style = False


_DRAW = """
for (const block of document.querySelectorAll("div.figure")) {
  const figure = JSON.parse(block.querySelector("script").textContent);
  const layout = Object.assign({}, figure.layout, {autosize: true});
  delete layout.width;
  const config = Object.assign({responsive: true, displaylogo: false, plotlyServerURL: ""}, figure.config);
  Plotly.newPlot(block, {data: figure.data, layout: layout, frames: figure.frames, config: config});
}
"""

_STYLE = """
:root { color-scheme: light; --ink: #1f2430; --soft: #5b6372; --line: #d9dde4; --wash: #f5f7fa; --accent: #0b5fa5; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .6rem; }
h1 { font-size: 1.9rem; margin-top: 0; }
a { color: var(--accent); }
a.anchor-link { display: none; }
code, pre { font: .86em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { overflow-x: auto; margin: 0; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .93em; }
th, td { padding: .3rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--soft); }
img, svg { max-width: 100%; }
.figure { width: 100%; margin: .8rem 0; }
math[display="block"] { margin: .9rem 0; }
math [mathvariant^="bold"] { font-weight: bold; }
.failed { color: #a4161a; }
@page { margin: 15mm; }
@media print {
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  h1, h2, h3 { break-after: avoid; }
  .figure, table, figure { break-inside: avoid; }
  button, .modebar { display: none !important; }
}
"""
