"""A report's page shows everything without a kernel and without a network."""

import json
import shutil
import subprocess

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup

from limitlab.reports.html import render
from limitlab.reports.mathematics import tex_to_mathml
from limitlab.reports.page import external_resources, page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROSE = r"""# Title of the page

Inline $u_t + u u_x = \nu u_{xx}$, see [the paper](https://arxiv.org/abs/2010.08895).

$$ \hat u_k = \int_0^1 e^{-2\pi i k x} u(x)\,\mathrm{d}x $$

\begin{align*} a &= b \\ c &= d \end{align*}

Not understood: $\nosuchcommand{x}$

![far](https://example.org/far.png) <img src="//example.org/near.png"> <script src="https://example.org/x.js"></script>
<link rel="stylesheet" href="https://example.org/x.css"> <iframe src="http://example.org"></iframe>
<style>@import "https://example.org/y.css"; p { background: url(https://example.org/z.png) }</style>

![attached](attachment:dot.png)
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"


def code(source, *outputs):
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=1)


def shown(**data):
    return nbformat.v4.new_output("display_data", data=data)


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.fixture(scope="module")
def document():
    import plotly.graph_objects as go

    heat = json.loads(go.Figure(go.Heatmap(z=np.outer(np.arange(9), np.arange(9)))).to_json())
    line = {
        "data": [{"type": "scatter", "y": [1.0, float("nan"), 2.0]}],
        "layout": {"title": {"text": "A </script> wave"}},
    }
    cells = [
        nbformat.v4.new_markdown_cell(PROSE, attachments={"dot.png": {"image/png": PIXEL}}),
        code("line", shown(**{PLOTLY: line, "text/html": '<script src="https://cdn.plot.ly/plotly.js"></script>'})),
        code("heat", shown(**{PLOTLY: heat})),
        code("slider", shown(**{WIDGET: {"model_id": "1"}, "text/plain": "IntSlider()"})),
        code("bar", shown(**{WIDGET: {"model_id": "2"}, "text/plain": "  0%|  | 0/9"})),
        code("formula", shown(**{"text/latex": r"$\displaystyle \frac{d}{d x} u$", "text/plain": "u'"})),
        code("page", shown(**{"text/html": "<img src='http://example.org/a.png'><b>bold</b>"})),
        code("tqdm", printed("\r first\r half", "stderr"), printed("\r 100% done\n", "stderr")),
        code("print(1)", printed("<one> \x1b[31mred\x1b[0m")),
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["limitlab"] = {
        "parameters": {"modes": 16, "seed": 7, "label": "<x>"},
        "overrides": ["modes"],
        "versions": {"torch": "2.15.0"},
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 12.0,
    }
    book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return render(book, "01-demo")


def test_page_asks_the_network_for_nothing(document):
    assert external_resources(document) == []
    assert "default-src 'none'" in document


def test_resource_finder_finds_every_way_to_fetch():
    ways = [
        '<img src="http://a/b">',
        '<script src="//a/b"></script>',
        '<link href="https://a/b">',
        '<div style="background: url(http://a/b)">',
        "<style>@import 'a.css';</style>",
        '<video poster="a.png">',
        '<object data="a.swf">',
        '<img src="local.png">',
    ]
    assert [len(external_resources(way)) for way in ways] == [1] * len(ways)
    assert external_resources('<a href="https://a/b">x</a><img src="data:image/png;base64,AA">') == []


def test_formulas_become_mathml_and_unknown_tex_stays_readable(document):
    assert document.count("<math") == 4
    assert r"<code>\nosuchcommand{x}</code>" in document


@pytest.mark.parametrize("tex", ["", "{" * 3000, r"\frac{1", r"\begin{nothing}x\end{nothing}", "x" * 10_000, "<b>&"])
def test_malformed_tex_gives_harmless_markup(tex):
    assert "<b>" not in tex_to_mathml(tex)


def test_aligned_equations_are_a_table():
    assert "<mtable" in tex_to_mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)


def test_plotly_is_embedded_once_for_two_figures_and_not_without_one(document):
    assert document.count("<div aria-label=") + document.count('<div class="figure" role="img"') == 2
    assert document.count("* plotly.js v") == 1
    assert "plotly.js v" not in page("plain", "<p>none</p>", figures=False)


def test_widgets_are_named_as_live_and_progress_bars_are_left_out(document):
    assert document.count("A live widget is here") == 1
    assert "0/9" not in document


def test_header_tells_parameters_versions_date_and_seed(document):
    for fact in (
        "<strong>modes</strong>",
        "&lt;x&gt;",
        "torch 2.15.0",
        "2026-01-01T00:00:00",
        "<td>seed</td><td>7</td>",
    ):
        assert fact in document


def test_carriage_returns_and_terminal_colours_are_resolved(document):
    assert "<pre> 100% done" in document
    assert "half" not in document.partition("</main>")[0]
    assert '&lt;one&gt; <span class="ansi-red-fg">red</span>' in document


def test_attached_picture_is_embedded_and_far_ones_are_named(document):
    assert f"data:image/png;base64,{PIXEL}" in document
    assert "[picture not in this file: https://example.org/far.png]" in document


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_figures_are_drawn_in_a_browser_without_network(document, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(document)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000", "--dump-dom"]
    shown = subprocess.run(
        [CHROMIUM, "--headless", *flags, file.as_uri()], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert shown.count('class="scatterlayer') >= 1
    assert shown.count('class="hm"') == 1


def test_a_card_of_a_problem_has_its_facts_and_its_formula_as_mathml():
    from limitlab import problems

    problem = problems.get("heat")
    data = {
        "text/html": problem._repr_html_(),
        "text/latex": problem._repr_latex_(),
        "text/plain": repr(problem),
    }
    shown_card = render(nbformat.v4.new_notebook(cells=[code("problem", shown(**data))]), "card")
    assert "u_t = nu*u_xx" in shown_card
    assert shown_card.count("<math") == 1
    assert "$$" not in shown_card


FOLDS = r"""<details><summary>Hint</summary>A state $u_{i \pm 1} = -u_i$, and `code`.</details>
<details><summary>Answer</summary>$x &lt; 3$, by <code>$HOME</code>.<pre>cost = "$5 and $6"</pre></details>

<details><summary>Solution</summary>

The exponent is $\lambda_{\max}$:

$$ 1 - \lambda $$

</details>

After it."""


def test_hints_and_answers_are_folded_with_all_that_is_in_them():
    soup = BeautifulSoup(
        render(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(FOLDS)]), "a"), "html.parser"
    )
    hint, answer, solution = soup.select("details")
    assert [fold.has_attr("open") for fold in (hint, answer, solution)] == [False] * 3
    assert len(hint.select("math")) == 1
    assert answer.select_one("math").get_text() == "x<3"
    assert answer.select_one("code").get_text() == "$HOME"
    assert answer.select_one("pre").get_text() == 'cost = "$5 and $6"'
    assert "The exponent is" in solution.get_text()
    assert len(solution.select("math")) == 2
    (after,) = (part for part in soup.select("p") if part.get_text() == "After it.")
    assert not after.find_parents("details")


def test_a_studio_is_its_picture_with_a_link_to_the_notebook():
    picture = '<div class="limitlab-snapshot"><b>SolverStudio</b><svg></svg><i>Run this cell</i></div>'
    widget = shown(**{WIDGET: {"model_id": "1"}, "text/plain": "SolverStudio()"})
    book = nbformat.v4.new_notebook(cells=[code("studio", shown(**{"text/html": picture}), widget)])
    soup = BeautifulSoup(render(book, "01-a b"), "html.parser")
    (still,) = soup.select(".limitlab-snapshot")
    assert still.find("svg") is not None
    assert "Run this cell" not in soup.get_text()
    assert [note.a["href"] for note in soup.select(".live")] == ["01-a%20b.ipynb"]
    assert still.select_one(".live") is not None


def test_a_real_studio_has_a_picture_that_a_report_knows():
    from limitlab_widgets.shared.plotted.snapshot import snapshot

    still = snapshot("A studio", ["a line"], None)
    book = nbformat.v4.new_notebook(cells=[code("studio", shown(**{"text/html": still}))])
    soup = BeautifulSoup(render(book, "a"), "html.parser")
    assert len(soup.select(".limitlab-snapshot .live a")) == 1
    assert "Run this cell" not in soup.get_text()
