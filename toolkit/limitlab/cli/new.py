"""`limitlab new FOLDER`: a folder with a notebook that runs as it is, from an equation or a file to a report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from limitlab.atomic import write_atomically
from limitlab.cli import first_data, first_equation
from limitlab.errors import InvalidArgument, one_of

NOTEBOOK = "first.ipynb"
IGNORED = """.ipynb_checkpoints/
reports/
runs/
"""


def new(options: argparse.Namespace) -> int:
    """Write the folder and say what to do with it.

    Raises InvalidArgument for one that holds anything, and for a file that cannot be learned from.
    """
    folder = Path(options.new_folder)
    if folder.exists() and not folder.is_dir():
        raise InvalidArgument(f"FOLDER must be new or empty; {folder} is a file")
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidArgument(f"FOLDER must be new or empty; {folder} holds files, which stay as they are")
    for name, text in _files(options).items():
        write_atomically(folder / name, text)
    path = folder / NOTEBOOK
    print(f"{path}: limitlab lab {path} opens it, limitlab report {path} runs it and writes a page")
    return 0


def _files(options: argparse.Namespace) -> dict[str, str]:
    """What the folder holds."""
    if options.data is None:
        if options.options:
            raise InvalidArgument("settings are those of a file: name it with --data")
        begun: Any = first_equation
        parameters = begun.PARAMETERS
    else:
        begun = first_data
        parameters = begun.PARAMETERS.format(**_learned(options))
    cells = [parameters if text == begun.PARAMETERS else text for text in begun.CELLS]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "limitlab": {"smoke": begun.SMOKE}}
    written = [_cell(index, text, text == parameters) for index, text in enumerate(cells)]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": written}
    return {NOTEBOOK: json.dumps(notebook, indent=1) + "\n", "README.md": begun.README, ".gitignore": IGNORED}


def _learned(options: argparse.Namespace) -> dict[str, str]:
    """What is learned of the file, as Python writes it. Raises InvalidArgument where it cannot be."""
    from limitlab import experiments
    from limitlab.cli.running import read_options

    experiment, asked = experiments.get("operator_learning"), read_options(options.options)
    allowed = ("inputs", "targets", "dims", "kind")
    for name in asked:
        one_of("setting", name, allowed)
    settings = experiment.configure("course", **asked, data=str(Path(options.data).resolve()))
    named = {name: getattr(settings, name) for name in ("data", *allowed)}
    # double quotes, and lists, as a person writes them
    return {name: json.dumps(value, ensure_ascii=False) for name, value in named.items()}


def _cell(index: int, text: str, parameters: bool) -> dict[str, Any]:
    """A cell of the notebook: text begins with a heading, code does not."""
    lines = text.strip("\n").splitlines(keepends=True)
    cell: dict[str, Any] = {"id": f"first-{index}", "metadata": {}, "source": lines}
    if text.lstrip().startswith("#"):
        return {**cell, "cell_type": "markdown"}
    cell["metadata"] = {"tags": ["parameters"]} if parameters else {}
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": []}
