"""The claims of every notebook at a seed that is not its own, at the size of its stored run.

CLAIM_SEEDS names the seeds, separated by commas.
"""

import os
from pathlib import Path

import pytest

from limitlab import reports
from limitlab.reports import notebooks
from limitlab.reports.parameters import read_parameters
from limitlab.reports.replication import stored_verdicts

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SEEDS = [int(seed) for seed in os.environ.get("CLAIM_SEEDS", "7").split(",")]


def draws_and_claims(path):
    """Whether a notebook has a seed, and a stored table of claims."""
    notebook = notebooks.read(path)
    seeded = any(parameter.name == "seed" for parameter in read_parameters(notebook))
    return seeded and bool(stored_verdicts(notebook))


CLAIMING = sorted(
    path.relative_to(NOTEBOOKS).as_posix()
    for path in NOTEBOOKS.rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts and draws_and_claims(path)
)


def test_the_lessons_state_claims():
    assert len(CLAIMING) >= 12


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CLAIMING)
def test_claims_hold_at_another_seed(name, seed, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    source = NOTEBOOKS / name
    report = reports.report(source, {"seed": seed}, to=("ipynb",), folder=tmp_path, progress=False)
    verdicts = stored_verdicts(notebooks.read(report.notebook))
    assert verdicts.keys() >= stored_verdicts(notebooks.read(source)).keys()
    assert {what: verdict.here for what, verdict in verdicts.items() if not verdict.holds} == {}
