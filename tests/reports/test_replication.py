"""A claim that holds at a notebook's own seed only is shown to fail."""

import nbformat
import pytest

from limitlab import reports
from limitlab.cli import main
from limitlab.errors import InvalidArgument
from limitlab.reports.replication import MISSING, Replication, Verdict, stored_verdicts

LUCKY = """from limitlab import reports

draw = (seed * 37) % 10
claims = reports.Claims()
claims.add("a law", holds=reports.below(draw, 10))
claims.add("luck", holds=reports.below(draw, 1))
claims.add("a line without a criterion", here=draw)
if seed != 2:
    claims.add("stated at some seeds", holds=True)
claims"""


@pytest.fixture
def notebook(tmp_path):
    def written(code=LUCKY, parameters="seed: int = 0  # seed [0, 100]\nwidth: int = 4  # units [1, 9]"):
        code_cell = nbformat.v4.new_code_cell
        cells = [code_cell(parameters, metadata={"tags": ["parameters"]}), code_cell(code)]
        path = tmp_path / "lesson.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Luck"), *cells]), path)
        return path

    return written


@pytest.mark.slow
def test_what_holds_at_its_own_seed_only_fails(notebook, tmp_path):
    held = reports.replicate(notebook(), [0, 1, 2], workers=2, folder=tmp_path, progress=False)
    assert held.failing == {"luck": (1, 2), "stated at some seeds": (2,)}
    assert not held.holds
    rows = {row[0]: row[1:] for row in held.table.rows}
    assert rows["a law"] == ["0", "7", "4"]
    assert rows["luck"] == ["0", "7 **no**", "4 **no**"]
    assert rows["stated at some seeds"][2] == MISSING
    assert "a line without a criterion" not in rows


@pytest.mark.slow
def test_command_counts_seeds_from_the_notebooks_own_and_says_by_its_exit_code_what_holds(
    notebook, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    path = str(notebook(LUCKY.replace('"luck", holds=reports.below(draw, 1)', '"luck", holds=reports.below(draw, 8)')))
    assert main(["claims", path, "--seeds", "2", "-p", "width=5"]) == 0
    assert "| a law | 0 | 7 |" in capsys.readouterr().out
    assert main(["claims", path, "--seeds", "0,x"]) == 2
    assert "--seeds must be a number, or seeds separated by commas" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_fails_is_no_claim_that_holds(notebook, tmp_path):
    path = notebook("if seed == 1:\n    raise ValueError('unlucky')\n" + LUCKY)
    held = reports.replicate(path, [0, 1], folder=tmp_path, progress=False)
    assert "unlucky" in held.failures[1]
    assert held.failing == {}
    assert not held.holds
    assert held.table.rows[0] == ["a law", "0", "run failed"]


def test_nothing_stated_is_nothing_held():
    assert not Replication((0,), {}).holds
    assert Replication((0,), {"one": {0: Verdict(True, "1")}}).holds


def test_of_a_table_that_is_shown_twice_the_last_counts():
    record = {"application/vnd.limitlab.claims+json": {"slope": {"holds": False, "here": "2"}}}
    later = {"application/vnd.limitlab.claims+json": {"slope": {"holds": True, "here": "1"}}}
    cells = [{"outputs": [{"data": record}]}, {"outputs": [{"data": later}, {"text": "a"}]}, {"source": "# text"}]
    assert stored_verdicts({"cells": cells}) == {"slope": Verdict(True, "1")}


@pytest.mark.parametrize(
    ("seeds", "options", "message"),
    [
        ([0, 0], {}, "seeds must be different"),
        ([], {}, "seeds must be different"),
        (0, {}, "seeds must be a whole number >= 1"),
        ([0], {"seed": 1}, "seed is what is replicated"),
        ([101], {}, "parameter 'seed' must be"),
    ],
)
def test_bad_requests_are_named(notebook, seeds, options, message):
    with pytest.raises(InvalidArgument, match=message):
        reports.replicate(notebook(), seeds, options)


def test_a_notebook_without_a_seed_is_refused(notebook):
    with pytest.raises(InvalidArgument, match="has no parameter `seed`"):
        reports.replicate(notebook(parameters="width: int = 4  # units [1, 9]"), [0])
