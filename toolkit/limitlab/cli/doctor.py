"""`limitlab doctor`: what is installed and what is missing, where it computes and stores, what the environment says."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from limitlab.cli.variables import VARIABLES
from limitlab.extensions import ExtensionLeftOut

PACKAGES = ("limitlab", "torch", "numpy", "scipy", "xarray", "zarr", "dask", "sympy", "plotly", "accelerate")
LAB = ("jupyterlab", "ipykernel", "ipywidgets", "anywidget", "papermill", "nbconvert", "latex2mathml", "voila")


class Finding(NamedTuple):
    """One line of the check-up; `fine` is False for what will stop a command, None for what only limits it."""

    subject: str
    text: str
    fine: bool | None = True


def examine(options: argparse.Namespace) -> int:
    """Print all findings; exit code 1 where something is broken."""
    broken = False
    for finding in findings():
        mark = {True: "ok", False: "BROKEN", None: "absent"}[finding.fine]
        print(f"{finding.subject:<18} {mark:<7} {finding.text}")
        broken |= finding.fine is False
    return 1 if broken else 0


def findings() -> Iterator[Finding]:
    """Versions, device, threads, cache, extensions, notebooks, lab, chromium, variables of the environment."""
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        version = _version(package)
        yield Finding(package, version or "not installed", version is not None)
    if importlib.util.find_spec("torch") is not None:
        yield from _computing()
        yield _cache()
        yield from _extensions()
    yield _notebooks()
    missing = [package for package in LAB if _version(package) is None]
    present = ", ".join(f"{package} {_version(package)}" for package in LAB if package not in missing)
    absent = f"missing: {', '.join(missing)}; pip install 'limitlab[lab]'"
    yield Finding("lab", absent if missing else present, None if missing else True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    yield Finding("chromium", chromium or "not found; only the browser tests need it", True if chromium else None)
    for variable in VARIABLES:
        value = os.environ.get(variable.name)
        yield Finding(variable.name, f"not set: {variable.otherwise}" if value is None else repr(value))


def _computing() -> Iterator[Finding]:
    import torch

    from limitlab import training

    chosen = training.device("auto")
    name = f" ({torch.cuda.get_device_name()})" if chosen.type == "cuda" else ""
    yield Finding("device", f"{chosen}{name}")
    yield Finding("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores")


def _cache() -> Finding:
    from limitlab import data

    home = str(data.home())
    if "://" in home:
        return Finding("cache", f"{home} (remote, not measured)")
    folder = Path(home).expanduser()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.exists() else 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding("cache", f"{home} cannot be written: {error.strerror}; set LIMITLAB_HOME", False)
    free = shutil.disk_usage(folder).free
    return Finding("cache", f"{home} holds {size / 1e6:.1f} MB, {free / 1e9:.1f} GB free")


def _extensions() -> Iterator[Finding]:
    """What other packages add, and what of it cannot be taken."""
    from limitlab import experiments, operators, problems, systems

    catalogues = (operators.OPERATORS, problems.PROBLEMS, experiments.EXPERIMENTS, systems.CATALOGUE)
    with warnings.catch_warnings():
        # said here, line by line
        warnings.simplefilter("ignore", ExtensionLeftOut)
        offers = [offer for catalogue in catalogues for offer in catalogue.offers()]
    for offer in offers:
        yield Finding("extension", str(offer), None if offer.reason else True)


def _notebooks() -> Finding:
    from limitlab.reports import notebooks

    count = len(notebooks.catalogue())
    text = f"{count} in {notebooks.folder()}" if count else "none found; set LIMITLAB_NOTEBOOKS to their folder"
    return Finding("notebooks", text, True if count else None)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
