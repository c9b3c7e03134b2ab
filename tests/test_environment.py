"""environment.yml (conda-forge) asks for what pyproject.toml asks for: the same packages, the same lower bounds."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch", "dask[distributed]": "dask", "playwright": "playwright-python"}
REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+(?:\[[a-z,]+\])?)\s*(.*)$")


def split(requirement):
    name, bound = REQUIREMENT.fullmatch(requirement).groups()
    return CONDA_NAMES.get(name.lower(), name.lower()), bound


def asked_by_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["lab"],
        *project["dependency-groups"]["dev"],
        "python" + project["project"]["requires-python"],
    ]
    return dict(map(split, wanted))


def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def asked_by_environment():
    return dict(split(line) for line in environment()["dependencies"] if isinstance(line, str) and line != "pip")


def test_conda_environment_equals_pyproject():
    assert asked_by_environment() == asked_by_pyproject()


def test_conda_environment_is_limitlab_from_conda_forge_alone():
    assert environment()["name"] == "limitlab"
    assert environment()["channels"] == ["conda-forge", "nodefaults"]


def test_pip_installs_only_the_project_itself():
    (by_pip,) = [line["pip"] for line in environment()["dependencies"] if isinstance(line, dict)]
    assert by_pip == ["-e ."]
    assert "pip" in environment()["dependencies"]
