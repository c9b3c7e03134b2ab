"""`limitlab lab`: JupyterLab on the course, on a loopback port, with its token kept on."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from limitlab.errors import LimitlabError, check_number
from limitlab.reports import notebooks

NO_UPDATE_CHECK = "jupyterlab.handlers.announcements.NeverCheckForUpdate"


def open_lab(options: argparse.Namespace) -> int:
    """Become JupyterLab, opened on a notebook."""
    command = lab_command(options)
    if importlib.util.find_spec("jupyterlab") is None:
        raise LimitlabError("jupyterlab is not installed; the lab extra brings it: pip install 'limitlab[lab]'")
    # exec drops what Python still buffers
    sys.stdout.flush()
    os.execv(command[0], command)


def lab_command(options: argparse.Namespace) -> list[str]:
    """The command line of JupyterLab. Raises UnknownName for a notebook that there is not.

    A course that lies inside of the installed package is copied to `notebooks/` first.
    """
    original = notebooks.find(options.notebook)
    path, folder = notebooks.working_copy(original), notebooks.folder()
    if path != original:
        print(f"the course is copied to {folder}: change it as you like")
    inside = folder is not None and path.is_relative_to(folder.resolve())
    root = folder.resolve().parent if folder is not None and inside else path.parent
    command = [sys.executable, "-m", "jupyterlab", str(path), f"--ServerApp.root_dir={root}"]
    command += ["--LabApp.news_url=", f"--LabApp.check_for_updates_class={NO_UPDATE_CHECK}"]
    if options.no_browser:
        command.append("--no-browser")
    if options.port is not None:
        command.append(f"--port={check_number('--port', options.port, low=1, high=65535, integer=True)}")
    # containers run as root, where Jupyter refuses to start
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command
