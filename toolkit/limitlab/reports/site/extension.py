"""What the site adds to Sphinx: formulas as MathML, and a page of source for each module that defines a listed name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.atomic import write_atomically
from limitlab.reports.mathematics import tex_to_mathml
from limitlab.reports.site.reference import source_page

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.connect("doctree-read", _link_what_is_listed)
    app.connect("build-finished", _write_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: nodes.math) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(tex_to_mathml(node.astext()))
    raise SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(f'<div class="math">{tex_to_mathml(node.astext(), display=True)}</div>')
    raise SkipNode


def _link_what_is_listed(app: Sphinx, document: nodes.document) -> None:
    """A link from a type in a signature only to what is listed, and only where nothing else has its name."""
    from sphinx.addnodes import desc_signature, pending_xref

    known = set(_facts(app)["known"])
    for signature in document.findall(desc_signature):
        for link in list(signature.findall(pending_xref)):
            if link["reftarget"].rpartition(".")[2] not in known:
                link.replace_self(link.children)


def _write_sources(app: Sphinx, failure: Exception | None) -> None:
    """The sources, with an anchor `L-7` at line 7; without the navigation of the site, which is slow to make."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    formatter = HtmlFormatter(lineanchors="L", cssclass="highlight")
    for module, path in {} if failure else _facts(app)["sources"].items():
        page = Path(app.outdir) / f"{source_page(module)}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        code = highlight(Path(path).read_text(encoding="utf-8"), PythonLexer(), formatter)
        root = "../" * source_page(module).count("/")
        write_atomically(page, _SOURCE.format(module=module, root=root, code=code))


def _facts(app: Sphinx) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((Path(app.srcdir) / "reference.json").read_text(encoding="utf-8"))
    return facts


_SOURCE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{module} - limitlab</title>
<link rel="stylesheet" href="{root}_static/styles/furo.css"><link rel="stylesheet" href="{root}_static/pygments.css">
<link rel="stylesheet" href="{root}_static/site.css"></head>
<body class="source"><script>document.body.dataset.theme = localStorage.getItem("theme") || "auto"</script>
<p><a href="{root}reference.html">limitlab: the reference</a></p>
<h1>{module}</h1>
{code}
</body></html>
"""
