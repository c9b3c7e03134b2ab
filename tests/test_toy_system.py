"""A new system is five files and a row: one is added to a copy of the checkout, and looked for in all lists."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from limitlab import systems

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("toolkit", "widgets", "notebooks", "tests", "datasets", "README.md", "CONTRIBUTING.md", "pyproject.toml")
MODEL = '''"""A field blended with its mean: the smallest operator that learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from limitlab.operators.row import Operator, Sizes, Task
from limitlab.saved import Saved


class ToyBlend(Saved):
    """a u + b mean(u), for as many channels out as in.

    Source: Li et al. 2021, arXiv 2010.08895, with no other wave than the mean.
    """

    def __init__(self, in_channels: int, out_channels: int, dimension: int = 2) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.full((2, out_channels, in_channels), 0.5))

    def forward(self, u: Tensor) -> Tensor:
        mean = u.mean(tuple(range(2, u.ndim)), keepdim=True).expand_as(u)
        own, other = torch.einsum("koi,kbi...->kbo...", self.shares, torch.stack([u, mean]))
        return own + other


def toy_blend(task: Task, settings: Sizes) -> ToyBlend:
    """The blend of a task's channels."""
    return ToyBlend(task.in_channels, task.out_channels, task.dimension)


ROWS = (Operator("toy_blend", "field blended with its mean", ToyBlend, toy_blend),)
'''
EXPERIMENT = '''"""Darcy flow by a blend with the mean, which the mean alone beats."""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning

TINY = {{"train_samples": 8, "test_samples": 2, "test_resolutions": (16,), "batch_size": 4, "epochs": 1, "seeds": 1}}
EXPERIMENT = operator_learning(
    system="{system}",
    title="Darcy flow by a blend with the mean",
    problem="darcy",
    sizes=sizes(OperatorSettings(models=("toy_blend", "mean")), smoke=TINY, paper={{"seeds": 5}}),
)
'''
TEST_OF_MODEL = """import torch

from limitlab.operators import OPERATORS


def test_a_constant_stays_a_constant():
    constant = torch.full((2, 1, 8, 8), 3.0)
    assert torch.allclose(OPERATORS["toy_blend"].model(1, 1)(constant), constant)
"""
TEST_OF_EXPERIMENT = """from limitlab import experiments


def test_the_toy_is_compared_with_the_mean():
    experiment = experiments.get("darcy_toy")
    result = experiment.train(experiment.configure("smoke")).finish()
    assert list(result.metrics["model"].values) == ["toy_blend", "mean"]
"""
HEAD = """# A field and its mean

*Assumes* nothing. *About 5 minutes.* *Afterwards you can* add a system.
"""
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "limitlab": {"smoke": {"points": 8}},
    },
    "cells": [
        {"id": "toy0", "cell_type": "markdown", "metadata": {}, "source": HEAD.splitlines(True)},
        {
            "id": "toy1",
            "cell_type": "code",
            "metadata": {"tags": ["parameters"]},
            "execution_count": 1,
            "outputs": [],
            "source": ["points: int = 16  # points of the field [4, 64]"],
        },
        {
            "id": "toy2",
            "cell_type": "code",
            "metadata": {},
            "execution_count": 2,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["(1, 1, 16)\n"]}],
            "source": [
                "# NBVAL_CHECK_OUTPUT\n",
                "import torch\n\n",
                "import limitlab as ll\n\n",
                'print(tuple(ll.operators.build("toy_blend", 1, 1, 1)(torch.ones(1, 1, points)).shape))',
            ],
        },
    ],
}
LOOK = """
from limitlab.cli import main
from limitlab_widgets import OperatorStudio

for table in ("operators", "experiments", "notebooks", "systems"):
    print("TABLE", table)
    main(["list", table])
print("TABLE picker")
print(*(name for _, name in OperatorStudio("darcy", "smoke").operator.options))
print("TABLE derived")
main(["list", "systems", "--into", "README.md"])
main(["list", "lessons", "--into", "notebooks"])
"""


def run(folder, *command):
    """What a command prints in the copy, whose packages shadow the installed ones."""
    paths = os.pathsep.join(str(folder / tree) for tree in ("toolkit", "widgets"))
    home = str(folder.parent / "home")
    environment = {**os.environ, "PYTHONPATH": paths, "LIMITLAB_HOME": home, "LIMITLAB_NOTEBOOKS": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder, *arguments):
    author = ("-c", "user.name=A newcomer", "-c", "user.email=newcomer@example.org")
    return run(folder, "git", *author, *arguments)


@pytest.fixture(scope="module")
def system():
    """A system that is still planned; the toy takes its row."""
    return next(s for s in systems.SYSTEMS if s.family == "operators" and not s.notebooks and not s.remark)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, system):
    """A repository with two commits: the checkout as it is, and the toy system."""
    folder = tmp_path_factory.mktemp("toy") / "limitlab"
    folder.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*_cache")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy(source, folder / part)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The house as it is")

    (folder / "toolkit/limitlab/operators/toy_blend.py").write_text(MODEL)
    (folder / "toolkit/limitlab/experiments/operators/darcy/darcy_toy.py").write_text(
        EXPERIMENT.format(system=system.name)
    )
    (folder / "notebooks/operators/99-toy-blend.ipynb").write_text(json.dumps(NOTEBOOK, indent=1))
    (folder / "tests/operators/test_toy_blend.py").write_text(TEST_OF_MODEL)
    (folder / "tests/experiments/operators/darcy/test_darcy_toy.py").write_text(TEST_OF_EXPERIMENT)
    table = folder / "toolkit/limitlab/systems/catalogue.py"
    entries = 'experiments=("darcy_toy",), notebooks=("operators/99-toy-blend.ipynb",)'
    text = table.read_text()
    row = f'"{system.paper.arxiv}")),'
    assert text.count(row) == 1
    table.write_text(text.replace(row, f'"{system.paper.arxiv}"), {entries}),'))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A toy system")
    return folder


@pytest.fixture(scope="module")
def shown(checkout):
    """What the lists and the studio of the copy show, by name; README and lessons take up the new one behind them."""
    return {part.split("\n")[0]: part for part in run(checkout, sys.executable, "-c", LOOK).split("TABLE ")[1:]}


@pytest.mark.slow
def test_the_commit_of_a_system_is_five_new_files_and_a_row(checkout):
    changed = git(checkout, "show", "--numstat", "--format=").splitlines()
    added = git(checkout, "show", "--diff-filter=A", "--name-only", "--format=").splitlines()
    (row,) = (line.split() for line in changed if line.split()[2] not in added)
    assert len(added) == 5
    assert row == ["1", "1", "toolkit/limitlab/systems/catalogue.py"]


@pytest.mark.slow
def test_the_system_shows_in_every_list_and_in_the_picker_of_the_studio(shown, system):
    assert "toy_blend" in shown["operators"]
    assert "darcy_toy" in shown["experiments"]
    (row,) = (line.split() for line in shown["notebooks"].splitlines() if "99-toy-blend" in line)
    assert row == ["operators/99-toy-blend", "A", "field", "and", "its", "mean", "points=16"]
    (row,) = (line.split() for line in shown["systems"].splitlines() if line.split()[:1] == [system.name])
    assert row[-2:] == ["works", "darcy_toy"]
    assert "toy_blend" in shown["picker"].split()


@pytest.mark.slow
@pytest.mark.usefixtures("shown")
def test_the_table_of_the_readme_takes_it_up(checkout, system):
    (line,) = (line for line in git(checkout, "diff", "--unified=0", "README.md").splitlines() if line.startswith("+|"))
    assert f"[{system.title}](notebooks/operators/99-toy-blend.ipynb)" in line
    assert line.endswith("| **works**: `darcy_toy` |")


@pytest.mark.slow
@pytest.mark.usefixtures("shown")
def test_its_tests_those_of_all_operators_and_the_smoke_tests_of_notebooks_hold(checkout):
    # no other file there asks for every operator, and to collect them costs as much as to run these
    operators = ("tests/operators/test_catalogue.py", "tests/operators/deployment", "tests/operators/test_toy_blend.py")
    tests = (*operators, "tests/experiments/operators/darcy/test_darcy_toy.py", "tests/notebooks", "tests/systems")
    command = (sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *tests, "-k", "toy or systems")
    held = run(checkout, *command)
    for part in ("test_catalogue.py", "test_toy_blend.py", "test_darcy_toy.py", "test_report_at_smoke_size"):
        assert part in held
