"""The house keeps its own rules: lint, format, types, floors, and an import that loads only what it needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
HEAVY = ("torch", "sympy", "plotly", "dask", "distributed", "xarray", "zarr", "accelerate", "papermill", "nbformat")


@pytest.mark.parametrize(
    "command",
    ["ruff check", "ruff format --check", "mypy", "lint-imports"],
)
def test_house_rule_holds(command):
    tool, *arguments = command.split()
    done = subprocess.run([TOOLS / tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import limitlab", HEAVY),
        ("import limitlab.systems", HEAVY),
        ("from limitlab.cli import main; main(['--help'])", HEAVY),
        ("from limitlab.cli import main; main(['list', 'systems'])", HEAVY),
        ("from limitlab.cli import main; main(['list', 'notebooks'])", HEAVY),
        ("from limitlab import reports", HEAVY),
        ("from limitlab import spaces, problems, training, operators, infinite_width", tuple(set(HEAVY) - {"torch"})),
    ],
)
def test_import_loads_only_what_it_needs(statement, forbidden):
    check = f"{statement}\nimport sys\nprint('LOADED', *sorted({set(forbidden)!r} & set(sys.modules)))"
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]


def test_no_module_is_long_and_every_one_says_what_it_is():
    import ast

    for path in sorted([*ROOT.glob("toolkit/limitlab/**/*.py"), *ROOT.glob("widgets/**/*.py")]):
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{path.relative_to(ROOT)} has no docstring"
        assert text.count("\n") <= 400, f"{path.relative_to(ROOT)} has {text.count(chr(10))} lines: more than one idea?"
