"""`limitlab open`: the command that makes a finished report again, and the folder of its run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from limitlab.errors import InvalidArgument
from limitlab.reports import notebooks
from limitlab.reports.execution import parameter_hash
from limitlab.reports.record import Record, digest, read_record, versions


def open_page(options: argparse.Namespace) -> int:
    """Print the command, and the run's folder; exit code 1 where what they give may differ, with the reason."""
    page = Path(options.page)
    record = read_record(page)
    folder = run_folder(page, record)
    differing = [f"made with {name} {held}, here {now}" for name, held, now in _other_versions(record)]
    notebook = record.notebook
    if not _is_same(record):
        # the copy that ran stands in the folder, with the parameters in it
        copy = folder / f"{Path(notebook).stem}.ipynb" if folder is not None else None
        if copy is not None and copy.is_file() and not record.axes:
            notebook = str(copy)
        else:
            differing.append(f"the notebook {notebook} is not here, or has changed, and no copy lies beside the page")
    print(record.command(notebook, folder=folder.parent if folder is not None else None))
    if folder is not None:
        print(folder)
    else:
        differing.append("the folder of its run is not here")
    for reason in differing:
        print(f"limitlab: {page}: {reason}", file=sys.stderr)
    return 1 if differing else 0


def run_folder(page: Path, record: Record) -> Path | None:
    """Where the run of this record is: beside the page, or in `reports/` here; None where neither holds it."""
    stem = Path(record.notebook).stem
    name = (
        f"{stem}-sweep-{parameter_hash(record.axes)}" if record.axes else f"{stem}-{parameter_hash(record.parameters)}"
    )
    file = "index.html" if record.axes else f"{stem}.ipynb"
    for folder in (page.resolve().parent, Path("reports").resolve() / name):
        try:
            if read_record(folder / file) == record:
                return folder
        except InvalidArgument:
            continue
    return None


def _is_same(record: Record) -> bool:
    """Whether the notebook is here, and has the cells that it had."""
    try:
        return digest(notebooks.read(notebooks.find(record.notebook))) == record.source
    except InvalidArgument:
        return False


def _other_versions(record: Record) -> list[tuple[str, str, str]]:
    here = versions()
    return [(name, held, here.get(name, "none")) for name, held in record.versions.items() if here.get(name) != held]
