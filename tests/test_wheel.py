"""The wheel is the whole laboratory: its packages, their types, the course, and the data that the course reads."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout, unpacked; built without the network, from what the set-up has left in uv's cache."""
    uv = shutil.which("uv") or shutil.which("uv", path=Path(sys.prefix).parent / ".tools" / "bin")
    if uv is None:
        pytest.skip("uv is missing: `make setup` installs it")
    folder = tmp_path_factory.mktemp("wheel")
    command = [uv, "build", "--wheel", "--offline", "--quiet", "--out-dir", folder, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "not found in the cache" in built.stderr:
        pytest.skip("hatchling is not in uv's cache: `make setup` brings it")
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def tracked(*folders):
    """The files of these folders that belong to the project."""
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of git")
    return {Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()}


def test_wheel_holds_the_packages_the_course_and_the_data_and_nothing_else(wheel):
    moved = {"toolkit": Path(), "widgets": Path(), "notebooks": Path("limitlab"), "datasets": Path("limitlab")}
    expected = {
        moved[path.parts[0]] / (path.relative_to(path.parts[0]) if path.parts[0] in ("toolkit", "widgets") else path)
        for path in tracked(*moved)
    }
    held = {path.relative_to(wheel) for path in wheel.rglob("*") if path.is_file()}
    assert {path for path in held if ".dist-info" not in path.parts[0]} == expected


@pytest.mark.parametrize("package", ["limitlab", "limitlab_widgets"])
def test_both_packages_say_that_they_are_typed(wheel, package):
    assert (wheel / package / "py.typed").is_file()


def installed(wheel, folder, script):
    """What a script prints in an empty folder, with the wheel's packages before all others."""
    environment = {**os.environ, "PYTHONPATH": str(wheel), "LIMITLAB_HOME": str(folder / "home")}
    environment.pop("LIMITLAB_NOTEBOOKS", None)
    (folder / "empty").mkdir()
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder / "empty", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_course_is_listed_and_its_cells_run_outside_of_the_package(wheel, tmp_path):
    script = """
import json, limitlab
from limitlab import data
from limitlab.reports import notebooks
path = notebooks.find("maml")
print(json.dumps([limitlab.__file__, str(path), notebooks.run_folder(path), data.digits().sizes["sample"],
                  list(notebooks.catalogue())]))
"""
    package, path, cells, digits, names = json.loads(installed(wheel, tmp_path, script))
    assert package == str(wheel / "limitlab" / "__init__.py")
    assert path == str(wheel / "limitlab/notebooks/infinite_width/06-maml-at-infinite-width.ipynb")
    assert (cells, digits) == (None, 1797)
    course = (ROOT / "notebooks").rglob("*.ipynb")
    assert names == sorted(
        path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
        for path in course
        if ".ipynb_checkpoints" not in path.parts
    )


def test_lab_opens_a_copy_of_the_installed_course(wheel, tmp_path):
    script = """
import os
from limitlab.cli import main
os.execv = lambda program, command: print(*command, sep="\\n")
main(["lab", "--no-browser"])
"""
    before = {path: path.stat().st_mtime_ns for path in wheel.rglob("*.ipynb")}
    told, *command = installed(wheel, tmp_path, script).splitlines()
    copy = tmp_path / "empty" / "notebooks"
    assert str(copy) in told
    assert {str(copy / "00-start-here.ipynb"), f"--ServerApp.root_dir={copy.parent}"} <= set(command)
    assert len(list(copy.rglob("*.ipynb"))) == len(before)
    assert {path: path.stat().st_mtime_ns for path in wheel.rglob("*.ipynb")} == before
