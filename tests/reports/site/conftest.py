"""A checkout with one page, one lesson and one package, which is soon built."""

import json

import pytest

FIGURE = {"data": [{"type": "scatter", "x": [0, 1], "y": [0, float("nan")]}], "layout": {"title": {"text": "A line"}}}
TABLE = "| method | error |\n|---|---|\n| euler | 0.1 |"
LESSON = """# A lesson

Euler: $y_{n+1} = y_n + h f(y_n)$.

<details><summary>Answer</summary>A `step` of $h$.</details>"""


@pytest.fixture
def lesson():
    """A notebook with a figure, a table, a progress bar, an exercise and a formula."""
    bar = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "  0%|          | 0/3"}
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.plotly.v1+json": FIGURE}},
        {"output_type": "display_data", "metadata": {}, "data": bar},
        {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": TABLE}},
    ]  # fmt: skip
    code = {"cell_type": "code", "execution_count": 1, "metadata": {}}
    answer = {"limitlab": {"answer": "step = 0.1"}}
    cells = [
        {"cell_type": "markdown", "id": "head", "metadata": {}, "source": LESSON.splitlines(keepends=True)},
        {**code, "id": "run", "source": "show()", "outputs": outputs},
        {**code, "id": "stub", "source": "step = None", "metadata": answer, "outputs": []},
    ]
    return {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def checkout(tmp_path, lesson):
    pages, package = tmp_path / "notebooks" / "site", tmp_path / "toolkit" / "limitlab"
    (pages / "static").mkdir(parents=True)
    package.mkdir(parents=True)
    (pages / "static" / "site.js").touch()
    (pages / "static" / "site.css").touch()
    (pages / "index.md").write_text(
        "# Start\n\n<!-- table: 00-start: method -->\n\n<!-- gallery: all -->\n\n"
        "```{toctree}\n:glob:\n\nlessons/*\napi/*\n```\n"
    )
    (tmp_path / "notebooks" / "00-start.ipynb").write_text(json.dumps(lesson))
    (package / "__init__.py").write_text(
        '"""A package."""\nfrom limitlab.methods import euler\n__all__ = ["euler", "ORDER"]\nORDER = 1\n"""Of it."""\n'
    )
    (package / "methods.py").write_text(
        '"""Methods."""\n\n\ndef euler(y: Float[Tensor, "batch *state"], h: float = 0.1, **rest) -> Tensor:\n'
        '    """A step of y\' = f(t, y), *batch first*, with `h`.\n\n    y: (batch, *state). See |y|_2.\n\n'
        '    >>> euler(1.0)\n    1.1\n    """\n'
    )
    return tmp_path
