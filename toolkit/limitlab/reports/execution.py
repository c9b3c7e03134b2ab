"""A notebook run with given parameters, in a kernel of this interpreter, and written as notebook and page.

papermill puts the parameters into a cell after the one tagged `parameters` and runs the cells in order. The kernel is
started from `sys.executable`, whatever kernels the machine has registered: a report runs with the packages that asked
for it. Results go to `reports/NAME-<hash of parameters>/`, each file whole or not at all.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.atomic import write_atomically
from limitlab.errors import LimitlabError, unknown_name
from limitlab.reports import notebooks
from limitlab.reports.parameters import Value, complete, read_parameters
from limitlab.reports.publish import Scalar, collect
from limitlab.reports.record import origin, versions

if TYPE_CHECKING:
    from nbformat import NotebookNode

FORMATS = ("html", "ipynb")
QUIET = ("--IPKernelApp.log_level=50",)


class ReportFailed(LimitlabError):
    """A cell of the notebook raised, or its kernel died."""


@dataclass(frozen=True)
class Report:
    """A report on disk: the executed notebook, its page where one was made, and what it published.

    >>> from pathlib import Path
    >>> folder = Path("reports/lesson-0123456789")
    >>> report = ll.reports.Report("lesson", {"seed": 1}, folder / "lesson.ipynb", None, 2.5, {"error": 0.02})
    >>> report.results["error"]
    0.02
    """

    name: str
    parameters: dict[str, Value]
    notebook: Path
    page: Path | None
    seconds: float
    results: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Execution:
    """An executed notebook as text (JSON); `failure` is one line, or None where every cell ran."""

    text: str
    seconds: float
    failure: str | None


def report(
    notebook: str | Path,
    parameters: Mapping[str, Value] | None = None,
    *,
    to: Sequence[str] = ("html",),
    folder: str | Path = "reports",
    progress: bool = True,
) -> Report:
    """Run a notebook (name or path) and write the report into `folder`/NAME-<hash of parameters>/.

    parameters: values over the notebook's defaults. to: "html" for the page, "ipynb" for the notebook alone.
    Raises UnknownName or InvalidArgument before anything runs; ReportFailed with the failing cell, keeping what ran.

    >>> ll.reports.report("00-start-here", {"deepest": 1})
    Traceback (most recent call last):
    limitlab.errors.InvalidArgument: parameter 'deepest' must be a whole number in [16, 1024]; got '1'
    """
    for name in to:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
    path = notebooks.find(notebook)
    source = notebooks.read(path)
    values = complete(parameters or {}, read_parameters(source, path.name))
    overrides = {name: values[name] for name in parameters or {}}
    target = Path(folder) / f"{path.stem}-{parameter_hash(values)}"
    cells = notebooks.run_folder(path)
    text = with_origin(path, source)
    done = execute(text, values, overrides, name=path.stem, folder=cells, progress=progress)
    return write(done, path, values, target, pages="html" in to)


def execute(
    text: str,
    values: Mapping[str, Value],
    overrides: Mapping[str, Value],
    *,
    name: str,
    folder: str | None = None,
    progress: bool = True,
) -> Execution:
    """Run a notebook given as text; needs nothing of the machine that asked, so it can run on a worker.

    values: all parameters, for the record. overrides: those that replace defaults. folder: where the cells run; a
    scratch folder when left out, or when it is not there.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    started = time.perf_counter()
    failure = None
    with tempfile.TemporaryDirectory(prefix="limitlab-report-") as scratch:
        output = Path(scratch) / f"{name}.ipynb"
        # outputs of an earlier run would stand in the report of one that stopped before their cell
        node = _without_outputs(nbformat.from_dict(json.loads(text)))
        try:
            papermill.execute_notebook(
                node,
                str(output),
                # those that differ alone: the author's cell with its comments still says the defaults
                parameters=dict(overrides),
                kernel_name="python3",
                language="python",
                progress_bar={"desc": name, "leave": False} if progress else False,
                kernel_manager_class=_kernel_of_this_interpreter(),
                resources={"metadata": {"path": folder if folder and Path(folder).is_dir() else scratch}},
            )
        except papermill.PapermillExecutionError as error:
            line = f"{error.ename}: {error.evalue}".strip().removesuffix(":").splitlines()[0]
            failure = f"cell {error.exec_count} failed with {line}"
        except (DeadKernelError, CellTimeoutError) as error:
            failure = f"the kernel died, perhaps out of memory: {str(error).strip().splitlines()[-1]}"
        executed = _without_error_marks(nbformat.read(output, as_version=4) if output.exists() else node)
    seconds = time.perf_counter() - started
    executed.metadata["limitlab"] = {
        **executed.metadata.get("limitlab", {}),
        "parameters": dict(values),
        "overrides": sorted(overrides),
        "versions": versions(),
        "date": now(),
        "seconds": round(seconds, 1),
    }
    return Execution(nbformat.writes(executed), seconds, failure)


def with_origin(path: Path, source: Mapping[str, Any]) -> str:
    """The notebook as text, with what a record says of it in its metadata."""
    metadata = source.get("metadata", {})
    own = {**metadata.get("limitlab", {}), **origin(path, source)}
    return json.dumps({**source, "metadata": {**metadata, "limitlab": own}})


def write(done: Execution, path: Path, values: dict[str, Value], target: Path, *, pages: bool) -> Report:
    """The files of an execution, in `target`. For a failure writes NAME.failed.ipynb and raises ReportFailed."""
    import nbformat

    from limitlab.reports.html import render

    if done.failure:
        remains = write_atomically(target / f"{path.stem}.failed.ipynb", done.text)
        raise ReportFailed(f"{path.name}: {done.failure} (what ran is in {remains})")
    executed: NotebookNode = nbformat.reads(done.text, as_version=4)
    notebook = write_atomically(target / path.name, done.text)
    # an earlier failure with these parameters is overcome
    (target / f"{path.stem}.failed.ipynb").unlink(missing_ok=True)
    page = None
    if pages:
        page = write_atomically(target / f"{path.stem}.html", render(executed, path.stem, str(path.parent)))
    return Report(path.stem, values, notebook, page, done.seconds, collect(executed))


def with_page(path: Path, values: dict[str, Value], target: Path) -> Report:
    """The report that an earlier execution left in `target`; its page is written where only the notebook was."""
    import nbformat

    from limitlab.reports.html import render

    # nbformat joins the lines of a cell, as renderers want them
    executed, page = nbformat.read(target / path.name, as_version=4), target / f"{path.stem}.html"
    if not page.exists():
        write_atomically(page, render(executed, path.stem, str(path.parent)))
    seconds = float(executed["metadata"]["limitlab"]["seconds"])
    return Report(path.stem, values, target / path.name, page, seconds, collect(executed))


def now() -> str:
    """Date and time as records have it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def parameter_hash(values: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits that name a set of parameters."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _kernel_of_this_interpreter() -> type:
    import zmq
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class InterpreterKernel(AsyncKernelManager):
        """Starts `sys.executable` instead of the kernel that some kernel.json names, over an encrypted loopback."""

        @default("transport_encryption")
        def _encrypted_where_possible(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[
                    sys.executable,
                    "-m",
                    "ipykernel_launcher",
                    "-f",
                    "{connection_file}",
                    "--IPKernelApp.log_level=50",
                ],
                display_name="Python 3",
                language="python",
                metadata={"supported_encryption": "curve"},
                # debugpy warns of frozen modules in every kernel's first output
                env={"PLOTLY_RENDERER": "plotly_mimetype", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
            )

    return InterpreterKernel


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    return notebook


def _without_error_marks(notebook: NotebookNode) -> NotebookNode:
    """papermill adds cells that point at the failing one; the stored notebook has only the author's."""
    notebook.cells = [
        cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    return notebook
