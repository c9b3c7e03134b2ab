"""Packages as an installer leaves them: their modules, and beside them what `importlib.metadata` reads."""

import configparser
import shutil
import tomllib
from pathlib import Path

SAMPLE = Path(__file__).parent / "packages" / "limitlab_sample"


def install(project, site):
    """Lay a project of pure Python, described by its pyproject.toml, into a folder of `sys.path`."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for package in project.iterdir():
        if package.is_dir():
            shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    write_dist_info(site, described["name"], described["version"], described["entry-points"])
    return site


def write_dist_info(site, name, version, entry_points):
    """The two files of a distribution that say what it is and what it offers."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    written = configparser.ConfigParser(delimiters=("=",))
    written.read_dict(entry_points)
    with (info / "entry_points.txt").open("w") as file:
        written.write(file)


def offer(site, name, module, code, **entry_points):
    """A package of one module; entry_points: value by entry point, "operators" being the group limitlab.operators."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(code)
    write_dist_info(site, name, "1.0", {f"limitlab.{group}": entries for group, entries in entry_points.items()})
