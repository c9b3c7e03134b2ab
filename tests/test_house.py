"""The house keeps its own rules: lint, format, types, floors, light imports, and sizes that a reader can hold."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from measures import (
    ROOT,
    annotations,
    functions,
    imported,
    is_quoted,
    lines,
    listed,
    modules,
    postponed,
    short,
    tree_of,
)

TOOLS = Path(sys.executable).parent
MODULES = modules()
FUNCTIONS = [function for path in MODULES for function in functions(path)]
FACES = {"solve_ode", "solve_sde", "fit", "generate", "empirical_ntk", "FNO.__init__", "search"}
"""Public functions whose many options are the point of them: they may have more than eight, by keyword."""
CROSS_CUTTING = {f"test_{name}.py" for name in ("house", "environment", "examples", "readme", "toy_system", "wheel")}
HEAVY = (
    "torch",
    "numba",
    "sympy",
    "plotly",
    "dask",
    "distributed",
    "xarray",
    "zarr",
    "accelerate",
    "papermill",
    "nbformat",
)


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


def require_none(offenders):
    """Fail with all of them, one a line."""
    lines_of_message = list(map(str, offenders))
    assert not lines_of_message, "\n".join(["", *lines_of_message])


def test_every_module_says_what_it_is_and_is_one_idea():
    require_none(short(path) for path in MODULES if not ast.get_docstring(tree_of(path)))
    require_none(f"{short(path)} has {lines(path)} lines" for path in MODULES if lines(path) > 350)


def test_bodies_are_short_and_flat():
    require_none(f for f in FUNCTIONS if f.body > 60 or f.nesting > 4)


def test_functions_take_few_arguments():
    require_none(f for f in FUNCTIONS if f.arguments > 8 and f.name.split()[1] not in FACES)
    require_none(f for f in FUNCTIONS if f.positional > 5)
    assert {f.name.split()[1] for f in FUNCTIONS if f.arguments > 8} >= FACES, "a face that needs no exception"


def test_a_package_shows_at_most_thirty_names():
    require_none(f"{short(path)}: {len(listed(path))}" for path in MODULES if len(listed(path)) > 30)


def test_folders_hold_at_most_fifteen_modules():
    folders = {path.parent for path in MODULES}
    counts = {short(folder): len({*folder.glob("*.py")} - {folder / "__init__.py"}) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > 15} == {}


def test_tests_mirror_the_modules():
    """tests/solvers/ode/test_solve.py is about limitlab/solvers/ode/solve.py, or about a package of that name."""
    tests = [path.relative_to(ROOT / "tests") for path in sorted(ROOT.glob("tests/**/test_*.py"))]
    strangers = []
    for test in tests:
        if test.as_posix() in CROSS_CUTTING or test.parts[0] in ("notebooks", "browser", "benchmarks"):
            continue
        tree = "widgets/limitlab_widgets" if test.parts[0] == "widgets" else "toolkit/limitlab"
        folder = test.relative_to("widgets").parent if test.parts[0] == "widgets" else test.parent
        subject = ROOT / tree / folder / test.stem.removeprefix("test_")
        if not subject.with_suffix(".py").is_file() and not (subject / "__init__.py").is_file():
            strangers.append(test)
    require_none(strangers)


def test_walks_in_the_browser_wait_as_long_as_their_one_limit_says():
    walks = sorted(ROOT.glob("tests/browser/test_*.py"))
    assert walks
    numbers = ((path, re.search(r"timeout=[^,)]*\d", path.read_text(encoding="utf-8"))) for path in walks)
    require_none(f"{path.name}: {number[0]}" for path, number in numbers if number)


def test_no_experiment_imports_another():
    experiments = {
        ".".join(path.relative_to(ROOT / "toolkit").with_suffix("").parts): path
        for path in ROOT.glob("toolkit/limitlab/experiments/*/[!_]*.py")
        if path.parent.name != "contract"
    }
    assert len(experiments) > 10
    pairs = ((name, other) for name, path in experiments.items() for other in imported(path) & experiments.keys())
    require_none(f"{name} imports {other}" for name, other in pairs)


def test_annotations_are_written_in_one_way():
    """Nothing evaluates an annotation, so none is quoted; the strings in it are shapes of jaxtyping or literals."""
    require_none(short(path) for path in MODULES if annotations(path) and not postponed(path))
    quoted = ((path, part) for path in MODULES for part in annotations(path) if is_quoted(part))
    require_none(f"{short(path)}:{part.lineno} {ast.unparse(part)}" for path, part in quoted)


def test_files_that_the_guide_names_are_there():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:toolkit|widgets|tests|notebooks)/[^`<>]*)`", guide))
    assert len(named) > 10
    require_none(sorted(name for name in named if not (ROOT / name).exists()))
