"""Installed packages add to the catalogues; what is broken in one is named, and harms nothing else."""

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from installed import SAMPLE, install, offer

from limitlab.errors import UnknownName
from limitlab.extensions import Catalogue, ExtensionLeftOut

ROOT = Path(__file__).resolve().parents[1]
WHOLE = """
from limitlab.cli import main
from limitlab_widgets import OperatorStudio

for table in ("problems", "operators", "experiments", "systems"):
    print("TABLE", table)
    main(["list", table])
print("TABLE picker")
studio = OperatorStudio("absorption", "smoke")
print(*(name for _, name in studio.operator.options), studio.state.name)
print("TABLE run")
main(["run", "absorption_quadratic", "--size", "smoke", "--folder", "run"])
"""
READ = """
import limitlab as ll
print(type(ll.load("run/quadratic/seed-0").model).__module__)
"""
LAZY = """
import sys
import limitlab as ll
from limitlab import data, discovery, experiments, infinite_width, neural_des, operators, problems, systems
assert operators.get("fno") is operators.FNO and problems.get("burgers").name == "burgers"
assert experiments.get("darcy_fno").configure("smoke", models=("fno",)).models == ("fno",)
assert systems.get("ntk").number == 30
assert not [name for name in sys.modules if name.startswith("limitlab_sample")]
assert "quadratic" in operators.names()
assert "limitlab_sample.quadratic" in sys.modules and "limitlab_sample.absorption" not in sys.modules
print("lazy")
"""
FIRST = """
import warnings
warnings.simplefilter("error")
import limitlab_sample.{module}, limitlab as ll
print("quadratic" in ll.operators.names(), "absorption_quadratic" in ll.experiments.names())
"""
MODULES = ("quadratic", "absorption", "absorption_quadratic", "system")
CODES = {"read": READ, "lazy": LAZY} | {module: FIRST.format(module=module) for module in MODULES}
FORKED = f"""
import os
import sys
import traceback

import numpy, sympy, torch, xarray

assert not [name for name in sys.modules if name.startswith("limitlab")]
for name, code in {CODES!r}.items():
    print("TABLE", name, flush=True)
    child = os.fork()
    if child == 0:
        try:
            exec(code, {{}})
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Each code in a process where nothing of ours was imported before it, and torch once for all of them."""


@dataclass(frozen=True)
class Colour:
    name: str
    value: str = ""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages; their modules are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and sys.modules[name].__file__.startswith(str(folder)):
            del sys.modules[name]


def colours(**own):
    return Catalogue("colour", Colour, own, lambda row: "a value is missing" if row.value == "none" else "")


def python(folder, *arguments):
    """What Python prints that has the sample package installed in this folder."""
    site = folder / "site"
    if not site.exists():
        install(SAMPLE, site)
    paths = os.pathsep.join(map(str, (site, ROOT / "toolkit", ROOT / "widgets")))
    environment = {**os.environ, "PYTHONPATH": paths, "LIMITLAB_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sample")


@pytest.fixture
def rows_of_colours(monkeypatch):
    """The class of rows, at hand for packages as a library has it."""
    library = type(sys)("colour_library")
    library.Colour = Colour
    monkeypatch.setitem(sys.modules, "colour_library", library)


PAINT = "from colour_library import Colour\n"


def test_rows_of_a_package_come_after_our_own_and_are_read_when_they_are_asked_for(site, rows_of_colours):
    code = f"{PAINT}ROWS = (Colour('red', '#f00'), Colour('blue', '#00f'))\nONE = Colour('')"
    offer(site, "paint", "paint", code, colours={"two": "paint:ROWS", "green": "paint:ONE"})
    catalogue = colours(yellow=Colour("yellow"))
    assert catalogue.named("yellow") == Colour("yellow")
    assert "paint" not in sys.modules
    assert list(catalogue) == ["yellow", "green", "red", "blue"]
    assert catalogue["green"] == Colour("green"), "a row without a name has that of its entry point"
    assert [str(o) for o in catalogue.offers()] == [
        "package paint 1.0, 'green' of limitlab.colours, adds green",
        "package paint 1.0, 'two' of limitlab.colours, adds red, blue",
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("ROW = 1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("OTHER = 1", "AttributeError: module 'broken' has no attribute 'ROW'"),
        ("this is no Python", "SyntaxError"),
        ("ROW = 'red'", "broken:ROW must be a Colour or a tuple of them; got 'red'"),
        (f"{PAINT}ROW = (Colour('red'), 3)", "broken:ROW must be a Colour or a tuple of them; got 3"),
        (f"{PAINT}ROW = Colour(7)", "the name of broken:ROW must be a text; got 7"),
        (f"{PAINT}ROW = Colour('yellow')", "there is a colour 'yellow' already"),
        (f"{PAINT}ROW = (Colour('red'), Colour('red'))", "there is a colour 'red' already"),
        (f"{PAINT}ROW = Colour('amber')", "there is a colour 'amber' already"),
        (f"{PAINT}ROW = Colour('red', 'none')", "colour 'red': a value is missing"),
    ],
)
def test_a_broken_package_is_left_out_by_name_and_the_others_are_not(code, reason, site, rows_of_colours):
    offer(site, "broken", "broken", code, colours={"entry": "broken:ROW"})
    offer(site, "amber", "amber_paint", f"{PAINT}ROW = Colour('amber')", colours={"a": "amber_paint:ROW"})
    catalogue = colours(yellow=Colour("yellow", "#ff0"))
    with pytest.warns(ExtensionLeftOut) as warned:
        assert list(catalogue) == ["yellow", "amber"]
    (warning,) = warned
    assert str(warning.message).startswith("package broken 1.0, 'entry' of limitlab.colours, is left out: " + reason)
    assert catalogue["yellow"] == Colour("yellow", "#ff0"), "ours is what it was"
    with pytest.raises(UnknownName, match="did you mean 'amber'"):
        catalogue.named("ambre")


def test_it_is_said_once(site):
    offer(site, "broken", "broken", "", colours={"entry": "broken:ROW"})
    catalogue = colours()
    with pytest.warns(ExtensionLeftOut):
        len(catalogue)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "red" not in catalogue


def test_a_package_that_asks_while_it_is_read_sees_what_is_there(site, rows_of_colours):
    catalogue = colours(yellow=Colour("yellow"))
    sys.modules["colour_library"].catalogue = catalogue
    code = "from colour_library import Colour, catalogue\nROW = Colour('second ' + ' '.join(catalogue))"
    offer(site, "curious", "curious", code, colours={"entry": "curious:ROW"})
    assert list(catalogue) == ["yellow", "second yellow"]


@pytest.fixture(scope="module")
def shown(folder):
    """What the lists, the studio and a run print, by name."""
    return tables(python(folder, "-c", WHOLE))


@pytest.fixture(scope="module")
def forked(folder, shown):
    """What each code prints that finds no module of ours imported, and a run of the sample in the folder."""
    return tables(python(folder, "-c", FORKED))


def tables(text):
    return {part.split("\n")[0]: part.splitlines()[1:] for part in text.split("TABLE ")[1:]}


@pytest.mark.slow
def test_the_sample_shows_in_every_list_and_in_the_studio(shown):
    shown = {name: [line.split() for line in lines] for name, lines in shown.items()}
    assert ["absorption", "pde"] in [line[:2] for line in shown["problems"]]
    assert ["quadratic"] in [line[:1] for line in shown["operators"]]
    assert ["absorption_quadratic"] in [line[:1] for line in shown["experiments"]]
    (row,) = (line for line in shown["systems"] if line[0] == "quadratic-maps")
    assert row[-2:] == ["works", "absorption_quadratic"]
    (picked,) = shown["picker"]
    assert "quadratic" in picked
    assert picked[-1] == "absorption"


@pytest.mark.slow
def test_its_experiment_runs_and_its_models_are_read_by_who_has_it_installed(shown, forked):
    assert "quadratic" in "\n".join(shown["run"])
    assert forked["read"] == ["limitlab_sample.quadratic"]


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_its_modules_can_be_imported_first(module, forked):
    assert forked[module] == ["True True"]


@pytest.mark.slow
def test_no_package_is_imported_before_a_catalogue_is_asked_for_more_than_its_own(forked):
    assert forked["lazy"] == ["lazy"]


@pytest.mark.slow
def test_the_tests_of_all_operators_take_it_up(folder):
    tests = (str(ROOT / "tests/operators/test_catalogue.py"), str(ROOT / "tests/operators/deployment/test_export.py"))
    configured = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-p", "no:cacheprovider")
    held = python(folder, "-m", "pytest", "-q", "-rA", *configured, *tests, "-k", "quadratic")
    for part in ("finer_grid[quadratic]", "every_kind_of_grid_with_any_numbers_of_points_is_answered[quadratic-nodes]"):
        assert part in held
